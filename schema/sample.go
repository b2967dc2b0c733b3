package schema

import (
	"slices"
	"strings"
	"time"
)

// Sample is a few records of one attack, kept so that the rules in force can be tried on
// them again and again.
type Sample struct {
	Org     string    `json:"org"`
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Attack  []string  `json:"attack"`  // the techniques that must be found
	Records []string  `json:"records"` // as they arrived
	BuiltIn bool      `json:"built_in,omitempty"`
	By      string    `json:"by,omitempty"` // who kept it
	Time    time.Time `json:"time,omitzero"`
	Deleted bool      `json:"deleted,omitempty"`
	Version uint64    `json:"version"`
}

// SampleResult is how the newest test of a sample went.
type SampleResult struct {
	Org     string    `json:"org"`
	Sample  string    `json:"sample"`
	Title   string    `json:"title"`
	Attack  []string  `json:"attack"` // techniques of the sample
	Found   []string  `json:"found"`  // those of them that an alert names
	Rules   []string  `json:"rules"`  // that raised these alerts
	Other   []string  `json:"other"`  // rules that raised alerts of other techniques
	Hidden  []string  `json:"hidden"` // rules that an exception keeps quiet
	RuleSet string    `json:"rule_set"`
	Error   string    `json:"error,omitempty"` // why the sample could not be tried
	Time    time.Time `json:"time"`
	Passed  time.Time `json:"passed,omitzero"` // newest test in which every technique was found
	Version uint64    `json:"version"`
}

// OK says whether the newest test found every technique of the sample.
func (r SampleResult) OK() bool { return r.Error == "" && len(r.Found) == len(r.Attack) }

// ProofState says what continuous tests say of a technique.
type ProofState string

// The states of a technique's proof.
const (
	ProofGreen ProofState = "green" // a rule fired on a sample of it, in the newest test and lately
	ProofRed   ProofState = "red"   // no rule fires on any sample of it
	ProofStale ProofState = "stale" // it was green, but the newest test is too long ago
)

// TechniqueProof is what continuous tests say of one technique.
type TechniqueProof struct {
	State  ProofState `json:"state"`
	Sample string     `json:"sample"` // that decides
	Rules  []string   `json:"rules,omitempty"`
	Time   time.Time  `json:"time"`
}

// Proofs says of each technique that samples are about where it stands at a time: green
// only when its rule fired in the newest test of a sample, at most within ago. A
// sub-technique proves its technique, too.
func Proofs(results []SampleResult, at time.Time, within time.Duration) map[string]TechniqueProof {
	out := map[string]TechniqueProof{}
	for _, r := range results {
		for _, t := range r.Attack {
			p := TechniqueProof{State: ProofRed, Sample: r.Sample, Time: r.Time}
			if slices.Contains(r.Found, t) {
				if p.State, p.Rules = ProofGreen, r.Rules; at.Sub(r.Time) > within {
					p.State = ProofStale
				}
			}
			parent, _, _ := strings.Cut(t, ".")
			for _, id := range []string{t, parent} {
				if old, ok := out[id]; !ok || better(p, old) {
					out[id] = p
				}
			}
		}
	}
	return out
}

// better says whether one proof counts more than another: the better state, then the newer.
func better(a, b TechniqueProof) bool {
	order := []ProofState{ProofGreen, ProofStale, ProofRed}
	x, y := slices.Index(order, a.State), slices.Index(order, b.State)
	return x < y || x == y && a.Time.After(b.Time)
}

// WithProofs returns the rows of a matrix with what continuous tests say of each.
func WithProofs(rows []TechniqueCoverage, proofs map[string]TechniqueProof) []TechniqueCoverage {
	out := slices.Clone(rows)
	for i := range out {
		if p, ok := proofs[out[i].ID]; ok {
			out[i].Proof = &p
		}
	}
	return out
}
