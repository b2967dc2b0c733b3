package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vigil/internal/approval"
	"vigil/internal/auth"
	"vigil/internal/auth/passkey"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

type approvalsInput struct {
	Status   string `query:"status"`
	Review   string `query:"review" doc:"state of the review after a break-glass decision: pending, justified, unjustified"`
	Incident string `query:"incident"`
	Snoozed  bool   `query:"snoozed" doc:"also those that you have snoozed"`
	Limit    int    `query:"limit" minimum:"0" maximum:"1000"`
}

func (s *Server) listApprovals(ctx context.Context, in *approvalsInput) (*body[list[schema.Approval]], error) {
	items, err := s.o.Store.Approvals(ctx, orgOf(ctx), store.ApprovalFilter{Status: in.Status, Review: in.Review, Incident: in.Incident, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	me, now := callerOf(ctx).user.Name, time.Now()
	items = slices.DeleteFunc(items, func(a schema.Approval) bool { return !in.Snoozed && a.Snoozes[me].After(now) })
	for i := range items {
		items[i] = shown(items[i])
	}
	return answerList(items, ""), nil
}

// shown leaves the decision tokens out: they are proofs for the worker, not for readers.
func shown(a schema.Approval) schema.Approval {
	a.Decisions, a.Voided = slices.Clone(a.Decisions), slices.Clone(a.Voided)
	for _, l := range [][]schema.Decision{a.Decisions, a.Voided} {
		for i := range l {
			l[i].Token = ""
		}
	}
	return a
}

func (s *Server) getApproval(ctx context.Context, in *byID) (*body[schema.Approval], error) {
	a, err := s.o.Store.Approval(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return answer(shown(a)), nil
}

type decideInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Verdict string            `json:"verdict" enum:"approve,deny,abstain,break-glass,narrow,delegate,claim,release,snooze,view"`
		Reason  string            `json:"reason,omitempty" maxLength:"2000"`
		Binding string            `json:"binding,omitempty" doc:"the hash that was shown; refused when it is not the one that waits"`
		Args    map[string]string `json:"args,omitempty" doc:"delegate: to, until; claim and snooze: until; narrow: the smaller arguments"`
		// Assertion is what the passkey answered to the options of step-up.
		Assertion json.RawMessage `json:"assertion,omitempty" doc:"the passkey's signature, where the policy asks for one: what navigator.credentials.get answered, as its toJSON writes it"`
	}
}

// maxAssertion bounds what is kept of a passkey's answer, in bytes.
const maxAssertion = 16 << 10

// decide signs what the caller does and sends it to the workflow that waits. The
// workflow verifies the signature, the role and who asked by itself.
func (s *Server) decide(ctx context.Context, in *decideInput) (*body[flow.VoteResult], error) {
	c := callerOf(ctx)
	a, token, done, err := s.signed(ctx, in, c.channel)
	if done {
		return answer(flow.VoteResult{Approval: a.ID, Status: string(a.Status), Have: approval.Approvals(a), Needed: a.Needed, Binding: a.Binding}), nil
	}
	var res flow.VoteResult
	if err == nil {
		err = s.update(ctx, a.Workflow, flow.UpdateDecide, schema.HashID("act", token), flow.Vote{Approval: a.ID, Token: token}, &res)
	}
	if err != nil {
		s.audit(ctx, c.user.Name, "approval.decide", in.ID, "refused", map[string]string{"verdict": in.Body.Verdict, "why": err.Error(), "channel": c.channel})
		return nil, err
	}
	return answer(res), nil
}

// look is decide for what everybody may do who may read approvals.
func (s *Server) look(ctx context.Context, in *decideInput) (*body[flow.VoteResult], error) {
	if v, _ := approval.FindVerb(in.Body.Verdict); !v.Any {
		return nil, schema.E(schema.Denied, in.Body.Verdict+" needs the permission decide:approvals", "post it to decide")
	}
	return s.decide(ctx, in)
}

// signed signs an act on an open approval. done says that the caller decided exactly
// this before: a second click, or a second tab.
func (s *Server) signed(ctx context.Context, in *decideInput, channel string) (a schema.Approval, token string, done bool, err error) {
	if a, err = s.o.Store.Approval(ctx, orgOf(ctx), in.ID); err != nil {
		return a, "", false, err
	}
	if in.Body.Binding != "" && in.Body.Binding != a.Binding {
		return a, "", false, schema.E(schema.Conflict, "what waits is not what was shown", "look at it again")
	}
	who := callerOf(ctx).user
	c := auth.Claims{Approval: a.ID, Binding: a.Binding, User: who.Name, Verdict: in.Body.Verdict, Reason: in.Body.Reason, Channel: channel, Args: in.Body.Args}
	if len(in.Body.Assertion) > 0 && approval.StepsUp(a, c.Verdict) {
		c.Assertion = in.Body.Assertion
		if len(c.Assertion) > maxAssertion {
			return a, "", false, schema.E(schema.Invalid, "this is no answer of a passkey", "")
		}
		if c.Passkey, err = passkey.CredentialID(c.Assertion); err != nil {
			return a, "", false, err
		}
	}
	if done, err = approval.Check(a, approval.Act{Verdict: c.Verdict, User: c.User, Reason: c.Reason, Binding: c.Binding, Args: c.Args, Passkey: c.Passkey}); done || err != nil {
		return a, "", done, err
	}
	if c.Passkey != "" {
		if err := s.signedBy(ctx, who, c); err != nil {
			return a, "", false, err
		}
	}
	token, _, err = s.o.Decisions.SignDecision(c, time.Now())
	return a, token, false, err
}

// signedBy checks the passkey's signature of a decision. Failures count as those of
// signing in.
func (s *Server) signedBy(ctx context.Context, who schema.User, c auth.Claims) error {
	p, err := s.passkeys()
	if err != nil {
		return err
	}
	done, err := s.slowly(ctx, accountOf(orgOf(ctx), who.Name))
	if err != nil {
		return err
	}
	keys, err := s.o.Store.Passkeys(ctx, orgOf(ctx), who.Name)
	if err != nil {
		return err
	}
	use, err := p.Signed(who, keys, s.statement(ctx, c), c.Assertion)
	if err == nil {
		err = s.used(ctx, who, use)
	}
	if err == nil {
		done()
	}
	return err
}

func (s *Server) statement(ctx context.Context, c auth.Claims) passkey.Statement {
	return passkey.Statement{Org: orgOf(ctx), Approval: c.Approval, Binding: c.Binding, User: c.User, Verdict: c.Verdict, Reason: c.Reason, Args: c.Args}
}

// stepUp is what a decision's passkey is asked to sign.
type stepUp struct {
	Statement string          `json:"statement" doc:"the challenge is its SHA-256"`
	Options   json.RawMessage `json:"options"`
}

// beginStepUp asks the caller's passkey to sign a decision. Nothing is kept of it: the
// challenge follows from what is decided, and so is good for nothing else.
func (s *Server) beginStepUp(ctx context.Context, in *decideInput) (*body[stepUp], error) {
	p, err := s.passkeys()
	if err != nil {
		return nil, err
	}
	a, err := s.o.Store.Approval(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Body.Binding != a.Binding:
		return nil, schema.E(schema.Conflict, "what waits is not what was shown", "look at it again")
	case !approval.StepsUp(a, in.Body.Verdict):
		return nil, schema.E(schema.Invalid, "the policy "+a.Terms.Policy+" asks for no passkey to "+in.Body.Verdict, "decide without")
	}
	who := callerOf(ctx).user
	keys, err := s.o.Store.Passkeys(ctx, orgOf(ctx), who.Name)
	if err != nil {
		return nil, err
	}
	st := s.statement(ctx, auth.Claims{Approval: a.ID, Binding: a.Binding, User: who.Name, Verdict: in.Body.Verdict, Reason: in.Body.Reason, Args: in.Body.Args})
	options, err := p.StepUp(who, keys, st)
	if err != nil {
		return nil, err
	}
	return answer(stepUp{st.Text(), options}), nil
}

// signature is a decision token, and the command that uses it.
type signature struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Command string    `json:"command"`
}

