package approval

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vigil/schema"
)

// Act is something that a signed-in person does to an open approval.
type Act struct {
	Verdict string            // see [Verbs]
	User    string            // who, proved by a token
	Reason  string            //
	Binding string            // what the person was shown
	Channel string            // web, cli, temporal
	Args    map[string]string // to, until, and for narrow the changed arguments
	Token   string            // the proof, kept with a decision
	Passkey string            // id of the passkey whose signature is in the token, "" for none
}

// Person is what counts of a user.
type Person struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Groups   []string `json:"groups,omitempty"`
	Team     string   `json:"team,omitempty"`
	Disabled bool     `json:"disabled,omitempty"`
}

// People are the users that an act is about, by name.
type People map[string]Person

// Outcome says what an act made of the request.
type Outcome struct {
	Changed bool   // the request must be stored again
	Cause   string // for the audit: decide, narrow, delegate, claim, release, snooze, view
	Text    string // for people
}

// Verb is one row of the table of acts.
type Verb struct {
	Name   string
	Votes  bool // a decision: one for each person
	Reason bool // a reason must be given
	Any    bool // people who may not decide may do it too
	StepUp bool // leads to the action: a passkey signs it where the policy says so
	Doc    string
	run    func(r *reduction) (Outcome, error)
}

// Verbs is the table of what people can do to an open approval.
func Verbs() []Verb {
	return []Verb{
		{Name: "approve", Votes: true, StepUp: true, Doc: "approve exactly what is bound", run: (*reduction).vote},
		{Name: "deny", Votes: true, Reason: true, Doc: "deny; one denial is enough unless the policy says otherwise", run: (*reduction).vote},
		{Name: "abstain", Votes: true, Doc: "take no side; the quorum stays as it is", run: (*reduction).vote},
		{Name: "break-glass", Votes: true, Reason: true, StepUp: true, Doc: "approve alone, at once; somebody reviews it afterwards", run: (*reduction).breakGlass},
		{Name: "narrow", Reason: true, Doc: "fewer targets or a shorter time box; voids the decisions so far", run: (*reduction).narrow},
		{Name: "delegate", Doc: "let somebody else decide in your place until a time", run: (*reduction).delegate},
		{Name: "claim", Doc: "say that you are looking into it, until a time", run: (*reduction).claim},
		{Name: "release", Doc: "give a claim back", run: (*reduction).release},
		{Name: "snooze", Any: true, Doc: "hide it from your own inbox until a time", run: (*reduction).snooze},
		{Name: "view", Any: true, Doc: "record that you have seen it", run: (*reduction).view},
	}
}

// FindVerb returns the row of an act.
func FindVerb(name string) (Verb, bool) {
	all := Verbs()
	i := slices.IndexFunc(all, func(v Verb) bool { return v.Name == name })
	if i < 0 {
		return Verb{}, false
	}
	return all[i], true
}

// reduction is one act on one request.
type reduction struct {
	a      *schema.Approval
	act    Act
	verb   Verb
	people People
	now    time.Time
}

// Check refuses what cannot count whoever sends it: unknown verbs, closed requests,
// decisions about other content, missing reasons. done says that exactly this was
// decided before, so that a second click changes nothing and is no error.
func Check(a schema.Approval, act Act) (done bool, err error) {
	v, ok := FindVerb(act.Verdict)
	if !ok {
		return false, schema.E(schema.Invalid, fmt.Sprintf("nobody can %q an approval", act.Verdict), verbNames())
	}
	if v.Votes {
		if i := voteOf(a, act.User); i >= 0 {
			if a.Decisions[i].Verdict == act.Verdict && act.Binding == a.Binding {
				return true, nil
			}
			if a.Status == schema.ApprovalPending {
				return false, schema.E(schema.Conflict, act.User+" has decided already: "+a.Decisions[i].Verdict, "")
			}
		}
	}
	switch {
	case a.Status != schema.ApprovalPending:
		return false, schema.E(schema.Conflict, fmt.Sprintf("approval %s is closed: %s", a.ID, a.Status), "")
	case act.Binding != a.Binding && (v.Votes || act.Verdict == "narrow"):
		return false, schema.E(schema.Denied, "the token was made for another approval, or for other content of this one", "look at it again: vigil approvals show "+a.ID)
	case v.Reason && strings.TrimSpace(act.Reason) == "":
		return false, schema.E(schema.Invalid, "to "+v.Name+" needs a reason", "say why, for those who read the audit later")
	case StepsUp(a, act.Verdict) && act.Passkey == "":
		return false, schema.E(schema.Denied, "the policy "+a.Terms.Policy+" asks for a passkey to "+v.Name, "decide in the web UI, on its page under /approvals")
	}
	return false, nil
}

// StepsUp says whether an act on the request must be signed with a passkey. A denial
// never must: nothing follows from it.
func StepsUp(a schema.Approval, verdict string) bool {
	v, _ := FindVerb(verdict)
	return a.Terms.StepUp && v.StepUp
}

