package activities

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"vigil/internal/action"
	"vigil/internal/alert"
	"vigil/internal/approval"
	"vigil/internal/auth"
	"vigil/internal/expr"
	"vigil/internal/playbook"
	"vigil/schema"
	"vigil/schema/flow"
)

// RunStore keeps the read models of runs and incidents.
type RunStore interface {
	PutRun(ctx context.Context, r schema.Run, history string, version uint64) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
	Incident(ctx context.Context, org, id string) (schema.Incident, error)
	AlertsByID(ctx context.Context, org string, ids []string) ([]schema.Alert, error)
}

// Playbooks prepares and records playbook runs.
type Playbooks struct {
	Store     RunStore
	Playbooks *playbook.Set
	Public    string // public decision key, pinned by every run
	Policies  *approval.Policies
}

// PlaybookVerbs is the action table as playbooks are checked against it. Commands on our own
// machine are in it only where a connector turns them on.
func PlaybookVerbs(systems action.Connectors) map[string]playbook.Verb {
	out := map[string]playbook.Verb{}
	for verb, d := range action.Definitions() {
		if verb == playbook.Bash && systems[verb] == nil {
			continue
		}
		v := playbook.Verb{LowRisk: d.Risk == action.Low, Kinds: map[string]string{}}
		for _, i := range d.Inputs {
			v.Inputs = append(v.Inputs, i.Name)
			v.Kinds[i.Name] = string(i.Kind)
			if i.Required {
				v.Required = append(v.Required, i.Name)
			}
		}
		out[verb] = v
	}
	return out
}

// VerbFacts is what a run needs to know of an action, fixed when the run starts.
type VerbFacts struct {
	Target  string `json:"target"` // the input that names what is acted on
	Risk    string `json:"risk"`
	Free    bool   `json:"free,omitempty"` // runs without asking anybody, whatever it is about
	Undo    string `json:"undo,omitempty"`
	Honesty string `json:"honesty,omitempty"`
}

// Prepared is everything a run needs that may change later; it is fixed in the
// run's history.
type Prepared struct {
	Document  string               `json:"document"` // canonical JSON of the playbook
	Version   string               `json:"version"`
	Public    string               `json:"public"` // public key of decision tokens
	Requester string               `json:"requester"`
	Verbs     map[string]VerbFacts `json:"verbs"`
	Variables map[string]string    `json:"variables"`
}

// PreparePlaybook resolves the playbook and its version, the run's variables, and
// who asked for it: a name counts only with a token signed for it, "system" only
// from an incident (child) or for a playbook that needs nobody.
func (p *Playbooks) PreparePlaybook(ctx context.Context, in flow.RunPlaybookInput, child bool, now time.Time) (Prepared, error) {
	d, err := p.Playbooks.Get(in.Playbook)
	if err != nil {
		return Prepared{}, Retryable(err)
	}
	out := Prepared{Document: d.Encode(), Version: d.Hash(), Public: p.Public, Verbs: map[string]VerbFacts{}}
	if in.Version != "" && in.Version != out.Version {
		return out, Retryable(schema.E(schema.Conflict, fmt.Sprintf("playbook %s has the version %.12s now, not %.12s", in.Playbook, out.Version, in.Version), "start it without a version, or load the old file"))
	}
	if in.DryRun && in.Incident != "" {
		if in.Variables, err = p.fromIncident(ctx, in); err != nil {
			return out, Retryable(err)
		}
	}
	vars, missing := d.Variables(in.Variables)
	if len(missing) > 0 {
		return out, Retryable(schema.E(schema.Invalid, fmt.Sprintf("playbook %s needs the variable %q", in.Playbook, missing[0]), `give it in "variables"`))
	}
	for name, v := range d.PlaybookVariables {
		if err := playbook.Fits(v.Type, vars[playbook.Bare(name)]); err != nil {
			return out, Retryable(schema.E(schema.Invalid, fmt.Sprintf("the variable %s of playbook %s: %s", playbook.Bare(name), in.Playbook, err), ""))
		}
	}
	out.Variables = vars
	for verb, a := range action.Definitions() {
		out.Verbs[verb] = VerbFacts{Target: a.Target, Risk: string(a.Risk), Undo: a.Undo, Honesty: a.Honesty, Free: a.Risk == action.Low && p.Policies.LowRiskFree()}
	}
	out.Requester, err = p.requester(in, child, now, d)
	return out, Retryable(err)
}

