package server

import (
	"context"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/rules/samples"
	"vigil/rules/tune"
	"vigil/schema"
	"vigil/schema/flow"
)

// proofDays is how long a test of a technique counts when nothing else is asked for.
const proofDays = 7

// sampleRow is an attack sample as the list shows it, without its records.
type sampleRow struct {
	ID      string               `json:"id"`
	Title   string               `json:"title"`
	Attack  []string             `json:"attack" nullable:"false"`
	BuiltIn bool                 `json:"built_in"`
	By      string               `json:"by"`
	Records int                  `json:"records"`
	OK      bool                 `json:"ok"`               // the newest test found all of it
	Result  *schema.SampleResult `json:"result,omitempty"` // of the newest test
}

func (s *Server) listSamples(ctx context.Context, _ *struct{}) (*body[list[sampleRow]], error) {
	kept, err := s.o.Store.Samples(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	all, err := samples.With(orgOf(ctx), kept)
	if err != nil {
		return nil, err
	}
	results, err := s.o.Store.SampleResults(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	var rows []sampleRow
	for _, x := range all {
		row := sampleRow{ID: x.ID, Title: x.Title, Attack: x.Attack, BuiltIn: x.BuiltIn, By: x.By, Records: len(x.Records)}
		if i := slices.IndexFunc(results, func(r schema.SampleResult) bool { return r.Sample == x.ID }); i >= 0 {
			row.Result, row.OK = &results[i], results[i].OK()
		}
		rows = append(rows, row)
	}
	return answerList(rows, ""), nil
}

type sampleInput struct {
	Body struct {
		ID     string   `json:"id" minLength:"2" maxLength:"64"`
		Title  string   `json:"title" minLength:"1" maxLength:"200"`
		Attack []string `json:"attack" minItems:"1" maxItems:"20" doc:"techniques that must be found"`
		Events []string `json:"events,omitempty" maxItems:"5000" doc:"ids of stored events; or name a source"`
		Source string   `json:"source,omitempty" maxLength:"200" doc:"all events of this source"`
	}
}

// putSample keeps stored events as a sample.
func (s *Server) putSample(ctx context.Context, in *sampleInput) (*body[changed], error) {
	b := in.Body
	if (len(b.Events) == 0) == (b.Source == "") {
		return nil, schema.E(schema.Invalid, "name events or a source, one of both", "")
	}
	res, err := s.admin(ctx, "sample", b.ID, flow.AdminInput{Verb: "sample.put", Key: b.ID, IDs: b.Events, Args: map[string]string{"title": b.Title, "attack": strings.Join(b.Attack, ","), "source": b.Source}})
	if err != nil {
		return nil, err
	}
	return answer(changed{res.Changed}), nil
}

func (s *Server) deleteSample(ctx context.Context, in *byID) (*body[changed], error) {
	res, err := s.admin(ctx, "sample", in.ID, flow.AdminInput{Verb: "sample.delete", Key: in.ID})
	if err != nil {
		return nil, err
	}
	return answer(changed{res.Changed}), nil
}

type testInput struct {
	Body struct {
		Samples []string `json:"samples,omitempty" maxItems:"1000" doc:"default: all"`
	}
}

// testDetections tries the rules in force on the samples and answers when it is done.
func (s *Server) testDetections(ctx context.Context, in *testInput) (*body[flow.TestDetectionsResult], error) {
	run, err := s.o.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: flow.TestDetectionsID(orgOf(ctx)), TaskQueue: flow.Queue(flow.TestDetections),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.TestDetections,
		flow.TestDetectionsInput{Org: orgOf(ctx), Samples: in.Body.Samples, By: callerOf(ctx).user.Name})
	if err != nil {
		return nil, temporalError(err)
	}
	var res flow.TestDetectionsResult
	if err := run.Get(ctx, &res); err != nil {
		return nil, temporalError(err)
	}
	return answer(res), nil
}

// proofs is what continuous tests say of each technique now.
func (s *Server) proofs(ctx context.Context) (map[string]schema.TechniqueProof, error) {
	results, err := s.o.Store.SampleResults(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	return schema.Proofs(results, time.Now(), proofDays*24*time.Hour), nil
}

// tunedAlerts bounds the alerts that proposals are worked out from.
const tunedAlerts = 20_000

type tuneInput struct {
	ID   string `path:"id" maxLength:"200"`
	Days int    `query:"days" minimum:"0" maximum:"3650"`
}

// tuneRule proposes exceptions for a rule; one is accepted by making it (POST /exceptions).
func (s *Server) tuneRule(ctx context.Context, in *tuneInput) (*body[tune.Report], error) {
	r, ok := s.o.Rules(orgOf(ctx)).Rule(in.ID)
	if !ok {
		return nil, schema.E(schema.NotFound, "there is no rule "+in.ID, "")
	}
	if in.Days == 0 {
		in.Days = 90
	}
	alerts, err := s.o.Store.AlertsOfRule(ctx, orgOf(ctx), in.ID, time.Now().AddDate(0, 0, -in.Days), tunedAlerts)
	if err != nil {
		return nil, err
	}
	return answer(tune.Propose(r, alerts)), nil
}
