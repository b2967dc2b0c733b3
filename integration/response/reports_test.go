package response

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.temporal.io/sdk/client"

	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// forgetful is a store that fails to keep what was sent, as often as it is told to.
type forgetful struct {
	*store.Store
	forget atomic.Int32
}

func (f *forgetful) PutSending(ctx context.Context, x schema.Sending) error {
	if f.forget.Add(-1) >= 0 {
		return errors.New("forgotten")
	}
	return f.Store.PutSending(ctx, x)
}

// hostileUsers are names as attackers give them.
var hostileUsers = []string{`<script>alert(1)</script>`, `=HYPERLINK("http://evil.example/")`, "http://evil.example/x", "adm\u202egpj.exe"}

func (w *world) put(verb, noun, key, by string, args map[string]string) error {
	w.t.Helper()
	return w.run(flow.AdminID("main", noun, key), flow.Admin, flow.AdminInput{Verb: verb, By: by, Key: key, Args: args}, nil)
}

// hostileEvents ingests sign-ins of hostile users.
func (w *world) hostileEvents() {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "auth.log")
	var text strings.Builder
	for _, u := range hostileUsers {
		text.WriteString("Mar  1 10:00:01 web01 sshd[101]: Failed password for invalid user " + u + " from 203.0.113.45 port 51000 ssh2\n")
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := w.run(flow.IngestID("main", "hostile"), flow.Ingest, flow.IngestInput{Source: "hostile", Paths: []string{path}}, nil); err != nil {
		w.t.Fatal(err)
	}
}

const board = `id: users
title: Who fails <b>now</b>
range: all
panels:
  - title: By user
    query: 'event.outcome:failure | top 10 user.name'
    show: bar
  - title: Events
    query: '| stats count()'
    show: number
  - title: Refused by the engine
    query: 'sql: SELECT throwIf(1)'
  - title: The events
    query: 'event.outcome:failure'
`

// TestReport: a schedule sends a dashboard once, hostile values are inert, and a retry after
// anything sends no second mail.
func TestReport(t *testing.T) {
	w := newWorld(t)
	w.user("cy", "analyst")
	w.hostileEvents()
	if err := w.put("saved.put", "saved", "users", "cy", map[string]string{"kind": "dashboard", "doc": board}); err != nil {
		t.Fatal(err)
	}
	monday := map[string]string{"kind": "dashboard", "of": "users", "to": "soc@example.org, ana@example.org", "cron": "0 8 * * 1", "zone": "Europe/Berlin"}
	if err := w.put("report.put", "report", "monday", "cy", monday); err != nil {
		t.Fatal(err)
	}
	handle := w.tp.ScheduleClient().GetHandle(t.Context(), flow.ReportScheduleID("main", "monday"))
	d, err := handle.Describe(t.Context())
	if err != nil || len(d.Info.NextActionTimes) == 0 || d.Info.NextActionTimes[0].In(berlin(t)).Format("Mon 15:04") != "Mon 08:00" {
		t.Fatalf("%+v %v", d, err)
	}
	// The mail is taken, and the process dies before it says so: what was sent is remembered.
	w.reports.forget.Store(1)
	if err := handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}); err != nil {
		t.Fatal(err)
	}
	var s schema.Sending
	w.eventually("the report was sent", func() bool {
		list, err := w.store.Sendings(t.Context(), "main", "monday", 10)
		if err != nil || len(list) == 0 {
			return false
		}
		s = list[0]
		return len(list) == 1
	})
	if s.Status != schema.SendingSent || s.By != "schedule" || len(s.Panels) != 4 || s.Panels[0].Rows != len(hostileUsers) || s.Panels[2].Problem == "" || s.Panels[3].Rows != len(hostileUsers) {
		t.Errorf("%+v", s)
	}
	if w.mail.Taken() != 1 || w.reports.forget.Load() >= 0 {
		t.Fatalf("%d mails, forgotten %d", w.mail.Taken(), w.reports.forget.Load())
	}
	w.inert(w.mail.Mails()["<"+s.MessageID+">"])
	// The same time once more, as a retry, a reset or a second schedule would: nothing goes out.
	var res flow.ReportResult
	if err := w.run("report/main/again", flow.Report, flow.ReportInput{Report: "monday", At: s.At}, &res); err != nil || !res.Before || res.MessageID != s.MessageID {
		t.Errorf("%+v %v", res, err)
	}
	if w.mail.Taken() != 1 {
		t.Errorf("%d mails", w.mail.Taken())
	}
	// A server that is busy is tried again, and takes it once.
	w.mail.Refuse(&smtp.SMTPError{Code: 451, Message: "later"})
	time.AfterFunc(time.Second, func() { w.mail.Refuse(nil) })
	var late flow.ReportResult
	if err := w.run("report/main/busy", flow.Report, flow.ReportInput{Report: "monday", By: "cy"}, &late); err != nil || late.Before || w.mail.Taken() != 2 {
		t.Errorf("%+v %v, %d mails", late, err, w.mail.Taken())
	}
	if d, err = handle.Describe(t.Context()); err != nil || len(d.Info.RecentActions) != 1 {
		t.Fatalf("%+v %v", d, err)
	}
	w.refusedReports(monday)
	w.verify()
	if *record {
		w.recordAll(map[string]string{"Report-scheduled": d.Info.RecentActions[0].StartWorkflowResult.WorkflowID, "Report-refused": "report/main/disabled",
			"Report-cancelled": "report/main/stuck", "Admin-report-put": flow.AdminID("main", "report", "monday")})
	}
}

