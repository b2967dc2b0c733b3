package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"vigil/schema"
	"vigil/schema/flow"
	"vigil/workflows"
)

func incidentPath(id, rest string) string { return "/incidents/" + url.PathEscape(id) + "/" + rest }

// newIncidentsCaseCmds makes the subcommands by which people work on an incident.
func newIncidentsCaseCmds(a *app) []*cobra.Command {
	return []*cobra.Command{newIncidentsAssignCmd(a), newIncidentsTaskCmd(a), newIncidentsQualifyCmd(a), newIncidentsMergeCmd(a), newIncidentsSplitCmd(a),
		newIncidentsAttachCmd(a), newIncidentsFileCmd(a), newIncidentsSimilarCmd(a), newIncidentsKPICmd(a), newIncidentsThenCmd(a)}
}

func newIncidentsAssignCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "assign ID [USER]", Short: "Give an incident to somebody, or back", Args: cobra.RangeArgs(1, 2), Example: "  vigil incidents assign 5f1c… ana\n  vigil incidents assign 5f1c…",
		RunE: func(c *cobra.Command, args []string) error {
			to := ""
			if len(args) == 2 {
				to = args[1]
			}
			return a.call(c.Context(), "POST", incidentPath(args[0], "assign"), map[string]string{"to": to}, nil)
		},
	}
}

func newIncidentsTaskCmd(a *app) *cobra.Command {
	var task, owner, state, due string
	c := &cobra.Command{
		Use: "task ID [TITLE]", Short: "Add a task to an incident, or change one", Args: cobra.RangeArgs(1, 2),
		Example: "  vigil incidents task 5f1c… 'Ask the owner' --owner ana --due 4h\n  vigil incidents task 5f1c… --task t1 --state done",
		RunE: func(c *cobra.Command, args []string) error {
			in := map[string]any{"task": task, "owner": owner}
			if state != "" {
				in["state"] = state
			}
			if len(args) == 2 {
				in["title"] = args[1]
			}
			if due != "" {
				t, err := dueTime(due, time.Now())
				if err != nil {
					return err
				}
				in["due"] = t
			}
			var st flow.IncidentState
			if err := a.call(c.Context(), "POST", incidentPath(args[0], "task"), in, &st); err != nil {
				return err
			}
			_, err := fmt.Fprintln(a.out, st.Task)
			return err
		},
	}
	c.Flags().StringVar(&task, "task", "", "id of the task to change; default: a new one")
	c.Flags().StringVar(&owner, "owner", "", "a user")
	c.Flags().StringVar(&state, "state", "", "open, done or dropped")
	c.Flags().StringVar(&due, "due", "", "a time (RFC 3339), or how long from now: 4h")
	return c
}

// dueTime reads a time, or a duration from now.
func dueTime(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(d).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, schema.E(schema.Invalid, s+" is no time", "2026-03-01T10:00:00Z, or 4h from now")
	}
	return t.UTC(), nil
}

func newIncidentsQualifyCmd(a *app) *cobra.Command {
	var verdict, reason string
	c := &cobra.Command{
		Use: "qualify ID", Short: "Say what an incident is before it is closed", Args: cobra.ExactArgs(1),
		Long:    "The verdict goes to the incident's alerts: the precision of their rules counts it, and the next training of models learns from it.",
		Example: "  vigil incidents qualify 5f1c… --verdict true_positive --reason 'the host talks to a known server'",
		RunE: func(c *cobra.Command, args []string) error {
			return a.call(c.Context(), "POST", incidentPath(args[0], "qualify"), map[string]string{"verdict": verdict, "reason": reason}, nil)
		},
	}
	c.Flags().StringVar(&verdict, "verdict", "", "true_positive, false_positive or benign")
	c.Flags().StringVar(&reason, "reason", "", "what was found")
	_ = c.MarkFlagRequired("verdict")
	_ = c.MarkFlagRequired("reason")
	return c
}

