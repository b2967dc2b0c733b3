package activities

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// ExceptionStore keeps exceptions; *store.Store is one.
type ExceptionStore interface {
	Exception(ctx context.Context, org, id string) (schema.Exception, error)
	PutException(ctx context.Context, x schema.Exception) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// Exceptions puts exceptions in force and takes them out.
type Exceptions struct {
	Store ExceptionStore
	Rules *RuleSets
	Trail Trail
}

// maxException is how long an exception may hide things.
const maxException = 366 * 24 * time.Hour

var exceptionName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{2,63}$`)

// PutException checks an exception and puts it in force: the next plan pins it.
func (x *Exceptions) PutException(ctx context.Context, in flow.ExceptionInput, key string, now time.Time) (schema.Exception, error) {
	e := schema.Exception{ID: in.ID, Org: in.Org, Rule: in.Rule, When: strings.TrimSpace(in.When), Owner: strings.TrimSpace(in.Owner), Reason: strings.TrimSpace(in.Reason),
		Created: now.UTC().Truncate(time.Millisecond), Expires: in.Expires.UTC().Truncate(time.Millisecond), Status: schema.ExceptionActive, Version: 1}
	if err := x.check(ctx, e, now); err != nil {
		return e, Retryable(err)
	}
	old, err := x.Store.Exception(ctx, in.Org, in.ID)
	switch {
	case err == nil && old.When == e.When && old.Rule == e.Rule && old.Status == schema.ExceptionActive:
		e.Created, e.Version = old.Created, old.Version // a retry
	case err == nil:
		return e, Retryable(schema.E(schema.Conflict, "there was an exception "+in.ID+" before", "choose another id; an exception is never changed, so that it stays clear what hid what"))
	case schema.CodeOf(err) != schema.NotFound:
		return e, Retryable(err)
	}
	if err := x.Store.PutException(ctx, e); err != nil {
		return e, Retryable(err)
	}
	if _, err := x.Rules.InForce(ctx, in.Org); err != nil {
		return e, Retryable(err)
	}
	return e, Retryable(x.tell(ctx, e, "exception.put", by(in.By), key, "created", now))
}

func (x *Exceptions) check(ctx context.Context, e schema.Exception, now time.Time) error {
	switch {
	case !exceptionName.MatchString(e.ID):
		return schema.E(schema.Invalid, fmt.Sprintf("an exception cannot be named %q", e.ID), "small letters, digits and hyphens, 3 to 64 characters")
	case e.Owner == "" || e.Reason == "":
		return schema.E(schema.Invalid, "an exception needs an owner and a reason", "who answers for it, and why nobody need see this")
	case !e.Expires.After(now) || e.Expires.Sub(now) > maxException:
		return schema.E(schema.Invalid, "an exception needs an end in the future, within a year", "make it again when it is still needed then")
	}
	if _, err := rules.NewException(e.ID, e.Rule, e.When); err != nil {
		return err
	}
	if e.Rule == rules.AnyRule {
		return nil
	}
	set, err := x.Rules.InForce(ctx, e.Org)
	if err != nil {
		return err
	}
	r, ok := set.Rule(e.Rule)
	switch {
	case !ok:
		return schema.E(schema.NotFound, fmt.Sprintf("there is no rule %q", e.Rule), near(e.Rule, set))
	case r.Query != nil:
		return schema.E(schema.Invalid, "an aggregate rule looks at no single event, so that nothing can be excepted", "put it into the WHERE of its query")
	}
	return nil
}

// AnnounceException tells that an exception is about to expire.
func (x *Exceptions) AnnounceException(ctx context.Context, e schema.Exception, key string, now time.Time) error {
	return Retryable(x.tell(ctx, e, "exception.announce", "system", key, "expiring", now))
}

// EndException takes an exception out of force; Status says how it ended.
func (x *Exceptions) EndException(ctx context.Context, e schema.Exception, end flow.ExceptionEnd, key string, now time.Time) (schema.Exception, error) {
	e.Ended, e.EndedBy = now.UTC().Truncate(time.Millisecond), end.By
	e.Version++
	e.EndReason = end.Reason
	if err := x.Store.PutException(ctx, e); err != nil {
		return e, Retryable(err)
	}
	if _, err := x.Rules.InForce(ctx, e.Org); err != nil {
		return e, Retryable(err)
	}
	return e, Retryable(x.tell(ctx, e, "exception."+string(e.Status), end.By, key, "closed", now))
}

// tell audits what happened to an exception, and tells the live outbox.
func (x *Exceptions) tell(ctx context.Context, e schema.Exception, verb, who, key, kind string, now time.Time) error {
	err := x.Trail.record(ctx, schema.AuditRecord{Org: e.Org, ID: auditID(verb, key), Actor: who, Verb: verb, Object: e.ID, Outcome: "ok",
		Details: map[string]string{"rule": e.Rule, "when": e.When, "owner": e.Owner, "reason": e.Reason, "expires": stamp(e.Expires), "ended": e.EndReason}})
	if err != nil {
		return err
	}
	return x.Store.PutNotes(ctx, note(e.Org, "exceptions", kind, e.ID, map[string]any{"rule": e.Rule, "owner": e.Owner, "expires": e.Expires, "status": e.Status}, now))
}
