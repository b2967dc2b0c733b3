package approval

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/schema"
)

var (
	start  = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	people = People{
		"ana": {Name: "ana", Role: "approver", Groups: []string{"soc"}, Team: "blue"}, "ben": {Name: "ben", Role: "approver", Groups: []string{"net"}, Team: "red"},
		"dan": {Name: "dan", Role: "approver", Team: "red"}, "root": {Name: "root", Role: "admin", Team: "green"}, "cy": {Name: "cy", Role: "analyst"},
		"gone": {Name: "gone", Role: "admin", Disabled: true}, "req": {Name: "req", Role: "approver", Team: "blue"}, "author": {Name: "author", Role: "admin", Team: "green"},
	}
)

func terms(mode Mode, quorum int) schema.ApprovalTerms {
	return schema.ApprovalTerms{Policy: "p", Version: "v", Mode: string(mode), Denials: 1, OnTimeout: TimeoutDeny,
		Stages: []schema.ApprovalStage{{Name: "primary", Quorum: quorum, Minutes: 60}}}
}

func open(t schema.ApprovalTerms) schema.Approval {
	args := map[string]string{"hosts": "ws1, ws2,ws3", "hours": "24", "reason": "x"}
	a := schema.Approval{ID: "a1", Action: "isolate-host", Target: args["hosts"], Arguments: args, TargetArg: "hosts", Kinds: map[string]string{"hosts": "list", "hours": "hours", "reason": "text"},
		Requester: "req", Terms: t, Facts: schema.ApprovalFacts{Action: "isolate-host", Authors: []string{"author"}, Owner: "dan", Team: "blue", Requester: "req"}}
	return Open(a, Payload{Approval: "a1", Action: a.Action, Target: a.Target, Arguments: args, Requester: "req", Nonce: "n"}, start)
}

func act(a schema.Approval, user, verdict string) Act {
	return Act{User: user, Verdict: verdict, Reason: "seen", Binding: a.Binding, Channel: "cli"}
}

func good(schema.Decision) error             { return nil }
func nobody(schema.ApprovalFacts) Mode       { return One }
func everybody(schema.ApprovalFacts) Mode    { return Auto }
func with(x Act, args map[string]string) Act { x.Args = args; return x }

// step is an act a number of minutes after the request, and what must come of it.
type step struct {
	minute int
	user   string
	verb   string
	args   map[string]string
	want   string // a part of the refusal, or the status
}

func play(t *testing.T, a schema.Approval, steps ...step) schema.Approval {
	t.Helper()
	for _, s := range steps {
		_, err := Apply(&a, with(act(a, s.user, s.verb), s.args), people, start.Add(time.Duration(s.minute)*time.Minute))
		got := string(a.Status)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, s.want) {
			t.Fatalf("%s %s: %s, want %s", s.user, s.verb, got, s.want)
		}
	}
	return a
}

