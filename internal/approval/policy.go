package approval

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"vigil/internal/expr"
	"vigil/schema"
)

// Mode says how many people a policy asks for.
type Mode string

// The modes.
const (
	Auto       Mode = "auto"       // nobody; the action runs by itself
	Notify     Mode = "notify"     // nobody, and people are told
	One        Mode = "one"        // one person
	TwoPerson  Mode = "two-person" // two different people
	MOfN       Mode = "m-of-n"     // as many as "needed" says
	BreakGlass Mode = "break-glass"
)

// What happens when nobody answers until the deadline.
const (
	TimeoutDeny     = "deny"
	TimeoutEscalate = "escalate"
	TimeoutSmaller  = "smaller"
)

// Unasked says whether a mode asks nobody.
func Unasked(mode string) bool { return mode == string(Auto) || mode == string(Notify) }

// Policy is one row of a policy file: the first whose condition holds decides.
type Policy struct {
	Name       string                  `yaml:"name"`
	When       string                  `yaml:"when"` // CEL; empty holds always
	Mode       Mode                    `yaml:"mode"`
	Needed     int                     `yaml:"needed"`  // for m-of-n
	Denials    int                     `yaml:"denials"` // how many deny; default 1, a veto
	Eligible   schema.ApprovalWho      `yaml:"eligible"`
	Teams      bool                    `yaml:"different_teams"`
	Stages     []schema.ApprovalStage  `yaml:"stages"` // default: one, with a deadline by severity
	EveryStage bool                    `yaml:"every_stage"`
	OnTimeout  string                  `yaml:"on_timeout"` // deny, escalate, smaller; default deny
	Smaller    *schema.ApprovalSmaller `yaml:"smaller"`
	Glass      *schema.ApprovalWho     `yaml:"break_glass"`
	StepUp     bool                    `yaml:"step_up"` // approving needs a passkey's signature over the action

	when expr.Program
}

// Asset is what policies know of things that actions touch.
type Asset struct {
	Match       string `yaml:"match"` // shell pattern over the target, without case
	Criticality string `yaml:"criticality"`
	Owner       string `yaml:"owner"`
}

type file struct {
	Zone     string   `yaml:"zone"` // IANA zone of hour and weekday; default UTC
	Assets   []Asset  `yaml:"assets"`
	Policies []Policy `yaml:"policies"`
}

// Policies are the policies of one file, compiled. They are immutable.
type Policies struct {
	file
	version string
	zone    *time.Location
}

//go:embed default.yaml
var builtIn []byte

// Default returns the built-in policies.
func Default() *Policies {
	p, err := Parse("default.yaml", builtIn, nil)
	if err != nil {
		panic(err) // a test loads them
	}
	return p
}

// Variables are what conditions may use.
func Variables() map[string]expr.Type {
	return map[string]expr.Type{"action": expr.String, "target": expr.String, "risk": expr.String, "reversible": expr.Bool, "targets": expr.Int,
		"criticality": expr.String, "severity": expr.String, "score": expr.Int, "requester": expr.String, "playbook": expr.String, "hour": expr.Int, "weekday": expr.Int}
}

