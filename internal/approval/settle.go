package approval

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vigil/schema"
)

func closeAs(a *schema.Approval, status schema.ApprovalStatus, now time.Time) {
	a.Status, a.Decided, a.Claim = status, now.UTC(), nil
}

// Void closes a request whose run ended first.
func Void(a *schema.Approval, now time.Time) {
	if a.Status == schema.ApprovalPending {
		closeAs(a, schema.ApprovalVoid, now)
	}
}

// settle closes the request, or opens its next stage, when the decisions suffice.
func settle(a *schema.Approval, now time.Time) {
	switch {
	case votes(*a, "deny", -1) >= a.Terms.Denials:
		closeAs(a, schema.ApprovalDenied, now)
	case !quorum(*a, a.Stage):
	case a.Terms.EveryStage && a.Stage+1 < len(a.Terms.Stages):
		enter(a, a.Stage+1, now)
		a.Moves = append(a.Moves, schema.ApprovalMove{Kind: "advanced", By: "system", Text: "to stage " + a.Terms.Stages[a.Stage].Name, Time: now.UTC()})
	default:
		closeAs(a, schema.ApprovalApproved, now)
	}
}

// votes counts the decisions of one verdict, of one stage or (-1) of all.
func votes(a schema.Approval, verdict string, stage int) int {
	n := 0
	for _, d := range a.Decisions {
		if d.Verdict == verdict && (stage < 0 || d.Stage == stage) {
			n++
		}
	}
	return n
}

// quorum says whether enough have approved for the stage. Stages that follow each
// other by escalation count what was approved in earlier ones.
func quorum(a schema.Approval, stage int) bool {
	s := stage
	if !a.Terms.EveryStage {
		s = -1
	}
	return votes(a, "approve", s) >= max(1, a.Terms.Stages[stage].Quorum)
}

// Approvals counts the approvals that count towards the current stage.
func Approvals(a schema.Approval) int {
	if a.Terms.EveryStage {
		return votes(a, "approve", a.Stage)
	}
	return votes(a, "approve", -1)
}

func enter(a *schema.Approval, stage int, now time.Time) {
	s := a.Terms.Stages[stage]
	a.Stage, a.Needed = stage, max(1, s.Quorum)
	a.Deadline = now.UTC().Add(time.Duration(s.Minutes) * time.Minute).Truncate(time.Second)
	if a.Deadline.After(a.Expires) && !a.Expires.IsZero() {
		a.Deadline = a.Expires
	}
}

// Tick does what the deadlines that have passed ask for: the next stage is asked, or
// the request expires. Silence never approves. It says whether anything changed.
func Tick(a *schema.Approval, now time.Time) bool {
	changed := false
	for a.Status == schema.ApprovalPending && !now.Before(a.Deadline) {
		changed = true
		// An old stage's deadline, not the time at which it was noticed, starts the next:
		// a worker that was down must not give anybody more time.
		at := a.Deadline
		if a.Terms.OnTimeout != TimeoutEscalate || a.Terms.EveryStage || a.Stage+1 >= len(a.Terms.Stages) {
			closeAs(a, schema.ApprovalExpired, now)
			break
		}
		enter(a, a.Stage+1, at)
		a.Moves = append(a.Moves, schema.ApprovalMove{Kind: "escalated", By: "system", Text: "to stage " + a.Terms.Stages[a.Stage].Name, Time: at})
		settle(a, at) // a later stage may need fewer
	}
	return changed
}

// Open makes a request of what is asked and the terms of its policy.
func Open(a schema.Approval, p Payload, now time.Time) schema.Approval {
	a.Created = now.UTC()
	var whole time.Duration
	needed := 0
	for i, s := range a.Terms.Stages {
		if a.Terms.OnTimeout == TimeoutEscalate || a.Terms.EveryStage || i == 0 {
			whole += time.Duration(s.Minutes) * time.Minute
		}
		if a.Terms.EveryStage || i == 0 {
			needed += max(1, s.Quorum)
		}
	}
	a.Expires = a.Created.Add(whole).Truncate(time.Second)
	a.Status = schema.ApprovalPending
	if Unasked(a.Terms.Mode) {
		a.Deadline, a.Decided, a.Status, needed = a.Created, a.Created, schema.ApprovalApproved, 0
		a.Expires = a.Created.Add(24 * time.Hour).Truncate(time.Second)
	} else {
		enter(&a, 0, now)
	}
	p.Terms = termsHash(a)
	p.Policy, p.Needed, p.Expires = a.Terms.Policy+"@"+a.Terms.Version, needed, a.Expires.Format(time.RFC3339)
	a.Payload, a.Binding = p.Canonical()
	a.IfSilent = ifSilent(a)
	return a
}