// sign makes a decision token for the stock temporal CLI.
func (s *Server) sign(ctx context.Context, in *decideInput) (*body[signature], error) {
	a, token, done, err := s.signed(ctx, in, "temporal")
	if done {
		err = schema.E(schema.Conflict, "you have decided this already", "")
	}
	if err != nil {
		return nil, err
	}
	s.audit(ctx, callerOf(ctx).user.Name, "approval.sign", a.ID, "ok", map[string]string{"verdict": in.Body.Verdict})
	return answer(signature{Token: token, Expires: time.Now().Add(auth.DecisionTTL).UTC(),
		Command: fmt.Sprintf(`temporal workflow update execute --workflow-id '%s' --name %s --input '{"approval":"%s","token":"%s"}'`, a.Workflow, flow.UpdateDecide, a.ID, token)}), nil
}

type reviewInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Verdict string `json:"verdict" enum:"justified,unjustified"`
		Reason  string `json:"reason" minLength:"1" maxLength:"2000"`
	}
}

// reviewApproval records the second look at a break-glass decision. The run that asked
// may have ended long ago, so that it is a change of the row.
func (s *Server) reviewApproval(ctx context.Context, in *reviewInput) (*body[schema.Approval], error) {
	a, err := s.o.Store.Approval(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	token, _, err := s.o.Decisions.SignDecision(auth.Claims{Approval: a.ID, Binding: a.Binding, User: c.user.Name, Verdict: in.Body.Verdict, Reason: in.Body.Reason, Channel: c.channel}, time.Now())
	if err == nil {
		_, err = s.admin(ctx, "approval", a.ID, flow.AdminInput{Verb: "approval.review", Key: a.ID, Args: map[string]string{"token": token}})
	}
	if err != nil {
		s.audit(ctx, c.user.Name, "approval.review", a.ID, "refused", map[string]string{"verdict": in.Body.Verdict, "why": err.Error()})
		return nil, err
	}
	return s.getApproval(ctx, &byID{ID: in.ID})
}

type metricsInput struct {
	Days int `query:"days" minimum:"0" maximum:"3650" doc:"default 30"`
}

// approvalMetrics says how fast and how well people decide.
func (s *Server) approvalMetrics(ctx context.Context, in *metricsInput) (*body[approval.Metrics], error) {
	if in.Days == 0 {
		in.Days = 30
	}
	now := time.Now()
	since := now.AddDate(0, 0, -in.Days)
	all, err := s.o.Store.Approvals(ctx, orgOf(ctx), store.ApprovalFilter{Since: since, Limit: maxMeasured})
	if err != nil {
		return nil, err
	}
	alone, undone, err := s.o.Store.AloneSince(ctx, orgOf(ctx), since)
	if err != nil {
		return nil, err
	}
	return answer(approval.Measure(all, func(id string) bool { return undone[id] }, alone, now)), nil
}

// maxMeasured bounds the requests that metrics are computed of.
const maxMeasured = 100_000
