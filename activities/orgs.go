package activities

import (
	"context"
	"fmt"
	"time"

	"vigil/internal/auth/perm"
	"vigil/schema"
	"vigil/schema/flow"
)

// OrgStore keeps orgs and their users; *store.Store is one.
type OrgStore interface {
	Org(ctx context.Context, name string) (schema.Org, error)
	PutOrg(ctx context.Context, o schema.Org) error
	User(ctx context.Context, org, name string) (schema.User, error)
	PutUser(ctx context.Context, u schema.User) error
}

// Orgs adds orgs, and closes and opens them, for people of the platform.
type Orgs struct {
	Store    OrgStore
	Trail    Trail
	Platform string // the org that runs this installation
	// Begin makes what an org needs beside its row: who may query it, and what runs for it by
	// itself. It may be repeated.
	Begin func(ctx context.Context, org string) error
}

func (x *Orgs) refuse(in flow.AdminInput) error {
	switch {
	case in.Org != x.Platform:
		return schema.E(schema.Denied, "the org "+in.Org+" does not run this installation", "ask people of "+x.Platform)
	case in.Key == x.Platform:
		return schema.E(schema.Invalid, "the org "+in.Key+" runs this installation: it is always there", "")
	}
	return schema.CheckOrgName(in.Key)
}

// AddOrg adds an org with its first admin. Args: title, admin (a name), hash (argon2id of the
// admin's password). It may be repeated; an org that is there keeps its admins.
func (x *Orgs) AddOrg(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	if err := x.refuse(in); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	admin := schema.User{Name: in.Args["admin"], Org: in.Key, Role: string(perm.Admin), Hash: in.Args["hash"], Created: now.UTC(), Version: 1}
	if !goodName(admin.Name) || admin.Hash == "" {
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, "an org needs a first admin, with a password", "small letters, digits, dot, hyphen, @; not system or unknown"))
	}
	o, err := x.Store.Org(ctx, in.Key)
	added := auditID("org.add", key)
	switch {
	case err != nil && schema.CodeOf(err) != schema.NotFound:
		return flow.AdminResult{}, Retryable(err)
	case err == nil && o.Added != added:
		return flow.AdminResult{}, Retryable(schema.E(schema.Conflict, "there is an org "+in.Key+" already", "vigil orgs list"))
	}
	if err := x.Begin(ctx, in.Key); err != nil {
		return flow.AdminResult{}, Retryable(fmt.Errorf("preparing the org %s: %w", in.Key, err))
	}
	if err := x.Store.PutUser(ctx, admin); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	o = schema.Org{Name: in.Key, Title: in.Args["title"], By: by(in.By), Created: now.UTC(), Added: added, Version: 1}
	if err := x.Store.PutOrg(ctx, o); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	return x.said(ctx, in, "org.add", key, map[string]string{"title": o.Title, "admin": admin.Name})
}

// CloseOrg ends what people and senders of an org may do, or opens it again; what is stored stays.
func (x *Orgs) CloseOrg(ctx context.Context, in flow.AdminInput, closed bool, key string) (flow.AdminResult, error) {
	if err := x.refuse(in); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	o, err := x.Store.Org(ctx, in.Key)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	o.Closed = closed
	o.Version++
	if err := x.Store.PutOrg(ctx, o); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	verb := "org.open"
	if closed {
		verb = "org.close"
	}
	return x.said(ctx, in, verb, key, nil)
}

// said records a change with the platform, and with the org itself.
func (x *Orgs) said(ctx context.Context, in flow.AdminInput, verb, key string, details map[string]string) (flow.AdminResult, error) {
	for _, org := range []string{in.Org, in.Key} {
		err := x.Trail.record(ctx, schema.AuditRecord{Org: org, ID: auditID(verb, key+"/"+org), Actor: by(in.By), Verb: verb, Object: in.Key, Outcome: "ok", Details: details})
		if err != nil {
			return flow.AdminResult{}, Retryable(err)
		}
	}
	return flow.AdminResult{Changed: 1}, nil
}
