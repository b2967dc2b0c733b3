package store

import (
	"context"
	"fmt"

	"vigil/schema"
)

// MaxReports is how many reports an organisation may have.
const MaxReports = 200

// Reports lists the reports of an organisation, by id.
func (s *Store) Reports(ctx context.Context, org string) ([]schema.Report, error) {
	out, err := docs[schema.Report](ctx, s, fmt.Sprintf(`SELECT doc FROM vigil_private.reports FINAL WHERE org = {org:String} AND NOT JSONExtractBool(doc, 'deleted')
ORDER BY id LIMIT %d`, MaxReports), P{"org": org})
	if err != nil {
		return nil, fmt.Errorf("reading reports: %w", err)
	}
	return out, nil
}

// Report returns one report, a deleted one too; NotFound when there never was one.
func (s *Store) Report(ctx context.Context, org, id string) (schema.Report, error) {
	return doc[schema.Report](ctx, s, "report "+id, `SELECT doc FROM vigil_private.reports FINAL WHERE org = {org:String} AND id = {id:String}`, P{"org": org, "id": id})
}

// PutReport stores a report; the highest Version holds.
func (s *Store) PutReport(ctx context.Context, r schema.Report) error {
	if err := s.insert(ctx, "vigil_private.reports", "org, id, doc, version", "", [][]any{{r.Org, r.ID, asJSON(r), r.Version}}); err != nil {
		return fmt.Errorf("saving report %s: %w", r.ID, err)
	}
	return nil
}

// Sendings lists what was sent of a report, newest first.
func (s *Store) Sendings(ctx context.Context, org, report string, limit int) ([]schema.Sending, error) {
	out, err := docs[schema.Sending](ctx, s, `SELECT doc FROM vigil_private.sendings FINAL WHERE org = {org:String} AND report = {report:String} ORDER BY at DESC, id LIMIT {limit:UInt32}`,
		P{"org": org, "report": report, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	return out, nil
}

// LastSendings returns the newest sending of each report that has one.
func (s *Store) LastSendings(ctx context.Context, org string) (map[string]schema.Sending, error) {
	list, err := docs[schema.Sending](ctx, s, `SELECT argMax(doc, (at, version)) FROM vigil_private.sendings WHERE org = {org:String} GROUP BY report`, P{"org": org})
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	out := map[string]schema.Sending{}
	for _, x := range list {
		out[x.Report] = x
	}
	return out, nil
}

// Sending returns one sending; NotFound when there is none.
func (s *Store) Sending(ctx context.Context, org, report, id string) (schema.Sending, error) {
	return doc[schema.Sending](ctx, s, "sending "+id, `SELECT doc FROM vigil_private.sendings FINAL WHERE org = {org:String} AND report = {report:String} AND id = {id:String}`,
		P{"org": org, "report": report, "id": id})
}

// PutSending stores what became of a sending; the highest Version holds.
func (s *Store) PutSending(ctx context.Context, x schema.Sending) error {
	if err := s.insert(ctx, "vigil_private.sendings", "org, report, at, id, doc, version", "", [][]any{{x.Org, x.Report, x.At, x.ID, asJSON(x), x.Version}}); err != nil {
		return fmt.Errorf("keeping what was sent of %s: %w", x.Report, err)
	}
	return nil
}