func TestEveryMode(t *testing.T) {
	glass := terms(One, 1)
	glass.BreakGlass = &schema.ApprovalWho{Roles: []string{"admin"}}
	two := terms(TwoPerson, 2)
	teams := two
	teams.Teams = true
	lax := two
	lax.Denials = 2
	only := terms(One, 1)
	only.Stages[0].Eligible = schema.ApprovalWho{Groups: []string{"soc"}, Owner: true}
	for name, c := range map[string]struct {
		terms schema.ApprovalTerms
		steps []step
	}{
		"one":            {terms(One, 1), []step{{1, "ana", "approve", nil, "approved"}, {2, "ana", "approve", nil, "approved"}, {3, "ben", "approve", nil, "is closed"}}},
		"two":            {two, []step{{1, "ana", "approve", nil, "pending"}, {1, "ana", "approve", nil, "pending"}, {1, "ana", "deny", nil, "decided already"}, {2, "ben", "approve", nil, "approved"}}},
		"veto":           {two, []step{{1, "ana", "approve", nil, "pending"}, {2, "ben", "deny", nil, "denied"}, {2, "root", "approve", nil, "is closed"}}},
		"two denials":    {lax, []step{{1, "ana", "deny", nil, "pending"}, {2, "ben", "deny", nil, "denied"}}},
		"m of n":         {terms(MOfN, 3), []step{{1, "ana", "approve", nil, "pending"}, {1, "ben", "abstain", nil, "pending"}, {2, "dan", "approve", nil, "pending"}, {3, "root", "approve", nil, "approved"}}},
		"not yourself":   {terms(One, 1), []step{{1, "req", "approve", nil, "asked for this run"}, {1, "author", "approve", nil, "wrote the rule"}, {1, "cy", "approve", nil, "may not decide"}, {1, "gone", "deny", nil, "disabled"}, {1, "none", "deny", nil, "does not exist"}}},
		"eligible":       {only, []step{{1, "ben", "approve", nil, "is not asked"}, {1, "dan", "abstain", nil, "pending"}, {1, "ana", "approve", nil, "approved"}}},
		"teams":          {teams, []step{{1, "ana", "approve", nil, "blue has a say"}, {1, "ben", "approve", nil, "pending"}, {2, "dan", "approve", nil, "red has a say"}, {2, "root", "approve", nil, "approved"}}},
		"glass":          {glass, []step{{1, "ana", "break-glass", nil, "may not break"}, {1, "root", "break-glass", nil, "approved"}}},
		"no glass":       {two, []step{{1, "root", "break-glass", nil, "allows no break-glass"}}},
		"late":           {terms(One, 1), []step{{60, "ana", "approve", nil, "closed: expired"}}},
		"delegate":       {only, []step{{1, "ben", "delegate", map[string]string{"to": "root"}, "is not asked"}, {1, "ana", "delegate", map[string]string{"to": "req"}, "asked for this run"}, {1, "ana", "delegate", map[string]string{"to": "ben", "until": "10m"}, "pending"}, {5, "ben", "approve", nil, "approved"}}},
		"delegation end": {only, []step{{1, "ana", "delegate", map[string]string{"to": "ben", "until": "10m"}, "pending"}, {15, "ben", "approve", nil, "is not asked"}}},
		"claim":          {terms(One, 1), []step{{1, "ana", "claim", nil, "pending"}, {2, "ben", "claim", nil, "ana has claimed"}, {2, "ben", "release", nil, "has not claimed"}, {3, "ben", "deny", nil, "denied"}}},
		"claim ends":     {terms(One, 1), []step{{1, "ana", "claim", map[string]string{"until": "5m"}, "pending"}, {10, "ben", "claim", nil, "pending"}}},
		"snooze":         {terms(One, 1), []step{{1, "ana", "snooze", map[string]string{"until": "x"}, "until cannot be"}, {1, "ana", "snooze", map[string]string{"until": "900h"}, "at most 30 days"}, {1, "ana", "snooze", nil, "pending"}, {60, "ana", "approve", nil, "expired"}}},
		"unknown":        {terms(One, 1), []step{{1, "ana", "maybe", nil, "nobody can"}}},
	} {
		t.Run(name, func(t *testing.T) { play(t, open(c.terms), c.steps...) })
	}
	a := play(t, open(glass), step{1, "root", "break-glass", nil, "approved"})
	if a.Review == nil || Holds(a, good, nobody) != nil {
		t.Errorf("break-glass: %+v", a.Review)
	}
	for _, c := range []struct{ by, state, want string }{{"root", "justified", "decided it"}, {"req", "justified", "asked for"}, {"ana", "fine", "cannot say"}, {"ana", "unjustified", ""}, {"ana", "unjustified", ""}, {"ben", "justified", "was reviewed"}} {
		if err := ReviewDecision(&a, people[c.by], c.state, "looked", start); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("review by %s: %v", c.by, err)
		}
	}
}