func verbNames() string {
	var names []string
	for _, v := range Verbs() {
		names = append(names, v.Name)
	}
	return strings.Join(names, ", ")
}

// voteOf returns the index of the decision that the user has given, or that was
// given in the user's place; -1 for none.
func voteOf(a schema.Approval, user string) int {
	return slices.IndexFunc(a.Decisions, func(d schema.Decision) bool {
		return strings.EqualFold(d.User, user) || strings.EqualFold(d.OnBehalf, user)
	})
}

// Apply changes the request by an act, or says why not. Deadlines come first: an
// act after the last one finds the request closed. A refused act changes nothing
// else.
func Apply(a *schema.Approval, act Act, people People, now time.Time) (Outcome, error) {
	next := clone(*a)
	ticked := Tick(&next, now)
	done, err := Check(next, act)
	if err != nil || done {
		if ticked {
			*a = next
		}
		return Outcome{Changed: ticked}, err
	}
	verb, _ := FindVerb(act.Verdict)
	out, err := verb.run(&reduction{a: &next, act: act, verb: verb, people: people, now: now})
	if err != nil {
		return Outcome{}, err
	}
	out.Changed = out.Changed || ticked
	*a = next
	return out, nil
}

// clone copies what acts change, so that a refused one leaves no trace.
func clone(a schema.Approval) schema.Approval {
	a.Decisions, a.Voided, a.Moves = slices.Clone(a.Decisions), slices.Clone(a.Voided), slices.Clone(a.Moves)
	a.Delegations, a.Views = slices.Clone(a.Delegations), slices.Clone(a.Views)
	a.Snoozes, a.Arguments = maps.Clone(a.Snoozes), maps.Clone(a.Arguments)
	return a
}

func (r *reduction) move(kind, by, text string) {
	r.a.Moves = append(r.a.Moves, schema.ApprovalMove{Kind: kind, By: by, Text: text, Time: r.now.UTC()})
}

// vote counts a decision and closes the request, or opens the next stage, when it
// was the last that was missing.
func (r *reduction) vote() (Outcome, error) {
	behalf, err := r.seat()
	if err != nil {
		return Outcome{}, err
	}
	r.decide(behalf)
	settle(r.a, r.now)
	return Outcome{Changed: true, Cause: "decide", Text: string(r.a.Status)}, nil
}

func (r *reduction) decide(behalf string) {
	d := schema.Decision{User: r.act.User, OnBehalf: behalf, Verdict: r.act.Verdict, Reason: r.act.Reason, Channel: r.act.Channel,
		Stage: r.a.Stage, Team: r.people[r.act.User].Team, Binding: r.a.Binding, Token: r.act.Token, Passkey: r.act.Passkey, Time: r.now.UTC()}
	if r.a.Action == manual {
		d.Args = r.act.Args
	}
	r.a.Decisions = append(r.a.Decisions, d)
	r.a.Claim = nil
}

// breakGlass is one person's decision alone; it opens a review.
func (r *reduction) breakGlass() (Outcome, error) {
	w := r.a.Terms.BreakGlass
	if w == nil {
		return Outcome{}, schema.E(schema.Denied, "the policy "+r.a.Terms.Policy+" allows no break-glass", "approve, or ask somebody else to")
	}
	p := r.people[r.act.User]
	if err := r.mayDecide(p); err != nil {
		return Outcome{}, err
	}
	if !in(*w, p, r.a.Facts.Owner) {
		return Outcome{}, schema.E(schema.Denied, p.Name+" may not break the glass here", "the policy names "+describe(*w))
	}
	r.decide("")
	r.a.Review = &schema.ApprovalReview{State: schema.ReviewPending}
	closeAs(r.a, schema.ApprovalApproved, r.now)
	return Outcome{Changed: true, Cause: "decide", Text: "break-glass"}, nil
}

// narrow makes the action smaller. What was decided so far was decided about
// something else and is void.
func (r *reduction) narrow() (Outcome, error) {
	if _, err := r.eligible(); err != nil {
		return Outcome{}, err
	}
	args, err := Narrower(r.a.Kinds, r.a.Arguments, r.act.Args)
	if err != nil {
		return Outcome{}, err
	}
	var p Payload
	if err := json.Unmarshal([]byte(r.a.Payload), &p); err != nil {
		return Outcome{}, schema.E(schema.Internal, "the payload cannot be read", "", err)
	}
	p.Arguments, p.Change = args, p.Change+1
	if t, ok := args[r.a.TargetArg]; ok {
		p.Target = t
	}
	r.a.Arguments, r.a.Target = args, p.Target
	r.a.Facts.Target, r.a.Facts.Targets = p.Target, CountTargets(r.a.Kinds[r.a.TargetArg], p.Target)
	r.a.Payload, r.a.Binding = p.Canonical()
	r.a.Voided = append(r.a.Voided, r.a.Decisions...)
	r.a.Decisions = nil
	text := changes(r.act.Args) + ": " + r.act.Reason
	r.move("narrowed", r.act.User, text)
	return Outcome{Changed: true, Cause: "narrow", Text: text}, nil
}

