package activities

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"vigil/internal/action"
	"vigil/internal/dashboard"
	"vigil/internal/dashboard/mail"
	"vigil/internal/export"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// maxReportRows is how many events of a query without stages a report holds.
const maxReportRows = 1000

// eventColumns are shown of events whose search names none.
var eventColumns = []string{"event.dataset", "host.name", "user.name", "source.ip", "destination.ip", "event.action", "event.outcome", "message"}

// sendingID is the same for every attempt to send a report for one time.
func sendingID(in flow.ReportInput) string {
	return schema.HashID("sending", in.Org, in.Report, stamp(in.At))
}

// SendReport asks the queries of a report as its owner and sends the answers by e-mail, once
// for the time it is for. A panel whose query cannot be answered says so; the others go out.
func (x *Reports) SendReport(ctx context.Context, in flow.ReportInput) (flow.ReportResult, error) {
	defer beating(ctx)()
	s, err := x.Store.Sending(ctx, in.Org, in.Report, sendingID(in))
	if err == nil && s.Status == schema.SendingSent {
		return x.sent(ctx, s, true)
	}
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.ReportResult{}, Retryable(err)
	}
	r, err := x.Store.Report(ctx, in.Org, in.Report)
	if err == nil && r.Deleted {
		err = schema.E(schema.NotFound, "the report "+in.Report+" was removed", "")
	}
	if err != nil {
		return flow.ReportResult{}, Retryable(err)
	}
	next, err := x.send(ctx, r, in)
	if err != nil {
		return flow.ReportResult{}, Retryable(err)
	}
	next.Version = s.Version + 1
	if err := x.Store.PutSending(ctx, next); err != nil {
		return flow.ReportResult{}, Retryable(err)
	}
	return x.sent(ctx, next, false)
}

// send composes the e-mail and hands it to the mail server.
func (x *Reports) send(ctx context.Context, r schema.Report, in flow.ReportInput) (schema.Sending, error) {
	s := schema.Sending{Org: r.Org, Report: r.ID, ID: sendingID(in), At: in.At, By: in.By, Status: schema.SendingSent, To: r.To, Panels: []schema.PanelAnswer{}}
	if err := x.Post.Allows(r.To); err != nil { // before anything is read
		return s, err
	}
	m, err := x.compose(ctx, r, in.At)
	if err != nil {
		return s, err
	}
	for _, p := range m.Panels {
		s.Panels = append(s.Panels, schema.PanelAnswer{Title: p.Title, Rows: len(p.Rows), Problem: p.Problem})
	}
	letter, err := letterOf(m, r.To)
	if err != nil {
		return s, err
	}
	res, err := x.Post.Send(ctx, r.Org, s.ID, letter, in.At)
	if err != nil {
		return s, err
	}
	s.MessageID, s.Subject, s.Bytes, s.Ended = res.Outputs["message_id"], action.Subject(letter.Subject), letter.Size(), time.Now().UTC().Truncate(time.Millisecond)
	return s, nil
}

// letterOf renders a mail.
func letterOf(m mail.Mail, to []string) (action.Letter, error) {
	files, left, err := m.Files()
	if err != nil {
		return action.Letter{}, err
	}
	html, err := m.HTML(left)
	if err != nil {
		return action.Letter{}, err
	}
	l := action.Letter{To: to, Subject: m.Title, Text: m.Text(left), HTML: html}
	for _, f := range files {
		l.Files = append(l.Files, action.File{Name: f.Name, Media: f.Media, Body: f.Body})
	}
	return l, nil
}

// compose asks the queries, one after the other.
func (x *Reports) compose(ctx context.Context, r schema.Report, at time.Time) (mail.Mail, error) {
	b, err := x.board(ctx, r)
	if err != nil {
		return mail.Mail{}, err
	}
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		return mail.Mail{}, schema.E(schema.Invalid, fmt.Sprintf("there is no time zone %q", r.Zone), "")
	}
	span := r.Range
	if span == "" {
		span = b.Range
	}
	back, err := lookBack(span)
	if err != nil { // a saved search may be of two times: they would never move
		back = 24 * time.Hour
	}
	q := store.SearchRequest{Org: r.Org, To: at, CEL: x.CEL}
	if back > 0 {
		q.From = at.Add(-back)
	}
	m := mail.Mail{Title: b.Title, Description: b.Description, Link: x.link(r, span), From: q.From, To: at, Zone: zone, Sender: r.Owner, Report: r.ID}
	for _, p := range b.Panels {
		q.Query = p.Query
		answer, from, err := x.ask(ctx, q, p, b.columns)
		if err != nil {
			return m, fmt.Errorf("panel %s: %w", p.Title, err)
		}
		if m.From.IsZero() {
			m.From = from
		}
		m.Panels = append(m.Panels, answer)
	}
	return m, nil
}