func newIncidentsMergeCmd(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "merge ID INTO", Short: "Move the alerts of an incident to another one, and close it", Args: cobra.ExactArgs(2), Example: "  vigil incidents merge 5f1c… 77aa… --reason 'the same attacker'",
		RunE: func(c *cobra.Command, args []string) error {
			return a.call(c.Context(), "POST", incidentPath(args[0], "merge"), map[string]string{"into": args[1], "reason": reason}, nil)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why they are one case")
	_ = c.MarkFlagRequired("reason")
	return c
}

func newIncidentsSplitCmd(a *app) *cobra.Command {
	var reason, title string
	c := &cobra.Command{
		Use: "split ID ALERT...", Short: "Move some alerts of an incident to a new one", Args: cobra.MinimumNArgs(2), Example: "  vigil incidents split 5f1c… 0b2e… --reason 'another host, another cause'",
		RunE: func(c *cobra.Command, args []string) error {
			var st flow.IncidentState
			if err := a.call(c.Context(), "POST", incidentPath(args[0], "split"), map[string]any{"alerts": args[1:], "title": title, "reason": reason}, &st); err != nil {
				return err
			}
			_, err := fmt.Fprintln(a.out, st.Other)
			return err
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why they are another case")
	c.Flags().StringVar(&title, "title", "", "of the new incident")
	_ = c.MarkFlagRequired("reason")
	return c
}

func newIncidentsAttachCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "attach ID FILE", Short: "Add a file to an incident (at most 4 MiB); its SHA-256 is printed", Args: cobra.ExactArgs(2), Example: "  vigil incidents attach 5f1c… mail.eml",
		RunE: func(c *cobra.Command, args []string) error {
			b, err := os.ReadFile(args[1])
			if err != nil {
				return schema.E(schema.NotFound, "the file cannot be read", "", err)
			}
			var out schema.Attachment
			if err := a.call(c.Context(), "POST", incidentPath(args[0], "files?name="+url.QueryEscape(filepath.Base(args[1]))), rawBody(b), &out); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.out, out.Hash)
			return err
		},
	}
}

func newIncidentsFileCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "file ID SHA256", Short: "Write an attached file to standard output", Args: cobra.ExactArgs(2), Example: "  vigil incidents file 5f1c… 9f86d0… > mail.eml",
		RunE: func(c *cobra.Command, args []string) error {
			e, err := a.endpoints()
			if err != nil {
				return err
			}
			res, err := a.request(c.Context(), e, http.MethodGet, incidentPath(args[0], "files/"+url.PathEscape(args[1])), nil)
			if err != nil {
				return err
			}
			defer func() { _ = res.Body.Close() }()
			b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
			if err != nil {
				return fmt.Errorf("reading the file: %w", err)
			}
			if res.StatusCode >= 300 {
				return apiError(res, b)
			}
			_, err = a.out.Write(b)
			return err
		},
	}
}

func newIncidentsSimilarCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "similar ID", Short: "List incidents like one, and by what they are alike", Args: cobra.ExactArgs(1), Example: "  vigil incidents similar 5f1c…",
		RunE: func(c *cobra.Command, args []string) error {
			var out struct {
				Items []schema.Likeness `json:"items"`
			}
			if err := a.call(c.Context(), "GET", incidentPath(args[0], "similar"), nil, &out); err != nil {
				return err
			}
			var rows [][]any
			for _, l := range out.Items {
				rows = append(rows, []any{l.Incident, l.Score, l.Status, l.Verdict, l.Title, strings.Join(l.Why, "; ")})
			}
			return a.table([]string{"id", "score", "status", "verdict", "title", "why"}, rows)
		},
	}
}

func newIncidentsKPICmd(a *app) *cobra.Command {
	var days int
	c := &cobra.Command{
		Use: "kpis", Short: "Times to detect, acknowledge, triage, qualify and resolve", Args: cobra.NoArgs, Example: "  vigil incidents kpis --days 30",
		RunE: func(c *cobra.Command, _ []string) error {
			var out struct {
				Items []schema.KPI `json:"items"`
			}
			if err := a.call(c.Context(), "GET", fmt.Sprintf("/kpis?days=%d", days), nil, &out); err != nil {
				return err
			}
			rows := make([][]any, len(out.Items))
			for i, k := range out.Items {
				seconds := func(s float64) string { return time.Duration(s * float64(time.Second)).Round(time.Second).String() }
				rows[i] = []any{k.Name, k.Text, k.Count, seconds(k.Median), seconds(k.P90), seconds(k.Mean)}
			}
			return a.table([]string{"kpi", "time", "incidents", "median", "p90", "mean"}, rows)
		},
	}
	c.Flags().IntVar(&days, "days", 90, "incidents opened in so many days")
	return c
}

