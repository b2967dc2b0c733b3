package ml

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"vigil/schema"
)

// Limits are what a model must show to be put in force.
type Limits struct {
	MinRows      int     // rows to train on and to hold out, together
	VolumeFactor float64 // share of held-out events above the threshold, against the budget
	MinRecall    float64 // share of the injected attacks that score above the threshold
	RecallLoss   float64 // how much lower than the champion's the recall may be
	KeptRecall   float64 // least recall of an attack that the champion finds nearly always
	MinRank      float64 // rank correlation with the champion on held-out events
}

// Candidate is a model that wants to be put in force, and what it must stand up to.
type Candidate struct {
	ID         string
	Model      *Model
	RolledBack bool // a person has taken this very model out of force
	ChampionID string
	Champion   *Model // nil when there is none
}

// Evaluate measures a model on the events of a sealed data set that it was not trained on
// and on the attacks injected into them, beside the champion if there is one, and holds
// the result against the detector's limits. perDay is as in [Train].
func Evaluate(c Candidate, s *Dataset, perDay float64) Verdict {
	_, test := s.split()
	d := c.Model.Detector
	e := &evaluation{Candidate: c, d: d, rows: s.Rows(), share: d.share(perDay), metrics: map[string]float64{}}
	e.own = c.Model.measure(test)
	if c.Champion != nil {
		other := c.Champion.measure(test)
		e.other = &other
		e.rank = spearman(e.own.scores, other.scores)
	}
	return e.verdict()
}

// measured is how a model does on held-out events.
type measured struct {
	scores []float64
	above  int       // held-out events at or above the threshold
	recall []float64 // by simulator
	mean   float64
}

func (m *Model) measure(test []sample) measured {
	cols := len(m.Detector.Features)
	r := measured{scores: m.scoreAll(m.encoder.matrix(test, cols))}
	for _, s := range r.scores {
		if s >= m.Threshold {
			r.above++
		}
	}
	for i := range m.Detector.Simulators {
		attacks := make([]sample, len(test))
		for k, t := range test {
			attacks[k].cells = t.injected[i]
		}
		hits := 0
		for _, s := range m.scoreAll(m.encoder.matrix(attacks, cols)) {
			if s >= m.Threshold {
				hits++
			}
		}
		r.recall = append(r.recall, float64(hits)/float64(max(len(test), 1)))
	}
	for _, v := range r.recall {
		r.mean += v / float64(len(r.recall))
	}
	return r
}

// Verdict is the outcome of an evaluation: every check, and what they come to.
type Verdict struct {
	Pass    bool
	Why     string // a sentence for people
	Checks  []schema.Check
	Metrics map[string]float64
}

// evaluation is what the checks look at.
type evaluation struct {
	Candidate
	d       *Detector
	rows    int
	share   float64
	own     measured
	other   *measured // the champion's
	rank    float64
	metrics map[string]float64
}

// check is one row of the gate: what is measured, the limit, and on which side of it a
// model passes.
type check struct {
	name    string
	atMost  bool // pass when measured ≤ limit; else measured ≥ limit
	vs      bool // only when there is a champion
	measure func(e *evaluation) (measured, limit float64)
	text    string // what it means when it fails
}

// checks is the table of the gate.
func checks() []check {
	return []check{
		{name: "rows", measure: func(e *evaluation) (float64, float64) { return float64(e.rows), float64(e.d.Gate.MinRows) }, text: "there is too little data"},
		{name: "alert-volume", atMost: true, measure: func(e *evaluation) (float64, float64) {
			return float64(e.own.above), mostOf(e.share*e.d.Gate.VolumeFactor, len(e.own.scores))
		}, text: "more events than the budget allows would alert: the newest events are unlike those before them"},
		{name: "injected-recall", measure: func(e *evaluation) (float64, float64) { return e.own.mean, e.d.Gate.MinRecall }, text: "too few of the injected attacks stand out"},
		{name: "recall-vs-champion", vs: true, measure: func(e *evaluation) (float64, float64) { return e.own.mean, e.other.mean - e.d.Gate.RecallLoss }, text: "the champion finds more of the injected attacks"},
		{name: "no-attack-lost", vs: true, measure: func(e *evaluation) (float64, float64) { return e.kept(), e.d.Gate.KeptRecall }, text: "a kind of attack that the champion finds does not stand out any more"},
		{name: "rank-stability", vs: true, measure: func(e *evaluation) (float64, float64) { return e.rank, e.d.Gate.MinRank }, text: "it orders events quite unlike the champion"},
		{name: "changed", vs: true, measure: func(e *evaluation) (float64, float64) { return number(e.ID != e.ChampionID), 1 }, text: "the same data gave the champion again"},
		{name: "not-rolled-back", measure: func(e *evaluation) (float64, float64) { return number(!e.RolledBack), 1 }, text: "this very model was rolled back; other data will give another one"},
	}
}

