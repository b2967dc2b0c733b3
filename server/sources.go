package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/spool"
	"vigil/schema"
	"vigil/schema/flow"
)

// SourceView is a source with the progress of its running ingestion, if any.
type SourceView struct {
	schema.SourceStatus
	Progress *flow.IngestProgress `json:"progress,omitempty"`
	Receive  *receiveView         `json:"receive,omitempty"`         // of a push source: what its receiver did
	Controls []string             `json:"controls" nullable:"false"` // what can be asked of it
}

// newView is a source with its kind and what can be asked of it. defs are the
// definitions by id; a source without one is pushed, or was ingested before there were
// any.
func (s *Server) newView(ctx context.Context, st schema.SourceStatus, defs map[string]schema.SourceDef) SourceView {
	v := SourceView{SourceStatus: st, Receive: s.receiving(ctx, st.ID), Controls: []string{}}
	d, defined := defs[st.ID]
	switch {
	case defined:
		v.Kind = d.Kind
	case v.Receive != nil:
		v.Kind = flow.KindPush
	default:
		return v
	}
	k, err := flow.KindOf(v.Kind)
	for _, c := range flow.Controls() {
		if err == nil && !d.Removed && k.Takes(c) == nil {
			v.Controls = append(v.Controls, c)
		}
	}
	return v
}

// definitions are those of all sources that are not removed, by id.
func (s *Server) definitions(ctx context.Context) (map[string]schema.SourceDef, error) {
	list, err := s.o.Store.SourceDefs(ctx, orgOf(ctx))
	out := map[string]schema.SourceDef{}
	for _, d := range list {
		out[d.ID] = d
	}
	return out, err
}

// receiveView is what the receiver of a push source did on this host, and what waits.
type receiveView struct {
	Kind   string       `json:"kind"`
	Limits spool.Limits `json:"limits"`
	spool.Stats
}

func (s *Server) receiving(ctx context.Context, source string) *receiveView {
	if s.o.Spool == nil {
		return nil
	}
	l, ok := s.o.Spool.Lookup(orgOf(ctx), source)
	if !ok {
		return nil
	}
	return &receiveView{Kind: l.Kind, Limits: l.InForce(), Stats: l.Stats()}
}

// workflowOf is the workflow that moves a source: of a push source, the one that drains it.
func (s *Server) workflowOf(ctx context.Context, v *SourceView) string {
	if v.Kind == flow.KindPush {
		return flow.DrainID(orgOf(ctx), v.ID, s.o.Host)
	}
	return flow.IngestID(orgOf(ctx), v.ID)
}