func TestDenyNeedsAReason(t *testing.T) {
	a := open(terms(One, 1))
	for _, v := range []string{"deny", "break-glass", "narrow"} {
		x := act(a, "ana", v)
		x.Reason = " "
		if _, err := Apply(&a, x, people, start); err == nil || !strings.Contains(err.Error(), "needs a reason") {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func TestStages(t *testing.T) {
	e := terms(TwoPerson, 2)
	e.OnTimeout = TimeoutEscalate
	e.Stages = append(e.Stages, schema.ApprovalStage{Name: "executive", Quorum: 1, Minutes: 30, Eligible: schema.ApprovalWho{Roles: []string{"admin"}}})
	e.Stages[0].Eligible = schema.ApprovalWho{Groups: []string{"soc", "net"}}
	a := open(e)
	if want := start.Add(90 * time.Minute); !a.Expires.Equal(want) || !strings.Contains(a.IfSilent, "executive") {
		t.Errorf("expires %s, %s", a.Expires, a.IfSilent)
	}
	play(t, a, step{1, "root", "approve", nil, "is not asked"}, step{70, "root", "approve", nil, "approved"})
	a = play(t, a, step{1, "ana", "approve", nil, "pending"})
	if Tick(&a, start.Add(61*time.Minute)); a.Status != schema.ApprovalApproved || Holds(a, good, nobody) != nil {
		t.Errorf("the executive stage needs one, and one has approved: %s", a.Status)
	}
	b := open(e)
	if !Tick(&b, start.Add(100*time.Hour)) || b.Status != schema.ApprovalExpired || b.Stage != 1 {
		t.Errorf("after a long sleep: %s in stage %d", b.Status, b.Stage)
	}
	e.OnTimeout, e.EveryStage = TimeoutDeny, true
	play(t, open(e), step{1, "ana", "approve", nil, "pending"}, step{2, "ben", "approve", nil, "pending"}, step{3, "ana", "approve", nil, "pending"}, step{3, "dan", "approve", nil, "is not asked"}, step{4, "root", "approve", nil, "approved"})
	play(t, open(e), step{1, "ana", "approve", nil, "pending"}, step{2, "ben", "approve", nil, "pending"}, step{33, "root", "approve", nil, "expired"})
}

func TestNarrow(t *testing.T) {
	a := open(terms(TwoPerson, 2))
	old := a.Binding
	for want, args := range map[string]map[string]string{"widening": {"hours": "48"}, "is not narrower": {"hosts": "ws1,dc1"}, "nothing would be left": {"hosts": ","}, "no smaller value": {"reason": "y"},
		"no argument": {"user": "x"}, "nothing is narrowed": {}, "as they were": {"hours": "24"}, "not a number": {"hours": "0"}} {
		_, err := Apply(&a, with(act(a, "ana", "narrow"), args), people, start)
		if err == nil || !strings.Contains(fmt.Sprintf("%v %+v", err, err), want) {
			cause := err
			for e := err; e != nil; {
				u, ok := e.(interface{ Unwrap() error })
				if !ok {
					break
				}
				if e = u.Unwrap(); e != nil {
					cause = e
				}
			}
			if err == nil || !strings.Contains(cause.Error(), want) {
				t.Errorf("%v: %v, want %s", args, err, want)
			}
		}
	}
	a = play(t, a, step{1, "ana", "approve", nil, "pending"}, step{2, "ben", "narrow", map[string]string{"hosts": "ws1,ws2", "hours": "2"}, "pending"})
	if a.Binding == old || len(a.Decisions) != 0 || len(a.Voided) != 1 || a.Target != "ws1,ws2" || a.Arguments["hours"] != "2" || a.Facts.Targets != 2 {
		t.Errorf("%+v", a)
	}
	x := act(a, "ana", "approve")
	x.Binding = old
	if _, err := Apply(&a, x, people, start.Add(3*time.Minute)); err == nil || !strings.Contains(err.Error(), "other content") {
		t.Errorf("a decision about the old content: %v", err)
	}
	a = play(t, a, step{4, "ana", "approve", nil, "pending"}, step{5, "ben", "approve", nil, "approved"})
	if err := Holds(a, good, nobody); err != nil {
		t.Error(err)
	}
}

// TestTampered changes what is stored in every way that would let an action pass.
func TestTampered(t *testing.T) {
	two := play(t, open(terms(TwoPerson, 2)), step{1, "ana", "approve", nil, "pending"}, step{2, "ben", "approve", nil, "approved"})
	one := play(t, open(terms(TwoPerson, 2)), step{1, "ana", "approve", nil, "pending"})
	auto := open(terms(Auto, 1))
	up := terms(One, 1)
	up.StepUp = true
	signed := open(up)
	x := act(signed, "ana", "approve")
	if _, err := Apply(&signed, x, people, start); err == nil || !strings.Contains(err.Error(), "asks for a passkey") {
		t.Fatalf("approved without a passkey: %v", err)
	}
	x.Passkey = "k"
	if _, err := Apply(&signed, x, people, start); err != nil || Holds(signed, good, nobody) != nil {
		t.Fatalf("approved with a passkey: %v", err)
	}
	for name, c := range map[string]func() schema.Approval{
		"payload": func() schema.Approval { a := two; a.Payload = strings.Replace(a.Payload, "ws1", "dc1", 1); return a },
		"rebound": func() schema.Approval {
			a := two
			a.Payload = strings.Replace(a.Payload, "ws1", "dc1", 1)
			a.Binding = Binding(a.Payload)
			return a
		},
		"status": func() schema.Approval { a := one; a.Status = schema.ApprovalApproved; return a },
		"quorum": func() schema.Approval {
			a := one
			a.Status = schema.ApprovalApproved
			a.Terms = terms(One, 1)
			return a
		},
		"mode": func() schema.Approval {
			a := one
			a.Status = schema.ApprovalApproved
			a.Terms.Mode = string(Auto)
			return a
		},
		"twice": func() schema.Approval {
			a := two
			a.Decisions = []schema.Decision{two.Decisions[0], two.Decisions[0]}
			return a
		},
		"requester": func() schema.Approval { a := two; a.Requester = "somebody"; return a },
		"authors":   func() schema.Approval { a := two; a.Facts.Authors = nil; return a },
		"auto":      func() schema.Approval { return auto },
		"step-up":   func() schema.Approval { a := signed; a.Terms.StepUp = false; return a },
		"no passkey": func() schema.Approval {
			a := signed
			a.Decisions = slices.Clone(a.Decisions)
			a.Decisions[0].Passkey = ""
			return a
		},
	} {
		if err := Holds(c(), good, nobody); err == nil {
			t.Errorf("%s: it still holds", name)
		}
	}
	if Holds(two, good, nobody) != nil || Holds(auto, good, everybody) != nil {
		t.Error("what is untouched does not hold")
	}
	if Holds(two, func(schema.Decision) error { return fmt.Errorf("forged") }, nobody) == nil {
		t.Error("unproved decisions hold")
	}
}

func randomTerms(r *rand.Rand) schema.ApprovalTerms {
	t := terms(MOfN, 1+r.IntN(3))
	t.Denials, t.EveryStage, t.Teams, t.StepUp = 1+r.IntN(2), r.IntN(3) == 0, r.IntN(4) == 0, r.IntN(3) == 0
	for range r.IntN(3) {
		t.Stages = append(t.Stages, schema.ApprovalStage{Name: "next", Quorum: 1 + r.IntN(2), Minutes: 1 + r.IntN(60)})
	}
	if len(t.Stages) > 1 && r.IntN(2) == 0 {
		t.OnTimeout = TimeoutEscalate
	}
	if r.IntN(2) == 0 {
		t.BreakGlass = &schema.ApprovalWho{Roles: []string{"admin"}}
	}
	if r.IntN(2) == 0 {
		t.Stages[0].Eligible = schema.ApprovalWho{Groups: []string{"soc", "net"}, Users: []string{"root"}}
	}
	return t
}

// TestRaces plays random acts of random people at random times, and holds every
// state to what must be true whatever the order was.
func TestRaces(t *testing.T) {
	names := []string{"ana", "ben", "dan", "root", "cy", "gone", "req", "author", "none"}
	approved, closed := 0, 0
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 7))
		a := open(randomTerms(r))
		at := start
		var shown []schema.Approval // what the tabs of people show
		shown = append(shown, a)
		for range 1 + r.IntN(14) {
			at = at.Add(time.Duration(r.IntN(25)) * time.Minute)
			tab := shown[r.IntN(len(shown))]
			v := Verbs()[r.IntN(len(Verbs()))]
			x := with(act(tab, names[r.IntN(len(names))], v.Name), map[string]string{"to": names[r.IntN(len(names))], "until": "30m"})
			if v.Name == "narrow" {
				x.Args = map[string]string{"hours": fmt.Sprint(1 + r.IntN(30))}
			}
			if r.IntN(3) > 0 {
				x.Passkey = "k"
			}
			before := a
			snapshot, _ := json.Marshal(a)
			_, err := Apply(&a, x, people, at)
			invariants(t, seed, before, a, at, err, snapshot)
			again, _ := json.Marshal(a)
			var carried schema.Approval // continue-as-new takes it through JSON
			if json.Unmarshal(again, &carried) != nil {
				t.Fatal("the state does not survive JSON")
			}
			if v.Votes && err == nil && a.Status != schema.ApprovalExpired { // a double click
				out, err := Apply(&carried, x, people, at)
				if text, _ := json.Marshal(carried); err != nil || out.Changed || string(text) != string(again) {
					t.Fatalf("seed %d: the same act twice: %v %+v", seed, err, out)
				}
			}
			shown = append(shown, a)
		}
		if a.Status == schema.ApprovalApproved {
			approved++
		}
		if a.Status != schema.ApprovalPending {
			closed++
		}
	}
	if approved < 200 || closed < 1000 {
		t.Errorf("the test says nothing: %d approved, %d closed", approved, closed)
	}
}

