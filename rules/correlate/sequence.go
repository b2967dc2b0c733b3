package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/rules"
	"vigil/schema"
)

// settle is how long after its window an absence counts: what is on its way by then
// has time to come. What comes later takes the detection back.
const settle = time.Minute

// link is the last event of a chain of events that meets the steps up to some state.
type link struct {
	event  schema.Detection
	before *link
	start  time.Time // of the chain's first event
}

// members lists the chain in time order.
func (l *link) members() []schema.Detection {
	var out []schema.Detection
	for ; l != nil; l = l.before {
		out = append(out, l.event)
	}
	slices.Reverse(out)
	return out
}

// state is one event that a sequence waits for. A step that must happen five times is
// five states.
type state struct {
	step   int
	absent int // the step that must not happen while this state waits, -1 for none
}

// states unrolls the steps; last is the absence behind the final one, -1 for none.
func states(s *rules.Steps) (out []state, last int) {
	last = -1
	for i, step := range s.Steps {
		if step.Absent {
			last = i
			continue
		}
		for n := range step.Count {
			x := state{i, -1}
			if n == 0 {
				x.absent = last
			}
			out = append(out, x)
		}
		last = -1
	}
	return out, last
}

// sequence looks for the steps in order. Of the chains that have come equally far only
// the one that started last is kept: it is within the time whenever another is.
// In each bucket, the first event that completes a chain fires.
func (j *judge) sequence(key string, group []schema.Detection) {
	s := j.rule.Order
	all, absent := states(s)
	at := make([]*link, len(all)) // at[i] has met the states up to i
	first := firsts{width: s.Within}
	for i, d := range group {
		done := j.advance(all, at, d)
		if done == nil || absent >= 0 && !j.stayedAway(group[i+1:], done, absent) || !first.take(d.Time) {
			continue
		}
		j.fire(rules.Sequence, key, done.members(), j.whySequence("in order"))
	}
}

// advance moves the chains on by one event and returns a chain that it completes.
func (j *judge) advance(all []state, at []*link, d schema.Detection) (done *link) {
	within := j.rule.Order.Within
	for i := len(all) - 1; i >= 0; i-- {
		var next *link
		if slices.Contains(d.Steps, all[i].step) {
			switch {
			case i == 0:
				next = &link{event: d, start: d.Time}
			case at[i-1] != nil && d.Time.Sub(at[i-1].start) < within:
				next = &link{event: d, before: at[i-1], start: at[i-1].start}
			}
		}
		if i+1 < len(all) && all[i+1].absent >= 0 && slices.Contains(d.Steps, all[i+1].absent) {
			at[i] = nil // what must not happen did, while chains waited here
		}
		if i == len(all)-1 {
			done = next
		} else if next != nil && (at[i] == nil || !next.start.Before(at[i].start)) {
			at[i] = next
		}
	}
	return done
}

// stayedAway says whether the step did not happen from the end of the chain to the end
// of its window, and the window is over.
func (j *judge) stayedAway(rest []schema.Detection, done *link, step int) bool {
	end := done.start.Add(j.rule.Order.Within)
	for _, d := range rest {
		if !d.Time.Before(end) {
			break
		}
		if slices.Contains(d.Steps, step) {
			return false
		}
	}
	if due := end.Add(settle); due.After(j.now) {
		if due.After(j.open) {
			j.open = due
		}
		return false
	}
	return true
}

// together looks for all steps within the time, in any order; one event may be several
// of them.
func (j *judge) together(key string, group []schema.Detection) {
	s := j.rule.Order
	have := make([]int, len(s.Steps))
	first, from := firsts{width: s.Within}, 0
	for i, d := range group {
		for _, n := range d.Steps {
			have[n]++
		}
		for d.Time.Sub(group[from].Time) >= s.Within {
			for _, n := range group[from].Steps {
				have[n]--
			}
			from++
		}
		if !complete(s, have) || !first.take(d.Time) {
			continue
		}
		j.fire(rules.Sequence, key, group[from:i+1], j.whySequence("in any order"))
	}
}

func complete(s *rules.Steps, have []int) bool {
	for i, step := range s.Steps {
		if have[i] < step.Count {
			return false
		}
	}
	return true
}

func (j *judge) whySequence(how string) schema.Why {
	s := j.rule.Order
	var steps []string
	for _, x := range s.Steps {
		switch {
		case x.Absent:
			steps = append(steps, "no "+x.When)
		case x.Count > 1:
			steps = append(steps, fmt.Sprintf("%d × %s", x.Count, x.When))
		default:
			steps = append(steps, x.When)
		}
	}
	return schema.Why{Part: "sequence", Expr: fmt.Sprintf("%s; %s within %s by %s", strings.Join(steps, ", then "), how, s.Within, strings.Join(s.By, ", ")), Values: map[string]string{}}
}
