package approval

import (
	"slices"
	"time"

	"vigil/schema"
)

// Metrics say how well approvals work.
type Metrics struct {
	Requests    int              `json:"requests"`
	Open        int              `json:"open"`
	Automatic   int              `json:"automatic"`    // performed without asking: by policy, or because their risk is low
	Automated   float64          `json:"automated"`    // share of all actions that ran without a person
	Approved    int              `json:"approved"`     // by people
	Denied      int              `json:"denied"`       //
	Expired     int              `json:"expired"`      //
	Escalated   int              `json:"escalated"`    // requests that reached a later stage
	BreakGlass  int              `json:"break_glass"`  //
	ToReview    int              `json:"to_review"`    // break-glass decisions that wait for their review
	Overturned  int              `json:"overturned"`   // approved ones that were undone by a person, or found unjustified
	OverturnBy  float64          `json:"overturn"`     // share of the approved
	FirstView   Spread           `json:"first_view"`   // request → somebody looked
	Decision    Spread           `json:"decision"`     // request → decided by people
	Approvers   map[string]Tally `json:"approvers"`    // by user
	Stages      map[string]Tally `json:"stages"`       // by stage
	PerPolicy   map[string]int   `json:"per_policy"`   //
	LongestOpen float64          `json:"longest_open"` // seconds
}

// Spread is a distribution of durations in seconds.
type Spread struct {
	Count    int     `json:"count"`
	Median   float64 `json:"median"`
	P95      float64 `json:"p95"`
	Greatest float64 `json:"max"`
}

// Tally is what one approver did, or what happened in one stage.
type Tally struct {
	Approved int     `json:"approved"`
	Denied   int     `json:"denied"`
	Other    int     `json:"other"`
	Median   float64 `json:"median"` // seconds from the request to the decision
}

// Measure computes the metrics of requests. undone says whether a person took the
// action of an approval back; low is how many actions of low risk ran by themselves.
func Measure(all []schema.Approval, undone func(approval string) bool, low int, now time.Time) Metrics {
	m := Metrics{Requests: len(all), Automatic: low, Approvers: map[string]Tally{}, Stages: map[string]Tally{}, PerPolicy: map[string]int{}}
	var views, decisions []float64
	byUser, byStage := map[string][]float64{}, map[string][]float64{}
	for _, a := range all {
		m.PerPolicy[a.Terms.Policy]++
		m.count(a, undone, now)
		if len(a.Views) > 0 {
			views = append(views, a.Views[0].Time.Sub(a.Created).Seconds())
		}
		if len(a.Decisions) > 0 && a.Status != schema.ApprovalPending && a.Status != schema.ApprovalExpired {
			decisions = append(decisions, a.Decided.Sub(a.Created).Seconds())
		}
		for _, d := range a.Decisions {
			took := d.Time.Sub(a.Created).Seconds()
			m.Approvers[d.User] = m.Approvers[d.User].add(d.Verdict)
			byUser[d.User] = append(byUser[d.User], took)
			if d.Stage < len(a.Terms.Stages) {
				s := a.Terms.Stages[d.Stage].Name
				m.Stages[s] = m.Stages[s].add(d.Verdict)
				byStage[s] = append(byStage[s], took)
			}
		}
	}
	medians(m.Approvers, byUser)
	medians(m.Stages, byStage)
	m.FirstView, m.Decision = spread(views), spread(decisions)
	if n := m.Automatic + m.Approved; n > 0 {
		m.Automated = float64(m.Automatic) / float64(n)
	}
	if m.Approved > 0 {
		m.OverturnBy = float64(m.Overturned) / float64(m.Approved)
	}
	return m
}

func (m *Metrics) count(a schema.Approval, undone func(string) bool, now time.Time) {
	auto := Unasked(a.Terms.Mode)
	switch a.Status {
	case schema.ApprovalPending:
		m.Open++
		m.LongestOpen = max(m.LongestOpen, now.Sub(a.Created).Seconds())
	case schema.ApprovalApproved:
		if auto {
			m.Automatic++
		} else {
			m.Approved++
		}
	case schema.ApprovalDenied:
		m.Denied++
	case schema.ApprovalExpired:
		m.Expired++
	}
	if a.Stage > 0 {
		m.Escalated++
	}
	bad := false
	if a.Review != nil {
		m.BreakGlass++
		if a.Review.State == schema.ReviewPending {
			m.ToReview++
		}
		bad = a.Review.State == schema.ReviewUnjustified
	}
	if a.Status == schema.ApprovalApproved && !auto && (bad || undone(a.ID)) {
		m.Overturned++
	}
}

func (t Tally) add(verdict string) Tally {
	switch verdict {
	case "approve", "break-glass":
		t.Approved++
	case "deny":
		t.Denied++
	default:
		t.Other++
	}
	return t
}

func medians(to map[string]Tally, of map[string][]float64) {
	for k, v := range of {
		t := to[k]
		t.Median = spread(v).Median
		to[k] = t
	}
}

func spread(v []float64) Spread {
	if len(v) == 0 {
		return Spread{}
	}
	slices.Sort(v)
	at := func(q float64) float64 { return v[min(len(v)-1, int(q*float64(len(v))))] }
	return Spread{Count: len(v), Median: at(0.5), P95: at(0.95), Greatest: v[len(v)-1]}
}
