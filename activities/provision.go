package activities

import (
	"context"
	"fmt"
	"time"

	"vigil/internal/approval"
	"vigil/internal/auth/perm"
	"vigil/schema"
	"vigil/schema/flow"
)

// ProvisionUser makes or updates the user that a provider vouches for. Args: provider,
// issuer, subject, role, full_name, email, groups, team. The subject is who it is: a user
// of that name whom nobody has linked to it stays who it was. Neither password nor
// whether the account is disabled changes.
func (x *Admin) ProvisionUser(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	a := in.Args
	if a["issuer"] == "" || a["subject"] == "" || a["provider"] == "" {
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, "the subject is missing", "provider, issuer and subject say who it is"))
	}
	if !goodName(in.Key) {
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, fmt.Sprintf("a user cannot be named %q", in.Key), "set \"user\" in sign-in.yaml: small letters, digits, dot, hyphen, @"))
	}
	if perm.Of(perm.Role(a["role"])) == nil {
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, fmt.Sprintf("there is no role %q", a["role"]), "viewer, analyst, approver or admin"))
	}
	linked, err := x.Store.SubjectUser(ctx, in.Org, a["issuer"], a["subject"])
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.AdminResult{}, Retryable(err)
	}
	u, err := x.Store.User(ctx, in.Org, in.Key)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.AdminResult{}, Retryable(err)
	}
	switch {
	case linked != "" && linked != in.Key:
		return flow.AdminResult{}, Retryable(schema.E(schema.Conflict, "this subject is the user "+linked, "sign in again"))
	case linked == "" && u.Name != "":
		return flow.AdminResult{}, Retryable(schema.E(schema.Conflict, "there is a user "+in.Key+" already, and nobody said that it is the same person", fmt.Sprintf("an admin links them: vigil users link %s --issuer %s --subject %s", in.Key, a["issuer"], a["subject"])))
	case linked == "":
		u = schema.User{Name: in.Key, Org: in.Org, Created: now.UTC()}
		// First who it is, then the account: a crash in between leaves a link to nobody,
		// which the next sign-in fills.
		if err := x.Store.PutSubject(ctx, in.Org, a["issuer"], a["subject"], in.Key, now.UTC()); err != nil {
			return flow.AdminResult{}, Retryable(err)
		}
	case u.Name == "":
		u = schema.User{Name: in.Key, Org: in.Org, Created: now.UTC()}
	}
	u.Role, u.FullName, u.Email, u.Team, u.Provider, u.Groups = a["role"], a["full_name"], a["email"], a["team"], a["provider"], approval.Split(a["groups"])
	return x.save(ctx, u, in, key, "user.provision")
}

// LinkUser says that a provider's subject is a user that exists. Args: issuer, subject.
func (x *Admin) LinkUser(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	u, err := x.Store.User(ctx, in.Org, in.Key)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	issuer, subject := in.Args["issuer"], in.Args["subject"]
	if issuer == "" || subject == "" {
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, "issuer and subject say who it is", "the audit trail has both, of the refused sign-in"))
	}
	if err := x.Store.PutSubject(ctx, in.Org, issuer, subject, u.Name, now.UTC()); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID("user.link", key), Actor: by(in.By), Verb: "user.link", Object: u.Name, Outcome: "ok",
		Details: map[string]string{"issuer": issuer, "subject": subject}})
	return flow.AdminResult{Changed: 1}, Retryable(err)
}
