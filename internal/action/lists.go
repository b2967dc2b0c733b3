package action

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"vigil/schema"
)

// Publisher keeps the text files that firewalls and agents poll: one value a line,
// replaced as a whole.
type Publisher struct {
	dir string
	mu  sync.Mutex
}

// NewPublisher keeps the files under dir, as dir/<org>/<list>.txt.
func NewPublisher(dir string) *Publisher { return &Publisher{dir: dir} }

// Path returns the file of a list.
func (p *Publisher) Path(org, list string) string {
	return filepath.Join(p.dir, filepath.Base(org), filepath.Base(list)+".txt")
}

// Publish replaces the file of a list with the entries that hold now. A reader
// sees the old file or the new one, never a part.
func (p *Publisher) Publish(org, list string, entries []Entry, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := p.Path(org, list)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("publishing list %s: %w", list, err)
	}
	var b strings.Builder
	for _, e := range entries {
		if e.Active(now) && !strings.ContainsAny(e.Value, "\r\n") {
			b.WriteString(e.Value + "\n")
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+list+"-*")
	if err != nil {
		return fmt.Errorf("publishing list %s: %w", list, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(b.String())
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("publishing list %s: %w", list, err)
	}
	return nil
}

// Contains says whether the published file names the value.
func (p *Publisher) Contains(org, list, value string) (bool, error) {
	b, err := os.ReadFile(p.Path(org, list))
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading list %s: %w", list, err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.TrimSpace(line) == value {
			return true, nil
		}
	}
	return false, nil
}

func reasonInput() Input {
	return Input{Name: "reason", Kind: Text, Doc: "why, for those who find it on the list"}
}

func hoursInput() Input {
	return Input{Name: "hours", Kind: Hours, Doc: "how long it stays; it ends by itself"}
}

// publishing is the effect of a list that others poll.
type publishing struct {
	lists Lists
	pub   *Publisher
	list  string
}

func (p publishing) on(ctx context.Context, r Request, _ string, _ time.Time) error {
	return p.publish(ctx, r)
}

func (p publishing) off(ctx context.Context, r Request, _ string) error { return p.publish(ctx, r) }

func (publishing) dry(context.Context, Request, string) (string, error) { return "", nil }

func (p publishing) publish(ctx context.Context, r Request) error {
	if p.pub == nil {
		return nil
	}
	entries, err := p.lists.Entries(ctx, r.Org, p.list)
	if err != nil {
		return err
	}
	return p.pub.Publish(r.Org, p.list, entries, r.Now)
}

func (p Ports) listed(d Definition, list string, hours int) Action {
	pub := p.Publish
	if list == "watch" {
		pub = nil // watched by us, polled by nobody
	}
	d.Idempotent = "a value is on a list once"
	return &held{def: d, lists: p.Lists, list: list, hours: hours, eff: publishing{p.Lists, pub, list}, mu: &sync.Mutex{}}
}

func blockAction(p Ports) Action {
	return p.listed(Definition{Verb: "block-address", Title: "Block an address", Target: "address", Risk: High, Reversible: true, TimeBoxed: true,
		Inputs:  []Input{{"address", Address, true, "the address to block"}, hoursInput(), reasonInput()},
		Undo:    "the address is taken off the published list",
		Blast:   "traffic of everybody behind the firewalls that poll the list, with this address",
		Honesty: "The address is put on the list addresses, a file and URL. It is blocked where firewalls poll that list, not before.",
	}, "addresses", 24)
}

func listAction(p Ports, verb, list, input string) Action {
	return p.listed(Definition{Verb: verb, Title: "Contain a " + input, Target: input, Risk: High, Reversible: true, TimeBoxed: true,
		Inputs:  []Input{{input, Text, true, "the " + input + " to contain"}, hoursInput(), reasonInput()},
		Undo:    "the " + input + " is taken off the published list",
		Blast:   "one " + input + ", and whoever works with it",
		Honesty: "The " + input + " is put on the list " + list + ", a file and URL. It is contained where an agent, switch or directory polls that list; Vigil itself cuts no connection and locks no account.",
	}, list, 24)
}

func watchAction(p Ports) Action {
	return p.listed(Definition{Verb: "watch", Title: "Add to the watch list", Target: "value", Risk: Low, Reversible: true, TimeBoxed: true,
		Inputs: []Input{{"value", Text, true, "host, user or address to watch"}, hoursInput(), reasonInput()},
		Undo:   "the value is taken off the watch list", Blast: "nobody notices",
	}, "watch", 24*7)
}

// verify reads back what a list action published.
type verify struct {
	lists Lists
	pub   *Publisher
}

func verifyAction(p Ports) Action { return verify{p.Lists, p.Publish} }

// Definition implements [Action].
func (verify) Definition() Definition {
	return Definition{Verb: "verify-listed", Title: "Verify that a value is published", Target: "value", Risk: Low, Reads: true, Blast: "reads a list", Idempotent: "it changes nothing",
		Inputs: []Input{{"list", Text, true, "addresses, hosts or accounts"}, {"value", Text, true, "the value that must be there"}}}
}

// Run implements [Action]: it reads the store and the published file.
func (v verify) Run(ctx context.Context, r Request) (Result, error) {
	list, value := r.Arguments["list"], r.Target
	e, err := v.lists.Entry(ctx, r.Org, list, value)
	if err != nil {
		return Result{}, err
	}
	published := true
	if v.pub != nil {
		if published, err = v.pub.Contains(r.Org, list, value); err != nil {
			return Result{}, err
		}
	}
	ok := e.Active(r.Now) && published
	out := map[string]string{"listed": strconv.FormatBool(ok)}
	if !ok && !r.DryRun {
		return Result{Outputs: out}, schema.E(schema.Conflict, value+" is not on the published list "+list, "look who removed it: vigil audit export")
	}
	return Result{Outcome: Done, Outputs: out}, nil
}

// Undo implements [Action]; there is nothing to undo.
func (verify) Undo(context.Context, Request) (Result, error) {
	return Result{Outcome: AlreadyDone}, nil
}
