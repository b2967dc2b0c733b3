// Package playbook reads and checks response playbooks: CACAO 2.0 documents in YAML
// or JSON, which are both what people write and what runs. Step ids are CACAO's
// ("action--…") but may end in words instead of a UUID. The command type
// "vigil-action" names a verb of the action table; conditions are CEL.
package playbook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"vigil/schema"
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
	Switch      = "switch-condition"
	Parallel    = "parallel"
	SubPlaybook = "playbook-action"
)

// The command types that run.
const (
	VigilAction = "vigil-action"
	HTTPAPI     = "http-api"
	OpenC2      = "openc2-http"
	SSH         = "ssh"
	Bash        = "bash" // off unless the connector bash is there
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
	WorkflowException string              `json:"workflow_exception,omitempty" yaml:"workflow_exception"` // runs when a step fails and names no on_failure
	Workflow          map[string]Step     `json:"workflow" yaml:"workflow"`
	Targets           map[string]Target   `json:"target_definitions,omitempty" yaml:"target_definitions"`

	// What the standard has and running does not need. Sign-in data is read and dropped:
	// it would stand in histories; connectors hold it.
	About `json:"-" yaml:",inline"`
}

// About is what a document may say beside what runs.
type About struct {
	Activities     any `yaml:"playbook_activities"`
	Summary        any `yaml:"playbook_processing_summary"`
	Revoked        any `yaml:"revoked"`
	ValidFrom      any `yaml:"valid_from"`
	ValidUntil     any `yaml:"valid_until"`
	DerivedFrom    any `yaml:"derived_from"`
	RelatedTo      any `yaml:"related_to"`
	Priority       any `yaml:"priority"`
	Severity       any `yaml:"severity"`
	Impact         any `yaml:"impact"`
	Industry       any `yaml:"industry_sectors"`
	References     any `yaml:"external_references"`
	Markings       any `yaml:"markings"`
	Extensions     any `yaml:"playbook_extensions"`
	SignIn         any `yaml:"authentication_info_definitions"`
	Agents         any `yaml:"agent_definitions"`
	ExtensionTypes any `yaml:"extension_definitions"`
	MarkingTypes   any `yaml:"data_marking_definitions"`
	Signatures     any `yaml:"signatures"`
}

// Target is where the commands of a step go.
type Target struct {
	Type     string              `json:"type" yaml:"type"`
	Name     string              `json:"name" yaml:"name"`
	Text     string              `json:"description,omitempty" yaml:"description"`
	Address  map[string][]string `json:"address,omitempty" yaml:"address"` // dname, ipv4, ipv6, url …
	Port     string              `json:"port,omitempty" yaml:"port"`
	SignIn   any                 `json:"-" yaml:"authentication_info"`
	Category any                 `json:"-" yaml:"category"`
	Location any                 `json:"-" yaml:"location"`
	Contact  any                 `json:"-" yaml:"contact"`
}

