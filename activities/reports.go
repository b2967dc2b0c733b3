package activities

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vigil/internal/action"
	"vigil/internal/auth/perm"
	"vigil/internal/dashboard"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// ReportStore keeps reports and what was sent of them, and answers their queries.
type ReportStore interface {
	Reports(ctx context.Context, org string) ([]schema.Report, error)
	Report(ctx context.Context, org, id string) (schema.Report, error)
	PutReport(ctx context.Context, r schema.Report) error
	Sending(ctx context.Context, org, report, id string) (schema.Sending, error)
	PutSending(ctx context.Context, x schema.Sending) error
	SavedOne(ctx context.Context, org string, kind schema.SavedKind, id string) (schema.Saved, error)
	User(ctx context.Context, org, name string) (schema.User, error)
	Search(ctx context.Context, q store.SearchRequest) (store.SearchResult, error)
	Export(ctx context.Context, q store.SearchRequest, columns []store.ExportColumn, limit int, row func([]any) error) (store.SearchStats, error)
}

// Reports sends dashboards and searches by e-mail, and keeps who gets which when.
type Reports struct {
	Store    ReportStore
	Trail    Trail
	Temporal Scheduler
	Post     action.Post
	// Dashboards are the folders with dashboard files, the later before the earlier.
	Dashboards func() []fs.FS
	// CEL renders a rule expression as a ClickHouse condition, for cel: searches.
	CEL func(expr string) (string, store.P, error)
	// Address is what people open, for the link in the e-mail; "": it has none.
	Address string
}

// maxRecipients is how many addresses a report goes to at most.
const maxRecipients = 50

// PutReport creates or changes a report and its schedule. Args: kind, of, to, cron, zone,
// range. Its first owner stays the owner.
func (x *Reports) PutReport(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	old, err := x.Store.Report(ctx, in.Org, in.Key)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.AdminResult{}, Retryable(err)
	}
	r := schema.Report{Org: in.Org, ID: in.Key, Kind: schema.SavedKind(in.Args["kind"]), Of: in.Args["of"], Owner: by(in.By), Cron: strings.Join(strings.Fields(in.Args["cron"]), " "),
		Zone: in.Args["zone"], Range: in.Args["range"], Updated: now.UTC(), Version: old.Version + 1}
	if old.Owner != "" && !old.Deleted {
		r.Owner = old.Owner
	}
	for a := range strings.SplitSeq(in.Args["to"], ",") {
		if a = strings.TrimSpace(a); a != "" && !slices.Contains(r.To, a) {
			r.To = append(r.To, a)
		}
	}
	if r.Zone == "" {
		r.Zone = "UTC"
	}
	if err := x.check(ctx, r); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	if err := x.Store.PutReport(ctx, r); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	if err := x.schedule(ctx, r); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: r.Org, ID: auditID("report.put", key), Actor: by(in.By), Verb: "report.put", Object: r.ID, Outcome: "ok",
		Details: map[string]string{"of": string(r.Kind) + "/" + r.Of, "to": strings.Join(r.To, ", "), "cron": r.Cron, "zone": r.Zone}})
	return flow.AdminResult{Changed: 1, Doc: flow.ReportScheduleID(r.Org, r.ID)}, Retryable(err)
}

// DeleteReport ends a report and its schedule; what was sent stays on record.
func (x *Reports) DeleteReport(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	r, err := x.Store.Report(ctx, in.Org, in.Key)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	err = x.Temporal.ScheduleClient().GetHandle(ctx, flow.ReportScheduleID(r.Org, r.ID)).Delete(ctx)
	if err != nil && !gone(err) {
		return flow.AdminResult{}, fmt.Errorf("ending the schedule of report %s: %w", r.ID, err)
	}
	r.Deleted, r.Updated, r.Version = true, now.UTC(), r.Version+1
	if err := x.Store.PutReport(ctx, r); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: r.Org, ID: auditID("report.delete", key), Actor: by(in.By), Verb: "report.delete", Object: r.ID, Outcome: "ok"})
	return flow.AdminResult{Changed: 1}, Retryable(err)
}

// check refuses a report that could not be sent.
func (x *Reports) check(ctx context.Context, r schema.Report) error {
	switch {
	case !savedID.MatchString(r.ID):
		return schema.E(schema.Invalid, fmt.Sprintf("no report can be named %q", r.ID), "small letters, digits and hyphens, 2 to 64 characters")
	case len(r.To) == 0 || len(r.To) > maxRecipients:
		return schema.E(schema.Invalid, fmt.Sprintf("a report goes to 1 to %d addresses, not %d", maxRecipients, len(r.To)), "")
	}
	if _, err := time.LoadLocation(r.Zone); err != nil || r.Zone == "Local" {
		return schema.E(schema.Invalid, fmt.Sprintf("there is no time zone %q", r.Zone), "an IANA name, such as Europe/Berlin")
	}
	if _, err := lookBack(r.Range); err != nil {
		return err
	}
	if err := checkCalendar(r.Cron); err != nil {
		return err
	}
	if err := x.Post.Allows(r.To); err != nil {
		return err
	}
	if _, err := x.board(ctx, r); err != nil {
		return err
	}
	all, err := x.Store.Reports(ctx, r.Org)
	if err == nil && len(all) >= store.MaxReports && !slices.ContainsFunc(all, func(o schema.Report) bool { return o.ID == r.ID }) {
		err = schema.E(schema.Exhausted, fmt.Sprintf("there are %d reports already", len(all)), "remove some: `vigil reports list`")
	}
	return err
}

