package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vigil/internal/intel"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// newIntelCmd makes `vigil intel`.
func newIntelCmd(a *app) *cobra.Command {
	var kinds strings.Builder
	for _, k := range intel.Kinds() {
		fmt.Fprintf(&kinds, "  %-11s %s\n", k.Name, k.Doc)
	}
	cmd := &cobra.Command{
		Use:   "intel",
		Short: "Sync threat-intelligence feeds and look at indicators",
		Long: `A feed is a file or URL that lists indicators: addresses, networks, domains (with what is below them), URLs, file
hashes and e-mail addresses that somebody says are bad. What is ingested from then on is matched with all feeds;
an indicator that has expired, was revoked, or is no longer in its feed does not match.

Kinds of feeds:
` + kinds.String(),
		Example: `  vigil intel sync demo --kind stix /path/bundle.json
  vigil intel add ipsum --kind text https://example.org/ipsum.txt --every 6h
  vigil intel list --feed ipsum --type ip`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newIntelSyncCmd(a), newIntelAddCmd(a), newIntelFeedsCmd(a), newIntelListCmd(a), newIntelShowCmd(a), newIntelSightingsCmd(a), newIntelRemoveCmd(a))
	return cmd
}

// feedFlags are the settings of a feed.
func feedFlags(c *cobra.Command, in *flow.SyncIntelInput, ttl *time.Duration) {
	f := c.Flags()
	f.StringVar(&in.Kind, "kind", "", "stix, csv, text, zeek-intel or misp")
	f.StringVar(&in.Type, "type", "", "type of all indicators (ip, cidr, domain, url, md5, sha1, sha256, email); default: told by the feed or the value")
	f.StringToStringVar(&in.Columns, "columns", nil, `CSV column=field, fields are value, type, name, confidence, labels, valid_from, valid_until; "#1=value" counts columns of a file without header`)
	f.IntVar(&in.Confidence, "confidence", 0, "confidence (1–100) of indicators that name none; default 50")
	f.DurationVar(ttl, "ttl", 0, "how long an indicator that names no end is valid after the last sync that saw it; default 720h, -1s for ever")
	f.StringVar(&in.Secret, "secret", "", "bearer token for http(s), by reference: env:VIGIL_INTEL_NAME or file:/path, on the worker's host")
}

func newIntelSyncCmd(a *app) *cobra.Command {
	var in flow.SyncIntelInput
	var ttl time.Duration
	c := &cobra.Command{
		Use: "sync FEED [PATH|URL]", Short: "Sync a feed once", Args: cobra.RangeArgs(1, 2),
		Long: "Syncs a feed now and says what changed. A feed that was synced before needs no more than its name.",
		Example: `  vigil intel sync demo --kind stix bundle.json
  vigil intel sync demo
  vigil intel sync blocklist --kind csv --columns ip_address=value,malware=name https://example.org/list.csv`,
		RunE: func(c *cobra.Command, args []string) error { return a.syncFeed(c.Context(), in, ttl, args) },
	}
	feedFlags(c, &in, &ttl)
	return c
}

func newIntelAddCmd(a *app) *cobra.Command {
	var in flow.SyncIntelInput
	var ttl, every time.Duration
	c := &cobra.Command{
		Use: "add FEED PATH|URL", Short: "Add a feed and sync it by schedule", Args: cobra.ExactArgs(2),
		Long: `Syncs the feed, and when that works, makes the Temporal schedule intel-ORG-FEED which repeats it. Run it again
to change settings or interval.`,
		Example: "  vigil intel add ipsum --kind text --every 6h https://example.org/ipsum.txt\n  vigil intel add ours --kind csv --every 15m --ttl -1s /srv/indicators.csv",
		RunE: func(c *cobra.Command, args []string) error {
			if every < time.Minute || every > 365*24*time.Hour {
				return exit(2, errors.New("--every is between 1m and 8760h"))
			}
			in.Every = int(every / time.Minute)
			return a.syncFeed(c.Context(), in, ttl, args)
		},
	}
	feedFlags(c, &in, &ttl)
	c.Flags().DurationVar(&every, "every", time.Hour, "how often")
	_ = c.MarkFlagRequired("kind")
	return c
}

