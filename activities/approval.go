package activities

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/internal/action"
	"vigil/internal/approval"
	"vigil/internal/auth"
	"vigil/internal/playbook"
	"vigil/schema"
)

// ApprovalStore keeps the read models of approvals and knows users and alerts.
type ApprovalStore interface {
	PutApproval(ctx context.Context, a schema.Approval) error
	Approval(ctx context.Context, org, id string) (schema.Approval, error)
	User(ctx context.Context, org, name string) (schema.User, error)
	AlertsByID(ctx context.Context, org string, ids []string) ([]schema.Alert, error)
	PutNotes(ctx context.Context, notes ...schema.Note) error
	Passkeys(ctx context.Context, org, user string) ([]schema.Passkey, error)
}

// Approvals keeps approvals, chooses their policies and looks up who decides.
type Approvals struct {
	Store    ApprovalStore
	Trail    Trail
	Policies *approval.Policies
	Table    action.Table
	Public   string // public decision key
	// Authors names who wrote a rule; nil: nobody is known.
	Authors func(org, rule string) []string
}

// Ask is an action that a run is about to perform.
type Ask struct {
	Org       string            `json:"org"`
	Action    string            `json:"action"`
	Target    string            `json:"target"`
	Arguments map[string]string `json:"arguments"`
	Run       string            `json:"run"`
	Step      string            `json:"step"`
	Incident  string            `json:"incident,omitempty"`
	Key       string            `json:"key"`
	Alerts    []string          `json:"alerts,omitempty"`
	Severity  string            `json:"severity"`
	Score     int               `json:"score"`
	Requester string            `json:"requester"`
	Playbook  string            `json:"playbook"`
	Needed    int               `json:"needed,omitempty"`  // of the playbook's step
	Minutes   int               `json:"minutes,omitempty"` // of the playbook's step
	Now       time.Time         `json:"now"`
}

// Considered is what the policies and the action itself say of it.
type Considered struct {
	Terms   schema.ApprovalTerms `json:"terms"`
	Facts   schema.ApprovalFacts `json:"facts"`
	Kinds   map[string]string    `json:"kinds"`
	Blast   string               `json:"blast"`
	Preview string               `json:"preview"` // of a dry run
	Nonce   string               `json:"nonce"`
}

// ConsiderAction chooses the policy of an action and shows what it would do.
func (x *Approvals) ConsiderAction(ctx context.Context, k Ask) (Considered, error) {
	a, err := x.Table.Get(k.Action)
	if k.Action == playbook.Manual {
		a, err, k.Needed = action.Manual(), nil, max(1, k.Needed) // somebody has to do it
	}
	if err != nil {
		return Considered{}, Retryable(err)
	}
	d := a.Definition()
	if _, err := d.Check(k.Arguments); err != nil {
		return Considered{}, Retryable(err)
	}
	out := Considered{Kinds: map[string]string{}, Blast: d.Blast, Nonce: nonce()}
	for _, i := range d.Inputs {
		out.Kinds[i.Name] = string(i.Kind)
	}
	out.Facts = schema.ApprovalFacts{Action: k.Action, Target: k.Target, Risk: string(d.Risk), Reversible: d.Reversible, Targets: approval.CountTargets(out.Kinds[d.Target], k.Target),
		Severity: k.Severity, Score: k.Score, Requester: k.Requester, Playbook: k.Playbook, Time: k.Now.UTC()}
	out.Facts.Criticality, out.Facts.Owner = x.Policies.Asset(k.Target)
	if out.Facts.Authors, err = x.authors(ctx, k.Org, k.Alerts); err != nil {
		return Considered{}, Retryable(err)
	}
	if u, err := x.Store.User(ctx, k.Org, k.Requester); err == nil {
		out.Facts.Team = u.Team
	} else if schema.CodeOf(err) != schema.NotFound {
		return Considered{}, Retryable(err)
	}
	out.Terms = approval.AtLeast(x.Policies.Choose(out.Facts), k.Needed, k.Minutes)
	res, err := a.Run(ctx, action.Request{Org: k.Org, Run: k.Run, Step: k.Step, Incident: k.Incident, Target: k.Target, Arguments: k.Arguments, Key: k.Key, DryRun: true, Now: k.Now.UTC()})
	switch schema.CodeOf(err) {
	case schema.Invalid, schema.NotFound, schema.Denied: // nobody is asked about what cannot be done
		return Considered{}, Retryable(err)
	}
	out.Preview = preview(res, err)
	return out, nil
}

func nonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// preview puts a dry run into words. One that fails is worth knowing before somebody
// approves, and stops nothing.
func preview(res action.Result, err error) string {
	if err != nil {
		return "The dry run failed: " + err.Error()
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(res.Outputs)) {
		parts = append(parts, k+"="+res.Outputs[k])
	}
	return "Dry run: " + strings.Join(parts, " ")
}

