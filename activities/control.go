package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vigil/schema"
	"vigil/schema/flow"
)

// SourceOperator starts and tells workflows and schedules; the Temporal client is one.
type SourceOperator interface {
	ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	UpdateWorkflow(ctx context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error)
	CancelWorkflow(ctx context.Context, id, run string) error
	ListWorkflow(ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	ScheduleClient() client.ScheduleClient
}

// Controls does what people ask of sources: add and remove them, pause, resume, rewind,
// back-fill and schedule them. What a running workflow is told, it audits itself.
type Controls struct {
	Store    SourceStore
	Trail    Trail
	Temporal SourceOperator
}

// ControlInput is one thing that is asked of a source.
type ControlInput struct {
	Admin   flow.AdminInput `json:"admin"`
	Control string          `json:"control"` // what follows "source." in the verb
	Key     string          `json:"key"`     // unique to this change
}

// ControlSource does one thing to the source of Admin.Key. Its repeat does nothing more.
func (x *Controls) ControlSource(ctx context.Context, in ControlInput) (flow.AdminResult, error) {
	in.Admin.Org = cmp.Or(in.Admin.Org, schema.DefaultOrg)
	c := &controlling{Controls: x, ControlInput: in}
	res, err := c.do(ctx)
	return res, Retryable(err)
}

// controlling is the state of one ControlSource.
type controlling struct {
	*Controls
	ControlInput
	def  schema.SourceDef
	in   flow.IngestInput
	kind flow.SourceKind
}

func (c *controlling) do(ctx context.Context) (flow.AdminResult, error) {
	if c.Control == "add" {
		return c.add(ctx)
	}
	var err error
	c.def, err = c.Store.SourceDef(ctx, c.Admin.Org, c.Admin.Key)
	switch {
	case schema.CodeOf(err) == schema.NotFound && c.Control != "remove": // a push source: its spool is its definition
		c.kind, err = flow.KindOf(flow.KindPush)
	case err == nil:
		if c.in, err = startOf(c.def); err == nil {
			c.kind, err = flow.KindOf(c.in.Kind)
		}
	}
	if err != nil {
		return flow.AdminResult{}, err
	}
	if c.Control == "remove" {
		return c.remove(ctx)
	}
	if err := c.kind.Takes(c.Control); err != nil {
		return flow.AdminResult{}, err
	}
	if c.def.Removed && c.Control != "backfill" {
		return flow.AdminResult{}, schema.E(schema.Conflict, "the source "+c.Admin.Key+" was removed", "add it again")
	}
	switch c.Control {
	case "pause", "resume":
		return c.tell(ctx, c.Control, flow.SourceControl{})
	case "rewind":
		return c.rewind(ctx)
	case "backfill":
		return c.backfill(ctx)
	default:
		return c.schedule(ctx)
	}
}

// add stores a definition and starts the source, in the place of one of that name.
func (c *controlling) add(ctx context.Context) (flow.AdminResult, error) {
	var in flow.IngestInput
	if err := json.Unmarshal([]byte(c.Admin.Args["start"]), &in); err != nil {
		return flow.AdminResult{}, schema.E(schema.Invalid, "the start of the source cannot be read", `"args":{"start":"{\"kind\":\"tail\",…}"}: the input of Ingest as text`, err)
	}
	in.Org, in.Source, in.By = c.Admin.Org, c.Admin.Key, c.Admin.By
	k, err := flow.KindOf(in.Kind)
	switch {
	case err != nil:
		return flow.AdminResult{}, err
	case k.Planned || k.Activity == "":
		return flow.AdminResult{}, schema.E(schema.Invalid, "a "+k.Name+" source is not added", "files: `vigil ingest`; push: `vigil sources add-push`")
	case k.OnHost && in.Host == "":
		return flow.AdminResult{}, schema.E(schema.Invalid, "a "+k.Name+" source needs the host whose worker reads it", "name it with --host")
	}
	if c.def, err = c.Store.SourceDef(ctx, in.Org, in.Source); err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.AdminResult{}, err
	}
	if c.def.Removed { // it is wanted again
		next := c.def
		next.Removed, next.Version = false, c.def.Version+1
		if err := c.Store.PutSource(ctx, next); err != nil {
			return flow.AdminResult{}, err
		}
	}
	if stored, err := startOf(c.def); c.def.ID != "" && err == nil {
		in.Epoch = max(in.Epoch, stored.Epoch)
	}
	if in.Kind == flow.KindPull && c.Admin.Args["secrets"] == "env" {
		if doc, err := pullDocument(in); err == nil && doc.SecretFile() {
			return flow.AdminResult{}, schema.E(schema.Denied, "a secret cannot be a file when the source is added over the API", "use env:VIGIL_SOURCE_…, or `vigil sources add-pull` on the machine")
		}
	}
	if _, err := define(ctx, c.Store, &in); err != nil {
		return flow.AdminResult{}, err
	}
	return c.start(ctx, flow.IngestID(in.Org, in.Source), in, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING, map[string]string{"kind": in.Kind, "paths": strings.Join(in.Paths, ", ")})
}