func (x *Reports) link(r schema.Report, span string) string {
	if x.Address == "" {
		return ""
	}
	if r.Kind == schema.SavedSearch {
		return x.Address + "/search"
	}
	return x.Address + "/dashboards/" + url.PathEscape(r.Of) + "?" + url.Values{"t": {span}}.Encode()
}

// ask asks one query. What the engine refuses is told in the panel; what may work later is an
// error.
func (x *Reports) ask(ctx context.Context, q store.SearchRequest, p dashboard.Panel, columns []string) (out mail.Panel, from time.Time, err error) {
	out = mail.Panel{Title: p.Title, Query: p.Query, Show: p.Show}
	if strings.HasPrefix(strings.TrimSpace(q.Query), "sql:") || store.HasStages(q.Query) {
		from, err = x.statistic(ctx, q, &out)
	} else {
		err = x.events(ctx, q, columns, &out)
	}
	if err == nil {
		return out, from, nil
	}
	if ctx.Err() != nil {
		return out, from, context.Cause(ctx)
	}
	if schema.CodeOf(err) == schema.Unavailable {
		return out, from, err
	}
	out.Problem, out.Columns, out.Rows = clipTo(err.Error(), 400), nil, nil
	if se, ok := errors.AsType[*schema.Error](err); ok {
		out.Problem = clipTo(se.Message, 400)
	}
	return out, from, nil
}

func (x *Reports) statistic(ctx context.Context, q store.SearchRequest, out *mail.Panel) (time.Time, error) {
	res, err := x.Store.Search(ctx, q)
	if err != nil {
		return time.Time{}, err
	}
	cols, rows := res.Table.Typed()
	for _, c := range cols {
		out.Columns = append(out.Columns, export.Column{Name: c.Name, Kind: c.Kind})
	}
	out.Rows, out.More = rows, res.Table.Truncated
	return res.From, nil
}

func (x *Reports) events(ctx context.Context, q store.SearchRequest, names []string, out *mail.Panel) error {
	if len(names) == 0 {
		names = eventColumns
	}
	columns, err := store.ExportColumns(names)
	if err != nil {
		return err
	}
	columns = columns[1:] // nobody reads ids of events in a mail
	for _, c := range columns {
		out.Columns = append(out.Columns, export.Column{Name: c.Name, Kind: c.Kind})
	}
	_, err = x.Store.Export(ctx, q, columns, maxReportRows+1, func(row []any) error {
		if out.More = len(out.Rows) == maxReportRows; !out.More {
			out.Rows = append(out.Rows, row)
		}
		return nil
	})
	return err
}

// sent audits a sending and returns what it was. The record's id makes a repeat harmless.
func (x *Reports) sent(ctx context.Context, s schema.Sending, before bool) (flow.ReportResult, error) {
	res := flow.ReportResult{Report: s.Report, At: s.At, To: s.To, MessageID: s.MessageID, Panels: len(s.Panels), Bytes: s.Bytes, Before: before}
	for _, p := range s.Panels {
		if p.Problem != "" {
			res.Problems++
		}
	}
	err := x.Trail.record(ctx, schema.AuditRecord{Org: s.Org, ID: auditID("report.send", s.ID), Actor: s.By, Verb: "report.send", Object: s.Report, Outcome: "ok",
		Details: map[string]string{"at": stamp(s.At), "to": strings.Join(s.To, ", "), "message_id": s.MessageID, "panels": fmt.Sprint(res.Panels), "problems": fmt.Sprint(res.Problems), "bytes": fmt.Sprint(s.Bytes)}})
	return res, Retryable(err)
}

// FailReport notes that a report was not sent, and why.
func (x *Reports) FailReport(ctx context.Context, in flow.ReportInput, why string, now time.Time) error {
	r, err := x.Store.Report(ctx, in.Org, in.Report)
	if schema.CodeOf(err) == schema.NotFound {
		return nil // nobody's history
	}
	if err != nil {
		return Retryable(err)
	}
	s, err := x.Store.Sending(ctx, in.Org, in.Report, sendingID(in))
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return Retryable(err)
	}
	if s.Status == schema.SendingSent {
		return nil
	}
	err = x.Store.PutSending(ctx, schema.Sending{Org: r.Org, Report: r.ID, ID: sendingID(in), At: in.At, By: in.By, Status: schema.SendingFailed, To: r.To, Panels: []schema.PanelAnswer{},
		Error: why, Ended: now.UTC(), Version: s.Version + 1})
	if err != nil {
		return Retryable(err)
	}
	return Retryable(x.Trail.record(ctx, schema.AuditRecord{Org: r.Org, ID: auditID("report.fail", s.ID, stamp(in.At), stamp(now)), Actor: in.By, Verb: "report.send", Object: r.ID, Outcome: "failed",
		Details: map[string]string{"at": stamp(in.At), "to": strings.Join(r.To, ", "), "error": why}}))
}
