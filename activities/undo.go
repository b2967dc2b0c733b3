package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vigil/internal/action"
	"vigil/internal/auth"
	"vigil/internal/auth/perm"
	"vigil/schema"
	"vigil/schema/flow"
)

// remember keeps what was done, so that it can be shown and taken back. A dry run and
// what only reads leave nothing behind.
func (x *Actions) remember(ctx context.Context, d action.Definition, in flow.ActionInput, res action.Result, now time.Time) error {
	if in.DryRun || d.Reads {
		return nil
	}
	rec, err := x.Store.Action(ctx, in.Org, in.Key)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return err
	}
	if in.Undo {
		if rec.Key == "" {
			return nil // done by a Vigil that remembered nothing
		}
		if res.Outputs["kept"] == "" && rec.Undone.IsZero() {
			rec.Undone, rec.UndoneBy = now, cmp.Or(in.By, "system")
		}
		rec.UndoResult = res.Outcome
		if k := res.Outputs["kept"]; k != "" {
			rec.UndoResult = k
		}
	} else {
		rec = schema.ActionRecord{Org: in.Org, Key: in.Key, Run: in.Run, Step: in.Step, Incident: in.Incident, Action: in.Action, Target: in.Target, Arguments: in.Arguments,
			Approval: in.Approval, Binding: in.Binding, Outcome: res.Outcome, Undo: d.Undo, At: now, Expires: res.Expires, Version: rec.Version}
	}
	rec.Version++
	return x.Store.PutAction(ctx, rec)
}

// UndoPlan is what taking an incident back comes to.
type UndoPlan struct {
	By       string                `json:"by"`
	Workflow string                `json:"workflow"` // of the incident
	Steps    []schema.ActionRecord `json:"steps"`    // the last first
	Left     []string              `json:"left"`     // what cannot be undone
}

// PlanUndo says what of an incident can be taken back, in the order in which it is.
// Who asks is proved by a token and must be somebody who may decide approvals.
func (x *Actions) PlanUndo(ctx context.Context, org, incident, token string, now time.Time) (UndoPlan, error) {
	c, err := auth.VerifyDecision(x.Public, token, now)
	if err != nil {
		return UndoPlan{}, Retryable(err)
	}
	if c.Verdict != auth.VerdictUndo || c.Approval != incident {
		return UndoPlan{}, Retryable(schema.E(schema.Denied, "the token was not made for undoing this incident", "vigil incidents undo "+incident))
	}
	u, err := x.Store.User(ctx, org, c.User)
	if err != nil {
		return UndoPlan{}, Retryable(err)
	}
	if u.Disabled || !perm.May(perm.Role(u.Role), "decide:approvals") {
		return UndoPlan{}, Retryable(schema.E(schema.Denied, u.Name+" may not take actions back", "the role approver may"))
	}
	i, err := x.Store.Incident(ctx, org, incident)
	if err != nil {
		return UndoPlan{}, Retryable(err)
	}
	all, err := x.Store.Actions(ctx, org, incident)
	if err != nil {
		return UndoPlan{}, Retryable(err)
	}
	p := UndoPlan{By: u.Name, Workflow: i.Workflow, Left: []string{}}
	for _, rec := range slices.Backward(all) {
		switch {
		case rec.Undo == "":
			p.Left = append(p.Left, rec.Action+" "+rec.Target)
		case rec.Undone.IsZero():
			p.Steps = append(p.Steps, rec)
		}
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: org, ID: auditID("incident.undo", incident, c.Nonce), Actor: u.Name, Verb: "incident.undo", Object: incident, Outcome: "ok",
		Details: map[string]string{"reason": c.Reason, "actions": fmt.Sprint(len(p.Steps)), "left": fmt.Sprint(len(p.Left))}})
	return p, Retryable(err)
}
