package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/export"
	"vigil/internal/ocsf"
	"vigil/internal/store"
	"vigil/schema"
)

// searchFlags are what `vigil search` is told beside the query.
type searchFlags struct {
	last               time.Duration
	from, to, saved    string
	limit              int
	follow, estimate   bool
	file, form, fields string
}

func newSearchCmd(a *app) *cobra.Command {
	var o searchFlags
	c := &cobra.Command{
		Use:   "search QUERY",
		Short: "Search the events",
		Long: `The query language: field:value (wildcards * and ?, numbers with > and <, networks), field:[low TO high], words and
"phrases" anywhere in the record, -term, OR, parentheses; or cel: and an expression as in rules. A pipe makes a statistic:
  | stats count(), dc(source.ip) by user.name | where count > 5 | sort -count | head 20
  | timechart span=1h count() by event.outcome      | top 10 user.name      | rare 10 process.name      | patterns
sql: and a SELECT reads the tables themselves, as a user who may only read; {from:DateTime64(6)} and {to:DateTime64(6)} are the range.
With -o ocsf the events are written whole, one object of the Open Cybersecurity Schema Framework (` + ocsf.Version + `) a line.
docs/reference/query-language.md tells all of it.`,
		Example: `  vigil search 'event.outcome:failure source.ip:203.0.113.0/24' --last 24h
  vigil search '"Failed password" -user.name:root' -o ndjson
  vigil search "cel: e.process.command_line.icontains(' -enc ')"
  vigil search 'event.outcome:failure | stats count(), dc(source.ip) by user.name | top 10'
  vigil search 'sql: SELECT rule, count() FROM alerts FINAL GROUP BY rule ORDER BY 2 DESC'
  vigil search 'event.dataset:zeek.dns' --export dns.parquet
  vigil search 'event.category:authentication' --limit 1000 -o ocsf > logons.ndjson
  vigil search 'event.outcome:failure' --follow`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			q, err := a.searchRequest(c.Context(), strings.Join(args, " "), o)
			if err != nil {
				return err
			}
			switch {
			case o.estimate:
				return a.estimate(c.Context(), q)
			case o.file != "":
				return a.exportFile(c.Context(), q, o)
			case o.follow:
				return a.tail(c.Context(), q)
			}
			return a.search(c.Context(), q)
		},
	}
	f := c.Flags()
	f.DurationVar(&o.last, "last", 0, "only the last so long, by event time (24h)")
	f.StringVar(&o.from, "from", "", "from this event time on (RFC 3339)")
	f.StringVar(&o.to, "to", "", "until before this event time (RFC 3339)")
	f.IntVar(&o.limit, "limit", 100, "rows at most (1000; exports 1,000,000)")
	f.StringVar(&o.saved, "saved", "", "ask the saved search of this id")
	f.BoolVar(&o.follow, "follow", false, "show new events as they arrive, until Ctrl-C")
	f.BoolVar(&o.estimate, "estimate", false, "say what the query would read, and do not run it")
	f.StringVar(&o.file, "export", "", "write all events to this file; its ending says how: "+strings.Join(export.Formats(), ", "))
	f.StringVar(&o.form, "format", "", "format of the export, when the file's ending does not say it")
	f.StringVar(&o.fields, "fields", "", "fields of the export, with commas between (default: all)")
	return c
}

func (a *app) searchRequest(ctx context.Context, text string, o searchFlags) (store.SearchRequest, error) {
	q := store.SearchRequest{Org: a.org, Query: text, Limit: o.limit, CEL: searchCondition}
	if o.saved != "" {
		s, err := a.store(ctx)
		if err != nil {
			return q, err
		}
		d, err := s.SavedOne(ctx, a.org, schema.SavedSearch, o.saved)
		if err == nil && d.Deleted {
			err = schema.E(schema.NotFound, "there is no saved search "+o.saved, "`vigil searches list` shows them")
		}
		if err != nil {
			return q, err
		}
		q.Query = strings.TrimSpace(d.Doc + " " + text)
	}
	if o.last > 0 {
		q.From, q.To = time.Now().Add(-o.last), time.Now().Add(time.Minute)
	}
	for _, b := range []struct {
		text string
		to   *time.Time
	}{{o.from, &q.From}, {o.to, &q.To}} {
		if b.text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, b.text)
		if err != nil {
			return q, exit(2, fmt.Errorf("%q is no time such as 2026-01-31T12:00:00Z", b.text))
		}
		*b.to = t
	}
	return q, nil
}

func (a *app) search(ctx context.Context, q store.SearchRequest) error {
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	if a.output == "ocsf" {
		return a.searchOCSF(ctx, s, q)
	}
	res, err := s.Search(ctx, q)
	if err != nil {
		return err
	}
	if res.Table != nil {
		err = a.printTable(res.Table)
		fmt.Fprintf(a.err, "%d rows; read %d rows, %d bytes in %d ms\n", len(res.Table.Rows), res.Stats.Rows, res.Stats.Bytes, res.Stats.Millis)
		return err
	}
	err = a.printEvents(res.Rows)
	fmt.Fprintf(a.err, "%d rows; read %d rows, %d bytes in %d ms\n", len(res.Rows), res.Stats.Rows, res.Stats.Bytes, res.Stats.Millis)
	return err
}

