package server

import (
	"context"
	"fmt"
	"time"

	"vigil/internal/auth"
	"vigil/schema"
	"vigil/schema/flow"
)

func (s *Server) listApprovals(ctx context.Context, in *statusInput) (*body[list[schema.Approval]], error) {
	items, err := s.o.Store.Approvals(ctx, s.o.Org, in.Status, in.Limit)
	if err != nil {
		return nil, err
	}
	return answerList(items, ""), nil
}

func (s *Server) getApproval(ctx context.Context, in *byID) (*body[schema.Approval], error) {
	a, err := s.o.Store.Approval(ctx, s.o.Org, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(a), nil
}

type decideInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Verdict string `json:"verdict" enum:"approve,deny"`
		Reason  string `json:"reason,omitempty" maxLength:"2000"`
		Binding string `json:"binding,omitempty" doc:"the hash that was shown; refused when it is not the one that waits"`
	}
}

// decide signs the caller's decision and sends it to the workflow that waits. The
// workflow verifies the signature, the role and who asked by itself.
func (s *Server) decide(ctx context.Context, in *decideInput) (*body[flow.VoteResult], error) {
	c := callerOf(ctx)
	a, token, _, err := s.signed(ctx, in, c.channel)
	if err != nil {
		return nil, err
	}
	var res flow.VoteResult
	// The same person's same verdict is the same update: a double click is harmless.
	id := schema.HashID("vote", a.ID, c.user.Name, in.Body.Verdict, token[:min(len(token), 40)])
	if err := s.update(ctx, a.Workflow, flow.UpdateDecide, id, flow.Vote{Approval: a.ID, Token: token}, &res); err != nil {
		s.audit(ctx, c.user.Name, "approval.decide", a.ID, "refused", map[string]string{"verdict": in.Body.Verdict, "why": err.Error(), "channel": c.channel})
		return nil, err
	}
	return answer(res), nil
}

func (s *Server) signed(ctx context.Context, in *decideInput, channel string) (schema.Approval, string, auth.Claims, error) {
	a, err := s.o.Store.Approval(ctx, s.o.Org, in.ID)
	if err != nil {
		return a, "", auth.Claims{}, err
	}
	switch {
	case a.Status != schema.ApprovalPending:
		return a, "", auth.Claims{}, schema.E(schema.Conflict, "the approval is already "+string(a.Status), "nothing is left to decide")
	case in.Body.Binding != "" && in.Body.Binding != a.Binding:
		return a, "", auth.Claims{}, schema.E(schema.Conflict, "what waits is not what was shown", "look at it again")
	}
	token, claims, err := s.o.Decisions.SignDecision(auth.Claims{Approval: a.ID, Binding: a.Binding, User: callerOf(ctx).user.Name, Verdict: in.Body.Verdict, Reason: in.Body.Reason, Channel: channel}, time.Now())
	return a, token, claims, err
}

// signature is a decision token, and the command that uses it.
type signature struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Command string    `json:"command"`
}

// sign makes a decision token for the stock temporal CLI.
func (s *Server) sign(ctx context.Context, in *decideInput) (*body[signature], error) {
	a, token, claims, err := s.signed(ctx, in, "temporal")
	if err != nil {
		return nil, err
	}
	s.audit(ctx, callerOf(ctx).user.Name, "approval.sign", a.ID, "ok", map[string]string{"verdict": in.Body.Verdict})
	return answer(signature{Token: token, Expires: time.Unix(claims.Expires, 0).UTC(),
		Command: fmt.Sprintf(`temporal workflow update execute --workflow-id '%s' --name %s --input '{"approval":"%s","token":"%s"}'`, a.Workflow, flow.UpdateDecide, a.ID, token)}), nil
}