func changes(args map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(args)) {
		out = append(out, k+"="+args[k])
	}
	return strings.Join(out, " ")
}

// manual is the action of steps that a person does; who approves says that it is done.
const manual = "manual"

const (
	maxUntil     = 30 * 24 * time.Hour
	defaultClaim = 30 * time.Minute
)

// until reads the end of a claim, snooze or delegation: a duration or a time.
func (r *reduction) until(def time.Duration) (time.Time, error) {
	text := r.act.Args["until"]
	at := r.now.Add(def)
	if d, err := time.ParseDuration(text); err == nil {
		at = r.now.Add(d)
	} else if text != "" {
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return at, schema.E(schema.Invalid, fmt.Sprintf("until cannot be %q", text), "a duration such as 2h, or a time such as 2026-01-31T08:00:00Z")
		}
	}
	if !at.After(r.now) || at.After(r.now.Add(maxUntil)) {
		return at, schema.E(schema.Invalid, "until must lie ahead, at most 30 days", "")
	}
	return at.UTC().Truncate(time.Second), nil
}

func (r *reduction) delegate() (Outcome, error) {
	if _, err := r.eligible(); err != nil {
		return Outcome{}, err
	}
	if voteOf(*r.a, r.act.User) >= 0 {
		return Outcome{}, schema.E(schema.Conflict, r.act.User+" has decided already", "there is nothing left to delegate")
	}
	to := r.people[r.act.Args["to"]]
	if to.Name == "" {
		return Outcome{}, schema.E(schema.Invalid, fmt.Sprintf("there is no user %q to delegate to", r.act.Args["to"]), "")
	}
	if strings.EqualFold(to.Name, r.act.User) {
		return Outcome{}, schema.E(schema.Invalid, "one cannot delegate to oneself", "")
	}
	if err := r.mayDecide(to); err != nil {
		return Outcome{}, err
	}
	at, err := r.until(24 * time.Hour)
	if err != nil {
		return Outcome{}, err
	}
	r.a.Delegations = slices.DeleteFunc(r.a.Delegations, func(d schema.ApprovalDelegation) bool { return strings.EqualFold(d.From, r.act.User) })
	r.a.Delegations = append(r.a.Delegations, schema.ApprovalDelegation{From: r.act.User, To: to.Name, Until: at, Time: r.now.UTC()})
	text := "to " + to.Name + " until " + at.Format(time.RFC3339)
	r.move("delegated", r.act.User, text)
	return Outcome{Changed: true, Cause: "delegate", Text: text}, nil
}

// claim tells others that somebody is looking into it. It stops nobody's vote: a
// claim that did could hold up a veto.
func (r *reduction) claim() (Outcome, error) {
	if _, err := r.eligible(); err != nil {
		return Outcome{}, err
	}
	if c := r.a.Claim; c != nil && c.Until.After(r.now) && !strings.EqualFold(c.User, r.act.User) {
		return Outcome{}, schema.E(schema.Conflict, c.User+" has claimed it until "+c.Until.Format(time.RFC3339), "wait, or ask them to release it")
	}
	at, err := r.until(defaultClaim)
	if err != nil {
		return Outcome{}, err
	}
	r.a.Claim = &schema.ApprovalClaim{User: r.act.User, Until: at}
	r.move("claimed", r.act.User, "until "+at.Format(time.RFC3339))
	return Outcome{Changed: true, Cause: "claim"}, nil
}

func (r *reduction) release() (Outcome, error) {
	if r.a.Claim == nil || !strings.EqualFold(r.a.Claim.User, r.act.User) {
		return Outcome{}, schema.E(schema.Conflict, r.act.User+" has not claimed it", "")
	}
	r.a.Claim = nil
	r.move("released", r.act.User, "")
	return Outcome{Changed: true, Cause: "release"}, nil
}

func (r *reduction) snooze() (Outcome, error) {
	at, err := r.until(time.Hour)
	if err != nil {
		return Outcome{}, err
	}
	if r.a.Snoozes == nil {
		r.a.Snoozes = map[string]time.Time{}
	}
	r.a.Snoozes[r.act.User] = at
	r.move("snoozed", r.act.User, "until "+at.Format(time.RFC3339))
	return Outcome{Changed: true, Cause: "snooze"}, nil
}

// view keeps the first time that each person looked.
func (r *reduction) view() (Outcome, error) {
	if slices.ContainsFunc(r.a.Views, func(v schema.ApprovalView) bool { return v.User == r.act.User }) || len(r.a.Views) >= 100 {
		return Outcome{}, nil
	}
	r.a.Views = append(r.a.Views, schema.ApprovalView{User: r.act.User, Time: r.now.UTC()})
	return Outcome{Changed: true, Cause: "view"}, nil
}