func (a *app) printTable(t *store.Table) error {
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = c.Name
	}
	rows := t.Rows
	if a.output == "table" || a.output == "" {
		rows = make([][]any, len(t.Rows))
		for i, r := range t.Rows {
			for _, v := range r {
				if text, ok := v.(string); ok {
					v = clipped(text, 120)
				}
				rows[i] = append(rows[i], v)
			}
		}
	}
	return a.table(header, rows)
}

func (a *app) printEvents(list []store.SearchRow) error {
	rows := make([][]any, len(list))
	for i, r := range list {
		text := r.Fields["message"]
		for _, f := range []string{"process.command_line", "url.original", "dns.question.name", "event.action"} {
			if text == "" {
				text = r.Fields[f]
			}
		}
		if a.output == "table" {
			text = clipped(text, 100)
		}
		rows[i] = []any{r.Time.Format(time.RFC3339), r.Dataset, r.Fields["host.name"], r.Fields["user.name"], r.Fields["source.ip"], r.Fields["destination.ip"], text, r.ID}
	}
	return a.table([]string{"time", "dataset", "host", "user", "source", "destination", "text", "id"}, rows)
}

func (a *app) estimate(ctx context.Context, q store.SearchRequest) error {
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	e, err := s.Estimate(ctx, q)
	if err != nil {
		return err
	}
	return a.table([]string{"rows", "parts"}, [][]any{{e.Rows, e.Parts}})
}

// followEvery is the time between two questions of a live tail, and followAgain how far
// each looks back: an insert may become visible late.
const (
	followEvery = time.Second
	followAgain = 10 * time.Second
)

// tail prints what arrives, each event once.
func (a *app) tail(ctx context.Context, q store.SearchRequest) error {
	if store.HasStages(q.Query) || strings.HasPrefix(strings.TrimSpace(q.Query), "sql:") {
		return exit(2, errors.New("only events can be followed, no statistic"))
	}
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	q.From, q.To, q.Limit = time.Unix(0, 0), time.Now().AddDate(10, 0, 0), 1000
	seen := map[string]bool{}
	since := time.Now().UTC()
	first := since
	for {
		q.Since = since.Add(-followAgain)
		if q.Since.Before(first) {
			q.Since = first
		}
		res, err := s.Search(ctx, q)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var fresh []store.SearchRow
		now := map[string]bool{}
		for i := len(res.Rows) - 1; i >= 0; i-- {
			if r := res.Rows[i]; !seen[r.ID] {
				fresh = append(fresh, r)
			}
			now[res.Rows[i].ID] = true
		}
		if len(fresh) > 0 {
			if err := a.printEvents(fresh); err != nil {
				return err
			}
		}
		seen, since = now, res.At
		select {
		case <-time.After(followEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

// exportFile writes what a query finds to a file; half a file is removed.
func (a *app) exportFile(ctx context.Context, q store.SearchRequest, o searchFlags) (err error) {
	if o.form == "" {
		_, o.form, _ = strings.Cut(o.file[max(0, strings.LastIndexByte(o.file, '.')):], ".")
	}
	if o.limit == 100 {
		o.limit = 0 // the default is for the terminal
	}
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	f, err := os.Create(o.file)
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(o.file)
		}
	}()
	n, stats, err := writeExport(ctx, s, q, o, f)
	if err == nil {
		fmt.Fprintf(a.err, "%d rows in %s; read %d rows, %d bytes in %d ms\n", n, o.file, stats.Rows, stats.Bytes, stats.Millis)
	}
	return err
}

func writeExport(ctx context.Context, s *store.Store, q store.SearchRequest, o searchFlags, f *os.File) (n int, stats store.SearchStats, err error) {
	var columns []store.ExportColumn
	var rows [][]any
	statistic := store.HasStages(q.Query) || strings.HasPrefix(strings.TrimSpace(q.Query), "sql:")
	if statistic {
		res, err := s.Search(ctx, q)
		if err != nil {
			return 0, res.Stats, err
		}
		columns, rows = res.Table.Typed()
		stats = res.Stats
	} else if columns, err = store.ExportColumns(splitList(o.fields)); err != nil {
		return 0, stats, err
	}
	cols := make([]export.Column, len(columns))
	for i, c := range columns {
		cols[i] = export.Column{Name: c.Name, Kind: c.Kind}
	}
	w, _, err := export.New(o.form, f, cols)
	if err != nil {
		return 0, stats, err
	}
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			return 0, stats, err
		}
		n++
	}
	if !statistic {
		stats, err = s.Export(ctx, q, columns, o.limit, func(row []any) error { n++; return w.Write(row) })
		if err != nil {
			return n, stats, err
		}
	}
	return n, stats, w.Close()
}

// splitList cuts a list with commas between; of "" there is nothing.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// searchOCSF writes the events of a search as objects of their class, one a line.
func (a *app) searchOCSF(ctx context.Context, s *store.Store, q store.SearchRequest) error {
	list, next, err := s.SearchEvents(ctx, q)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(a.out)
	for _, h := range list {
		o := ocsf.Origin{ID: h.Event.ID.String(), Org: a.org, Source: h.Source, Ingested: h.Ingested}
		if err := enc.Encode(ocsf.Export(h.Event, o)); err != nil {
			return fmt.Errorf("writing an event: %w", err)
		}
	}
	if next != "" {
		fmt.Fprintf(a.err, "There are more than %d; narrow the time with --from and --to.\n", len(list))
	}
	return nil
}