// authors are the users who wrote the rules behind the alerts.
func (x *Approvals) authors(ctx context.Context, org string, ids []string) ([]string, error) {
	if x.Authors == nil || len(ids) == 0 {
		return nil, nil
	}
	list, err := x.Store.AlertsByID(ctx, org, ids)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range list {
		out = append(out, x.Authors(org, a.Rule)...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Saving is a change of an approval.
type Saving struct {
	Approval schema.Approval `json:"approval"`
	Cause    string          `json:"cause"` // request, decide, narrow, delegate, claim, release, snooze, view, escalate, expire, void, review
	By       string          `json:"by"`
	Text     string          `json:"text,omitempty"`
	Now      time.Time       `json:"now"`
}

// SaveApproval writes the read model, audits what changed and tells the live outbox.
func (x *Approvals) SaveApproval(ctx context.Context, s Saving) error {
	a := s.Approval
	if err := x.Store.PutApproval(ctx, a); err != nil {
		return Retryable(err)
	}
	details := map[string]string{"run": a.Run, "step": a.Step, "action": a.Action, "target": a.Target, "binding": a.Binding,
		"status": string(a.Status), "needed": strconv.Itoa(a.Needed), "policy": a.Terms.Policy + "@" + a.Terms.Version, "mode": a.Terms.Mode}
	if s.Text != "" {
		details["text"] = s.Text
	}
	switch s.Cause {
	case "decide":
		d := a.Decisions[len(a.Decisions)-1]
		details["verdict"], details["reason"], details["channel"], details["on_behalf"] = d.Verdict, d.Reason, d.Channel, d.OnBehalf
		if d.Passkey != "" {
			details["passkey"] = d.Passkey
		}
	case "expire", "void", "escalate":
		details["deadline"] = stamp(a.Deadline)
	}
	err := x.Trail.record(ctx, schema.AuditRecord{Org: a.Org, ID: auditID("approval", a.ID, s.Cause, fmt.Sprint(a.Revision)), Actor: s.By, Verb: "approval." + s.Cause,
		Object: a.ID, Outcome: "ok", Details: details})
	if err != nil {
		return Retryable(err)
	}
	return Retryable(x.Store.PutNotes(ctx, approvalNote(a, s.Cause, s.Now)))
}

func approvalNote(a schema.Approval, cause string, now time.Time) schema.Note {
	kind := "changed"
	switch {
	case a.Status != schema.ApprovalPending:
		kind = "closed"
	case cause == "request":
		kind = "created"
	}
	data := map[string]any{"action": a.Action, "target": a.Target, "status": a.Status, "risk": a.Risk, "incident": a.Incident, "deadline": a.Deadline,
		"have": approval.Approvals(a), "needed": a.Needed}
	return note(a.Org, "approvals", kind, a.ID, data, now)
}

// LookUpPeople returns what counts of users; those who do not exist are left out.
func (x *Approvals) LookUpPeople(ctx context.Context, org string, names []string) (approval.People, error) {
	out := approval.People{}
	for _, n := range names {
		u, err := x.Store.User(ctx, org, n)
		if schema.CodeOf(err) == schema.NotFound {
			continue
		}
		if err != nil {
			return nil, Retryable(err)
		}
		out[n] = person(u)
	}
	return out, nil
}

func person(u schema.User) approval.Person {
	return approval.Person{Name: u.Name, Role: u.Role, Groups: u.Groups, Team: u.Team, Disabled: u.Disabled}
}

// Refusal is an act that did not count.
type Refusal struct {
	Org      string      `json:"org"`
	Approval string      `json:"approval"`
	Claims   auth.Claims `json:"claims"`
	Why      string      `json:"why"`
}

// RefuseDecision audits an act that did not count although its token was good.
func (x *Approvals) RefuseDecision(ctx context.Context, r Refusal) error {
	return Retryable(x.Trail.record(ctx, schema.AuditRecord{Org: r.Org, ID: auditID("approval.refuse", r.Approval, r.Claims.Nonce), Actor: r.Claims.User, Verb: "approval.decide",
		Object: r.Approval, Outcome: "refused", Details: map[string]string{"why": r.Why, "verdict": r.Claims.Verdict, "channel": r.Claims.Channel}}))
}

// ReviewApproval records the second look at a break-glass decision. Who looks is
// proved by a token, made for this approval and verdict.
func (x *Approvals) ReviewApproval(ctx context.Context, org, id, token string, now time.Time) error {
	c, err := auth.VerifyDecision(x.Public, token, now)
	if err != nil {
		return Retryable(err)
	}
	a, err := x.Store.Approval(ctx, org, id)
	if err != nil {
		return Retryable(err)
	}
	if c.Approval != a.ID || c.Binding != a.Binding {
		return Retryable(schema.E(schema.Denied, "the token was made for another approval", "vigil approvals review "+id))
	}
	people, err := x.LookUpPeople(ctx, org, []string{c.User})
	if err != nil {
		return err
	}
	if err := approval.ReviewDecision(&a, people[c.User], c.Verdict, c.Reason, now); err != nil {
		return Retryable(err)
	}
	a.Revision += reviewRevision
	return x.SaveApproval(ctx, Saving{Approval: a, Cause: "review", By: c.User, Text: c.Verdict + ": " + c.Reason, Now: now})
}

// reviewRevision lifts the revision of a reviewed approval over all that its run,
// which has no more to say, could still write.
const reviewRevision = 1 << 20
