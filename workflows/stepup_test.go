package workflows

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"vigil/activities"
	"vigil/internal/approval"
	"vigil/internal/auth"
	"vigil/internal/auth/passkey"
	"vigil/internal/auth/passkey/passkeytest"
	"vigil/schema"
)

const stepUpPolicies = `policies:
  - {name: low-risk, when: "risk == 'low'", mode: auto}
  - {name: signed, mode: one, step_up: true, break_glass: {roles: [admin]}}
`

// signers is a world whose policy asks for passkeys, with the people's authenticators.
type signers struct {
	*world
	party *passkey.Party
	keys  map[string]*passkeytest.Key
}

func newSigners(t *testing.T) *signers {
	t.Helper()
	policies, err := approval.Parse("approvals.yaml", []byte(stepUpPolicies), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &signers{world: newWorldWith(t, policies), keys: map[string]*passkeytest.Key{}}
	if s.party, err = passkey.New("http://localhost:8480"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ana", "ben", "root"} {
		s.enrol(name)
	}
	return s
}

func (s *signers) enrol(name string) {
	s.t.Helper()
	k, err := passkeytest.New("http://localhost:8480")
	if err != nil {
		s.t.Fatal(err)
	}
	u := s.mem.users[name]
	options, state, err := s.party.Register(u, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := k.Create(options)
	if err != nil {
		s.t.Fatal(err)
	}
	stored, err := s.party.Registered(u, state, answer, s.env.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	stored.Name = "key"
	c := auth.Claims{Approval: stored.ID, Binding: passkey.Digest(stored), User: name, Verdict: auth.VerdictPasskey}
	if stored.Token, _, err = s.key.SignDecision(c, stored.Created); err != nil {
		s.t.Fatal(err)
	}
	s.keys[name] = k
	s.mem.passkeys = append(s.mem.passkeys, stored)
}

// signed adds to the claims what the authenticator of a person says to them, after
// change has altered what it is asked.
func (s *signers) signed(with string, change func(*passkey.Statement)) func(*auth.Claims) {
	return func(c *auth.Claims) {
		st := passkey.Statement{Org: "main", Approval: c.Approval, Binding: c.Binding, User: c.User, Verdict: c.Verdict, Reason: c.Reason, Args: c.Args}
		if change != nil {
			change(&st)
		}
		u := schema.User{Org: "main", Name: with}
		keys, _ := s.mem.Passkeys(context.Background(), "main", with)
		options, err := s.party.StepUp(u, keys, st)
		if err != nil {
			s.t.Fatal(err)
		}
		if c.Assertion, err = s.keys[with].Get(options); err != nil {
			s.t.Fatal(err)
		}
		c.Passkey = s.keys[with].ID()
	}
}

// TestStepUp: the policy's passkey must have signed this very decision. All tokens here
// are good ones: who has the server's key alone decides nothing.
func TestStepUp(t *testing.T) {
	s := newSigners(t)
	s.vote(1, s.by("ana", "approve", nil), "asks for a passkey")
	s.vote(2, s.by("ana", "approve", func(c *auth.Claims) { c.Passkey = s.keys["ana"].ID() }), "no answer of a passkey")
	s.vote(3, s.by("ana", "approve", s.signed("ben", nil)), "not one of ana")
	s.vote(4, s.by("ana", "approve", s.signed("ana", func(st *passkey.Statement) { st.Binding = strings.Repeat("0", 64) })), "not accepted")
	s.vote(5, s.by("ana", "approve", s.signed("ana", func(st *passkey.Statement) { st.Verdict = "deny" })), "not accepted")
	s.vote(6, s.by("ana", "approve", s.signed("ana", func(st *passkey.Statement) { st.Approval = "another" })), "not accepted")
	s.vote(7, s.by("root", "break-glass", nil), "asks for a passkey")
	s.vote(8, s.by("ana", "approve", s.signed("ana", nil)), "")
	s.run(s.known("cy"), runCompleted)
	if !s.published("addresses", bad) || count(s.mem.verbs(), "approval.decide:refused") != 5 || count(s.mem.verbs(), "approval.decide:ok") != 1 {
		t.Errorf("%v", s.mem.verbs())
	}
}

// TestStepUpGlass: breaking the glass waives the others, not the passkey; a denial needs none.
func TestStepUpGlass(t *testing.T) {
	s := newSigners(t)
	s.vote(1, s.by("root", "break-glass", s.signed("root", nil)), "")
	s.run(s.known("cy"), runCompleted)
	if !s.published("addresses", bad) {
		t.Error("nothing happened")
	}
	s = newSigners(t)
	s.vote(1, s.by("ana", "deny", nil), "")
	s.run(s.known("cy"), runDenied)
}

// altered is a store that somebody changes between the decision and the action.
type altered struct {
	*memory
	approval func(*schema.Approval)
	passkeys func([]schema.Passkey) []schema.Passkey
}

func (x altered) Approval(ctx context.Context, org, id string) (schema.Approval, error) {
	a, err := x.memory.Approval(ctx, org, id)
	if x.approval != nil {
		x.approval(&a)
	}
	return a, err
}

func (x altered) Passkeys(ctx context.Context, org, user string) ([]schema.Passkey, error) {
	keys, err := x.memory.Passkeys(ctx, org, user)
	if x.passkeys != nil {
		keys = x.passkeys(keys)
	}
	return keys, err
}

// TestStepUpAtWorker: the decision counted, and right before the side effect something is
// not as it was. Whoever changes the store here has the server's key too, but for the
// passkeys' own signatures.
func TestStepUpAtWorker(t *testing.T) {
	s := newSigners(t)
	for name, make := range map[string]func(s *signers) altered{
		"removed": func(*signers) altered {
			return altered{passkeys: func(l []schema.Passkey) []schema.Passkey { l[0].Removed = true; return l }}
		},
		"suspect": func(*signers) altered {
			return altered{passkeys: func(l []schema.Passkey) []schema.Passkey { l[0].Cloned = true; return l }}
		},
		"gone": func(*signers) altered {
			return altered{passkeys: func([]schema.Passkey) []schema.Passkey { return nil }}
		},
		"swapped key": func(s *signers) altered { // a key of the attacker's, where ana's was
			other := s.mem.passkeys[1]
			return altered{passkeys: func(l []schema.Passkey) []schema.Passkey { l[0].PublicKey = other.PublicKey; return l }}
		},
		"unregistered": func(*signers) altered {
			return altered{passkeys: func(l []schema.Passkey) []schema.Passkey { l[0].Token = ""; return l }}
		},
		"no assertion": func(s *signers) altered {
			return s.resign(func(c *auth.Claims) { c.Assertion = nil })
		},
		"no passkey": func(s *signers) altered {
			return s.resign(func(c *auth.Claims) { c.Assertion, c.Passkey = nil, "" })
		},
		"altered assertion": func(s *signers) altered {
			return s.resign(func(c *auth.Claims) {
				var doc map[string]any
				_ = json.Unmarshal(c.Assertion, &doc)
				r := doc["response"].(map[string]any)
				r["signature"] = "MEUCIQ" + r["signature"].(string)[6:len(r["signature"].(string))-4] + "AAAA"
				c.Assertion, _ = json.Marshal(doc)
			})
		},
		"another reason": func(s *signers) altered {
			return s.resign(func(c *auth.Claims) { c.Reason = "somebody else's" })
		},
		"another person": func(s *signers) altered {
			return s.resign(func(c *auth.Claims) { c.User = "ben" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s = newSigners(t)
			x := make(s)
			x.memory = s.mem
			s.act.Store = x
			s.vote(1, s.by("ana", "approve", s.signed("ana", nil)), "")
			s.env.ExecuteWorkflow(RunPlaybook, s.known("cy"))
			if s.env.GetWorkflowError() == nil || s.published("addresses", bad) || count(s.mem.verbs(), "action.refused") != 1 || count(s.mem.verbs(), "approval.decide:ok") != 1 {
				t.Errorf("%v %v", s.env.GetWorkflowError(), s.mem.verbs())
			}
		})
	}
}

// resign changes what the decision says and gives it a good token of the server again.
func (s *signers) resign(change func(*auth.Claims)) altered {
	return altered{approval: func(a *schema.Approval) {
		for i := range a.Decisions {
			d := &a.Decisions[i]
			c, err := auth.VerifyDecision(s.key.Public(), d.Token, d.Time)
			if err != nil {
				s.t.Error(err)
			}
			change(&c)
			d.User, d.Reason, d.Passkey = c.User, c.Reason, c.Passkey
			if d.Token, _, err = s.key.SignDecision(c, d.Time); err != nil {
				s.t.Error(err)
			}
		}
	}}
}

// TestStepUpUndo: what was done is taken back although the passkey is gone by then.
func TestStepUpUndo(t *testing.T) {
	s := newSigners(t)
	s.vote(1, s.by("ana", "approve", s.signed("ana", nil)), "")
	s.run(s.known("cy"), runCompleted)
	if len(s.boxes) != 1 {
		t.Fatalf("%d time boxes", len(s.boxes))
	}
	s.mem.passkeys[0].Removed = true
	undo := s.boxes[0]
	res, err := s.act.RunAction(t.Context(), undo)
	if err != nil || s.published("addresses", bad) {
		t.Errorf("%+v %v", res, err)
	}
	again := undo
	again.Undo, again.Key = false, "again"
	if _, err := s.act.RunAction(t.Context(), again); err == nil {
		t.Error("the action itself runs again without the passkey")
	}
}

var _ activities.ActionStore = altered{}