// Parse reads a policy file. lowRisk says which actions a timeout may perform; nil
// does not check. Errors name the file and the policy, or the place of bad YAML.
func Parse(name string, text []byte, lowRisk func(action string) bool) (*Policies, error) {
	sum := sha256.Sum256(text)
	p := &Policies{version: hex.EncodeToString(sum[:])[:12], zone: time.UTC}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&p.file); err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
			pos := at.GetToken().Position
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s:%d:%d: %s", name, pos.Line, pos.Column, at.GetMessage()), "")
		}
		return nil, schema.E(schema.Invalid, name+": not readable as YAML", "", err)
	}
	if p.Zone != "" {
		z, err := time.LoadLocation(p.Zone)
		if err != nil {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s: there is no time zone %q", name, p.Zone), "such as Europe/Berlin", err)
		}
		p.zone = z
	}
	for _, a := range p.Assets {
		if _, err := path.Match(a.Match, ""); err != nil || a.Match == "" || !slices.Contains([]string{"", "low", "medium", "high", "critical"}, a.Criticality) {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s: the asset %q cannot be used", name, a.Match), "match is a shell pattern; criticality is low, medium, high or critical", err)
		}
	}
	seen := map[string]bool{}
	for i := range p.Policies {
		x := &p.Policies[i]
		if err := x.check(lowRisk); err != nil {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s: policy %d (%s): %s", name, i+1, x.Name, err), "")
		}
		if seen[x.Name] {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s: two policies are named %q", name, x.Name), "")
		}
		seen[x.Name] = true
	}
	if n := len(p.Policies); n == 0 || p.Policies[n-1].When != "" {
		return nil, schema.E(schema.Invalid, name+": the last policy must hold always", `leave its "when" out`)
	}
	return p, nil
}

func (x *Policy) check(lowRisk func(string) bool) (err error) {
	if x.Name == "" {
		return errors.New("it has no name")
	}
	if x.Denials == 0 {
		x.Denials = 1
	}
	if x.OnTimeout == "" {
		x.OnTimeout = TimeoutDeny
	}
	want, ok := map[Mode]int{Auto: 0, Notify: 0, One: 1, TwoPerson: 2, MOfN: x.Needed, BreakGlass: 1}[x.Mode]
	switch {
	case !ok:
		return fmt.Errorf("mode cannot be %q: auto, notify, one, two-person, m-of-n or break-glass", x.Mode)
	case x.Mode == MOfN && (x.Needed < 1 || x.Needed > 20):
		return errors.New("m-of-n needs \"needed\", 1 to 20")
	case x.Mode != MOfN && x.Needed != 0 && x.Needed != want:
		return fmt.Errorf("%s needs %d, not %d", x.Mode, want, x.Needed)
	case x.Denials < 1 || x.Denials > 20:
		return errors.New("denials is 1 to 20")
	case !slices.Contains([]string{TimeoutDeny, TimeoutEscalate, TimeoutSmaller}, x.OnTimeout):
		return fmt.Errorf("on_timeout cannot be %q: deny, escalate or smaller; silence never approves", x.OnTimeout)
	case x.OnTimeout == TimeoutSmaller && (x.Smaller == nil || x.Smaller.Action == ""):
		return errors.New("on_timeout smaller needs \"smaller\" with an action")
	case x.OnTimeout == TimeoutSmaller && lowRisk != nil && !lowRisk(x.Smaller.Action):
		return fmt.Errorf("the smaller action %q is not one of low risk", x.Smaller.Action)
	case x.OnTimeout == TimeoutEscalate && len(x.Stages) < 2:
		return errors.New("on_timeout escalate needs two stages or more")
	}
	if x.StepUp && Unasked(string(x.Mode)) {
		return fmt.Errorf("step_up asks people, and %s asks nobody", x.Mode)
	}
	x.Needed = want
	for i := range x.Stages {
		s := &x.Stages[i]
		if s.Quorum == 0 {
			s.Quorum = want
		}
		if s.Name == "" || s.Quorum < 1 || s.Quorum > 20 || s.Minutes < 0 || s.Minutes > 60*24*30 {
			return fmt.Errorf("stage %d needs a name, a quorum of 1 to 20, and a deadline of at most 30 days", i+1)
		}
	}
	if x.When == "" {
		return nil
	}
	if x.when, err = expr.Compile(x.When, Variables()); err != nil {
		return fmt.Errorf("when: %w", err)
	}
	return nil
}

