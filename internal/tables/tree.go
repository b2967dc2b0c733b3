package tables

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// tree is the search tree of a MaxMind DB, read only to see that it is one. A file whose
// branches meet again or lead back would keep who walks it busy for ever.
type tree struct {
	body   []byte
	nodes  uint64
	record int      // bits
	leaves []uint64 // below each node; 0: not counted yet
	open   []bool   // on the path from the root
}

// maxDepth is the bits of an address.
const maxDepth = 128

// checkTree says why a walk over the tree would not end soon.
func checkTree(body []byte, nodes uint, record uint) error {
	t := &tree{body: body, nodes: uint64(nodes), record: int(record)}
	if record != 24 && record != 28 && record != 32 {
		return fmt.Errorf("records of %d bits", record)
	}
	if size := uint64(record) / 4; nodes == 0 || t.nodes > uint64(len(body))/size {
		return fmt.Errorf("a tree of %d nodes does not fit into the file", nodes)
	}
	t.leaves, t.open = make([]uint64, nodes), make([]bool, nodes)
	all, err := t.count(0, 0)
	if err != nil {
		return err
	}
	// The networks of IPv4 may be reached from several places of IPv6; nothing else may.
	if all > 8*t.nodes+1024 {
		return errors.New("the branches of its tree meet again")
	}
	return nil
}

// count is how many ends lie below a node.
func (t *tree) count(node uint64, depth int) (uint64, error) {
	switch {
	case node >= t.nodes:
		return 1, nil
	case t.open[node] || depth > maxDepth:
		return 0, errors.New("a branch of its tree leads back")
	case t.leaves[node] != 0:
		return t.leaves[node], nil
	}
	t.open[node] = true
	left, right := t.children(node)
	l, err := t.count(left, depth+1)
	if err != nil {
		return 0, err
	}
	r, err := t.count(right, depth+1)
	if err != nil {
		return 0, err
	}
	t.open[node] = false
	t.leaves[node] = min(l+r, 1<<62)
	return t.leaves[node], nil
}

// children reads the two records of a node.
func (t *tree) children(node uint64) (left, right uint64) {
	size := t.record / 4
	b := t.body[int(node)*size:][:size]
	switch t.record {
	case 24:
		return uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2]), uint64(b[3])<<16 | uint64(b[4])<<8 | uint64(b[5])
	case 28:
		return uint64(b[3]>>4)<<24 | uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2]), uint64(b[3]&15)<<24 | uint64(b[4])<<16 | uint64(b[5])<<8 | uint64(b[6])
	default:
		return uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))
	}
}