// remove stops the source. What is stored of it stays.
func (c *controlling) remove(ctx context.Context) (flow.AdminResult, error) {
	next := c.def
	next.Removed, next.Version = true, c.def.Version+1
	if err := c.Store.PutSource(ctx, next); err != nil {
		return flow.AdminResult{}, err
	}
	if err := c.Temporal.CancelWorkflow(ctx, flow.IngestID(c.Admin.Org, c.Admin.Key), ""); err != nil && !gone(err) {
		return flow.AdminResult{}, fmt.Errorf("stopping the source: %w", err)
	}
	if err := c.unschedule(ctx); err != nil {
		return flow.AdminResult{}, err
	}
	return flow.AdminResult{Changed: 1}, c.audit(ctx, nil)
}

func gone(err error) bool {
	_, ok := errors.AsType[*serviceerror.NotFound](err)
	return ok
}

// start starts an Ingest workflow and audits it.
func (c *controlling) start(ctx context.Context, id string, in flow.IngestInput, busy enumspb.WorkflowIdConflictPolicy, details map[string]string) (flow.AdminResult, error) {
	in.By, in.Cursor = c.Admin.By, nil
	_, err := c.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: flow.QueueIngest, WorkflowIDConflictPolicy: busy,
		WorkflowExecutionErrorWhenAlreadyStarted: true}, flow.Ingest, in)
	if _, running := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); running {
		return flow.AdminResult{}, schema.E(schema.Conflict, "this is being read already", "wait until it is done: `vigil sources show "+c.Admin.Key+"`")
	}
	if err != nil {
		return flow.AdminResult{}, fmt.Errorf("starting the source: %w", err)
	}
	return flow.AdminResult{Changed: 1, Doc: id}, c.audit(ctx, details)
}

func (c *controlling) audit(ctx context.Context, details map[string]string) error {
	return c.Trail.record(ctx, schema.AuditRecord{Org: c.Admin.Org, ID: auditID("source."+c.Control, c.Key), Actor: by(c.Admin.By), Verb: "source." + c.Control, Object: c.Admin.Key, Outcome: "ok", Details: details})
}

// tell updates the source's workflow: of a push source, that of every host that has some
// of it.
func (c *controlling) tell(ctx context.Context, update string, arg flow.SourceControl) (flow.AdminResult, error) {
	ids := []string{flow.IngestID(c.Admin.Org, c.Admin.Key)}
	if c.kind.Name == flow.KindPush {
		var err error
		if ids, err = c.drains(ctx); err != nil {
			return flow.AdminResult{}, err
		}
	}
	arg.By = c.Admin.By
	var p flow.IngestProgress
	for _, id := range ids {
		h, err := c.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{UpdateID: update + c.Key, WorkflowID: id, UpdateName: update, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted})
		if err == nil {
			err = h.Get(ctx, &p)
		}
		if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
			return flow.AdminResult{}, temporal.NewNonRetryableApplicationError(app.Message(), cmp.Or(app.Type(), string(schema.Conflict)), err)
		}
		if gone(err) {
			return flow.AdminResult{}, schema.E(schema.Conflict, "the source "+c.Admin.Key+" is not running", "see `vigil sources show "+c.Admin.Key+"`")
		}
		if err != nil {
			return flow.AdminResult{}, fmt.Errorf("telling the source: %w", err)
		}
	}
	doc, err := json.Marshal(p)
	return flow.AdminResult{Changed: len(ids), Doc: string(doc)}, err
}

// drains are the running Drain workflows of a push source.
func (c *controlling) drains(ctx context.Context) (ids []string, err error) {
	if !sourceName.MatchString(c.Admin.Key) { // it goes into a query
		return nil, schema.E(schema.NotFound, "there is no source "+c.Admin.Key, "`vigil sources list` names them")
	}
	q := fmt.Sprintf("WorkflowType = '%s' AND VigilSource = '%s' AND VigilOrg = '%s' AND ExecutionStatus = 'Running'", flow.Drain, c.Admin.Key, c.Admin.Org)
	res, err := c.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: q, PageSize: 1000})
	if err != nil {
		return nil, fmt.Errorf("looking for the source's workflows: %w", err)
	}
	for _, e := range res.GetExecutions() {
		ids = append(ids, e.GetExecution().GetWorkflowId())
	}
	if len(ids) == 0 {
		return nil, schema.E(schema.NotFound, "there is no source "+c.Admin.Key+" that runs", "`vigil sources list` names them")
	}
	return ids, nil
}

// moment reads a time of the arguments; the zero time when it is absent.
func (c *controlling) moment(name string) (time.Time, error) {
	text := c.Admin.Args[name]
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, schema.E(schema.Invalid, name+" is no time: "+text, "RFC 3339, such as 2026-01-01T00:00:00Z")
	}
	return t, nil
}

