package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vigil/internal/auth"
	"vigil/internal/spool"
	"vigil/schema"
	"vigil/schema/flow"
	"vigil/server/receive"
)

// newSourcesCmd makes `vigil sources`.
func newSourcesCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "sources", Short: "List, add and control sources", Args: cobra.NoArgs,
		Example: "  vigil sources list\n  vigil sources add-push web --kind bulk\n  vigil sources add-tail auth /var/log/auth.log\n  vigil sources add-pull okta.yaml\n  vigil sources pause auth\n  vigil sources test gate.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newSourcesListCmd(a), newSourcesShowCmd(a), newSourcesAddPushCmd(a), newSourcesRevokePushCmd(a),
		newSourcesAddTailCmd(a), newSourcesAddPullCmd(a), newSourcesAddKafkaCmd(a), newSourcesAddS3Cmd(a), newSourcesCheckPullCmd(a), newSourcesExamplesCmd(a),
		newSourcesPauseCmd(a), newSourcesResumeCmd(a), newSourcesRewindCmd(a), newSourcesBackfillCmd(a), newSourcesScheduleCmd(a), newSourcesRemoveCmd(a),
		newSourcesTestCmd(a), newSourcesAddFormatCmd(a), newSourcesMappingCmd(a))
	return cmd
}

func newSourcesListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List sources, with what their receivers took, refused and dropped", Args: cobra.NoArgs, Example: "  vigil sources list -o json",
		Long: `rate is events a second over the last five minutes, usual over seven days; lag is seconds from event to store, bytes_day what was committed in 24 hours.
received, duplicates, suspected, refused (told to come later), invalid and dropped count since the process started; waiting is bytes in the spool
that are not committed, quota the most that may wait (0: the source's fair share) and limit the most that may come a second (0: any).`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			list, err := s.Sources(c.Context(), a.org)
			if err != nil {
				return err
			}
			pushed, err := a.receivers(c.Context())
			if err != nil {
				fmt.Fprintln(a.err, "vigil: the receivers do not answer:", err)
			}
			by := map[string]receiverRow{}
			for _, r := range pushed {
				if r.Org == a.org {
					by[r.Source] = r
				}
			}
			defs, err := s.SourceDefs(c.Context(), a.org)
			if err != nil {
				return err
			}
			return a.listSources(list, by, defs)
		},
	}
}