// syncFeed starts the workflow and waits for it.
func (a *app) syncFeed(ctx context.Context, in flow.SyncIntelInput, ttl time.Duration, args []string) error {
	in.Feed = args[0]
	in.TTLHours = int((ttl + time.Hour - 1) / time.Hour)
	if ttl < 0 {
		in.TTLHours = -1
	}
	if len(args) > 1 {
		in.URL = args[1]
		if !strings.Contains(in.URL, "://") {
			if _, err := os.Stat(in.URL); err != nil {
				return schema.E(schema.NotFound, "cannot read "+in.URL, "check the path and its permissions", err)
			}
			abs, err := filepath.Abs(in.URL)
			if err != nil {
				return err
			}
			in.URL = abs
		}
	}
	res, err := a.runSync(ctx, in)
	if err != nil {
		return err
	}
	if err := a.table([]string{"feed", "read", "active", "added", "changed", "expired", "refused", "ignored", "version"},
		[][]any{{res.Feed, res.Read, res.Active, res.Added, res.Changed, res.Expired, res.Refused, res.Ignored, res.Version}}); err != nil {
		return err
	}
	for _, why := range slices.Sorted(maps.Keys(res.Reasons)) {
		fmt.Fprintf(a.err, "refused %d: %s\n", res.Reasons[why], clean([]string{why})[0])
	}
	return nil
}

// runSync runs SyncIntel; while the feed does not answer it says so.
func (a *app) runSync(ctx context.Context, in flow.SyncIntelInput) (flow.SyncIntelResult, error) {
	var res flow.SyncIntelResult
	tp, err := a.temporal(ctx)
	if err != nil {
		return res, err
	}
	in.Org = a.org
	if in.By == "" {
		in.By = "operator"
	}
	id := flow.SyncIntelID(in.Org, in.Feed)
	run, err := tp.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id + "/" + fmt.Sprint(time.Now().UnixMilli()), TaskQueue: flow.QueueIntel}, flow.SyncIntel, in)
	if err != nil {
		return res, fmt.Errorf("starting the sync: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- run.Get(ctx, &res) }()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for said := ""; ; {
		select {
		case err := <-done:
			if ctx.Err() != nil {
				fmt.Fprintln(a.err, "The sync goes on; `vigil intel feeds` tells what came of it.")
				return res, exit(1, nil)
			}
			return res, refusal(err)
		case <-tick.C:
			if now := syncTrouble(ctx, tp, id); now != said && now != "" {
				said = now
				fmt.Fprintln(a.err, clean([]string{now})[0])
			}
		}
	}
}

// syncTrouble is why the running sync is being tried again, "" when it is not.
func syncTrouble(ctx context.Context, tp client.Client, id string) string {
	d, err := tp.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return ""
	}
	for _, p := range d.GetPendingActivities() {
		if f := p.GetLastFailure(); f != nil && p.GetAttempt() > 1 {
			return fmt.Sprintf("attempt %d: %s", p.GetAttempt()-1, f.GetMessage())
		}
	}
	return ""
}

func newIntelFeedsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "feeds", Short: "List the feeds", Args: cobra.NoArgs, Example: "  vigil intel feeds -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, err := s.Feeds(c.Context(), a.org)
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, f := range list {
				every := "-"
				if f.Every > 0 {
					every = (time.Duration(f.Every) * time.Minute).String()
				}
				rows[i] = []any{f.ID, f.Status, f.Kind, f.Active, f.Indicators, f.Refused, every, when(f.Synced), f.URL, f.Error}
			}
			return a.table([]string{"feed", "status", "kind", "active", "indicators", "refused", "every", "synced", "url", "error"}, rows)
		},
	}
}

