// Package playbook reads and checks response playbooks: CACAO 2.0 documents in YAML
// or JSON, which are both what people write and what runs. Step ids are CACAO's
// ("action--…") but may end in words instead of a UUID. The command type
// "vigil-action" names a verb of the action table; conditions are CEL.
package playbook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// SpecVersion is the version of the standard that documents must name.
const SpecVersion = "cacao-2.0"

// The step types that run.
const (
	Start       = "start"
	End         = "end"
	ActionStep  = "action"
	IfCondition = "if-condition"
	WhileLoop   = "while-condition"
	Parallel    = "parallel"
)

// The command types that run.
const (
	VigilAction = "vigil-action"
	HTTPAPI     = "http-api"
	Manual      = "manual"
)

// Document is a playbook.
type Document struct {
	Type              string              `json:"type" yaml:"type"`
	SpecVersion       string              `json:"spec_version" yaml:"spec_version"`
	ID                string              `json:"id" yaml:"id"`     // playbook--…
	Name              string              `json:"name" yaml:"name"` // what rules and people call it
	Description       string              `json:"description" yaml:"description"`
	PlaybookTypes     []string            `json:"playbook_types,omitempty" yaml:"playbook_types"`
	CreatedBy         string              `json:"created_by,omitempty" yaml:"created_by"`
	Created           string              `json:"created,omitempty" yaml:"created"`
	Modified          string              `json:"modified,omitempty" yaml:"modified"`
	Labels            []string            `json:"labels,omitempty" yaml:"labels"`
	PlaybookVariables map[string]Variable `json:"playbook_variables,omitempty" yaml:"playbook_variables"`
	WorkflowStart     string              `json:"workflow_start" yaml:"workflow_start"`
	Workflow          map[string]Step     `json:"workflow" yaml:"workflow"`
}

// Variable is a typed value, named like __address__.
type Variable struct {
	Type        string `json:"type" yaml:"type"`
	Description string `json:"description,omitempty" yaml:"description"`
	Value       string `json:"value,omitempty" yaml:"value"`
	Constant    bool   `json:"constant,omitempty" yaml:"constant"`
	External    bool   `json:"external,omitempty" yaml:"external"` // must be given when the run starts
}

// Step is one node of the workflow.
type Step struct {
	Type         string    `json:"type" yaml:"type"`
	Name         string    `json:"name,omitempty" yaml:"name"`
	Description  string    `json:"description,omitempty" yaml:"description"`
	OnCompletion string    `json:"on_completion,omitempty" yaml:"on_completion"`
	OnSuccess    string    `json:"on_success,omitempty" yaml:"on_success"`
	OnFailure    string    `json:"on_failure,omitempty" yaml:"on_failure"`
	Condition    string    `json:"condition,omitempty" yaml:"condition"`
	OnTrue       string    `json:"on_true,omitempty" yaml:"on_true"`
	OnFalse      string    `json:"on_false,omitempty" yaml:"on_false"`
	NextSteps    []string  `json:"next_steps,omitempty" yaml:"next_steps"`
	Commands     []Command `json:"commands,omitempty" yaml:"commands"`
	OutArgs      []string  `json:"out_args,omitempty" yaml:"out_args"` // variables filled from outputs of the same name
	Approval     *Approval `json:"approval,omitempty" yaml:"approval"`
}

// Command is what an action step does.
type Command struct {
	Type      string            `json:"type" yaml:"type"`
	Command   string            `json:"command" yaml:"command"` // a verb, "POST URL", or what a person is asked to do
	Arguments map[string]string `json:"arguments,omitempty" yaml:"arguments"`
	Content   string            `json:"content,omitempty" yaml:"content"` // body of http-api
}

// Approval widens what the action table asks for; it cannot narrow it.
type Approval struct {
	Reason          string `json:"reason,omitempty" yaml:"reason"`
	DeadlineMinutes int    `json:"deadline_minutes,omitempty" yaml:"deadline_minutes"`
	Needed          int    `json:"needed,omitempty" yaml:"needed"`
}

// Encode returns the canonical JSON of the document: what is hashed and what a run
// pins.
func (d *Document) Encode() string {
	b, _ := json.Marshal(d) // maps are sorted; nothing here can fail
	return string(b)
}

// Hash is the version of the document: the hex SHA-256 of its canonical JSON.
func (d *Document) Hash() string {
	sum := sha256.Sum256([]byte(d.Encode()))
	return hex.EncodeToString(sum[:])
}

// Decode reads what Encode wrote.
func Decode(text string) (*Document, error) {
	var d Document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("reading a playbook: %w", err)
	}
	return &d, nil
}

// Next lists the steps that may follow, in the order in which they stand.
func (s Step) Next() []string {
	var out []string
	for _, id := range append([]string{s.OnTrue, s.OnFalse}, append(slices.Clone(s.NextSteps), s.OnCompletion, s.OnSuccess, s.OnFailure)...) {
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// After is the step that follows when this one went well.
func (s Step) After() string {
	if s.OnSuccess != "" {
		return s.OnSuccess
	}
	return s.OnCompletion
}

// StepIDs returns the ids of the steps as a reader walks them from the start.
func (d *Document) StepIDs() []string {
	var out []string
	queue := []string{d.WorkflowStart}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		if _, ok := d.Workflow[id]; !ok || slices.Contains(out, id) {
			continue
		}
		out = append(out, id)
		queue = append(queue, d.Workflow[id].Next()...)
	}
	for _, id := range slices.Sorted(maps.Keys(d.Workflow)) {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

var variableRef = regexp.MustCompile(`__([a-z][a-z0-9_]*?)__:value`)

// bare takes the underscores off a variable's name.
func bare(name string) string { return strings.TrimSuffix(strings.TrimPrefix(name, "__"), "__") }

// Fill replaces each __name__:value by the variable's value.
func Fill(text string, vars map[string]string) string {
	return variableRef.ReplaceAllStringFunc(text, func(m string) string {
		return vars[variableRef.FindStringSubmatch(m)[1]]
	})
}

// FillAll fills every argument; those that end up empty are left out.
func FillAll(args, vars map[string]string) map[string]string {
	out := make(map[string]string, len(args))
	for _, k := range slices.Sorted(maps.Keys(args)) {
		if v := Fill(args[k], vars); v != "" {
			out[k] = v
		}
	}
	return out
}

// Variables returns the values that a run starts with: the document's defaults
// overridden by what was given. Constants stay. It names the external variables
// that are missing.
func (d *Document) Variables(given map[string]string) (vars map[string]string, missing []string) {
	vars = maps.Clone(given)
	if vars == nil {
		vars = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(d.PlaybookVariables)) {
		v := d.PlaybookVariables[name]
		if vars[bare(name)] == "" || v.Constant {
			vars[bare(name)] = v.Value
		}
		if v.External && vars[bare(name)] == "" {
			missing = append(missing, bare(name))
		}
	}
	return vars, missing
}
