package ml

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"vigil/schema"
)

// Model is a trained version of a detector. It is immutable and safe for concurrent
// use; each goroutine scores with a [Scorer] of its own.
type Model struct {
	Detector  *Detector
	Threshold float64 // score from which on an event counts as anomalous
	Dataset   string  // hash of the rows it was trained on
	encoder   encoder
	usual     [][2]float32 // per feature, the range of the middle 90 % of the training rows
	forest    *forest
}

// encoder turns what was read of an event into numbers: per feature that is a rarity,
// how rare each value was.
type encoder struct {
	rarity []map[uint64]float32 // nil for measured features
	unseen float32              // rarity of values that training did not see
}

// maxValues bounds the values a rarity feature remembers; rarer ones count as unseen.
const maxValues = 4096

// learn counts how often the rows have each value.
func (d *Detector) learn(rows []sample) encoder {
	n := float64(len(rows))
	enc := encoder{rarity: make([]map[uint64]float32, len(d.Features)), unseen: float32(math.Log2(n + 1))}
	for i, f := range d.Features {
		if f.value == nil {
			continue
		}
		counts := map[uint64]int{}
		for _, r := range rows {
			counts[r.cells[i]]++
		}
		enc.rarity[i] = make(map[uint64]float32, min(len(counts), maxValues))
		for _, v := range mostFrequent(counts) {
			enc.rarity[i][v] = float32(math.Log2((n + 1) / float64(counts[v])))
		}
	}
	return enc
}

// mostFrequent returns the values by falling count, at most maxValues of them.
func mostFrequent(counts map[uint64]int) []uint64 {
	values := make([]uint64, 0, len(counts))
	for v := range counts {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b uint64) int {
		if c := counts[b] - counts[a]; c != 0 {
			return c
		}
		if a < b {
			return -1
		}
		return 1
	})
	return values[:min(len(values), maxValues)]
}

// encode writes the vector of what was read. dst has a place per feature.
func (enc *encoder) encode(cells []cell, dst []float32) {
	for i, c := range cells {
		m := enc.rarity[i]
		if m == nil {
			dst[i] = math.Float32frombits(uint32(c))
			continue
		}
		v, ok := m[c]
		if !ok {
			v = enc.unseen
		}
		dst[i] = v
	}
}

func (enc *encoder) matrix(rows []sample, cols int) matrix {
	m := matrix{cols, make([]float32, len(rows)*cols)}
	for i, r := range rows {
		enc.encode(r.cells, m.row(i))
	}
	return m
}

// Train makes a model of the part of a sealed data set that is not held out. perDay is how
// many events a day there are, which decides where the threshold spends the
// detector's budget. stop is asked before each tree; its error ends the work.
func Train(s *Dataset, datasetHash string, perDay float64, stop func() error) (*Model, error) {
	d := s.d
	rows, _ := s.split()
	if len(rows) < 2 {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("%d rows are too few to train on", len(rows)), "ingest more, or widen the window")
	}
	m := &Model{Detector: d, Dataset: datasetHash, encoder: d.learn(rows)}
	x := m.encoder.matrix(rows, len(d.Features))
	var err error
	m.forest, err = growForest(d.withStrangers(x, d.seed(datasetHash)), d.Params.Trees, d.Params.Subsample, d.seed(datasetHash), stop)
	if err != nil {
		return nil, err
	}
	m.usual = usual(x)
	scores := m.scoreAll(x)
	m.Threshold = threshold(scores, d.share(perDay))
	return m, nil
}

// strangers are made of random training rows: each feature is with a chance of a half put
// beyond what training saw, by up to so many powers of two, mostly upwards.
const (
	strangerChance = 0.5
	strangerReach  = 4
	strangerBelow  = 0.25
)

// withStrangers adds made-up rows to those a forest is grown of. Splits lie within the
// range of the rows, so a plain isolation forest cannot tell a value far outside it from the
// largest one inside, and never looks at a feature that is constant in training: on a
// quiet network the worst of attacks would score like a large but honest transfer. A few
// rows out there make the trees split towards the outside.
func (d *Detector) withStrangers(x matrix, seed uint64) matrix {
	low, high := slices.Clone(x.row(0)), slices.Clone(x.row(0))
	for i := range x.rows() {
		for f, v := range x.row(i) {
			low[f], high[f] = min(low[f], v), max(high[f], v)
		}
	}
	rng := rand.New(rand.NewPCG(seed, streams-1))
	out := matrix{x.cols, slices.Clone(x.v)}
	for range int(d.Params.Strangers * float64(x.rows())) {
		row := slices.Clone(x.row(rng.IntN(x.rows())))
		for f := range row {
			if rng.Float64() >= strangerChance {
				continue
			}
			beyond := float32(rng.Float64() * strangerReach)
			if d.Features[f].unit != asRarity && rng.Float64() < strangerBelow {
				row[f] = low[f] - beyond
			} else {
				row[f] = high[f] + beyond
			}
		}
		out.v = append(out.v, row...)
	}
	return out
}