func (c *controlling) rewind(ctx context.Context) (flow.AdminResult, error) {
	to, err := c.moment("to")
	if err != nil {
		return flow.AdminResult{}, err
	}
	if to.IsZero() {
		return flow.AdminResult{}, schema.E(schema.Invalid, "rewind needs a time to go back to", `"args":{"to":"2026-01-01T00:00:00Z"}`)
	}
	again := c.Admin.Args["again"] == "true"
	if !c.kind.Planned {
		return c.tell(ctx, flow.UpdateRewind, flow.SourceControl{To: to, Again: again})
	}
	in := c.in
	in.Since = to
	if again {
		in.Epoch++
	}
	return c.start(ctx, flow.IngestID(in.Org, in.Source), in, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, map[string]string{"to": stamp(to), "again": fmt.Sprint(again)})
}

// backfill reads a range again as work of its own; the source goes on meanwhile.
func (c *controlling) backfill(ctx context.Context) (flow.AdminResult, error) {
	in := c.in
	var err error
	if in.Since, err = c.moment("from"); err != nil {
		return flow.AdminResult{}, err
	}
	if in.Until, err = c.moment("to"); err != nil {
		return flow.AdminResult{}, err
	}
	paths := c.Admin.IDs
	if len(paths) > 0 {
		if len(in.Paths) == 0 {
			return flow.AdminResult{}, schema.E(schema.Invalid, "a "+c.kind.Name+" source has no paths", "name a range of time: from, to")
		}
		in.Paths = paths
	}
	switch {
	case len(paths) == 0 && in.Since.IsZero():
		return flow.AdminResult{}, schema.E(schema.Invalid, "a back-fill needs a range", "name paths, or from and to when")
	case !in.Until.IsZero() && !in.Until.After(in.Since):
		return flow.AdminResult{}, schema.E(schema.Invalid, "the range is empty", "from must be before to")
	}
	in.Once, in.Rewound = true, ""
	if in.Kind == flow.KindTail {
		if err := checkTail(in); err != nil {
			return flow.AdminResult{}, err
		}
	}
	digest := schema.HashID("backfill", strings.Join(in.Paths, "\n"), stamp(in.Since), stamp(in.Until))[:16]
	return c.start(ctx, flow.BackfillID(in.Org, in.Source, digest), in, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		map[string]string{"paths": strings.Join(paths, ", "), "from": c.Admin.Args["from"], "to": c.Admin.Args["to"]})
}

// minEvery is the shortest interval of a schedule that walks paths.
const minEvery = 10

// schedule says how often the source asks (pull), or is walked again (files).
func (c *controlling) schedule(ctx context.Context) (flow.AdminResult, error) {
	every, err := strconv.Atoi(c.Admin.Args["every_seconds"])
	cron := c.Admin.Args["cron"]
	switch {
	case err != nil && cron == "":
		return flow.AdminResult{}, schema.E(schema.Invalid, "schedule needs seconds, or a cron expression", `"args":{"every_seconds":"3600"}; "0" ends it`)
	case !c.kind.Planned && cron != "":
		return flow.AdminResult{}, schema.E(schema.Invalid, "a "+c.kind.Name+" source has an interval, no calendar", "name seconds")
	case !c.kind.Planned:
		return c.tell(ctx, flow.UpdateSchedule, flow.SourceControl{Every: every})
	case cron == "" && every != 0 && every < minEvery:
		return flow.AdminResult{}, schema.E(schema.Invalid, fmt.Sprintf("every %d seconds is too often", every), fmt.Sprintf("at least %d; `vigil sources add-tail` follows files at once", minEvery))
	}
	if err := c.unschedule(ctx); err != nil {
		return flow.AdminResult{}, err
	}
	details := map[string]string{"every": (time.Duration(every) * time.Second).String(), "cron": cron}
	if cron == "" && every == 0 {
		return flow.AdminResult{Changed: 1}, c.audit(ctx, details)
	}
	spec := client.ScheduleSpec{CronExpressions: []string{cron}}
	if cron == "" {
		spec = client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Duration(every) * time.Second}}}
	}
	in := c.in
	in.By = "schedule"
	_, err = c.Temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{ID: flow.IngestScheduleID(in.Org, in.Source), Spec: spec, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: time.Minute, Action: &client.ScheduleWorkflowAction{ID: flow.IngestID(in.Org, in.Source), Workflow: flow.Ingest, TaskQueue: flow.QueueIngest, Args: []any{in}}})
	if _, bad := errors.AsType[*serviceerror.InvalidArgument](err); bad {
		return flow.AdminResult{}, schema.E(schema.Invalid, "the schedule is refused", "write a cron expression like \"15 * * * *\"", err)
	}
	if err != nil && !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return flow.AdminResult{}, fmt.Errorf("making the schedule: %w", err)
	}
	return flow.AdminResult{Changed: 1, Doc: flow.IngestScheduleID(in.Org, in.Source)}, c.audit(ctx, details)
}

func (c *controlling) unschedule(ctx context.Context) error {
	err := c.Temporal.ScheduleClient().GetHandle(ctx, flow.IngestScheduleID(c.Admin.Org, c.Admin.Key)).Delete(ctx)
	if err != nil && !gone(err) {
		return fmt.Errorf("ending the schedule: %w", err)
	}
	return nil
}