func invariants(t *testing.T, seed uint64, before, after schema.Approval, at time.Time, err error, snapshot []byte) {
	t.Helper()
	fail := func(what string) { t.Fatalf("seed %d: %s: %+v (%v)", seed, what, after, err) }
	if text, _ := json.Marshal(before); string(text) != string(snapshot) {
		fail("an act changed the state it started from")
	}
	if before.Status != schema.ApprovalPending && !reflect.DeepEqual(before, after) {
		fail("a closed request changed")
	}
	var who []string
	for _, d := range after.Decisions {
		who = append(who, d.User)
		if d.OnBehalf != "" {
			who = append(who, d.OnBehalf)
		}
		if d.Binding != after.Binding {
			fail("a decision about other content counts")
		}
		if StepsUp(after, d.Verdict) && d.Passkey == "" {
			fail("a decision counts without the passkey that the policy asks for")
		}
		if slices.Contains([]string{"req", "author", "cy", "gone", "none"}, d.User) {
			fail("somebody decided who may not")
		}
	}
	slices.Sort(who)
	if len(slices.Compact(who)) != len(who) {
		fail("somebody is counted twice")
	}
	if after.Status == schema.ApprovalPending && !at.Before(after.Deadline) && err == nil && len(after.Decisions) > len(before.Decisions) {
		fail("a decision counted after the deadline")
	}
	if after.Status == schema.ApprovalApproved && before.Status == schema.ApprovalPending {
		if herr := Holds(after, good, nobody); herr != nil {
			fail("approved, but it does not hold: " + herr.Error())
		}
		if at.After(after.Expires) && len(after.Decisions) > len(before.Decisions) {
			fail("approved after everything had expired")
		}
	}
	if after.Status == schema.ApprovalExpired && at.Before(before.Deadline) {
		fail("expired too early")
	}
}

