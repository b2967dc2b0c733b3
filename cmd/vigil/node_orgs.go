package main

import (
	"context"
	"fmt"

	"vigil/internal/store"
	"vigil/schema"
	"vigil/worker"
)

// orgs are those that this installation works for: its own, and those that were added and are
// not closed.
func (n *node) orgs(ctx context.Context) ([]string, error) {
	added, err := n.store.Orgs(ctx)
	if err != nil {
		return nil, err
	}
	out := []string{n.a.org}
	for _, o := range added {
		if !o.Closed {
			out = append(out, o.Name)
		}
	}
	return out, nil
}

// beginOrg makes what an org needs beside its row: the user of the engine who may query it, and
// what runs for it by itself. It may be repeated.
func (n *node) beginOrg(ctx context.Context, org string) error {
	if n.o.addAnalyst != nil {
		if err := n.o.addAnalyst(ctx, org); err != nil {
			return err
		}
	}
	if err := n.store.CheckAnalyst(ctx, org); err != nil {
		return fmt.Errorf("docs/guides/tenants.md tells what a ClickHouse of your own needs: %w", err)
	}
	return worker.EnsureSchedules(ctx, n.tp, worker.DefaultSchedules(org))
}

// pushToken returns the token of a push source of an org that is open; NotFound for others.
func (n *node) pushToken(ctx context.Context, id string) (store.Session, error) {
	x, err := n.store.Token(ctx, id)
	if err != nil || x.Org == n.a.org {
		return x, err
	}
	o, err := n.store.Org(ctx, x.Org)
	if err == nil && o.Closed {
		err = schema.E(schema.NotFound, "the org of the token is closed", "")
	}
	return x, err
}
