package activities

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/enrich"
	"vigil/internal/tables"
	"vigil/schema"
	"vigil/schema/flow"
)

// TableStore keeps tables of enrichment.
type TableStore interface {
	TablesInForce(ctx context.Context, org string) (map[string]string, error)
	TableBody(ctx context.Context, org, hash string) ([]byte, error)
	TableVersions(ctx context.Context, org, name string) ([]schema.TableVersion, error)
	PutTableVersion(ctx context.Context, v schema.TableVersion) error
	PutEntities(ctx context.Context, list []schema.Entity) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// Tables puts tables of enrichment in force.
type Tables struct {
	Store TableStore
	Trail Trail
}

// PutTable puts a table in force: the one whose bytes were stored under Args hash, or (of a
// roll-back) that of the version Args number. Args file is the file's name. The version's row
// is written last; a repeat of the same change finds it.
func (x *Tables) PutTable(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	activity.RecordHeartbeat(ctx)
	kind, err := tables.ByName(in.Key)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	all, err := x.Store.TableVersions(ctx, in.Org, kind.Name)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	if len(all) > 0 && all[0].Run == key {
		return x.told(ctx, in, all[0])
	}
	v := schema.TableVersion{Org: in.Org, Name: kind.Name, Number: 1, Hash: in.Args["hash"], File: in.Args["file"], By: by(in.By), Time: now.UTC(), Run: key}
	if len(all) > 0 {
		v.Number = all[0].Number + 1
	}
	if back := in.Args["number"]; back != "" {
		if err := goBack(&v, all, back); err != nil {
			return flow.AdminResult{}, Retryable(err)
		}
	}
	if len(all) > 0 && all[0].Hash == v.Hash {
		return x.told(ctx, in, all[0]) // it is in force
	}
	if err := x.apply(ctx, kind, &v); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	return x.told(ctx, in, v)
}

// goBack makes v the version that has the number.
func goBack(v *schema.TableVersion, all []schema.TableVersion, number string) error {
	n, err := strconv.ParseUint(number, 10, 64)
	at := slices.IndexFunc(all, func(o schema.TableVersion) bool { return o.Number == n })
	if err != nil || at < 0 {
		return schema.E(schema.NotFound, fmt.Sprintf("the table %s has no version %q", v.Name, number), "`vigil tables versions "+v.Name+"` lists them")
	}
	v.Hash, v.File, v.Back = all[at].Hash, all[at].File, n
	return nil
}

// apply checks the bytes of a version, writes the entities in it, and at last the version.
func (x *Tables) apply(ctx context.Context, kind tables.Kind, v *schema.TableVersion) error {
	body, err := tableBody(ctx, x.Store, v.Org, v.Hash)
	if err != nil {
		return err
	}
	t, err := kind.Check(body)
	if err != nil {
		return err
	}
	activity.RecordHeartbeat(ctx)
	v.Bytes, v.Rows = int64(len(body)), int64(t.Len())
	list := t.Entities()
	for i := range list {
		list[i].Org, list[i].Version = v.Org, v.Number
	}
	if err := x.Store.PutEntities(ctx, list); err != nil {
		return err
	}
	return x.Store.PutTableVersion(ctx, *v)
}

// told audits a change, tells screens, and makes its result.
func (x *Tables) told(ctx context.Context, in flow.AdminInput, v schema.TableVersion) (flow.AdminResult, error) {
	err := x.Trail.record(ctx, schema.AuditRecord{Org: v.Org, ID: auditID(in.Verb, v.Run), Actor: v.By, Verb: in.Verb, Object: v.Name, Outcome: "ok",
		Details: map[string]string{"number": fmt.Sprint(v.Number), "hash": v.Hash, "file": v.File, "rows": fmt.Sprint(v.Rows)}})
	n := note(v.Org, "tables", "changed", v.Name, v, v.Time)
	if err == nil {
		err = x.Store.PutNotes(ctx, n)
	}
	return flow.AdminResult{Changed: int(v.Number), Doc: n.Data}, Retryable(err)
}

// BodyStore keeps the bytes of tables.
type BodyStore interface {
	TableBody(ctx context.Context, org, hash string) ([]byte, error)
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
	Store interface {
		BodyStore
		TablesInForce(ctx context.Context, org string) (map[string]string, error)
	}

	mu    sync.Mutex
	built []builtTable // newest use last
}

type builtTable struct {
	name, hash string
	table      tables.Table
}

// keptTables is how many tables a process keeps: two of each kind.
const keptTables = 10

// Version names the tables that are in force, as a plan pins them.
func (x *LiveTables) Version(ctx context.Context, org string) (string, error) {
	in, err := x.Store.TablesInForce(ctx, org)
	if err != nil {
		return "", err
	}
	return tables.Pins(in).String(), nil
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
