package action

import (
	"context"
	"fmt"
	"net/netip"
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

// lister puts values on a list, publishes it, and takes them off again.
type lister struct {
	def   Definition
	lists Lists
	pub   *Publisher
	list  string
	hours int // default time box
	mu    *sync.Mutex
}

func reasonInput() Input {
	return Input{Name: "reason", Kind: Text, Doc: "why, for those who find it on the list"}
}

func hoursInput() Input {
	return Input{Name: "hours", Kind: Hours, Doc: "how long it stays; it ends by itself"}
}

func blockAction(p Ports, verb, list string) Action {
	return &lister{lists: p.Lists, pub: p.Publish, list: list, hours: 24, mu: &sync.Mutex{}, def: Definition{
		Verb: verb, Title: "Block an address", Target: "address", Risk: High, Reversible: true, TimeBoxed: true,
		Inputs:  []Input{{"address", Address, true, "the address to block"}, hoursInput(), reasonInput()},
		Undo:    "the address is taken off the published list",
		Honesty: "The address is put on the list " + list + ", a file and URL. It is blocked where firewalls poll that list, not before.",
	}}
}

func listAction(p Ports, verb, list, input string) Action {
	return &lister{lists: p.Lists, pub: p.Publish, list: list, hours: 24, mu: &sync.Mutex{}, def: Definition{
		Verb: verb, Title: "Contain a " + input, Target: input, Risk: High, Reversible: true, TimeBoxed: true,
		Inputs:  []Input{{input, Text, true, "the " + input + " to contain"}, hoursInput(), reasonInput()},
		Undo:    "the " + input + " is taken off the published list",
		Honesty: "The " + input + " is put on the list " + list + ", a file and URL. It is contained where an agent, switch or directory polls that list; Vigil itself cuts no connection and locks no account.",
	}}
}

func watchAction(p Ports) Action {
	return &lister{lists: p.Lists, list: "watch", hours: 24 * 7, mu: &sync.Mutex{}, def: Definition{
		Verb: "watch", Title: "Add to the watch list", Target: "value", Risk: Low, Reversible: true, TimeBoxed: true,
		Inputs: []Input{{"value", Text, true, "host, user or address to watch"}, hoursInput(), reasonInput()},
		Undo:   "the value is taken off the watch list",
	}}
}

// Definition implements [Action].
func (l *lister) Definition() Definition { return l.def }

func (l *lister) value(r Request) string {
	v := strings.TrimSpace(r.Target)
	if a, err := netip.ParseAddr(v); err == nil {
		return a.Unmap().String()
	}
	return v
}

// Run implements [Action]. The same run puts a value there once; another run can
// only make it stay longer.
func (l *lister) Run(ctx context.Context, r Request) (Result, error) {
	value := l.value(r)
	expires := r.Now.Add(l.round(r.hours(l.hours))).Truncate(time.Millisecond)
	if strings.ContainsAny(value, "\r\n") {
		return Result{}, schema.E(schema.Invalid, "a list value must be one line", "")
	}
	if r.DryRun {
		return Result{Outcome: DryRun, Outputs: map[string]string{"list": l.list, "value": value}}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old, err := l.lists.Entry(ctx, r.Org, l.list, value)
	if err != nil {
		return Result{}, err
	}
	res := Result{Outcome: Done, Outputs: map[string]string{"list": l.list, "value": value}, Undo: map[string]string{l.def.Target: value}, Expires: expires}
	switch {
	case old.Active(r.Now) && old.Run == r.Key:
		res.Outcome, res.Expires = AlreadyDone, old.Expires
	case old.Active(r.Now) && old.Expires.After(expires):
		res.Outcome, res.Expires = AlreadyDone, time.Time{} // it stays on by the other run's time box
	default:
		e := Entry{Org: r.Org, List: l.list, Value: value, Reason: r.Arguments["reason"], Run: r.Key, Added: r.Now, Expires: expires, Version: old.Version + 1}
		if err := l.lists.PutEntry(ctx, e); err != nil {
			return Result{}, err
		}
	}
	res.Outputs["expires"] = res.Expires.UTC().Format(time.RFC3339)
	return res, l.publish(ctx, r)
}

// round leaves a time box as it is; a box of nothing is the default.
func (l *lister) round(d time.Duration) time.Duration {
	if d <= 0 {
		return time.Duration(l.hours) * time.Hour
	}
	return d
}

// Undo implements [Action]. A value that another run has put there since stays.
func (l *lister) Undo(ctx context.Context, r Request) (Result, error) {
	value := l.value(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	e, err := l.lists.Entry(ctx, r.Org, l.list, value)
	if err != nil {
		return Result{}, err
	}
	out := map[string]string{"list": l.list, "value": value}
	if e.Version == 0 || e.Removed || e.Run != r.Key {
		if e.Version > 0 && !e.Removed {
			out["kept"] = "another run keeps it there until " + e.Expires.UTC().Format(time.RFC3339)
		}
		return Result{Outcome: AlreadyDone, Outputs: out}, l.publish(ctx, r)
	}
	e.Removed, e.Version = true, e.Version+1
	if err := l.lists.PutEntry(ctx, e); err != nil {
		return Result{}, err
	}
	return Result{Outcome: Done, Outputs: out}, l.publish(ctx, r)
}

func (l *lister) publish(ctx context.Context, r Request) error {
	if l.pub == nil {
		return nil
	}
	entries, err := l.lists.Entries(ctx, r.Org, l.list)
	if err != nil {
		return err
	}
	return l.pub.Publish(r.Org, l.list, entries, r.Now)
}

// verify reads back what a list action published.
type verify struct {
	lists Lists
	pub   *Publisher
}

func verifyAction(p Ports) Action { return verify{p.Lists, p.Publish} }

// Definition implements [Action].
func (verify) Definition() Definition {
	return Definition{Verb: "verify-listed", Title: "Verify that a value is published", Target: "value", Risk: Low, Reads: true,
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
