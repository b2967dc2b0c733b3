// Package tune proposes exceptions for noisy rules, with what each would have done to the
// alerts that people have judged. It is pure: alerts in, proposals out.
package tune

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"vigil/rules"
	"vigil/schema"
)

// Proposal is an exception that would hide alerts which people called false, and its
// effect on the alerts that were looked at. An exception hides an alert when it hides all of
// its detections: only values that all detections of an alert share are counted, so no
// effect is told too large.
type Proposal struct {
	When           string  `json:"when"`            // condition over e
	Removed        int     `json:"removed"`         // alerts
	FalsePositives int     `json:"false_positives"` // of these, called false or benign
	TruePositives  int     `json:"true_positives"`  // of these, called true: lost
	Undecided      int     `json:"undecided"`       // of these, not judged
	Share          float64 `json:"share"`           // of all false positives, 0 to 1
	Precision      float64 `json:"precision"`       // of what stays, by verdicts; -1 without any
}

// Report is what can be said of one rule.
type Report struct {
	Rule           string     `json:"rule"`
	Alerts         int        `json:"alerts"`
	FalsePositives int        `json:"false_positives"`
	TruePositives  int        `json:"true_positives"`
	Precision      float64    `json:"precision"` // by verdicts; -1 without any
	Proposals      []Proposal `json:"proposals" nullable:"false"`
}

// most bounds how many proposals are made.
const most = 10

// term is an entity with a value.
type term struct{ name, value string }

// Propose says which exceptions would remove most false positives of the rule. Those that
// lose a true positive come last, however much they remove.
func Propose(r *rules.Rule, alerts []schema.Alert) Report {
	out := Report{Rule: r.ID, Alerts: len(alerts), Proposals: []Proposal{}}
	for _, a := range alerts {
		out.count(a)
	}
	out.Precision = precision(out.TruePositives, out.FalsePositives)
	seen := map[string]bool{}
	for _, c := range candidates(r, alerts) {
		p, ok := out.proposal(r, c, alerts)
		if ok && !seen[p.When] {
			seen[p.When] = true
			out.Proposals = append(out.Proposals, p)
		}
	}
	slices.SortStableFunc(out.Proposals, func(a, b Proposal) int {
		return cmp.Or(min(a.TruePositives, 1)-min(b.TruePositives, 1), b.FalsePositives-a.FalsePositives, a.TruePositives-b.TruePositives, a.Undecided-b.Undecided, len(a.When)-len(b.When), strings.Compare(a.When, b.When))
	})
	out.Proposals = out.Proposals[:min(len(out.Proposals), most)]
	return out
}

func (r *Report) count(a schema.Alert) {
	switch {
	case a.Verdict == trueVerdict:
		r.TruePositives++
	case a.Verdict != "":
		r.FalsePositives++
	}
}

// trueVerdict is what people call an alert that was right; every other verdict says it was not.
const trueVerdict = "true_positive"

func precision(good, bad int) float64 {
	if good+bad == 0 {
		return -1
	}
	return float64(good) / float64(good+bad)
}

// candidates are single values of false alerts, and pairs of them.
func candidates(r *rules.Rule, alerts []schema.Alert) [][]term {
	var out [][]term
	for _, a := range alerts {
		if a.Verdict == "" || a.Verdict == trueVerdict {
			continue
		}
		var own []term
		for _, e := range r.Entities {
			if v := a.Entities[e.Name]; plain(v) {
				own = append(own, term{e.Name, strings.ToLower(v)})
			}
		}
		for i, x := range own {
			out = append(out, []term{x})
			for _, y := range own[i+1:] {
				out = append(out, []term{x, y})
			}
		}
	}
	return out
}

// plain says whether a value can stand in a condition as it is. A clipped one cannot.
func plain(v string) bool {
	return v != "" && len(v) < 200 && !strings.HasSuffix(v, "…") && !strings.ContainsFunc(v, func(c rune) bool { return !unicode.IsPrint(c) })
}

// proposal works out the effect of one candidate.
func (r *Report) proposal(rule *rules.Rule, terms []term, alerts []schema.Alert) (Proposal, bool) {
	when, ok := condition(rule, terms)
	p := Proposal{When: when}
	if !ok {
		return p, false
	}
	for _, a := range alerts {
		if slices.ContainsFunc(terms, func(t term) bool { return !strings.EqualFold(a.Entities[t.name], t.value) }) {
			continue
		}
		p.Removed++
		switch {
		case a.Verdict == "":
			p.Undecided++
		case a.Verdict == trueVerdict:
			p.TruePositives++
		default:
			p.FalsePositives++
		}
	}
	p.Share = float64(p.FalsePositives) / float64(max(1, r.FalsePositives))
	p.Precision = precision(r.TruePositives-p.TruePositives, r.FalsePositives-p.FalsePositives)
	return p, true
}

// condition writes the terms as a condition over the event; false when that cannot be
// checked: an entity that is no field (of an aggregate rule), or one that holds no text.
func condition(r *rules.Rule, terms []term) (string, bool) {
	var parts []string
	for _, t := range terms {
		i := slices.IndexFunc(r.Entities, func(e rules.Entity) bool { return e.Name == t.name })
		if r.Query != nil || i < 0 {
			return "", false
		}
		text := "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(t.value) + "'"
		parts = append(parts, "e."+r.Entities[i].Field+".ieq("+text+")")
	}
	when := strings.Join(parts, " && ")
	if _, err := rules.NewException("proposal", r.ID, when); err != nil {
		return "", false
	}
	return when, true
}
