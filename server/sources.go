package server

import (
	"context"
	"encoding/json"
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

// sourceView is a source with the progress of its running ingestion, if any.
type sourceView struct {
	schema.SourceStatus
	Progress *flow.IngestProgress `json:"progress,omitempty"`
	Receive  *receiveView         `json:"receive,omitempty"` // of a push source: what its receiver did
}

// receiveView is what the receiver of a push source did on this host, and what waits.
type receiveView struct {
	Kind   string       `json:"kind"`
	Limits spool.Limits `json:"limits"`
	spool.Stats
}

func (s *Server) receiving(source string) *receiveView {
	if s.o.Spool == nil {
		return nil
	}
	l, ok := s.o.Spool.Lookup(source)
	if !ok {
		return nil
	}
	return &receiveView{Kind: l.Kind, Limits: l.InForce(), Stats: l.Stats()}
}

// ingestID is the workflow that moves a source: of a push source, the one that drains it.
func (s *Server) ingestID(source string) string {
	if s.receiving(source) != nil {
		return flow.DrainID(s.o.Org, source, s.o.Host)
	}
	return flow.IngestID(s.o.Org, source)
}

// unseenSources are push sources of which nothing is committed yet.
func (s *Server) unseenSources(known []schema.SourceStatus) []schema.SourceStatus {
	if s.o.Spool == nil {
		return nil
	}
	var out []schema.SourceStatus
	for _, l := range s.o.Spool.Logs() {
		if !slices.ContainsFunc(known, func(k schema.SourceStatus) bool { return k.ID == l.Source }) {
			out = append(out, schema.SourceStatus{Org: s.o.Org, ID: l.Source, Status: "running", Formats: []string{l.Format}})
		}
	}
	return out
}

func (s *Server) listSources(ctx context.Context, _ *struct{}) (*body[list[sourceView]], error) {
	all, err := s.o.Store.Sources(ctx, s.o.Org)
	if err != nil {
		return nil, err
	}
	all = append(all, s.unseenSources(all)...)
	views := make([]sourceView, len(all))
	for i, st := range all {
		views[i] = sourceView{SourceStatus: st, Receive: s.receiving(st.ID)}
		if views[i].Receive != nil || time.Since(st.Last) < 24*time.Hour && i < 20 {
			s.progress(ctx, &views[i])
		}
	}
	return answerList(views, ""), nil
}

// progress asks the source's workflow; a source without one is as the manifest says.
func (s *Server) progress(ctx context.Context, v *sourceView) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	val, err := s.o.Temporal.QueryWorkflow(ctx, s.ingestID(v.ID), "", flow.QueryState)
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
	sourceView
	Samples []failureSample `json:"samples"`
	Chunks  []chunkRow      `json:"chunks"`
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
	st, err := s.o.Store.Source(ctx, s.o.Org, in.ID)
	if err != nil {
		return nil, err
	}
	d := sourceDetail{sourceView: sourceView{SourceStatus: st, Receive: s.receiving(st.ID)}, Samples: []failureSample{}, Chunks: []chunkRow{}}
	s.progress(ctx, &d.sourceView)
	samples, err := s.o.Store.FailureSamples(ctx, s.o.Org, in.ID, 20)
	if err != nil {
		return nil, err
	}
	for _, f := range samples {
		d.Samples = append(d.Samples, failureSample{f.Object, f.Offset, f.Format, f.Reason, strings.ToValidUTF8(string(f.Raw), "\uFFFD"), f.Size})
	}
	chunks, err := s.o.Store.Chunks(ctx, s.o.Org, in.ID)
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
	id := flow.IngestID(s.o.Org, b.Source)
	_, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(flow.Ingest),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Ingest,
		flow.IngestInput{Org: s.o.Org, Source: b.Source, Paths: b.Paths, Format: b.Format, Zone: b.Zone})
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

// sourceChange is the state after pause or resume, or the proof.
type sourceChange struct {
	Progress *flow.IngestProgress `json:"progress,omitempty"`
	Proof    json.RawMessage      `json:"proof,omitempty"`
}

func (s *Server) changeSource(ctx context.Context, in *changeSourceInput) (*body[sourceChange], error) {
	if in.Verb == "prove" {
		res, err := s.admin(ctx, "prove", in.ID, flow.AdminInput{Verb: "prove", Key: in.ID})
		if err != nil {
			return nil, err
		}
		return answer(sourceChange{Proof: json.RawMessage(res.Doc)}), nil
	}
	name := flow.UpdatePause
	if in.Verb == "resume" {
		name = flow.UpdateResume
	}
	var p flow.IngestProgress
	if err := s.update(ctx, s.ingestID(in.ID), name, "", nil, &p); err != nil {
		return nil, err
	}
	s.audit(ctx, callerOf(ctx).user.Name, "source."+in.Verb, in.ID, "ok", nil)
	return answer(sourceChange{Progress: &p}), nil
}
