// Package action holds what Vigil can do to the world: one row per verb in
// [Table], each with its inputs, risk, time box and undo, and the code that
// performs it. Every action is safe to repeat with the same key.
package action

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/schema"
)

// Risk says how much harm an action does when it is wrong.
type Risk string

// The risk classes. Low runs by itself; the others need an approval.
const (
	Low    Risk = "low"
	Medium Risk = "medium"
	High   Risk = "high"
)

// Kind is the type of an input.
type Kind string

// The input types.
const (
	Text    Kind = "text"
	Address Kind = "ip"
	Hash    Kind = "sha256"
	Name    Kind = "name" // of a host, user or token: no separators that a URL or shell could take apart
	Hours   Kind = "hours"
	URL     Kind = "url"
	List    Kind = "list" // comma-separated
)

// Input is one argument of an action.
type Input struct {
	Name     string
	Kind     Kind
	Required bool
	Doc      string
}

// Definition is one row of the action table.
type Definition struct {
	Verb       string
	Title      string
	Inputs     []Input
	Target     string // the input that names what is acted on
	Risk       Risk
	Reversible bool
	Undo       string // how it is undone, in words; "" when it cannot be
	TimeBoxed  bool   // takes "hours" and ends by itself
	Reads      bool   // changes nothing: a dry run performs it
	Honesty    string // what the action does not do, shown to approvers
	Connector  string // the system it talks to, "" for none
	Idempotent string // how a repeat is kept from acting twice
	Blast      string // what it touches, for people: "one address, for everybody behind the firewalls"
}

// Request is one performance of an action.
type Request struct {
	Org, Run, Step, Incident string
	Target                   string
	Arguments                map[string]string
	Key                      string // idempotency key
	DryRun                   bool
	Now                      time.Time
	renew                    bool // it holds already; only its end changes
}

// Result is what came of it. It never holds secrets.
type Result struct {
	Outcome string            // done, already-done, dry-run
	Outputs map[string]string // values for later steps
	Undo    map[string]string // arguments that undo it
	Expires time.Time         // end of the time box
}

// The outcomes.
const (
	Done        = "done"
	AlreadyDone = "already-done"
	DryRun      = "dry-run"
)

// Action performs one verb.
type Action interface {
	Definition() Definition
	// Run performs the action. A second Run with the same key changes nothing.
	Run(ctx context.Context, r Request) (Result, error)
	// Undo takes it back. It is not called for actions that are not reversible.
	Undo(ctx context.Context, r Request) (Result, error)
}

// Table is every action by verb.
type Table map[string]Action

// NewTable builds the table of all actions over their ports.
func NewTable(p Ports) Table {
	t := Table{}
	for _, list := range [][]Action{localActions(p), remoteActions(p), messageActions(p), ticketActions(p), shellActions(p)} {
		for _, a := range list {
			t[a.Definition().Verb] = a
		}
	}
	return t
}

// localActions are those on what Vigil itself keeps, and on the configured webhooks.
func localActions(p Ports) []Action {
	return []Action{blockAction(p), verifyAction(p), listAction(p, "contain-host", "hosts", "host"), listAction(p, "contain-account", "accounts", "user"),
		watchAction(p), tagAction{p.Tags}, peersAction{p.Peers}, huntAction{p.Hunts}, notifyAction(p), webhookAction(p), httpAction(p)}
}

// Definitions returns the rows of the table by verb, without ports: what
// playbooks are checked against.
func Definitions() map[string]Definition {
	out := map[string]Definition{}
	for verb, a := range NewTable(Ports{}) {
		out[verb] = a.Definition()
	}
	return out
}

// Verbs returns the verbs in order.
func (t Table) Verbs() []string { return slices.Sorted(maps.Keys(t)) }

// Get returns the action of a verb.
func (t Table) Get(verb string) (Action, error) {
	a, ok := t[verb]
	if !ok {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("no action %q", verb), "one of "+strings.Join(t.Verbs(), ", "))
	}
	return a, nil
}

// Check holds arguments to the definition: known names, required ones present,
// each of its type. It returns the target.
func (d Definition) Check(args map[string]string) (string, error) {
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if !slices.ContainsFunc(d.Inputs, func(i Input) bool { return i.Name == name }) {
			return "", schema.E(schema.Invalid, fmt.Sprintf("%s has no input %q", d.Verb, name), "it takes "+d.inputNames())
		}
	}
	for _, in := range d.Inputs {
		v := args[in.Name]
		if v == "" {
			if in.Required {
				return "", schema.E(schema.Invalid, fmt.Sprintf("%s needs the input %q", d.Verb, in.Name), in.Doc)
			}
			continue
		}
		if err := in.check(v); err != nil {
			return "", schema.E(schema.Invalid, fmt.Sprintf("%s: the input %q cannot be %q", d.Verb, in.Name, clip(v)), "", err)
		}
	}
	return args[d.Target], nil
}

func (d Definition) inputNames() string {
	var names []string
	for _, i := range d.Inputs {
		names = append(names, i.Name)
	}
	return strings.Join(names, ", ")
}

// maxArgument bounds a single argument, in bytes.
const maxArgument = 16 << 10

func (i Input) check(v string) error {
	if len(v) > maxArgument {
		return fmt.Errorf("longer than %d bytes", maxArgument)
	}
	switch i.Kind {
	case Address:
		a, err := netip.ParseAddr(v)
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("not an address")
		}
		if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() {
			return fmt.Errorf("an address that must not be acted on")
		}
	case Hours:
		if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 24*90 {
			return fmt.Errorf("not a number of hours from 1 to %d", 24*90)
		}
	case URL:
		if u, err := url.Parse(v); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return fmt.Errorf("not an http(s) URL")
		}
	case Hash:
		if len(v) != 64 || strings.Trim(strings.ToLower(v), "0123456789abcdef") != "" {
			return fmt.Errorf("not a SHA-256 in hex")
		}
	case Name:
		return checkName(v)
	case List:
		for _, x := range split(v) {
			if err := checkName(x); err != nil {
				return err
			}
		}
	case Text:
		if strings.ContainsAny(v, "\x00") {
			return fmt.Errorf("holds a NUL byte")
		}
	}
	return nil
}

func checkName(v string) error {
	if len(v) > 255 || strings.ContainsAny(v, "/?#%'\"`;&|<>\n\r\x00 ") {
		return fmt.Errorf("not a name")
	}
	return nil
}

func clip(s string) string { return clipTo(s, 80) }

func clipTo(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// hours reads the time box of a request.
func (r Request) hours(def int) time.Duration {
	n, err := strconv.Atoi(r.Arguments["hours"])
	if err != nil {
		n = def
	}
	return time.Duration(n) * time.Hour
}