// listSources shows the sources that have events, and those that do not yet.
func (a *app) listSources(list []schema.SourceStatus, by map[string]receiverRow, defs []schema.SourceDef) error {
	kinds := map[string]string{}
	for _, d := range defs {
		kinds[d.ID] = d.Kind
		if !slices.ContainsFunc(list, func(st schema.SourceStatus) bool { return st.ID == d.ID }) {
			list = append(list, schema.SourceStatus{ID: d.ID})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		if !slices.ContainsFunc(list, func(st schema.SourceStatus) bool { return st.ID == name }) {
			list = append(list, schema.SourceStatus{ID: name})
		}
	}
	var rows [][]any
	for _, st := range list {
		r := by[st.ID]
		rows = append(rows, []any{st.ID, cmpOr(kinds[st.ID], r.Kind), st.Records, st.Events, st.Failures, round(st.Rate), round(st.Usual), int64(st.Lag), st.BytesDay, cmpOr(st.Proof, "never"),
			r.Records, r.Duplicates, r.Suspected, r.Refused, r.Invalid, r.Dropped, r.Pending, r.Quota, r.Limits.Rate})
	}
	return a.table([]string{"source", "kind", "records", "events", "failures", "rate", "usual", "lag", "bytes_day", "proof", "received", "duplicates", "suspected", "refused", "invalid", "dropped", "waiting", "quota", "limit"}, rows)
}

// pushKinds are the kinds that need a token.
func pushKinds() []string { return []string{receive.Bulk, receive.HEC, receive.OTLP} }

func newSourcesAddPushCmd(a *app) *cobra.Command {
	var kind, format, quota, rate string
	var days int
	var weight int64
	c := &cobra.Command{
		Use: "add-push NAME", Short: "Make a token that may send events to a source", Args: cobra.ExactArgs(1),
		Long: `The token is printed once; Vigil keeps its hash. Senders give it as Elasticsearch API key or password, as Splunk HEC token,
or as bearer token. A source takes one kind: bulk (Elasticsearch _bulk), hec (Splunk), otlp (OpenTelemetry logs).

However loud a source is, room in the spool and turns at draining are left for the others. --quota and --rate limit it further,
--weight gives it a larger share. They are the source's from the first event that comes by this token, until a newer token says otherwise.`,
		Example: "  vigil sources add-push web --kind bulk\n  vigil sources add-push windows --kind bulk --format windows\n  vigil sources add-push apps --kind hec --days 30\n  vigil sources add-push firewall --kind otlp --quota 500MB --rate 5MB",
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(pushKinds(), kind) {
				return exit(2, fmt.Errorf("there is no kind %q: want %s", kind, strings.Join(pushKinds(), ", ")))
			}
			if format == "" {
				format = receive.Formats()[kind]
			}
			formats, err := a.formats()
			if err != nil {
				return err
			}
			if _, err := formats.ByName(format); err != nil {
				return exit(2, err)
			}
			limits, err := limitsOf(quota, rate)
			if err != nil {
				return exit(2, err)
			}
			token, id := auth.NewToken("vgp_")
			in := flow.AdminInput{Verb: "source.push", By: "operator", Key: args[0], Args: map[string]string{"id": id, "kind": kind, "format": format, "hours": fmt.Sprint(days * 24)}}
			for name, n := range map[string]int64{"quota": limits.Quota, "rate": limits.Rate, "weight": weight} {
				if c.Flags().Changed(name) {
					in.Args[name] = fmt.Sprint(n)
				}
			}
			if _, err := a.admin(c.Context(), "source", in); err != nil {
				return err
			}
			fmt.Fprintln(a.out, token.Reveal())
			if e, err := a.endpoints(); err == nil && e.Receive != "" {
				fmt.Fprintf(a.err, "Send to %s\n", map[string]string{receive.Bulk: e.Receive + " as Elasticsearch, with the token as API key or password",
					receive.HEC: e.Receive + "/services/collector, with the token as HEC token", receive.OTLP: e.Receive + "/v1/logs, or OTLP/gRPC, with the header Authorization: Bearer TOKEN"}[kind])
			}
			return nil
		},
	}
	c.Flags().StringVar(&kind, "kind", receive.Bulk, "bulk, hec or otlp")
	c.Flags().StringVar(&format, "format", "", "parser format of the events; default by kind")
	c.Flags().StringVar(&quota, "quota", "", "most that may wait in the spool, e.g. 500MB; 0: its fair share")
	c.Flags().StringVar(&rate, "rate", "", "most that may come a second, e.g. 5MB; 0: any")
	c.Flags().Int64Var(&weight, "weight", 1, "its share of the spool and of draining, against that of others")
	c.Flags().IntVar(&days, "days", 365, "how long the token is valid")
	return c
}

// limitsOf reads sizes such as 500MB, 5MB or 1.5GB; "" and 0 are no limit.
func limitsOf(quota, rate string) (m spool.Limits, err error) {
	for _, x := range []struct {
		name, text string
		to         *int64
	}{{"quota", quota, &m.Quota}, {"rate", rate, &m.Rate}} {
		if *x.to, err = sizeOf(x.text); err != nil {
			return m, schema.E(schema.Invalid, fmt.Sprintf("the %s %q is no size", x.name, x.text), "a number with B, kB, MB or GB, e.g. 500MB")
		}
	}
	return m, nil
}

func sizeOf(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	digits := strings.TrimRight(strings.ToLower(text), "bkmgi ")
	factor, ok := map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}[strings.TrimSpace(strings.ToLower(text)[len(digits):])]
	n, err := strconv.ParseFloat(digits, 64)
	if err == nil && (!ok || n < 0 || n*factor > 1<<50) {
		err = strconv.ErrRange
	}
	return int64(n * factor), err
}

func newSourcesRevokePushCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "revoke-push NAME", Short: "Take a token's right to send away", Args: cobra.ExactArgs(1), Example: "  vigil sources revoke-push web < token",
		Long: "Reads the token from standard input. Receivers notice within 15 seconds.",
		RunE: func(c *cobra.Command, args []string) error {
			token, err := a.readPassword("Token: ")
			if err != nil {
				return fmt.Errorf("reading the token: %w", err)
			}
			in := flow.AdminInput{Verb: "source.push", By: "operator", Key: args[0], Args: map[string]string{"id": auth.TokenID(token), "hours": "1", "revoked": "true"}}
			_, err = a.admin(c.Context(), "source", in)
			return err
		},
	}
}
