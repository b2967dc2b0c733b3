package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"vigil/schema/flow"
)

// controlSource asks something of a source through the Admin workflow: whoever asks by
// API, CLI or Temporal takes the same way, and is audited there.
func (s *Server) controlSource(ctx context.Context, id, control string, args map[string]string, paths ...string) (*body[sourceChange], error) {
	res, err := s.admin(ctx, "source", id, flow.AdminInput{Verb: "source." + control, Key: id, Args: args, IDs: paths})
	if err != nil {
		return nil, err
	}
	var c sourceChange
	if strings.HasPrefix(res.Doc, "{") {
		if err := json.Unmarshal([]byte(res.Doc), &c.Progress); err != nil {
			return nil, fmt.Errorf("reading the state of the source: %w", err)
		}
	} else {
		c.Workflow = res.Doc
	}
	return answer(c), nil
}

type rewindInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		To    time.Time `json:"to" doc:"to when"`
		Again bool      `json:"again,omitempty" doc:"store again what is stored, under the next epoch"`
	}
}

func (s *Server) rewindSource(ctx context.Context, in *rewindInput) (*body[sourceChange], error) {
	return s.controlSource(ctx, in.ID, "rewind", map[string]string{"to": in.Body.To.UTC().Format(time.RFC3339), "again": strconv.FormatBool(in.Body.Again)})
}

type backfillInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Paths []string  `json:"paths,omitempty" maxItems:"1000"`
		From  time.Time `json:"from,omitzero"`
		To    time.Time `json:"to,omitzero"`
	}
}

func (s *Server) backfillSource(ctx context.Context, in *backfillInput) (*body[sourceChange], error) {
	if len(in.Body.Paths) > 0 {
		if err := allowed(callerOf(ctx), "attach:sources"); err != nil { // of whose files they are nobody knows
			return nil, err
		}
	}
	args := map[string]string{}
	for name, t := range map[string]time.Time{"from": in.Body.From, "to": in.Body.To} {
		if !t.IsZero() {
			args[name] = t.UTC().Format(time.RFC3339)
		}
	}
	return s.controlSource(ctx, in.ID, "backfill", args, in.Body.Paths...)
}

type scheduleInput struct {
	ID   string `path:"id" maxLength:"200"`
	Body struct {
		Every int    `json:"every_seconds,omitempty" minimum:"0" doc:"0 without cron ends the schedule"`
		Cron  string `json:"cron,omitempty" maxLength:"200"`
	}
}

func (s *Server) scheduleSource(ctx context.Context, in *scheduleInput) (*body[sourceChange], error) {
	args := map[string]string{"every_seconds": strconv.Itoa(in.Body.Every)}
	if in.Body.Cron != "" {
		args = map[string]string{"cron": in.Body.Cron}
	}
	return s.controlSource(ctx, in.ID, "schedule", args)
}

func (s *Server) removeSource(ctx context.Context, in *byID) (*body[sourceChange], error) {
	return s.controlSource(ctx, in.ID, "remove", nil)
}

type addSourceInput struct {
	Body struct {
		Source   string   `json:"source" maxLength:"100"`
		Kind     string   `json:"kind" enum:"tail,pull"`
		Paths    []string `json:"paths,omitempty" maxItems:"1000" doc:"of tail: files and globs"`
		Settings string   `json:"settings,omitempty" maxLength:"65536" doc:"of pull: its YAML document"`
		Host     string   `json:"host,omitempty" maxLength:"200" doc:"whose worker reads; default: the server's"`
		Format   string   `json:"format,omitempty" maxLength:"40"`
		Zone     string   `json:"zone,omitempty" maxLength:"64"`
	}
}

func (s *Server) addSource(ctx context.Context, in *addSourceInput) (*body[sourceChange], error) {
	b := in.Body
	if b.Host == "" {
		b.Host = s.o.Host
	}
	start, err := json.Marshal(flow.IngestInput{Kind: b.Kind, Paths: b.Paths, Settings: b.Settings, Host: b.Host, Format: b.Format, Zone: b.Zone})
	if err != nil {
		return nil, err
	}
	// A setting that comes over the network must not name files of the worker as secrets.
	return s.controlSource(ctx, b.Source, "add", map[string]string{"start": string(start), "secrets": "env"})
}

// backfills are those of a source that run. They are for display: when Temporal does not
// answer, there are none.
func (s *Server) backfills(ctx context.Context, source string) []sourceWork {
	out := []sourceWork{}
	if !sourceName.MatchString(source) { // it goes into a query
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	q := fmt.Sprintf("VigilSource = '%s' AND VigilOrg = '%s' AND WorkflowType = '%s' AND ExecutionStatus = 'Running'", source, orgOf(ctx), flow.Ingest)
	res, err := s.o.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: q, PageSize: 20})
	if err != nil {
		return out
	}
	for _, e := range res.GetExecutions() {
		w := sourceWork{Workflow: e.GetExecution().GetWorkflowId()}
		if w.Workflow == flow.IngestID(orgOf(ctx), source) {
			continue
		}
		if v, err := s.o.Temporal.QueryWorkflow(ctx, w.Workflow, "", flow.QueryState); err == nil && v.Get(&w.Progress) == nil {
			out = append(out, w)
		}
	}
	return out
}
