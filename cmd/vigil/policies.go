package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"vigil/activities"
	"vigil/internal/action"
	"vigil/internal/approval"
	"vigil/internal/playbook"
	"vigil/internal/secret"
	"vigil/schema"
)

// approvalPolicies reads approvals.yaml of the data folder, or the built-in policies
// when there is none.
func (a *app) approvalPolicies() (*approval.Policies, error) {
	name := filepath.Join(a.data, "approvals.yaml")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return approval.Default(), nil
	}
	if err != nil {
		return nil, schema.E(schema.Unavailable, "the approval policies cannot be read", "", err)
	}
	return approval.Parse(name, text, lowRisk)
}

func lowRisk(verb string) bool { return action.Definitions()[verb].Risk == action.Low }

// connectors reads connectors.yaml of the data folder: the systems that actions talk
// to. None is no error; a secret that cannot be read is.
func (a *app) connectors() (action.Connectors, error) { return a.connectorsBy(secret.FromRef) }

// playbookVerbs is what playbooks may use here. It depends on which connectors there are, not
// on their secrets, which who checks a playbook may not have.
func (a *app) playbookVerbs() (map[string]playbook.Verb, error) {
	systems, err := a.connectorsBy(func(string) (secret.Value, error) { return secret.New("unread"), nil })
	return activities.PlaybookVerbs(systems), err
}

func (a *app) connectorsBy(resolve func(ref string) (secret.Value, error)) (action.Connectors, error) {
	name := filepath.Join(a.data, "connectors.yaml")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, schema.E(schema.Unavailable, "the connectors cannot be read", "", err)
	}
	return action.ParseConnectors(name, text, resolve)
}