// Host is the first address of a target.
func (t Target) Host() string {
	for _, kind := range []string{"dname", "ipv4", "ipv6"} {
		if v := t.Address[kind]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// Base is the URL that the target's HTTP commands stand below: https unless its port
// is 80.
func (t Target) Base() string {
	if u := t.Address["url"]; len(u) > 0 {
		return strings.TrimSuffix(u[0], "/")
	}
	host := t.Host()
	if host == "" {
		return ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch t.Port {
	case "", "443":
		return "https://" + host
	case "80":
		return "http://" + host
	}
	return "https://" + host + ":" + t.Port
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// Slug is what rules and people call the playbook: its name in small letters, digits
// and hyphens.
func (d *Document) Slug() string {
	s := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(d.Name), "-"), "-")
	return strings.TrimRight(s[:min(len(s), 63)], "-")
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
	InArgs       []string  `json:"in_args,omitempty" yaml:"in_args"`
	Delay        int       `json:"delay,omitempty" yaml:"delay"`     // milliseconds to wait before the step
	Timeout      int       `json:"timeout,omitempty" yaml:"timeout"` // milliseconds; for manual steps the deadline
	Where        []string  `json:"targets,omitempty" yaml:"targets"`

	SwitchOn string            `json:"switch,omitempty" yaml:"switch"` // __variable__:value
	Cases    map[string]string `json:"cases,omitempty" yaml:"cases"`   // value, or "default" → step

	Playbook        string `json:"playbook_id,omitempty" yaml:"playbook_id"` // id or name
	PlaybookVersion string `json:"playbook_version,omitempty" yaml:"playbook_version"`

	StepVariables map[string]Variable `json:"step_variables,omitempty" yaml:"step_variables"`
	Agent         string              `json:"-" yaml:"agent"`
	Owner         any                 `json:"-" yaml:"owner"`
	References    any                 `json:"-" yaml:"external_references"`
	Extensions    any                 `json:"-" yaml:"step_extensions"`
}

// Command is what an action step does.
type Command struct {
	Type      string              `json:"type" yaml:"type"`
	Command   string              `json:"command" yaml:"command"` // a verb, "POST URL", or what a person is asked to do
	Arguments map[string]string   `json:"arguments,omitempty" yaml:"arguments"`
	Content   string              `json:"content,omitempty" yaml:"content"` // body of http-api, openc2-http
	Encoded   string              `json:"content_b64,omitempty" yaml:"content_b64"`
	Headers   map[string][]string `json:"headers,omitempty" yaml:"headers"`
	Text      string              `json:"description,omitempty" yaml:"description"`
	Activity  any                 `json:"-" yaml:"playbook_activity"`
	Version   any                 `json:"-" yaml:"version"`
}

// Body is the content of a command, decoded.
func (c Command) Body() (string, error) {
	if c.Encoded == "" {
		return c.Content, nil
	}
	b, err := base64.StdEncoding.DecodeString(c.Encoded)
	if err != nil {
		return "", fmt.Errorf("content_b64 is not base64: %w", err)
	}
	return string(b), nil
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
	heads := append([]string{s.OnTrue, s.OnFalse}, s.NextSteps...)
	for _, v := range slices.Sorted(maps.Keys(s.Cases)) {
		heads = append(heads, s.Cases[v])
	}
	for _, id := range append(heads, s.OnCompletion, s.OnSuccess, s.OnFailure) {
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
	queue := []string{d.WorkflowStart, d.WorkflowException}
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

// Bare takes the underscores off a variable's name.
func Bare(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, "__"), "__")
}

// Fill replaces each __name__:value by the variable's value.
func Fill(text string, vars map[string]string) string {
	return variableRef.ReplaceAllStringFunc(text, func(m string) string {
		return vars[variableRef.FindStringSubmatch(m)[1]]
	})
}

// FillShell fills the command of a shell. A value that a shell would take for more than one
// word, or for an option, is refused unless the playbook's author wrote it: values come out
// of logs, which attackers write, and no quoting is right wherever in a command a variable stands.
func (d *Document) FillShell(text string, vars map[string]string) (string, error) {
	for _, m := range variableRef.FindAllStringSubmatch(text, -1) {
		if v := vars[m[1]]; v != "" && v != d.written("__"+m[1]+"__") && !shellWord.MatchString(v) {
			return "", schema.E(schema.Denied, fmt.Sprintf("the variable %s does not go into a command: %q is more than a plain word to a shell", m[1], v),
				"letters, digits and ._:/@%+=,- are plain, a leading - is not; let a person do it (manual)")
		}
	}
	return Fill(text, vars), nil
}

// written is the value that the author gave a variable, "" for none.
func (d *Document) written(name string) string {
	if v, ok := d.PlaybookVariables[name]; ok {
		return v.Value
	}
	for _, id := range d.StepIDs() {
		if v, ok := d.Workflow[id].StepVariables[name]; ok {
			return v.Value
		}
	}
	return ""
}

var shellWord = regexp.MustCompile(`^[\pL\pN._:/@%+=,][\pL\pN._:/@%+=,-]*$`)

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

// variables are those of the playbook and of its steps. A step's own are in scope for
// the whole run: names are unique, which checking sees to.
func (d *Document) variables() map[string]Variable {
	all := maps.Clone(d.PlaybookVariables)
	if all == nil {
		all = map[string]Variable{}
	}
	for _, s := range d.Workflow {
		maps.Copy(all, s.StepVariables)
	}
	return all
}

// Variables returns the values that a run starts with: the document's defaults
// overridden by what was given. Constants stay. It names the external variables
// that are missing.
func (d *Document) Variables(given map[string]string) (vars map[string]string, missing []string) {
	vars = maps.Clone(given)
	if vars == nil {
		vars = map[string]string{}
	}
	all := d.variables()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		if vars[Bare(name)] == "" || v.Constant {
			vars[Bare(name)] = v.Value
		}
		if v.External && vars[Bare(name)] == "" {
			missing = append(missing, Bare(name))
		}
	}
	return vars, missing
}
