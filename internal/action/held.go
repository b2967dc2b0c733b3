package action

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"time"

	"vigil/schema"
)

// effect is what a time-boxed action does to one value, and how it takes it back.
// Both may be repeated: on twice is on.
type effect interface {
	on(ctx context.Context, r Request, value string, until time.Time) error
	off(ctx context.Context, r Request, value string) error
	// dry says what on would do, without doing it.
	dry(ctx context.Context, r Request, value string) (string, error)
}

// held is an action that holds until its time box ends: a list entry says which run
// holds each value and until when, so that several runs can hold one and the last
// lets go. Holding it again for longer renews it.
type held struct {
	def   Definition
	lists Lists
	list  string
	hours int // default time box
	eff   effect
	mu    *sync.Mutex
}

// Definition implements [Action].
func (l *held) Definition() Definition { return l.def }

// values are what a request acts on: one, or each of a list.
func (l *held) values(r Request) ([]string, error) {
	list := []string{strings.TrimSpace(r.Target)}
	for _, i := range l.def.Inputs {
		if i.Name == l.def.Target && i.Kind == List {
			list = split(r.Target)
		}
	}
	for i, v := range list {
		if v == "" || strings.ContainsAny(v, "\r\n") {
			return nil, schema.E(schema.Invalid, "a value must be one line", "")
		}
		if a, err := netip.ParseAddr(v); err == nil {
			list[i] = a.Unmap().String()
		}
	}
	return list, nil
}

// Run implements [Action]. The same run holds a value once; another run can only make
// it hold for longer.
func (l *held) Run(ctx context.Context, r Request) (Result, error) {
	values, err := l.values(r)
	if err != nil {
		return Result{}, err
	}
	expires := r.Now.Add(r.hours(l.hours)).Truncate(time.Millisecond)
	res := Result{Outcome: Done, Outputs: map[string]string{"list": l.list, "value": strings.Join(values, ",")}, Undo: map[string]string{l.def.Target: r.Target}, Expires: expires}
	if r.DryRun {
		return l.dryRun(ctx, r, values, res.Outputs)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh, longest := 0, time.Time{}
	for _, v := range values {
		until, took, err := l.hold(ctx, r, v, expires)
		if err != nil {
			return Result{}, err
		}
		if took {
			fresh++
		}
		if until.After(longest) {
			longest = until
		}
	}
	res.Outputs["expires"] = longest.UTC().Format(time.RFC3339)
	if fresh == 0 {
		res.Outcome, res.Expires = AlreadyDone, longest
		if longest.After(expires) {
			res.Expires = time.Time{} // another run's time box ends it
		}
	}
	return res, nil
}

// hold puts one value into effect. The entry comes first: if the worker dies between
// the two, the retry finds its own entry and puts it into effect.
func (l *held) hold(ctx context.Context, r Request, value string, expires time.Time) (until time.Time, took bool, err error) {
	old, err := l.lists.Entry(ctx, r.Org, l.list, value)
	if err != nil {
		return time.Time{}, false, err
	}
	switch {
	case old.Active(r.Now) && old.Run == r.Key:
		return old.Expires, false, l.eff.on(ctx, r, value, old.Expires)
	case old.Active(r.Now) && old.Expires.After(expires):
		return old.Expires, false, nil // it holds by the other run's time box
	}
	e := Entry{Org: r.Org, List: l.list, Value: value, Reason: r.Arguments["reason"], Run: r.Key, Added: r.Now, Expires: expires, Version: old.Version + 1}
	if err := l.lists.PutEntry(ctx, e); err != nil {
		return time.Time{}, false, err
	}
	r.renew = old.Active(r.Now)
	return expires, true, l.eff.on(ctx, r, value, expires)
}

func (l *held) dryRun(ctx context.Context, r Request, values []string, out map[string]string) (Result, error) {
	var said []string
	for _, v := range values {
		s, err := l.eff.dry(ctx, r, v)
		if err != nil {
			return Result{}, err
		}
		if s != "" {
			said = append(said, s)
		}
	}
	if len(said) > 0 {
		out["would"] = strings.Join(said, "; ")
	}
	return Result{Outcome: DryRun, Outputs: out}, nil
}

// Undo implements [Action]. A value that another run holds since stays.
func (l *held) Undo(ctx context.Context, r Request) (Result, error) {
	values, err := l.values(r)
	if err != nil {
		return Result{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	res := Result{Outcome: AlreadyDone, Outputs: map[string]string{"list": l.list, "value": strings.Join(values, ",")}}
	for _, v := range values {
		e, err := l.lists.Entry(ctx, r.Org, l.list, v)
		if err != nil {
			return Result{}, err
		}
		if e.Version == 0 || e.Run != r.Key { // what somebody else has put there is theirs
			if e.Version > 0 && e.Active(r.Now) {
				res.Outputs["kept"] = "another run keeps it there until " + e.Expires.UTC().Format(time.RFC3339)
			}
			continue
		}
		if !e.Removed {
			e.Removed, e.Version = true, e.Version+1
			if err := l.lists.PutEntry(ctx, e); err != nil {
				return Result{}, err
			}
			res.Outcome = Done
		}
		if err := l.eff.off(ctx, r, v); err != nil {
			return Result{}, err
		}
	}
	return res, nil
}

// once keeps an action that its receiver cannot tell repeats of from acting twice: what
// came of a key is remembered. A worker that dies in the instant between sending and
// remembering sends again; the definition says so.
type once struct {
	Action
	lists Lists
}

func (o once) list() string { return "sent/" + o.Definition().Verb }

// Run implements [Action].
func (o once) Run(ctx context.Context, r Request) (Result, error) {
	if r.DryRun || o.lists == nil {
		return o.Action.Run(ctx, r)
	}
	e, err := o.lists.Entry(ctx, r.Org, o.list(), r.Key)
	if err != nil {
		return Result{}, err
	}
	if e.Version > 0 {
		res := Result{Outcome: AlreadyDone}
		_ = json.Unmarshal([]byte(e.Reason), &res.Outputs) // we wrote it
		return res, nil
	}
	res, err := o.Action.Run(ctx, r)
	if err != nil {
		return res, err
	}
	text, _ := json.Marshal(res.Outputs) // strings cannot fail
	return res, o.lists.PutEntry(ctx, Entry{Org: r.Org, List: o.list(), Value: r.Key, Run: r.Key, Reason: string(text), Added: r.Now, Expires: r.Now.AddDate(1, 0, 0), Version: 1})
}
