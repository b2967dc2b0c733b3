package activities

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.temporal.io/sdk/activity"

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