func TestPolicies(t *testing.T) {
	p := Default()
	for _, c := range []struct {
		f    schema.ApprovalFacts
		want string
	}{
		{schema.ApprovalFacts{Risk: "low", Requester: "system"}, "low-risk auto 1 1440"},
		{schema.ApprovalFacts{Risk: "low", Requester: "unknown"}, "low-risk two-person 2 1440"},
		{schema.ApprovalFacts{Risk: "high", Requester: "system", Severity: "high"}, "everything-else one 1 720"},
		{schema.ApprovalFacts{Risk: "high", Requester: "unknown", Severity: "critical"}, "everything-else one 2 60"},
		{schema.ApprovalFacts{Risk: "medium", Requester: "system", Criticality: "critical", Severity: "critical"}, "critical-asset two-person 2 60"},
		{schema.ApprovalFacts{Risk: "high", Requester: "system", Targets: 11}, "many-targets two-person 2 1440"},
	} {
		got := p.Choose(c.f)
		if s := fmt.Sprintf("%s %s %d %d", got.Policy, got.Mode, got.Stages[0].Quorum, got.Stages[0].Minutes); s != c.want {
			t.Errorf("%+v: %s, want %s", c.f, s, c.want)
		}
	}
	own, err := Parse("x.yaml", []byte(`zone: Europe/Berlin
assets:
  - {match: "dc*", criticality: critical, owner: dan}
  - {match: "*", criticality: low}
policies:
  - {name: night, when: "hour < 6 || weekday == 0", mode: break-glass, eligible: {users: [root]}}
  - {name: quiet, when: "action == 'tag' && reversible", mode: notify}
  - {name: smaller, when: "targets == 2", mode: m-of-n, needed: 3, on_timeout: smaller, smaller: {action: watch, arguments: {value: "{target}"}}}
  - {name: rest, mode: two-person}
`), func(a string) bool { return a == "watch" })
	if err != nil {
		t.Fatal(err)
	}
	if c, o := own.Asset("ws1, DC01"); c != "critical" || o != "dan" {
		t.Errorf("asset %s %s", c, o)
	}
	night := time.Date(2026, 3, 2, 3, 30, 0, 0, time.UTC) // 4:30 in Berlin
	for want, f := range map[string]schema.ApprovalFacts{"night": {Time: night}, "quiet": {Time: start, Action: "tag", Reversible: true}, "smaller": {Time: start, Targets: 2}, "rest": {Time: start}} {
		if got := own.Choose(f); got.Policy != want {
			t.Errorf("%s, want %s", got.Policy, want)
		}
	}
	if g := own.Choose(schema.ApprovalFacts{Time: night}).BreakGlass; g == nil || g.Users[0] != "root" {
		t.Errorf("break-glass people: %+v", g)
	}
}