// fromIncident fills what a dry run was not given from the alerts of an incident, open
// or closed.
func (p *Playbooks) fromIncident(ctx context.Context, in flow.RunPlaybookInput) (map[string]string, error) {
	i, err := p.Store.Incident(ctx, in.Org, in.Incident)
	if err != nil {
		return nil, err
	}
	ids := i.Alerts[:min(len(i.Alerts), 50)]
	list, err := p.Store.AlertsByID(ctx, in.Org, ids)
	if err != nil {
		return nil, err
	}
	_, subject, _ := strings.Cut(i.Key, ":")
	vars := map[string]string{"alerts": strings.Join(ids, ","), "title": i.Title, "severity": string(i.Severity), "risk": strconv.Itoa(i.Risk), "subject": subject}
	for _, a := range list {
		for k, v := range alert.Variables(a.Entities) {
			if vars[k] == "" {
				vars[k] = v
			}
		}
	}
	maps.Copy(vars, in.Variables)
	return vars, nil
}

func (p *Playbooks) requester(in flow.RunPlaybookInput, child bool, now time.Time, d *playbook.Document) (string, error) {
	if in.Token != "" {
		c, err := auth.VerifyDecision(p.Public, in.Token, now)
		if err != nil {
			return "", err
		}
		if c.Verdict != auth.VerdictRun || c.Approval != in.Playbook || c.Binding != in.Incident {
			return "", schema.E(schema.Denied, "the token was not made for this run", "ask for the run in the UI or with `vigil incidents run`")
		}
		return c.User, nil
	}
	if child && in.Parent != "" && in.Requester != "" {
		return in.Requester, nil // proved when the outer playbook was prepared
	}
	if in.Requester == "system" && (child || p.Playbooks.LowRisk(d.Slug())) {
		return "system", nil
	}
	return "unknown", nil
}

// ConditionInput is a condition with the values of its variables.
type ConditionInput struct {
	Condition string            `json:"condition"`
	Variables map[string]string `json:"variables"`
	Severity  string            `json:"severity"`
	Risk      int               `json:"risk"`
	Alerts    int               `json:"alerts"`
}

// EvaluateCondition evaluates a playbook condition. It runs as a local activity, so
// that a new version of the expression library cannot change a recorded run.
func (p *Playbooks) EvaluateCondition(_ context.Context, in ConditionInput) (bool, error) {
	prog, err := expr.Compile(in.Condition, playbook.ConditionVars())
	if err != nil {
		return false, Retryable(err)
	}
	v := in.Variables
	if v == nil {
		v = map[string]string{}
	}
	ok, err := prog.EvalBool(map[string]any{"v": v, "severity": in.Severity, "risk": int64(in.Risk), "alerts": int64(in.Alerts), "entities": v})
	return ok, Retryable(err)
}

// SaveRun writes the read model of a run and tells the live outbox. version comes
// from the workflow's counter.
func (p *Playbooks) SaveRun(ctx context.Context, r schema.Run, version uint64, now time.Time) error {
	if err := p.Store.PutRun(ctx, r, "", version); err != nil {
		return Retryable(err)
	}
	kind := "changed"
	if !r.Ended.IsZero() {
		kind = "closed"
	}
	return Retryable(p.Store.PutNotes(ctx, note(r.Org, "runs", kind, r.ID, map[string]any{"playbook": r.Playbook, "status": r.Status, "incident": r.Incident}, now)))
}
