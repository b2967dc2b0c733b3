package ml

import (
	"math"
	"math/rand/v2"
)

// forest is an isolation forest (Liu, Ting, Zhou 2008): rows that random splits
// isolate after few steps are unlike the others. It is immutable once made and safe
// for concurrent use.
type forest struct {
	features int
	sub      int // rows a tree is built from
	depth    int // steps from the root that reach every leaf
	norm     float64
	trees    [][]node
	sizes    [][]uint16 // rows that reached a node, as the tree was built
}

// node is 8 bytes, so that a tree of 256 rows is 4 kB. A leaf points at itself and asks
// for the feature behind the last one, which is always minus infinity: a descent of
// fixed length ends in it without a branch that the processor would have to guess.
// In a leaf, split is the length of the path that ends there.
type node struct {
	split float32 // go right when the feature is above it
	feat  uint16
	left  uint16 // the right child is the next one
}

const (
	maxSubsample = 4096 // node indices are 16 bits
	maxTrees     = 1024
	// streams is the base of the random streams: tree t draws from streams + t.
	// It is part of the model format.
	streams = 0x9e3779b97f4a7c15
)

// meanPath is c(n) of the paper: the mean path length of an unsuccessful search in a
// binary tree of n rows, from exact harmonic numbers.
func meanPath(n int) float64 {
	if n <= 1 {
		return 0
	}
	var h float64
	for i := 1; i < n; i++ {
		h += 1 / float64(i)
	}
	return float64(2*h) - float64(2*float64(n-1))/float64(n)
}

// depthLimit is the height at which a tree of n rows stops growing.
func depthLimit(n int) int {
	d := 1
	for 1<<d < n {
		d++
	}
	return d
}

// matrix is rows of features, one after the other.
type matrix struct {
	cols int
	v    []float32
}

func (m matrix) rows() int           { return len(m.v) / m.cols }
func (m matrix) row(i int) []float32 { return m.v[i*m.cols : (i+1)*m.cols] }

func newForest(features, sub int) *forest {
	return &forest{features: features, sub: sub, depth: depthLimit(sub), norm: meanPath(sub)}
}

// growForest builds a forest that depends on nothing but the rows, their order, the
// parameters and the seed. stop is asked before each tree; its error ends the work.
func growForest(m matrix, trees, sub int, seed uint64, stop func() error) (*forest, error) {
	f := newForest(m.cols, min(sub, m.rows(), maxSubsample))
	order := make([]int32, m.rows())
	for t := range trees {
		if err := stop(); err != nil {
			return nil, err
		}
		for i := range order {
			order[i] = int32(i)
		}
		g := &grower{m: m, rng: rand.New(rand.NewPCG(seed, streams+uint64(t))), limit: f.depth}
		for i := range f.sub {
			k := i + g.rng.IntN(len(order)-i)
			order[i], order[k] = order[k], order[i]
		}
		g.grow(order[:f.sub])
		f.trees, f.sizes = append(f.trees, g.nodes), append(f.sizes, g.sizes)
	}
	return f, nil
}

// grower builds one tree.
type grower struct {
	m     matrix
	rng   *rand.Rand
	limit int
	nodes []node
	sizes []uint16
	feats []uint16
}

func (g *grower) grow(rows []int32) {
	g.feats = make([]uint16, g.m.cols)
	g.nodes, g.sizes = make([]node, 1, 2*len(rows)), make([]uint16, 1, 2*len(rows))
	g.split(0, rows, 0)
}

// split makes node i of the rows: a leaf, or a split with two children side by side.
func (g *grower) split(i uint16, rows []int32, depth int) {
	g.sizes[i] = uint16(len(rows))
	if depth >= g.limit || len(rows) <= 1 {
		g.nodes[i] = leafNode(i, g.m.cols, depth, len(rows))
		return
	}
	feat, low, high, ok := g.choose(rows)
	if !ok {
		g.nodes[i] = leafNode(i, g.m.cols, depth, len(rows))
		return
	}
	// The conversions keep other processors from fusing the operations.
	at := float32(float64(low) + float64(g.rng.Float64()*(float64(high)-float64(low))))
	if at >= high || at < low {
		at = low // rounding: something must stay on each side
	}
	n := g.part(rows, feat, at)
	left := uint16(len(g.nodes))
	g.nodes, g.sizes = append(g.nodes, node{}, node{}), append(g.sizes, 0, 0)
	g.nodes[i] = node{split: at, feat: feat, left: left}
	g.split(left, rows[:n], depth+1)
	g.split(left+1, rows[n:], depth+1)
}

func leafNode(i uint16, features, depth, rows int) node {
	return node{split: float32(float64(depth) + meanPath(rows)), feat: uint16(features), left: i}
}

// choose draws a feature in which the rows differ, and its range.
func (g *grower) choose(rows []int32) (feat uint16, low, high float32, ok bool) {
	for i := range g.feats {
		g.feats[i] = uint16(i)
	}
	for i := range g.feats {
		k := i + g.rng.IntN(len(g.feats)-i)
		g.feats[i], g.feats[k] = g.feats[k], g.feats[i]
		feat = g.feats[i]
		low, high = float32(math.Inf(1)), float32(math.Inf(-1))
		for _, r := range rows {
			v := g.m.v[int(r)*g.m.cols+int(feat)]
			low, high = min(low, v), max(high, v)
		}
		if high > low {
			return feat, low, high, true
		}
	}
	return 0, 0, 0, false
}

// part moves the rows that go left to the front and returns how many they are.
func (g *grower) part(rows []int32, feat uint16, at float32) int {
	a, b := 0, len(rows)
	for a < b {
		if g.m.v[int(rows[a])*g.m.cols+int(feat)] <= at {
			a++
		} else {
			b--
			rows[a], rows[b] = rows[b], rows[a]
		}
	}
	return a
}

// score is the anomaly score of a vector, in (0, 1): above 0.5 the row is isolated
// sooner than the average one. x has one place more than there are features, which is
// minus infinity.
func (f *forest) score(x []float32) float64 {
	var sum float64
	t := 0
	for ; t+4 <= len(f.trees); t += 4 { // four descents at once hide the memory's latency
		a, b, c, d := f.trees[t], f.trees[t+1], f.trees[t+2], f.trees[t+3]
		var i, j, k, l uint16
		for range f.depth {
			i, j, k, l = step(a, i, x), step(b, j, x), step(c, k, x), step(d, l, x)
		}
		sum += float64(a[i].split) + float64(b[j].split) + float64(c[k].split) + float64(d[l].split)
	}
	for ; t < len(f.trees); t++ {
		var i uint16
		for range f.depth {
			i = step(f.trees[t], i, x)
		}
		sum += float64(f.trees[t][i].split)
	}
	return math.Exp2(-sum / float64(len(f.trees)) / f.norm)
}

// step goes from node i to its child, or stays in a leaf.
func step(tree []node, i uint16, x []float32) uint16 {
	n := tree[i]
	var right uint16
	if x[n.feat] > n.split {
		right = 1
	}
	return n.left + right
}

// gains adds up, per feature, by how many steps its splits shortened the path that
// was to be expected, as a mean over the trees.
func (f *forest) gains(x []float32) []float64 {
	out := make([]float64, f.features)
	for t, tree := range f.trees {
		for i := uint16(0); tree[i].left != i; {
			next := step(tree, i, x)
			out[tree[i].feat] += meanPath(int(f.sizes[t][i])) - 1 - meanPath(int(f.sizes[t][next]))
			i = next
		}
	}
	for i := range out {
		out[i] /= float64(len(f.trees))
	}
	return out
}
