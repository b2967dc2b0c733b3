package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/internal/secret"
	"vigil/schema"
)

// analysts are the connections of those who run what people type: a user of the engine for each
// org, who is granted reading only, and whose row policies show that org's rows only. They are
// the wall behind the conditions of our own statements.
type analysts struct {
	o    Options
	mu   sync.Mutex
	orgs map[string]*analyst
}

// analyst is the user of one org.
type analyst struct {
	conn   driver.Conn
	sweeps *columnar
}

func newAnalysts(o Options) *analysts { return &analysts{o: o, orgs: map[string]*analyst{}} }

// of returns the analyst of an org. Where the engine has none, the owner of the tables is it.
func (a *analysts) of(org string) (*analyst, error) {
	if org == "" {
		return nil, schema.E(schema.Internal, "a query names no org", "report this")
	}
	o := a.o
	if o.AnalystUser != "" {
		o.User, o.Password = schema.AnalystOf(o.AnalystUser, org), secret.Derive(o.AnalystPassword, org)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if x, ok := a.orgs[o.User]; ok {
		return x, nil
	}
	conn, err := dial(o, o.User, o.Password)
	if err != nil {
		return nil, err
	}
	x := &analyst{conn: conn, sweeps: newColumnar(o)}
	a.orgs[o.User] = x
	return x, nil
}

func (a *analysts) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, x := range a.orgs {
		x.sweeps.close()
		errs = append(errs, x.conn.Close())
	}
	return errors.Join(errs...)
}

// analystEach runs a query as the analyst of the org that its parameter org names.
func (s *Store) analystEach(ctx context.Context, q string, p P, scan func(driver.Rows) error) error {
	org, _ := p["org"].(string)
	a, err := s.analysts.of(org)
	if err != nil {
		return err
	}
	return s.eachOn(ctx, a.conn, q, p, scan)
}

// CheckAnalyst says whether the engine lets the analyst of an org in.
func (s *Store) CheckAnalyst(ctx context.Context, org string) error {
	if err := s.analystEach(ctx, "SELECT count() FROM events WHERE org = {org:String} LIMIT 1", P{"org": org}, func(driver.Rows) error { return nil }); err != nil {
		return fmt.Errorf("asking as the analyst of %s: %w", org, err)
	}
	return nil
}
