package playbook

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"vigil/internal/expr"
)

// Verb is what checking needs to know of a row of the action table.
type Verb struct {
	Inputs   []string
	Required []string
	LowRisk  bool
	Kinds    map[string]string // type of each input
}

// ConditionVars are the variables that conditions may use: v holds the playbook's
// variables by name without underscores.
func ConditionVars() map[string]expr.Type {
	return map[string]expr.Type{"v": expr.StringMap, "severity": expr.String, "risk": expr.Int, "alerts": expr.Int, "entities": expr.StringMap}
}

var (
	nameForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,62}$`)
	stepForm     = regexp.MustCompile(`^(start|end|action|if-condition|while-condition|parallel|playbook-action|switch-condition)--[a-z0-9-]{1,64}$`)
	variableForm = regexp.MustCompile(`^__[a-z][a-z0-9_]*__$`)
)

// checker collects what is wrong with a document, each at its place.
type checker struct {
	d     *Document
	verbs map[string]Verb
	at    func(path ...string) (line, column int)
	file  string
	errs  []error
}

func (c *checker) fail(path []string, hint, format string, args ...any) {
	line, column := c.at(path...)
	c.errs = append(c.errs, &LoadError{File: c.file, Line: line, Column: column, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func p(parts ...string) []string { return parts }

func (c *checker) run() {
	d := c.d
	if d.Type != "playbook" {
		c.fail(p("type"), "write type: playbook", "type cannot be %q", d.Type)
	}
	if d.SpecVersion != SpecVersion {
		c.fail(p("spec_version"), "write "+SpecVersion, "spec_version cannot be %q", d.SpecVersion)
	}
	if !strings.HasPrefix(d.ID, "playbook--") {
		c.fail(p("id"), "it starts with playbook--", "id cannot be %q", d.ID)
	}
	if !nameForm.MatchString(d.Slug()) || len(d.Name) > 200 {
		c.fail(p("name"), "letters and digits, at most 200", "name cannot be %q", d.Name)
	}
	c.variables(p("playbook_variables"), d.PlaybookVariables)
	if d.WorkflowException != "" {
		c.reference(p("workflow_exception"), d.WorkflowException)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Workflow)) {
		c.step(id, d.Workflow[id])
	}
	c.graph()
}

func (c *checker) step(id string, s Step) {
	w := func(rest ...string) []string { return append([]string{"workflow", id}, rest...) }
	if !stepForm.MatchString(id) {
		c.fail(w(), "write type--name, for example action--block", "a step cannot have the id %q", id)
	} else if prefix, _, _ := strings.Cut(id, "--"); prefix != s.Type {
		c.fail(w("type"), "the id says "+prefix, "the step %s has the type %q", id, s.Type)
	}
	for key, next := range map[string]string{"on_completion": s.OnCompletion, "on_success": s.OnSuccess, "on_failure": s.OnFailure, "on_true": s.OnTrue, "on_false": s.OnFalse} {
		c.reference(w(key), next)
	}
	for _, next := range s.NextSteps {
		c.reference(w("next_steps"), next)
	}
	for _, v := range slices.Sorted(maps.Keys(s.Cases)) {
		c.reference(w("cases", v), s.Cases[v])
	}
	c.variables(w("step_variables"), s.StepVariables)
	if s.Delay < 0 || s.Delay > maxWait || s.Timeout < 0 || s.Timeout > maxWait {
		c.fail(w(), "milliseconds, up to 30 days", "this delay or timeout cannot be")
	}
	if s.Type != Start && s.Type != End && s.After() == "" {
		c.fail(w(), "name the next step in on_completion; the last is an end step", "the branch ends nowhere: %s has no next step", id)
	}
	if s.Type == End && len(s.Next()) > 0 {
		c.fail(w(), "", "an end step leads nowhere")
	}
	switch s.Type {
	case Start:
		if s.After() == "" {
			c.fail(w(), "name the first step in on_completion", "the start leads nowhere")
		}
	case End:
	case ActionStep:
		c.action(w, s)
	case IfCondition, WhileLoop:
		c.condition(w, s)
	case Parallel:
		if len(s.NextSteps) < 2 {
			c.fail(w(), "name two or more steps in next_steps", "a parallel step needs branches")
		}
	case Switch:
		c.switches(w, s)
	case SubPlaybook:
		if s.Playbook == "" {
			c.fail(w(), "its id or name", "a playbook-action step needs a playbook_id")
		}
		c.known(w("in_args"), s.InArgs)
		c.known(w("out_args"), s.OutArgs)
	default:
		c.fail(w("type"), "start, end, action, playbook-action, parallel, if-, while- or switch-condition", "steps of type %q do not run", s.Type)
	}
}

func (c *checker) reference(path []string, id string) {
	if id == "" {
		return
	}
	if _, ok := c.d.Workflow[id]; !ok {
		c.fail(path, near(id, slices.Sorted(maps.Keys(c.d.Workflow))), "there is no step %q", id)
	}
}

func near(name string, among []string) string {
	if n := expr.Nearest(name, among); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return ""
}

func (c *checker) action(w func(...string) []string, s Step) {
	if len(s.Commands) != 1 {
		c.fail(w("commands"), "write one command a step", "an action step needs exactly one command, this one has %d", len(s.Commands))
		return
	}
	if a := s.Approval; a != nil && (a.Needed < 0 || a.Needed > 10 || a.DeadlineMinutes < 0 || a.DeadlineMinutes > 60*24*30) {
		c.fail(w("approval"), "needed 1 to 10, deadline_minutes up to 30 days", "this approval cannot be given")
	}
	cmd := s.Commands[0]
	switch cmd.Type {
	case VigilAction:
		c.verb(w, cmd)
	case HTTPAPI, OpenC2:
		c.http(w, s, cmd)
	case SSH:
		c.where(w, s, "ssh", "linux", "net-address")
		if strings.TrimSpace(cmd.Command) == "" {
			c.fail(w("commands"), "", "the ssh command is empty")
		}
	case Bash:
		if _, on := c.verbs[Bash]; !on {
			c.fail(w("commands", "0", "type"), "it is off: the connector bash turns it on; use ssh", "commands of type %q do not run", cmd.Type)
		}
		if strings.TrimSpace(cmd.Command) == "" {
			c.fail(w("commands"), "", "the bash command is empty")
		}
	case "powershell":
		c.fail(w("commands", "0", "type"), "it is off: use ssh", "commands of type %q do not run", cmd.Type)
	case Manual:
		if strings.TrimSpace(cmd.Command) == "" {
			c.fail(w("commands"), "say what the person is asked to do", "the manual command is empty")
		}
	default:
		hint := near(cmd.Type, []string{VigilAction, HTTPAPI, OpenC2, SSH, Manual})
		if hint == "" {
			hint = "vigil-action, http-api, openc2-http, ssh or manual"
		}
		c.fail(w("commands", "0", "type"), hint, "commands of type %q do not run", cmd.Type)
	}
	c.references(w("commands", "0"), cmd.Command+"\n"+cmd.Content+"\n"+strings.Join(slices.Sorted(maps.Values(cmd.Arguments)), "\n"))
	c.known(w("out_args"), s.OutArgs)
}

func (c *checker) verb(w func(...string) []string, cmd Command) {
	v, ok := c.verbs[cmd.Command]
	if !ok {
		c.fail(w("commands", "0", "command"), near(cmd.Command, slices.Sorted(maps.Keys(c.verbs))), "there is no action %q", cmd.Command)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(cmd.Arguments)) {
		if !slices.Contains(v.Inputs, name) {
			hint := near(name, v.Inputs)
			if hint == "" {
				hint = "it takes " + strings.Join(v.Inputs, ", ")
			}
			c.fail(w("commands", "0", "arguments", name), hint, "%s has no input %q", cmd.Command, name)
		}
	}
	c.kinds(w, cmd, v)
	for _, name := range v.Required {
		if cmd.Arguments[name] == "" {
			c.fail(w("commands", "0"), "", "%s needs the input %q", cmd.Command, name)
		}
	}
}

// references finds uses of variables that the playbook does not have.
func (c *checker) references(path []string, text string) {
	for _, m := range variableRef.FindAllStringSubmatch(text, -1) {
		name := "__" + m[1] + "__"
		c.known(path, []string{name})
	}
}

func (c *checker) condition(w func(...string) []string, s Step) {
	if s.OnTrue == "" {
		c.fail(w(), "name a step in on_true", "the condition leads nowhere")
	}
	if _, err := expr.Compile(s.Condition, ConditionVars()); err != nil {
		msg := err.Error()
		if issues, ok := expr.AsIssues(err); ok {
			line, column := c.at(w("condition")...)
			for _, x := range issues {
				at := column
				if x.Line == 1 {
					at += x.Column - 1
				}
				c.errs = append(c.errs, &LoadError{File: c.file, Line: line + x.Line - 1, Column: at, Message: "condition: " + x.Message, Hint: x.Hint})
			}
			return
		}
		c.fail(w("condition"), "", "%s", msg)
	}
}

// graph checks that the start is a start, every step is reached, and no chain of
// steps runs in a circle (loops are while-condition steps).
func (c *checker) graph() {
	start, ok := c.d.Workflow[c.d.WorkflowStart]
	if !ok || start.Type != Start {
		c.fail(p("workflow_start"), "name the start step", "workflow_start cannot be %q", c.d.WorkflowStart)
		return
	}
	reached := map[string]bool{}
	open := map[string]bool{}
	var walk func(id string)
	walk = func(id string) {
		if open[id] {
			c.fail(p("workflow", id), "a loop is a while-condition step", "the steps run in a circle through %s", id)
			return
		}
		s, ok := c.d.Workflow[id]
		if !ok || reached[id] {
			return
		}
		reached[id], open[id] = true, true
		for _, next := range s.Next() {
			walk(next)
		}
		open[id] = false
	}
	walk(c.d.WorkflowStart)
	if c.d.WorkflowException != "" {
		walk(c.d.WorkflowException)
	}
	for _, id := range slices.Sorted(maps.Keys(c.d.Workflow)) {
		if !reached[id] {
			c.fail(p("workflow", id), "", "the step %s is never reached", id)
		}
	}
}

// LowRisk says whether the playbook consists of low-risk actions only, so that it
// may run without a person.
func (d *Document) LowRisk(verbs map[string]Verb) bool {
	for _, s := range d.Workflow {
		if s.Approval != nil && s.Approval.Needed > 0 {
			return false
		}
		for _, cmd := range s.Commands {
			if cmd.Type != VigilAction || !verbs[cmd.Command].LowRisk {
				return false
			}
		}
	}
	return true
}
