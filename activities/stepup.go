package activities

import (
	"context"
	"slices"

	"vigil/internal/approval"
	"vigil/internal/auth"
	"vigil/internal/auth/passkey"
	"vigil/schema"
)

// PasskeyStore finds the public keys that decisions were signed with.
type PasskeyStore interface {
	Passkeys(ctx context.Context, org, user string) ([]schema.Passkey, error)
}

// holds says whether a stored approval is what it claims to be, see [approval.Holds]:
// tokens and the passkeys' signatures in them are checked with the keys that are stored
// now. before says that it only has to hold for what was done already: taking that back
// needs no passkey that still is.
func holds(ctx context.Context, s PasskeyStore, public string, a schema.Approval, before bool, again func(schema.ApprovalFacts) approval.Mode) error {
	keys := map[string][]schema.Passkey{}
	for _, d := range a.Decisions {
		if !approval.StepsUp(a, d.Verdict) {
			continue
		}
		// Read first: a store that does not answer refuses nothing for good.
		var err error
		if keys[d.User], err = s.Passkeys(ctx, a.Org, d.User); err != nil {
			return err
		}
	}
	return approval.Holds(a, func(d schema.Decision) error { return provedVote(public, a, d, keys[d.User], before) }, again)
}

// provedVote checks the token that a decision was made with, as of when it was made, and
// the passkey's signature in it.
func provedVote(public string, a schema.Approval, d schema.Decision, keys []schema.Passkey, before bool) error {
	c, err := auth.VerifyDecision(public, d.Token, d.Time)
	if err != nil {
		return err
	}
	if c.User != d.User || c.Verdict != d.Verdict || c.Binding != d.Binding || c.Approval != a.ID || c.Passkey != d.Passkey {
		return schema.E(schema.Denied, "the token says something else", "")
	}
	if !approval.StepsUp(a, d.Verdict) {
		return nil
	}
	return signature(public, a.Org, c, keys, before)
}

// signature checks the passkey's signature of a decision. The key itself must be one
// whose registration a server saw.
func signature(public, org string, c auth.Claims, keys []schema.Passkey, before bool) error {
	i := slices.IndexFunc(keys, func(k schema.Passkey) bool { return k.ID == c.Passkey })
	if i < 0 {
		return schema.E(schema.Denied, "the passkey is not one of "+c.User, "look into the audit trail")
	}
	if err := seen(public, keys[i]); err != nil {
		return err
	}
	return passkey.Proved(keys[i:i+1], statementOf(org, c), c.Assertion, before)
}

// statementOf is what the claims of a decision say, as a passkey signs it.
func statementOf(org string, c auth.Claims) passkey.Statement {
	return passkey.Statement{Org: org, Approval: c.Approval, Binding: c.Binding, User: c.User, Verdict: c.Verdict, Reason: c.Reason, Args: c.Args}
}

// Unproved says why a decision's signature does not hold; the zero value says it does.
type Unproved struct {
	Code schema.Code `json:"code,omitempty"`
	Why  string      `json:"why,omitempty"`
}

// Err is nil when the signature holds.
func (u Unproved) Err() error {
	if u.Code == "" {
		return nil
	}
	return schema.E(u.Code, u.Why, "sign again with another passkey")
}

// ProveDecision checks the passkey's signature of a decision that is about to count.
func (x *Approvals) ProveDecision(ctx context.Context, org string, c auth.Claims) (Unproved, error) {
	keys, err := x.Store.Passkeys(ctx, org, c.User)
	if err != nil {
		return Unproved{}, Retryable(err)
	}
	if err = signature(x.Public, org, c, keys, false); err == nil {
		return Unproved{}, nil
	}
	return Unproved{Code: schema.CodeOf(err), Why: err.Error()}, nil
}