// calendar is a cron expression that fires once an hour at most: its minute is one number.
var calendar = regexp.MustCompile(`^[0-5]?[0-9]( [0-9A-Za-z*,/-]{1,40}){4}$`)

func checkCalendar(cron string) error {
	if calendar.MatchString(cron) {
		return nil
	}
	return schema.E(schema.Invalid, fmt.Sprintf("%q is no calendar for a report", clipTo(cron, 100)), `minute (one number), hour, day, month, day of week: "0 8 * * 1" is Mondays at eight`)
}

func clipTo(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// schedule makes the schedule of a report, or changes it.
func (x *Reports) schedule(ctx context.Context, r schema.Report) error {
	id := flow.ReportScheduleID(r.Org, r.ID)
	spec := client.ScheduleSpec{CronExpressions: []string{r.Cron}, TimeZoneName: r.Zone}
	_, err := x.Temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{ID: id, Spec: spec, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: 6 * time.Hour,
		Action: &client.ScheduleWorkflowAction{ID: flow.ReportID(r.Org, r.ID), Workflow: flow.Report, TaskQueue: flow.Queue(flow.Report),
			Args: []any{flow.ReportInput{Org: r.Org, Report: r.ID}}}})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		err = x.Temporal.ScheduleClient().GetHandle(ctx, id).Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(u client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			s := u.Description.Schedule
			s.Spec = &spec
			return &client.ScheduleUpdate{Schedule: &s}, nil
		}})
	}
	if _, bad := errors.AsType[*serviceerror.InvalidArgument](err); bad {
		return schema.E(schema.Invalid, "the calendar is refused", `write a cron expression like "0 8 * * 1"`, err)
	}
	if err != nil {
		return fmt.Errorf("scheduling report %s: %w", r.ID, err)
	}
	return nil
}

// board is what a report shows: a dashboard, or a saved search as one panel, when its owner
// may see it now.
type board struct {
	dashboard.Dashboard
	columns []string // of a search's events
}

func (x *Reports) board(ctx context.Context, r schema.Report) (board, error) {
	if err := x.mayRead(ctx, r); err != nil {
		return board{}, err
	}
	d, err := x.Store.SavedOne(ctx, r.Org, r.Kind, r.Of)
	switch {
	case err != nil && schema.CodeOf(err) != schema.NotFound:
		return board{}, err
	case err != nil || d.Deleted || !d.Shared && d.Owner != r.Owner:
		return x.file(r)
	case r.Kind == schema.SavedSearch:
		return board{dashboard.Dashboard{ID: d.ID, Title: d.Title, Range: d.Range, Panels: []dashboard.Panel{{Title: d.Title, Query: d.Doc}}}, d.Columns}, nil
	default:
		b, err := dashboard.Parse([]byte(d.Doc), x.checkQuery)
		return board{Dashboard: b}, err
	}
}

func (x *Reports) checkQuery(q string) error {
	return store.CheckQuery(store.SearchRequest{Query: q, CEL: x.CEL})
}

// file finds the dashboard among the files.
func (x *Reports) file(r schema.Report) (board, error) {
	if r.Kind == schema.SavedDashboard && x.Dashboards != nil {
		files, _ := dashboard.Load(x.checkQuery, x.Dashboards()...) // the server tells of damaged ones
		for _, f := range files {
			if f.ID == r.Of {
				return board{Dashboard: f.Dashboard}, nil
			}
		}
	}
	if r.Kind != schema.SavedDashboard && r.Kind != schema.SavedSearch {
		return board{}, schema.E(schema.Invalid, fmt.Sprintf("a report shows a dashboard or a search, no %q", r.Kind), "")
	}
	return board{}, schema.E(schema.NotFound, fmt.Sprintf("there is no %s %s that %s may see", r.Kind, clipTo(r.Of, 80), r.Owner), "share it, or look at `vigil dashboards list` and `vigil searches list`")
}

// operator is who works with the command line: no user, and shown what is shared.
const operator = "operator"

// mayRead says whether the report's owner may still see events.
func (x *Reports) mayRead(ctx context.Context, r schema.Report) error {
	u, err := x.Store.User(ctx, r.Org, r.Owner)
	switch {
	case schema.CodeOf(err) == schema.NotFound && r.Owner == operator:
		return nil
	case schema.CodeOf(err) == schema.NotFound:
		return schema.E(schema.Denied, "the report's owner "+r.Owner+" is no user", "let somebody else set it up")
	case err != nil:
		return err
	case u.Disabled || !perm.May(perm.Role(u.Role), "read:events"):
		return schema.E(schema.Denied, "the report's owner "+r.Owner+" may not see events any more", "let somebody else set it up")
	}
	return nil
}

// lookBack is how far a range goes back; 0 is all there is.
func lookBack(name string) (time.Duration, error) {
	switch name {
	case "":
		return 24 * time.Hour, nil
	case "all":
		return 0, nil
	}
	back := map[string]time.Duration{"15m": 15 * time.Minute, "1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}[name]
	if back == 0 {
		return 0, schema.E(schema.Invalid, fmt.Sprintf("the range %q is none of 15m, 1h, 24h, 7d, 30d, all", clipTo(name, 40)), "")
	}
	return back, nil
}
