package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"vigil/internal/action"
	"vigil/internal/approval"
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
func (a *app) connectors() (action.Connectors, error) {
	name := filepath.Join(a.data, "connectors.yaml")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, schema.E(schema.Unavailable, "the connectors cannot be read", "", err)
	}
	return action.ParseConnectors(name, text, secret.FromRef)
}