// when formats a time that may be none.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func newIntelListCmd(a *app) *cobra.Command {
	f := store.IndicatorFilter{}
	c := &cobra.Command{
		Use: "list", Short: "List indicators", Args: cobra.NoArgs, Example: "  vigil intel list --feed ipsum --status active\n  vigil intel list --text emotet -o csv",
		RunE: func(c *cobra.Command, _ []string) error {
			if f.Status != "" && f.Status != "active" && f.Status != "expired" && f.Status != "revoked" {
				return exit(2, errors.New("--status is active, expired or revoked"))
			}
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			f.At = time.Now()
			list, next, err := s.Indicators(c.Context(), a.org, f)
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, x := range list {
				rows[i] = []any{x.Type, x.Value, indicatorStatus(x), x.Feed, x.Confidence, when(x.ValidUntil), x.Name, strings.Join(x.Labels, " ")}
			}
			if next != "" {
				fmt.Fprintf(a.err, "More: --cursor %s\n", next)
			}
			return a.table([]string{"type", "value", "status", "feed", "confidence", "valid_until", "name", "labels"}, rows)
		},
	}
	c.Flags().StringVar(&f.Feed, "feed", "", "of this feed")
	c.Flags().StringVar(&f.Type, "type", "", "ip, cidr, domain, url, md5, sha1, sha256 or email")
	c.Flags().StringVar(&f.Status, "status", "", "active, expired or revoked")
	c.Flags().StringVar(&f.Text, "text", "", "part of value, name or a label")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many")
	c.Flags().StringVar(&f.Cursor, "cursor", "", "where the page before ended")
	return c
}

func indicatorStatus(x schema.Indicator) string {
	switch {
	case x.Revoked:
		return "revoked"
	case !x.ValidUntil.IsZero() && !x.ValidUntil.After(time.Now()):
		return "expired"
	}
	return "active"
}

func newIntelShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show VALUE", Short: "Show what is said of a value, and where it was seen", Args: cobra.ExactArgs(1), Example: "  vigil intel show 203.0.113.66\n  vigil intel show hxxp://bad[.]example/x",
		RunE: func(c *cobra.Command, args []string) error {
			_, value, err := intel.Normalize("", args[0])
			if err != nil {
				return schema.E(schema.Invalid, fmt.Sprintf("%q is no indicator: %s", args[0], err), "an address, network, domain, URL, hash or e-mail address")
			}
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, _, err := s.Indicators(c.Context(), a.org, store.IndicatorFilter{Value: value, Limit: 1000})
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return schema.E(schema.NotFound, "no feed lists "+value, "`vigil intel list --text …` looks for parts")
			}
			seen, _, err := s.Sightings(c.Context(), a.org, store.SightingFilter{Value: value})
			if err != nil {
				return err
			}
			return a.json(map[string]any{"indicators": list, "sightings": seen})
		},
	}
}

func newIntelSightingsCmd(a *app) *cobra.Command {
	f := store.SightingFilter{}
	c := &cobra.Command{
		Use: "sightings", Short: "List where indicators were seen, newest first", Args: cobra.NoArgs, Example: "  vigil intel sightings --feed ipsum",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, next, err := s.Sightings(c.Context(), a.org, f)
			if err != nil {
				return err
			}
			rows := make([][]any, len(list))
			for i, x := range list {
				rows[i] = []any{when(x.Time), x.Value, x.Feed, x.Source, x.EventID}
			}
			if next != "" {
				fmt.Fprintf(a.err, "More: --cursor %s\n", next)
			}
			return a.table([]string{"time", "value", "feed", "source", "event"}, rows)
		},
	}
	c.Flags().StringVar(&f.Feed, "feed", "", "of this feed")
	c.Flags().StringVar(&f.Value, "value", "", "of this indicator")
	c.Flags().StringVar(&f.Source, "source", "", "in this source")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many")
	c.Flags().StringVar(&f.Cursor, "cursor", "", "where the page before ended")
	return c
}

func newIntelRemoveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove FEED", Short: "End a feed: no schedule, its indicators revoked", Args: cobra.ExactArgs(1), Example: "  vigil intel remove ipsum",
		RunE: func(c *cobra.Command, args []string) error {
			res, err := a.runSync(c.Context(), flow.SyncIntelInput{Feed: args[0], Remove: true})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "feed %s removed, %d indicators revoked\n", res.Feed, res.Expired)
			return nil
		},
	}
}