// refusedReports: nothing goes to addresses that are not allowed, shows what its owner may
// not see, or cannot be stopped.
func (w *world) refusedReports(monday map[string]string) {
	w.t.Helper()
	for want, change := range map[string]map[string]string{
		"no e-mail is sent to":     {"to": "soc@example.org,eve@elsewhere.net"},
		"a recipient is no addres": {"to": "nobody"},
		"no calendar":              {"cron": "* * * * *"},
		"no time zone":             {"zone": "Mars/Phobos"},
		"that cy may see":          {"of": "someones"},
		"the range":                {"range": "1y"},
	} {
		args := map[string]string{}
		for _, m := range []map[string]string{monday, change} {
			maps.Copy(args, m)
		}
		if err := w.put("report.put", "report", "bad", "cy", args); err == nil || !strings.Contains(err.Error(), want) {
			w.t.Errorf("%v, want %q", err, want)
		}
	}
	// Another person's own dashboard is nobody else's to send.
	w.user("ben", "analyst")
	if err := w.put("report.put", "report", "bens", "ben", monday); err == nil || !strings.Contains(err.Error(), "that ben may see") {
		w.t.Errorf("%v", err)
	}
	taken := w.mail.Taken()
	w.mail.Hang()
	later := time.Now().Add(time.Hour) // two sendings of one second would be the same one
	run, err := w.tp.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: "report/main/stuck", TaskQueue: flow.QueueReport}, flow.Report, flow.ReportInput{Report: "monday", By: "cy", At: later})
	if err != nil {
		w.t.Fatal(err)
	}
	w.eventually("it is being sent", func() bool {
		d, err := w.tp.DescribeWorkflowExecution(w.t.Context(), run.GetID(), run.GetRunID())
		return err == nil && len(d.PendingActivities) == 1 && d.PendingActivities[0].LastHeartbeatTime != nil || err == nil && len(d.PendingActivities) == 1 && d.PendingActivities[0].Attempt > 1
	})
	if err := w.tp.CancelWorkflow(w.t.Context(), run.GetID(), run.GetRunID()); err != nil {
		w.t.Fatal(err)
	}
	if err := run.Get(w.t.Context(), nil); err == nil {
		w.t.Error("a cancelled report ended well")
	}
	if err := w.put("user.put", "user", "cy", "test", map[string]string{"role": "analyst", "disabled": "true"}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.run("report/main/disabled", flow.Report, flow.ReportInput{Report: "monday", By: "schedule", At: later.Add(time.Minute)}, nil); err == nil || !strings.Contains(err.Error(), "may not see events any more") {
		w.t.Errorf("%v", err)
	}
	list, err := w.store.Sendings(w.t.Context(), "main", "monday", 10)
	if err != nil || len(list) != 4 || list[0].Status != schema.SendingFailed || list[1].Status != schema.SendingFailed || w.mail.Taken() != taken {
		w.t.Errorf("%+v %v", list, err)
	}
	if err := w.put("report.delete", "report", "monday", "cy", nil); err != nil {
		w.t.Error(err)
	}
	if _, err := w.tp.ScheduleClient().GetHandle(w.t.Context(), flow.ReportScheduleID("main", "monday")).Describe(w.t.Context()); err == nil {
		w.t.Error("the schedule is still there")
	}
	if err := w.run("report/main/removed", flow.Report, flow.ReportInput{Report: "monday"}, nil); err == nil || !strings.Contains(err.Error(), "was removed") {
		w.t.Errorf("%v", err)
	}
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// inert reads a mail as its reader does.
func (w *world) inert(text string) {
	w.t.Helper()
	parts, head := mailParts(w.t, text)
	if to := head.Get("To"); to != "<soc@example.org>, <ana@example.org>" {
		w.t.Errorf("to %s", to)
	}
	page, plain, file := parts["text/html"], parts["text/plain"], parts["01-by-user.csv"]
	for _, bad := range []string{"<script", "<b>now", "://", "\u202e"} {
		if strings.Contains(page, bad) {
			w.t.Errorf("the page holds %q:\n%s", bad, page)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "http[:]//evil.example/x", "width:160px", "No answer"} {
		if !strings.Contains(page, want) {
			w.t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(plain, "://") || strings.Contains(plain, "\u202e") || !strings.Contains(plain, "== By user ==") {
		w.t.Errorf("the text:\n%s", plain)
	}
	if !strings.Contains(file, "http://evil.example/x") || !strings.Contains(file, `'=HYPERLINK`) {
		w.t.Errorf("the file:\n%s", file)
	}
}

// mailParts decodes the parts of a mail, by file name or media type.
func mailParts(t *testing.T, text string) (map[string]string, mail.Header) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(kind string, encoding string, r io.Reader, name string)
	walk = func(kind, encoding string, r io.Reader, name string) {
		media, params, err := mime.ParseMediaType(kind)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(media, "multipart/") {
			for mr := multipart.NewReader(r, params["boundary"]); ; {
				p, err := mr.NextRawPart()
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				walk(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, p.FileName())
			}
		}
		switch encoding {
		case "base64":
			r = base64.NewDecoder(base64.StdEncoding, r)
		case "quoted-printable":
			r = quotedprintable.NewReader(r)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		if name == "" {
			name = media
		}
		out[name] = b.String()
	}
	walk(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, "")
	return out, m.Header
}
