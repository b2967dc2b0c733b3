package activities

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"vigil/internal/dashboard"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

var savedID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,63}$`)

// SavedStore keeps searches and dashboards.
type SavedStore interface {
	SavedOne(ctx context.Context, org string, kind schema.SavedKind, id string) (schema.Saved, error)
	PutSaved(ctx context.Context, d schema.Saved) error
}

// Saved changes what people keep: searches and dashboards.
type Saved struct {
	Store SavedStore
	Trail Trail
	// CEL checks cel: queries of dashboards.
	CEL func(expr string) (string, store.P, error)
}

// PutSaved creates or changes a document. Args: kind, title, doc, shared, range, columns.
// Its first owner stays the owner.
func (x *Saved) PutSaved(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	kind := schema.SavedKind(in.Args["kind"])
	old, err := x.Store.SavedOne(ctx, in.Org, kind, in.Key)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.AdminResult{}, Retryable(err)
	}
	d := schema.Saved{Org: in.Org, Kind: kind, ID: in.Key, Title: in.Args["title"], Owner: by(in.By), Shared: in.Args["shared"] == "true", Doc: in.Args["doc"],
		Range: in.Args["range"], Updated: now.UTC(), Version: old.Version + 1}
	if old.Owner != "" && !old.Deleted {
		d.Owner = old.Owner
	}
	if in.Args["columns"] != "" {
		d.Columns = strings.Split(in.Args["columns"], ",")
	}
	if err := x.check(&d); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	return x.save(ctx, d, in, key, "saved.put")
}

// DeleteSaved removes a document; its id may be used again.
func (x *Saved) DeleteSaved(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	d, err := x.Store.SavedOne(ctx, in.Org, schema.SavedKind(in.Args["kind"]), in.Key)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	d.Deleted, d.Updated, d.Version = true, now.UTC(), d.Version+1
	return x.save(ctx, d, in, key, "saved.delete")
}

// check refuses what could not be read again. A dashboard's title is its document's.
func (x *Saved) check(d *schema.Saved) error {
	if !savedID.MatchString(d.ID) {
		return schema.E(schema.Invalid, fmt.Sprintf("nothing can be saved as %q", d.ID), "small letters, digits and hyphens, 2 to 64 characters")
	}
	query := func(q string) error { return store.CheckQuery(store.SearchRequest{Query: q, CEL: x.CEL}) }
	switch d.Kind {
	case schema.SavedSearch:
		if strings.TrimSpace(d.Title) == "" || len(d.Title) > 200 || len(d.Doc) > 20_000 {
			return schema.E(schema.Invalid, "a saved search needs a title of at most 200 characters and a query of at most 20,000", "")
		}
		return query(d.Doc)
	case schema.SavedDashboard:
		board, err := dashboard.Parse([]byte(d.Doc), query)
		if err != nil {
			return err
		}
		if board.ID != d.ID {
			return schema.E(schema.Invalid, fmt.Sprintf("the document's id is %q, not %q", board.ID, d.ID), "")
		}
		d.Title = board.Title
		return nil
	default:
		return schema.E(schema.Invalid, fmt.Sprintf("there is no kind %q of saved document", d.Kind), "search or dashboard")
	}
}

func (x *Saved) save(ctx context.Context, d schema.Saved, in flow.AdminInput, key, verb string) (flow.AdminResult, error) {
	if err := x.Store.PutSaved(ctx, d); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	err := x.Trail.record(ctx, schema.AuditRecord{Org: d.Org, ID: auditID(verb, key), Actor: by(in.By), Verb: verb, Object: string(d.Kind) + "/" + d.ID, Outcome: "ok",
		Details: map[string]string{"title": d.Title, "shared": fmt.Sprint(d.Shared)}})
	return flow.AdminResult{Changed: 1}, Retryable(err)
}