func TestBadPolicies(t *testing.T) {
	for text, want := range map[string]string{
		"policies: []": "must hold always",
		"policies:\n  - {name: a, when: 'true', mode: one}":                                          "must hold always",
		"policies:\n  - {name: a, mode: some}":                                                       "mode cannot be",
		"policies:\n  - {name: a, mode: m-of-n}":                                                     "needs \"needed\"",
		"policies:\n  - {name: a, mode: one, on_timeout: approve}":                                   "silence never approves",
		"policies:\n  - {name: a, mode: one, on_timeout: escalate}":                                  "two stages",
		"policies:\n  - {name: a, mode: one, on_timeout: smaller, smaller: {action: block-address}}": "not one of low risk",
		"policies:\n  - {name: a, when: 'riks == 1', mode: one}\n  - {name: b, mode: one}":           "policy 1 (a)",
		"policies:\n  - {name: a, mode: one}\n  - {name: a, mode: one}":                              "two policies",
		"policies:\n  - {name: a, mode: auto, step_up: true}":                                        "step_up asks people",
		"policies:\n  - {name: a, mode: one, colour: red}":                                           "x.yaml:2:",
		"zone: Mars\npolicies:\n  - {name: a, mode: one}":                                            "no time zone",
		"assets: [{match: '[', criticality: low}]\npolicies:\n  - {name: a, mode: one}":              "asset",
		"policies:\n  - {name: a, mode: one, stages: [{name: x, quorum: 50}]}":                       "stage 1",
		"policies:\n  - {name: a, mode: two-person, needed: 5}":                                      "needs 2",
		"policies:\n  - {name: '', mode: two-person}":                                                "no name",
		"policies: {": "x.yaml:",
	} {
		if _, err := Parse("x.yaml", []byte(text), func(string) bool { return false }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(builtIn)
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := Parse("x.yaml", text, nil); err == nil {
			p.Choose(schema.ApprovalFacts{Requester: "system"})
		}
	})
}

func TestMeasure(t *testing.T) {
	one := play(t, open(terms(One, 1)), step{2, "ana", "view", nil, "pending"}, step{4, "ana", "approve", nil, "approved"})
	two := play(t, open(terms(One, 1)), step{6, "ben", "deny", nil, "denied"})
	auto := open(terms(Auto, 1))
	m := Measure([]schema.Approval{one, two, auto, open(terms(One, 1))}, func(string) bool { return true }, 2, start.Add(time.Hour))
	if m.Automatic != 3 || m.Automated != 0.75 || m.Overturned != 1 || m.OverturnBy != 1 || m.FirstView.Median != 120 || m.Decision.Greatest != 360 || m.Approvers["ana"].Median != 240 || m.Stages["primary"].Denied != 1 || m.Open != 1 || m.LongestOpen != 3600 {
		t.Errorf("%+v", m)
	}
}