// seed derives the random seed from everything a training depends on.
func (d *Detector) seed(dataset string) uint64 {
	sum := sha256.Sum256([]byte(d.signature() + dataset))
	return binary.BigEndian.Uint64(sum[:8])
}

// signature names the detector's features and parameters; a model of another
// signature cannot be used.
func (d *Detector) signature() string {
	return schema.HashID(append([]string{"detector", d.ID, fmt.Sprint(d.Params)}, d.FeatureNames()...)...)
}

// share is the part of the events that may score above the threshold.
func (d *Detector) share(perDay float64) float64 {
	return min(max(d.Params.Budget/max(perDay, 1), d.Params.MinShare), d.Params.MaxShare)
}

// threshold is the lowest score that at most the given share of the scores reach.
// Equal scores stand or fall together.
func threshold(scores []float64, share float64) float64 {
	sorted := slices.Clone(scores)
	slices.Sort(sorted)
	n := len(sorted)
	i := n - int(float64(n)*share)
	if i >= n {
		return math.Nextafter(sorted[n-1], 2)
	}
	for i > 0 && i < n && sorted[i] == sorted[i-1] {
		i++ // the share cuts through equal scores: go above them
	}
	if i >= n {
		return math.Nextafter(sorted[n-1], 2)
	}
	return sorted[i]
}

func usual(x matrix) [][2]float32 {
	out := make([][2]float32, x.cols)
	col := make([]float32, x.rows())
	for f := range out {
		for i := range col {
			col[i] = x.v[i*x.cols+f]
		}
		slices.Sort(col)
		out[f] = [2]float32{col[len(col)*5/100], col[(len(col)-1)*95/100]}
	}
	return out
}

func (m *Model) scoreAll(x matrix) []float64 {
	out := make([]float64, x.rows())
	var v [maxFeatures + 1]float32
	for i := range out {
		copy(v[:], x.row(i))
		v[x.cols] = endMark
		out[i] = m.forest.score(v[:])
	}
	return out
}

var endMark = float32(math.Inf(-1))

// Scorer scores events with a model. It holds buffers: one goroutine each.
type Scorer struct {
	m     *Model
	cells [maxFeatures]cell
	x     [maxFeatures + 1]float32
}

// Scorer returns a new scorer.
func (m *Model) Scorer() *Scorer { return &Scorer{m: m} }

// Score scores an event of the detector's data set: a number in (0, 1). It allocates nothing.
func (s *Scorer) Score(e *schema.Event) float64 {
	d := s.m.Detector
	n := len(d.Features)
	d.read(e, s.cells[:n])
	s.m.encoder.encode(s.cells[:n], s.x[:n])
	s.x[n] = endMark
	return s.m.forest.score(s.x[:])
}

// shownReasons is how many features an explanation names.
const shownReasons = 3

// Explain says in words which features made the event scored last stand out, the
// strongest first: its value and the range of the middle 90 % in training.
func (s *Scorer) Explain() string {
	gains := s.m.forest.gains(s.x[:])
	order := make([]int, len(gains))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case gains[a] > gains[b]:
			return -1
		case gains[a] < gains[b]:
			return 1
		}
		return 0
	})
	var parts []string
	for _, i := range order[:min(shownReasons, len(order))] {
		if gains[i] <= 0 {
			break
		}
		f, u := s.m.Detector.Features[i], s.m.usual[i]
		if f.unit == asRarity {
			u[0], u[1] = u[1], u[0] // the rarer, the smaller the share that is shown
		}
		parts = append(parts, f.Name+" "+f.show(s.x[i])+" (usual "+f.show(u[0])+" to "+f.show(u[1])+")")
	}
	return strings.Join(parts, ", ")
}

// show writes a feature's value for people.
func (f *Feature) show(v float32) string {
	switch f.unit {
	case asBytes:
		return metric(unlog2(v)) + "B"
	case asRate:
		return metric(unlog2(v)) + "B/s"
	case asDuration:
		return strconv.FormatFloat(unlog2(v)/1e6, 'g', 3, 64) + " s"
	case asBalance:
		return strconv.FormatFloat(math.Exp2(float64(v)), 'g', 3, 64) + " times"
	case asRarity:
		return strconv.FormatFloat(100*math.Exp2(-float64(v)), 'g', 2, 64) + " %"
	default:
		return metric(unlog2(v))
	}
}

func metric(v float64) string {
	for _, unit := range []string{" ", " k", " M", " G"} {
		if v < 999.5 {
			return strings.TrimSuffix(strconv.FormatFloat(v, 'g', 3, 64)+unit, " ")
		}
		v /= 1000
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " T"
}
