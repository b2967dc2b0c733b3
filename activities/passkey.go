package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"vigil/internal/auth"
	"vigil/internal/auth/passkey"
	"vigil/schema"
	"vigil/schema/flow"
)

// ChangePasskey adds, renames or removes a passkey of the user that the key names. Args:
// passkey (its document, with the token of the server that saw its registration) for
// add, id and name for the others.
func (x *Admin) ChangePasskey(ctx context.Context, in flow.AdminInput, change, key string) (flow.AdminResult, error) {
	var k schema.Passkey
	var err error
	if change == "add" {
		k, err = x.newPasskey(ctx, in)
	} else {
		k, err = x.ownPasskey(ctx, in)
	}
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	switch change {
	case "rename":
		k.Name = in.Args["name"]
	case "remove":
		k.Removed = true
	}
	k.Version++
	if err := x.Store.PutPasskey(ctx, k); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID("passkey."+change, key), Actor: by(in.By), Verb: "passkey." + change, Object: k.User, Outcome: "ok",
		Details: map[string]string{"passkey": k.ID, "name": k.Name, "site": k.RPID}})
	return flow.AdminResult{Changed: 1}, Retryable(err)
}

func (x *Admin) newPasskey(ctx context.Context, in flow.AdminInput) (schema.Passkey, error) {
	var k schema.Passkey
	if err := json.Unmarshal([]byte(in.Args["passkey"]), &k); err != nil {
		return k, schema.E(schema.Invalid, "the passkey cannot be read", "add passkeys in the web UI, under Your account", err)
	}
	if k.Org != in.Org || k.User != in.Key || k.Name == "" || !passkey.ValidID(k.ID) {
		return k, schema.E(schema.Invalid, "the passkey is not one of "+in.Key, "add passkeys in the web UI, under Your account")
	}
	if err := seen(x.Public, k); err != nil {
		return k, err
	}
	have, err := x.Store.PasskeyAnywhere(ctx, k.ID)
	switch {
	case schema.CodeOf(err) == schema.NotFound && err != nil:
		return k, nil
	case err != nil:
		return k, err
	case have.Token == k.Token && !have.Removed:
		k.Version = have.Version // a retry
		return k, nil
	}
	return k, schema.E(schema.Conflict, "this passkey is registered already, or was before", "use another authenticator")
}

// seen checks that a server saw the registration: a passkey that somebody wrote into the
// store, or into a workflow's input, proves nothing.
func seen(public string, k schema.Passkey) error {
	c, err := auth.VerifyDecision(public, k.Token, k.Created)
	if err != nil {
		return schema.E(schema.Denied, "no server of this Vigil registered the passkey", "add passkeys in the web UI, under Your account", err)
	}
	if c.Verdict != auth.VerdictPasskey || c.Approval != k.ID || c.User != k.User || c.Binding != passkey.Digest(k) {
		return schema.E(schema.Denied, "the passkey is not the one that was registered", "look into the audit trail")
	}
	return nil
}

func (x *Admin) ownPasskey(ctx context.Context, in flow.AdminInput) (schema.Passkey, error) {
	k, err := x.Store.Passkey(ctx, in.Org, in.Args["id"])
	if err == nil && (k.User != in.Key || k.Removed) {
		err = schema.E(schema.NotFound, fmt.Sprintf("%s has no such passkey", in.Key), "")
	}
	return k, err
}