// Asset returns what is known of the things that a target names: the highest
// criticality, and the owner of the first that has one.
func (p *Policies) Asset(target string) (criticality, owner string) {
	rank := []string{"", "low", "medium", "high", "critical"}
	for _, t := range Split(target) {
		for _, a := range p.Assets {
			if ok, _ := path.Match(strings.ToLower(a.Match), strings.ToLower(t)); !ok {
				continue
			}
			if slices.Index(rank, a.Criticality) > slices.Index(rank, criticality) {
				criticality = a.Criticality
			}
			if owner == "" {
				owner = a.Owner
			}
			break
		}
	}
	return criticality, owner
}

// Defaults by severity, in minutes: how long a stage without a deadline waits.
var deadlines = map[string]int{string(schema.Critical): 60, string(schema.High): 720}

const deadlineOther = 1440

// Choose returns the terms of the first policy that holds. A condition that fails
// while running counts as holding for the strictest: it asks two people.
func (p *Policies) Choose(f schema.ApprovalFacts) schema.ApprovalTerms {
	at := f.Time.In(p.zone)
	vars := map[string]any{"action": f.Action, "target": f.Target, "risk": f.Risk, "reversible": f.Reversible, "targets": int64(f.Targets),
		"criticality": f.Criticality, "severity": f.Severity, "score": int64(f.Score), "requester": f.Requester, "playbook": f.Playbook,
		"hour": int64(at.Hour()), "weekday": int64(at.Weekday())}
	for _, x := range p.Policies {
		if x.When != "" {
			ok, err := x.when.EvalBool(vars)
			if err != nil {
				x.Mode, x.Needed = TwoPerson, 2
				return AtLeast(p.terms(x, f), 2, 0)
			}
			if !ok {
				continue
			}
		}
		return p.terms(x, f)
	}
	return schema.ApprovalTerms{} // unreachable: the last policy holds always
}

func (p *Policies) terms(x Policy, f schema.ApprovalFacts) schema.ApprovalTerms {
	t := schema.ApprovalTerms{Policy: x.Name, Version: p.version, Mode: string(x.Mode), Stages: slices.Clone(x.Stages), EveryStage: x.EveryStage, Denials: x.Denials,
		Teams: x.Teams, OnTimeout: x.OnTimeout, Smaller: x.Smaller, BreakGlass: x.Glass, StepUp: x.StepUp}
	if len(t.Stages) == 0 {
		t.Stages = []schema.ApprovalStage{{Name: "primary", Quorum: max(1, x.Needed)}}
	}
	// Nobody knows who started it: whoever did could be the one who approves.
	if f.Requester == "unknown" {
		if Unasked(t.Mode) {
			t.Mode = string(TwoPerson)
		}
		for i := range t.Stages {
			t.Stages[i].Quorum = max(t.Stages[i].Quorum, 2)
		}
	}
	if x.Mode == BreakGlass && t.BreakGlass == nil {
		t.BreakGlass = &x.Eligible
	}
	for i := range t.Stages {
		s := &t.Stages[i]
		if s.Eligible.Anybody() {
			s.Eligible = x.Eligible
		}
		if s.Minutes == 0 {
			s.Minutes = deadlines[f.Severity]
		}
		if s.Minutes == 0 {
			s.Minutes = deadlineOther
		}
	}
	return t
}

// LowRiskFree says whether the first policy lets everything of low risk run by
// itself, so that no other need be asked about it.
func (p *Policies) LowRiskFree() bool {
	first := p.Policies[0]
	return first.Mode == Auto && strings.Join(strings.Fields(first.When), "") == "risk=='low'"
}

// AtLeast makes terms stricter: a step of a playbook may ask for more people, or for
// people where a policy asks nobody, and for another deadline; never for fewer.
func AtLeast(t schema.ApprovalTerms, needed, minutes int) schema.ApprovalTerms {
	t.Stages = slices.Clone(t.Stages)
	if needed > 0 && Unasked(t.Mode) {
		t.Mode = string(One)
	}
	for i := range t.Stages {
		t.Stages[i].Quorum = max(t.Stages[i].Quorum, needed)
		if minutes > 0 && i == 0 {
			t.Stages[i].Minutes = minutes
		}
	}
	return t
}