// nearlyAlways is the recall from which on the champion is said to find an attack.
const nearlyAlways = 0.9

// kept is the lowest recall among the attacks that the champion finds, 1 when it finds none.
func (e *evaluation) kept() float64 {
	least := 1.0
	for i, r := range e.other.recall {
		if r >= nearlyAlways {
			least = min(least, e.own.recall[i])
		}
	}
	return least
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// mostOf is how many of n events may be above the threshold when a share of them is
// expected to be: the mean, and three standard deviations of chance.
func mostOf(share float64, n int) float64 {
	mean := share * float64(n)
	return math.Floor(mean + 3*math.Sqrt(mean) + 1)
}

func (e *evaluation) verdict() Verdict {
	v := Verdict{Pass: true, Metrics: e.metrics}
	var failed []string
	for _, c := range checks() {
		if c.vs && e.other == nil {
			continue
		}
		got, limit := c.measure(e)
		pass := got >= limit
		if c.atMost {
			pass = got <= limit
		}
		v.Checks = append(v.Checks, schema.Check{Name: c.name, Measured: got, Limit: limit, AtMost: c.atMost, Pass: pass})
		if !pass {
			v.Pass = false
			failed = append(failed, fmt.Sprintf("%s (%s %.4g, limit %.4g)", c.text, c.name, got, limit))
		}
	}
	v.Why = "all checks of the gate passed"
	if !v.Pass {
		v.Why = strings.Join(failed, "; ")
	}
	e.fill()
	return v
}

func (e *evaluation) fill() {
	e.metrics["threshold"] = e.Model.Threshold
	e.metrics["budget_share"] = e.share
	e.metrics["held_out"] = float64(len(e.own.scores))
	e.metrics["above_threshold"] = float64(e.own.above)
	e.metrics["recall"] = e.own.mean
	for i, s := range e.d.Simulators {
		e.metrics["recall_"+s.Name] = e.own.recall[i]
	}
	if e.other != nil {
		e.metrics["champion_recall"] = e.other.mean
		e.metrics["rank"] = e.rank
	}
}

// TooFew is the verdict on a data set that is not worth training on.
func (d *Detector) TooFew(rows int) (Verdict, bool) {
	if rows >= d.Gate.MinRows {
		return Verdict{}, false
	}
	return Verdict{Why: fmt.Sprintf("there is too little data (rows %d, limit %d)", rows, d.Gate.MinRows), Metrics: map[string]float64{},
		Checks: []schema.Check{{Name: "rows", Measured: float64(rows), Limit: float64(d.Gate.MinRows)}}}, true
}

// spearman is the rank correlation of two lists of numbers, ties at their mean rank; 0
// when one of them is constant.
func spearman(a, b []float64) float64 {
	x, y := ranks(a), ranks(b)
	mean := float64(len(x)-1) / 2
	var xy, xx, yy float64
	for i := range x {
		dx, dy := x[i]-mean, y[i]-mean
		xy, xx, yy = xy+dx*dy, xx+dx*dx, yy+dy*dy
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

func ranks(v []float64) []float64 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, k int) int {
		switch {
		case v[i] < v[k]:
			return -1
		case v[i] > v[k]:
			return 1
		}
		return i - k
	})
	out := make([]float64, len(v))
	for i := 0; i < len(order); {
		k := i + 1
		for k < len(order) && v[order[k]] == v[order[i]] {
			k++
		}
		for _, o := range order[i:k] {
			out[o] = float64(i+k-1) / 2
		}
		i = k
	}
	return out
}