func newIncidentsThenCmd(a *app) *cobra.Command {
	var at string
	c := &cobra.Command{
		Use: "then ID", Short: "Show an incident as of a time, with what held then", Args: cobra.ExactArgs(1),
		Long:    "Rules, exceptions, indicators, models and asset facts are those that held then: chunks pin their versions, and versions are kept. -o json tells all of it.",
		Example: "  vigil incidents then 5f1c… --at 2026-03-01T10:00:00Z\n  vigil incidents then 5f1c… -o json",
		RunE: func(c *cobra.Command, args []string) error {
			path := incidentPath(args[0], "then")
			if at != "" {
				path += "?at=" + url.QueryEscape(at)
			}
			var t schema.Then
			if err := a.call(c.Context(), "GET", path, nil, &t); err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(t)
			}
			return a.table([]string{"what", "name", "version", "text"}, thenRows(t))
		},
	}
	c.Flags().StringVar(&at, "at", "", "a time (RFC 3339); default: when the incident was opened")
	return c
}

func thenRows(t schema.Then) (rows [][]any) {
	add := func(what, name, version, text string) { rows = append(rows, []any{what, name, version, text}) }
	add("incident", t.Incident.ID, "", fmt.Sprintf("%s, %d alerts, %d lines of timeline, as of %s", t.Incident.Status, len(t.Alerts), len(t.Incident.Timeline), t.At.Format(time.RFC3339)))
	for _, p := range [][2]string{{"rule set", t.Pins.RuleSet}, {"indicator set", t.Pins.Intel}, {"models", t.Pins.Models}, {"tables", t.Pins.Tables}} {
		add("pinned", p[0], p[1], "")
	}
	for _, r := range t.Rules {
		text := "as today"
		if r.Now != r.Version {
			text = "today " + r.Now
		}
		add("rule", r.Rule, r.Version, text)
	}
	for _, e := range t.Exceptions {
		add("exception", e.ID, "", e.Rule+": "+e.Reason)
	}
	for _, o := range t.Off {
		add("rule off", o, "", "")
	}
	for _, i := range t.Indicators {
		add("indicator", i.Value, i.Feed, i.Name)
	}
	for _, m := range t.Models {
		add("model", m.Detector, m.ID, "")
	}
	for _, e := range t.Assets {
		add(e.Kind, e.Name, "", "criticality "+e.Criticality+", owner "+e.Owner)
	}
	for _, m := range t.Missing {
		add("missing", m, "", "")
	}
	return rows
}

// newPlaybooksReplayCmd makes `vigil playbooks replay`.
func newPlaybooksReplayCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "replay RUN", Short: "Replay a run from its kept history: nothing is done", Args: cobra.ExactArgs(1), Example: "  vigil playbooks replay run/main/5f1c…/contain-address/1",
		Long: "Runs the workflow's code against the history that was kept when the run closed. Every answer comes from the history, so that nothing is sent and nobody asked; where today's code would decide otherwise, the replay says so.",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.store(c.Context())
			if err != nil {
				return err
			}
			run, err := s.Run(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			text, err := s.RunHistory(c.Context(), a.org, args[0])
			if err != nil {
				return err
			}
			h, err := client.HistoryFromJSON(strings.NewReader(text), client.HistoryJSONOptions{})
			if err != nil || len(h.GetEvents()) == 0 {
				return schema.E(schema.NotFound, "the history of the run is not kept (yet)", "it is exported within half a minute after the run has ended", err)
			}
			r := worker.NewWorkflowReplayer()
			r.RegisterWorkflowWithOptions(workflows.RunPlaybook, workflow.RegisterOptions{Name: flow.RunPlaybook})
			begun := h.Events[0].GetWorkflowExecutionStartedEventAttributes()
			err = r.ReplayWorkflowHistoryWithOptions(nil, h, worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{ID: begun.GetWorkflowId(), RunID: begun.GetOriginalExecutionRunId()}})
			if err != nil {
				return schema.E(schema.Conflict, "today's code decides otherwise than the run did", "", err)
			}
			rows := make([][]any, len(run.Steps))
			for i, st := range run.Steps {
				rows[i] = []any{st.Started.Format(time.RFC3339), st.ID, st.Name, st.Action, st.Status, st.Approval, st.Error}
			}
			if err := a.table([]string{"started", "step", "name", "action", "status", "approval", "error"}, rows); err != nil {
				return err
			}
			if a.output != "table" {
				return nil
			}
			_, err = fmt.Fprintf(a.out, "\nreplayed %d events of %s: the same decisions\n", len(h.Events), run.ID)
			return err
		},
	}
}
