package ml

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"vigil/schema"
)

// format heads a serialised model; the last byte is its version.
const format = "VGLIF\x01"

// leafMark stands for a leaf where a feature is expected.
const leafMark = 0xff

// Encode writes the model. The same model gives the same bytes.
func (m *Model) Encode() []byte {
	b := []byte(format)
	for _, s := range []string{m.Detector.ID, m.Detector.signature(), m.Dataset} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(m.Threshold))
	b = appendFloat(b, m.encoder.unseen)
	for i, rarity := range m.encoder.rarity {
		b = appendFloat(appendFloat(b, m.usual[i][0]), m.usual[i][1])
		b = binary.AppendUvarint(b, uint64(len(rarity)))
		for _, v := range slices.Sorted(maps.Keys(rarity)) {
			b = appendFloat(binary.BigEndian.AppendUint64(b, v), rarity[v])
		}
	}
	return m.forest.encode(b)
}

func appendFloat(b []byte, v float32) []byte {
	return binary.BigEndian.AppendUint32(b, math.Float32bits(v))
}

func (f *forest) encode(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(f.sub))
	b = binary.AppendUvarint(b, uint64(len(f.trees)))
	for t := range f.trees {
		b = f.encodeNode(b, t, 0)
	}
	return b
}

// encodeNode writes a node and what is below it, the left side first.
func (f *forest) encodeNode(b []byte, t int, i uint16) []byte {
	n := f.trees[t][i]
	if n.left == i {
		return binary.AppendUvarint(append(b, leafMark), uint64(f.sizes[t][i]))
	}
	b = appendFloat(append(b, byte(n.feat)), n.split)
	return f.encodeNode(f.encodeNode(b, t, n.left), t, n.left+1)
}

// ModelID is the id of a serialised model: a hash of its bytes.
func ModelID(body []byte) string { return schema.HashID("model", string(body)) }

// Decode reads a model. It believes nothing: whatever the bytes are, it returns a
// model that can be used, or an error.
func Decode(body []byte) (*Model, error) {
	r := &reader{b: body}
	m, err := r.model()
	if err != nil {
		return nil, schema.E(schema.Invalid, "the model cannot be read: "+err.Error(), "train it again: temporal workflow start --type Retrain")
	}
	return m, nil
}

// reader reads a body; the first error sticks, and after it everything reads as zero.
type reader struct {
	b   []byte
	err error
}

var errShort = errors.New("it ends too early")

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.err = errShort
	}
	if r.err != nil {
		return make([]byte, min(n, 8)) // n is at most 8 where the bytes are looked at
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// count reads a number that must not be above most.
func (r *reader) count(what string, most int) int {
	v, n := binary.Uvarint(r.b)
	switch {
	case r.err != nil:
		return 0
	case n <= 0:
		r.err = errShort
		return 0
	case v > uint64(most):
		r.fail("%d %s, more than %d", v, what, most)
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *reader) text() string { return string(r.take(r.count("letters", 200))) }

func (r *reader) float() float32 {
	v := math.Float32frombits(binary.BigEndian.Uint32(r.take(4)))
	if v != v || math.IsInf(float64(v), 0) {
		r.fail("a number is not finite")
		return 0
	}
	return v
}

func (r *reader) model() (*Model, error) {
	if string(r.take(len(format))) != format {
		return nil, errors.New("it is no model of a version this program knows")
	}
	m := &Model{}
	var err error
	if m.Detector, err = ByID(r.text()); err != nil {
		return nil, err
	}
	if r.text() != m.Detector.signature() {
		return nil, errors.New("it was trained with other features or parameters than the detector has now")
	}
	m.Dataset = r.text()
	m.Threshold = math.Float64frombits(binary.BigEndian.Uint64(r.take(8)))
	if !(m.Threshold > 0 && m.Threshold <= 1) {
		r.fail("its threshold is %v", m.Threshold)
	}
	r.encoder(m)
	m.forest = r.forest(len(m.Detector.Features))
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	return m, r.err
}

func (r *reader) encoder(m *Model) {
	n := len(m.Detector.Features)
	m.encoder = encoder{unseen: r.float(), rarity: make([]map[uint64]float32, n)}
	m.usual = make([][2]float32, n)
	for i, f := range m.Detector.Features {
		m.usual[i] = [2]float32{r.float(), r.float()}
		values := r.count("values", maxValues)
		if f.value == nil {
			if values > 0 {
				r.fail("feature %s has values", f.Name)
			}
			continue
		}
		m.encoder.rarity[i] = map[uint64]float32{}
		for range values {
			v := binary.BigEndian.Uint64(r.take(8))
			m.encoder.rarity[i][v] = r.float()
			if r.err != nil {
				return
			}
		}
	}
}

func (r *reader) forest(features int) *forest {
	sub := r.count("rows a tree", maxSubsample)
	trees := r.count("trees", maxTrees)
	if r.err == nil && (sub < 2 || trees < 1) {
		r.fail("%d trees of %d rows", trees, sub)
	}
	f := newForest(features, sub)
	for range trees {
		if r.err != nil {
			break
		}
		t := &treeReader{r: r, f: f, nodes: make([]node, 1, 2*sub), sizes: make([]uint16, 1, 2*sub)}
		t.node(0, 0)
		if r.err == nil && int(t.sizes[0]) != sub {
			r.fail("a tree of %d rows, not %d", t.sizes[0], sub)
		}
		f.trees, f.sizes = append(f.trees, t.nodes), append(f.sizes, t.sizes)
	}
	return f
}

// treeReader reads one tree; its height, and so its size, is bounded by the forest's.
type treeReader struct {
	r     *reader
	f     *forest
	nodes []node
	sizes []uint16
}

func (t *treeReader) node(i uint16, depth int) {
	feat := int(t.r.take(1)[0])
	if t.r.err != nil {
		return
	}
	if feat == leafMark {
		rows := t.r.count("rows", t.f.sub)
		t.nodes[i], t.sizes[i] = leafNode(i, t.f.features, depth, rows), uint16(rows)
		return
	}
	if feat >= t.f.features || depth >= t.f.depth {
		t.r.fail("a tree with feature %d at height %d", feat, depth)
		return
	}
	left := uint16(len(t.nodes))
	t.nodes, t.sizes = append(t.nodes, node{}, node{}), append(t.sizes, 0, 0)
	t.nodes[i] = node{split: t.r.float(), feat: uint16(feat), left: left}
	t.node(left, depth+1)
	t.node(left+1, depth+1)
	rows := int(t.sizes[left]) + int(t.sizes[left+1])
	if rows > t.f.sub {
		t.r.fail("a tree of more than %d rows", t.f.sub)
	}
	t.sizes[i] = uint16(rows)
}