func ifSilent(a schema.Approval) string {
	last := fmt.Sprintf("Denied at %s.", a.Expires.Format(time.RFC3339))
	if s := a.Terms.Smaller; a.Terms.OnTimeout == TimeoutSmaller && s != nil {
		last = fmt.Sprintf("Not performed; at %s the smaller action %s is, which needs nobody.", a.Expires.Format(time.RFC3339), s.Action)
	}
	if n := len(a.Terms.Stages); a.Terms.OnTimeout == TimeoutEscalate && n > 1 {
		return fmt.Sprintf("At %s %s are asked too. %s", a.Deadline.Format(time.RFC3339), a.Terms.Stages[min(a.Stage+1, n-1)].Name, last)
	}
	return last
}

// Holds says whether a stored approval is what it claims to be: approved, by enough
// different people who may, about this very payload. verify checks one decision's
// proof, with the passkey's signature where [StepsUp] says so. Approvals that need nobody hold when again agrees, which asks the policies.
func Holds(a schema.Approval, verify func(schema.Decision) error, again func(schema.ApprovalFacts) Mode) error {
	if a.Status != schema.ApprovalApproved {
		return schema.E(schema.Denied, fmt.Sprintf("approval %s is %s", a.ID, a.Status), "")
	}
	if Binding(a.Payload) != a.Binding {
		return schema.E(schema.Denied, "what was approved is not what is stored: the binding hash differs", "look into the audit trail: somebody changed the approval")
	}
	var p Payload
	if err := json.Unmarshal([]byte(a.Payload), &p); err != nil || p.Terms != termsHash(a) || p.Requester != a.Requester {
		return schema.E(schema.Denied, "the terms of approval "+a.ID+" are not those that were signed", "look into the audit trail: somebody changed the approval", err)
	}
	if Unasked(a.Terms.Mode) {
		if m := again(a.Facts); !Unasked(string(m)) {
			return schema.E(schema.Denied, fmt.Sprintf("no policy lets %s run by itself", a.Action), "the policies ask for "+string(m))
		}
		return nil
	}
	return holdsByVotes(a, verify)
}

func holdsByVotes(a schema.Approval, verify func(schema.Decision) error) error {
	seats := map[string]bool{}
	glass := false
	for _, d := range a.Decisions {
		for _, name := range slices.Compact([]string{d.User, d.OnBehalf}) {
			if name != "" && seats[name] {
				return schema.E(schema.Denied, name+" is counted twice in approval "+a.ID, "look into the audit trail")
			}
			seats[name] = true
		}
		if d.Binding != a.Binding || d.User == a.Requester || slices.Contains(a.Facts.Authors, d.User) {
			return schema.E(schema.Denied, "the decision of "+d.User+" does not count for approval "+a.ID, "look into the audit trail")
		}
		if StepsUp(a, d.Verdict) && d.Passkey == "" {
			return schema.E(schema.Denied, "the decision of "+d.User+" was not signed with a passkey", "look into the audit trail")
		}
		if err := verify(d); err != nil {
			return schema.E(schema.Denied, "the decision of "+d.User+" is not proved", "look into the audit trail", err)
		}
		glass = glass || d.Verdict == "break-glass"
	}
	stages := []int{a.Stage}
	if a.Terms.EveryStage {
		stages = stages[:0]
		for i := range a.Terms.Stages {
			stages = append(stages, i)
		}
	}
	for _, s := range stages {
		if s >= len(a.Terms.Stages) || s < 0 || !glass && !quorum(a, s) {
			return schema.E(schema.Denied, fmt.Sprintf("approval %s has too few decisions", a.ID), "look into the audit trail")
		}
	}
	if glass && a.Terms.BreakGlass == nil || a.Terms.Denials < 1 || !glass && votes(a, "deny", -1) >= a.Terms.Denials {
		return schema.E(schema.Denied, fmt.Sprintf("approval %s was not given by its policy", a.ID), "look into the audit trail")
	}
	return nil
}