// unseenSources are sources of which nothing is committed yet.
func (s *Server) unseenSources(ctx context.Context, known []schema.SourceStatus, defs map[string]schema.SourceDef) []schema.SourceStatus {
	var out []schema.SourceStatus
	add := func(id string, formats ...string) {
		has := func(k schema.SourceStatus) bool { return k.ID == id }
		if !slices.ContainsFunc(known, has) && !slices.ContainsFunc(out, has) {
			out = append(out, schema.SourceStatus{Org: orgOf(ctx), ID: id, Status: "running", Formats: formats})
		}
	}
	if s.o.Spool != nil {
		for _, l := range s.o.Spool.Logs() {
			if l.Org == orgOf(ctx) {
				add(l.Source, l.Format)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(defs)) {
		add(id)
	}
	return out
}

func (s *Server) listSources(ctx context.Context, _ *struct{}) (*body[list[SourceView]], error) {
	all, err := s.o.Store.Sources(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	defs, err := s.definitions(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, s.unseenSources(ctx, all, defs)...)
	views := make([]SourceView, len(all))
	for i, st := range all {
		views[i] = s.newView(ctx, st, defs)
		goesOn := views[i].Kind != "" && views[i].Kind != flow.KindFiles
		if goesOn || time.Since(st.Last) < 24*time.Hour && i < 20 {
			s.progress(ctx, &views[i])
		}
	}
	return answerList(views, ""), nil
}

// progress asks the source's workflow; a source without one is as the manifest says.
func (s *Server) progress(ctx context.Context, v *SourceView) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	val, err := s.o.Temporal.QueryWorkflow(ctx, s.workflowOf(ctx, v), "", flow.QueryState)
	if err != nil {
		return
	}
	var p flow.IngestProgress
	if val.Get(&p) == nil {
		v.Progress = &p
		v.Status = p.Status
	}
}

// sourceDetail is a source with samples of what no parser took and its newest chunks.
type sourceDetail struct {
	SourceView
	Samples []failureSample `json:"samples" nullable:"false"`
	Chunks  []chunkRow      `json:"chunks" nullable:"false"`
	Paths   []string        `json:"paths,omitempty"`
	Work    []sourceWork    `json:"work" nullable:"false"` // back-fills that run
}

// sourceWork is a back-fill that runs.
type sourceWork struct {
	Workflow string              `json:"workflow"`
	Progress flow.IngestProgress `json:"progress"`
}

type failureSample struct {
	Object string `json:"object"`
	Offset int64  `json:"offset"`
	Format string `json:"format"`
	Reason string `json:"reason"`
	Raw    string `json:"raw"`
	Size   int64  `json:"size"`
}

type chunkRow struct {
	ID         string `json:"id"`
	Object     string `json:"object"`
	Format     string `json:"format"`
	From       int64  `json:"from"`
	To         int64  `json:"to"`
	Records    int64  `json:"records"`
	Events     int64  `json:"events"`
	Failures   int64  `json:"failures"`
	Detections int64  `json:"detections"`
}

func (s *Server) getSource(ctx context.Context, in *byID) (*body[sourceDetail], error) {
	defs, err := s.definitions(ctx)
	if err != nil {
		return nil, err
	}
	st, err := s.o.Store.Source(ctx, orgOf(ctx), in.ID)
	if unseen := s.unseenSources(ctx, nil, defs); schema.CodeOf(err) == schema.NotFound {
		if i := slices.IndexFunc(unseen, func(k schema.SourceStatus) bool { return k.ID == in.ID }); i >= 0 {
			st, err = unseen[i], nil
		}
	}
	if err != nil {
		return nil, err
	}
	d := sourceDetail{SourceView: s.newView(ctx, st, defs), Samples: []failureSample{}, Chunks: []chunkRow{}}
	var start flow.IngestInput
	if doc := defs[st.ID].Doc; len(doc) > 0 && json.Unmarshal(doc, &start) == nil {
		d.Paths = start.Paths
	}
	s.progress(ctx, &d.SourceView)
	d.Work = s.backfills(ctx, st.ID)
	samples, err := s.o.Store.FailureSamples(ctx, orgOf(ctx), in.ID, 20)
	if err != nil {
		return nil, err
	}
	for _, f := range samples {
		d.Samples = append(d.Samples, failureSample{f.Object, f.Offset, f.Format, f.Reason, strings.ToValidUTF8(string(f.Raw), "\uFFFD"), f.Size})
	}
	chunks, err := s.o.Store.Chunks(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	for _, c := range chunks[max(0, len(chunks)-50):] {
		d.Chunks = append(d.Chunks, chunkRow{c.ID, c.Object, c.Format, c.From, c.To, c.Records, c.Events, c.Failures, c.Detections})
	}
	return answer(d), nil
}

type ingestInput struct {
	Body struct {
		Source string   `json:"source" maxLength:"100"`
		Paths  []string `json:"paths" minItems:"1" maxItems:"1000"`
		Format string   `json:"format,omitempty" maxLength:"40"`
		Zone   string   `json:"zone,omitempty" maxLength:"64"`
	}
}

type started struct {
	Workflow string `json:"workflow"`
}

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (s *Server) startIngest(ctx context.Context, in *ingestInput) (*body[started], error) {
	b := in.Body
	if !sourceName.MatchString(b.Source) {
		return nil, schema.E(schema.Invalid, "a source cannot be named "+b.Source, "letters, digits, dot, hyphen and underscore")
	}
	for _, p := range b.Paths {
		if !filepath.IsAbs(p) {
			return nil, schema.E(schema.Invalid, "the path "+p+" is not absolute", "name the path as the worker's host knows it")
		}
	}
	id := flow.IngestID(orgOf(ctx), b.Source)
	_, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.Ingest),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Ingest,
		flow.IngestInput{Org: orgOf(ctx), Source: b.Source, Paths: b.Paths, Format: b.Format, Zone: b.Zone})
	if err != nil {
		return nil, temporalError(err)
	}
	s.audit(ctx, callerOf(ctx).user.Name, "source.ingest", b.Source, "ok", map[string]string{"paths": strings.Join(b.Paths, ", ")})
	return answer(started{id}), nil
}

type changeSourceInput struct {
	ID   string `path:"id" maxLength:"200"`
	Verb string `path:"verb" enum:"pause,resume,prove"`
}

// sourceChange is the state after a change, the workflow or schedule that it started, or
// the proof.
type sourceChange struct {
	Progress *flow.IngestProgress `json:"progress,omitempty"`
	Workflow string               `json:"workflow,omitempty"`
	Proof    *flow.Proof          `json:"proof,omitempty"`
}

func (s *Server) changeSource(ctx context.Context, in *changeSourceInput) (*body[sourceChange], error) {
	if in.Verb == "prove" {
		res, err := s.admin(ctx, "prove", in.ID, flow.AdminInput{Verb: "prove", Key: in.ID})
		if err != nil {
			return nil, err
		}
		var p flow.Proof
		if err := json.Unmarshal([]byte(res.Doc), &p); err != nil {
			return nil, fmt.Errorf("reading the proof: %w", err)
		}
		return answer(sourceChange{Proof: &p}), nil
	}
	return s.controlSource(ctx, in.ID, in.Verb, nil)
}
