package activities

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"vigil/internal/enrich"
	"vigil/internal/tables"
	"vigil/schema"
	"vigil/schema/flow"
)

// BodyStore keeps the bytes of tables.
type BodyStore interface {
	TableBody(ctx context.Context, org, hash string) ([]byte, error)
}

// PinStore knows what is in force, and keeps the bytes of what plans pin.
type PinStore interface {
	BodyStore
	TablesInForce(ctx context.Context, org string) (map[string]string, error)
	PutTableBody(ctx context.Context, org, hash string, body []byte) error
}

// tableBody reads bytes and holds them against the hash that names them.
func tableBody(ctx context.Context, s BodyStore, org, hash string) ([]byte, error) {
	body, err := s.TableBody(ctx, org, hash)
	if err != nil {
		return nil, err
	}
	if tables.Hash(body) != hash {
		return nil, schema.E(schema.Unavailable, "the stored table "+hash+" is not complete", "import its file again")
	}
	return body, nil
}

// LiveTables hands out the tables that plans pin. What is in force is asked of the store for
// each plan, so that every process sees a change at its next plan; a table that a plan names is
// loaded when it is first needed, whatever is in force by then. It is safe for concurrent use.
type LiveTables struct {
	Store PinStore
	// FormatDir is the folder of custom formats; "": there are none.
	FormatDir string
	Log       *slog.Logger

	mu      sync.Mutex
	built   []builtTable // newest use last
	formats formatCache
}

type builtTable struct {
	name, hash string
	table      tables.Table
}

// keptTables is how many tables a process keeps: two of each kind.
const keptTables = 10

// Version names the tables and the custom formats that are in force, as a plan pins them. What
// it names can be loaded for ever.
func (x *LiveTables) Version(ctx context.Context, org string) (string, error) {
	in, err := x.Store.TablesInForce(ctx, org)
	if err != nil {
		return "", err
	}
	pins := tables.Pins(in)
	if pins[tables.FormatTable], err = x.formatVersion(ctx, org); err != nil {
		return "", fmt.Errorf("reading the custom formats: %w", err)
	}
	return pins.String(), nil
}

// Part is the enrichment of a plan: the parts that need no table, and those of the tables it
// pins. It serves one goroutine.
func (x *LiveTables) Part(ctx context.Context, org string, plan flow.IngestPlan) (enrich.Part, error) {
	pins, err := tables.ParsePins(plan.Tables)
	if err != nil {
		return nil, err
	}
	parts := []enrich.Part{enrich.BuiltIn()}
	for _, k := range tables.Kinds() {
		hash := pins[k.Name]
		if hash == "" {
			continue
		}
		t, err := x.table(ctx, org, k, hash)
		if err != nil {
			return nil, fmt.Errorf("loading the table %s of hash %s: %w", k.Name, hash, err)
		}
		parts = append(parts, enrich.Table(t))
	}
	return enrich.All(parts...), nil
}

// table returns a table as it was when it had the hash.
func (x *LiveTables) table(ctx context.Context, org string, k tables.Kind, hash string) (tables.Table, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, b := range x.built {
		if b.name == k.Name && b.hash == hash {
			x.built = append(slices.Delete(x.built, i, i+1), b)
			return b.table, nil
		}
	}
	body, err := tableBody(ctx, x.Store, org, hash)
	if err != nil {
		return nil, err
	}
	t, err := k.Build(body)
	if err != nil {
		return nil, err
	}
	x.built = append(x.built, builtTable{k.Name, hash, t})
	x.built = slices.Clone(x.built[max(0, len(x.built)-keptTables):])
	return t, nil
}
