package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vigil/internal/ocsf"
	"vigil/internal/store"
)

func newSearchCmd(a *app) *cobra.Command {
	var last time.Duration
	var from, to string
	var limit int
	c := &cobra.Command{
		Use:   "search QUERY",
		Short: "Search the events",
		Long: `The query language: field:value (wildcards * and ?, numbers with > and <, networks), words and "phrases" anywhere in the
record, -term, OR, parentheses; or cel: and an expression as in rules.
With -o ocsf the events are written whole, one object of the Open Cybersecurity Schema Framework (` + ocsf.Version + `) a line.`,
		Example: "  vigil search 'event.outcome:failure source.ip:203.0.113.0/24' --last 24h\n  vigil search '\"Failed password\" -user.name:root' -o ndjson\n  vigil search 'event.category:authentication' --limit 1000 -o ocsf > logons.ndjson\n  vigil search \"cel: e.process.command_line.icontains(' -enc ')\"",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			q := store.SearchRequest{Org: a.org, Query: strings.Join(args, " "), Limit: limit, From: time.Unix(0, 0), To: time.Now().Add(24 * time.Hour)}
			if last > 0 {
				q.From = time.Now().Add(-last)
			}
			for _, b := range []struct {
				text string
				to   *time.Time
			}{{from, &q.From}, {to, &q.To}} {
				if b.text == "" {
					continue
				}
				t, err := time.Parse(time.RFC3339, b.text)
				if err != nil {
					return exit(2, fmt.Errorf("%q is no time such as 2026-01-31T12:00:00Z", b.text))
				}
				*b.to = t
			}
			if text, ok := strings.CutPrefix(strings.TrimSpace(q.Query), "cel:"); ok {
				cond, p, err := searchCondition(strings.TrimSpace(text))
				if err != nil {
					return exit(2, err)
				}
				q.Condition, q.Params = cond, p
			}
			return a.search(c, q)
		},
	}
	f := c.Flags()
	f.DurationVar(&last, "last", 0, "only the last so long, by event time (24h)")
	f.StringVar(&from, "from", "", "from this event time on (RFC 3339)")
	f.StringVar(&to, "to", "", "until before this event time (RFC 3339)")
	f.IntVar(&limit, "limit", 100, "rows at most (1000)")
	return c
}

func (a *app) search(c *cobra.Command, q store.SearchRequest) error {
	s, err := a.store(c.Context())
	if err != nil {
		return err
	}
	if a.output == "ocsf" {
		return a.searchOCSF(c, s, q)
	}
	res, err := s.Search(c.Context(), q)
	if err != nil {
		return err
	}
	rows := make([][]any, len(res.Rows))
	for i, r := range res.Rows {
		text := r.Fields["message"]
		for _, f := range []string{"process.command_line", "url.original", "dns.question.name", "event.action"} {
			if text == "" {
				text = r.Fields[f]
			}
		}
		if long := []rune(text); a.output == "table" && len(long) > 100 {
			text = string(long[:100]) + "…"
		}
		rows[i] = []any{r.Time.Format(time.RFC3339), r.Dataset, r.Fields["host.name"], r.Fields["user.name"], r.Fields["source.ip"], r.Fields["destination.ip"], text, r.ID}
	}
	err = a.table([]string{"time", "dataset", "host", "user", "source", "destination", "text", "id"}, rows)
	fmt.Fprintf(a.err, "%d rows; read %d rows, %d bytes in %d ms\n", len(rows), res.Stats.Rows, res.Stats.Bytes, res.Stats.Millis)
	return err
}

// searchOCSF writes the events of a search as objects of their class, one a line.
func (a *app) searchOCSF(c *cobra.Command, s *store.Store, q store.SearchRequest) error {
	list, next, err := s.SearchEvents(c.Context(), q)
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
