package activities

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"vigil/internal/auth"
	"vigil/schema"
)

// ApprovalStore keeps the read models of approvals and knows the users.
type ApprovalStore interface {
	PutApproval(ctx context.Context, a schema.Approval) error
	User(ctx context.Context, org, name string) (schema.User, error)
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// Approvals keeps approvals and checks who decides them.
type Approvals struct {
	Store ApprovalStore
	Trail Trail
}

// SaveApproval writes the read model, audits what changed and tells the live outbox.
// cause says what happened: request, decide, expire, void.
func (x *Approvals) SaveApproval(ctx context.Context, a schema.Approval, cause string, now time.Time) error {
	if err := x.Store.PutApproval(ctx, a); err != nil {
		return Retryable(err)
	}
	actor, details := a.Requester, map[string]string{"run": a.Run, "step": a.Step, "action": a.Action, "target": a.Target, "binding": a.Binding,
		"status": string(a.Status), "needed": strconv.Itoa(a.Needed)}
	switch cause {
	case "decide":
		d := a.Decisions[len(a.Decisions)-1]
		actor = d.User
		details["verdict"], details["reason"], details["channel"] = d.Verdict, d.Reason, d.Channel
	case "expire", "void":
		actor = "system"
		details["deadline"] = stamp(a.Deadline)
	}
	err := x.Trail.record(ctx, schema.AuditRecord{Org: a.Org, ID: auditID("approval", a.ID, cause, fmt.Sprint(a.Revision)), Actor: actor, Verb: "approval." + cause,
		Object: a.ID, Outcome: "ok", Details: details})
	if err != nil {
		return Retryable(err)
	}
	kind := map[string]string{"request": "created", "decide": "changed"}[cause]
	if a.Status != schema.ApprovalPending {
		kind = "closed"
	}
	data := map[string]any{"action": a.Action, "target": a.Target, "status": a.Status, "risk": a.Risk, "incident": a.Incident, "deadline": a.Deadline, "have": len(a.Decisions), "needed": a.Needed}
	return Retryable(x.Store.PutNotes(ctx, note(a.Org, "approvals", kind, a.ID, data, now)))
}

// Voter is somebody who sent a decision whose token was good.
type Voter struct {
	Org       string      `json:"org"`
	Approval  string      `json:"approval"`
	Requester string      `json:"requester"`
	Claims    auth.Claims `json:"claims"`
}

// CheckVoter says whether the user may decide: "" or the reason why not, which is
// audited. Only a failure of the store is an error.
func (x *Approvals) CheckVoter(ctx context.Context, v Voter) (string, error) {
	u, err := x.Store.User(ctx, v.Org, v.Claims.User)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return "", Retryable(err)
	}
	no := auth.MayDecide(u, v.Requester)
	if no == nil {
		return "", nil
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: v.Org, ID: auditID("approval.refuse", v.Approval, v.Claims.Nonce), Actor: v.Claims.User, Verb: "approval.decide",
		Object: v.Approval, Outcome: "refused", Details: map[string]string{"why": no.Error(), "verdict": v.Claims.Verdict, "channel": v.Claims.Channel}})
	return no.Error(), Retryable(err)
}
