package server

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"vigil/internal/alert"
	"vigil/internal/report"
	"vigil/schema"
	"vigil/schema/flow"
)

// maxFile is how large a file may be that is attached to an incident, in bytes.
const maxFile = 4 << 20

// maxSimilar is how many incidents are compared with one: the newest.
const maxSimilar = 2000

type fileInput struct {
	ID      string `path:"id" maxLength:"200"`
	Name    string `query:"name" required:"true" minLength:"1" maxLength:"200" doc:"name of the file, for people"`
	RawBody []byte `contentType:"application/octet-stream"`
}

// attachFile stores the bytes under their hash and has the incident name them.
func (s *Server) attachFile(ctx context.Context, in *fileInput) (*body[schema.Attachment], error) {
	i, err := s.o.Store.Incident(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	if len(in.RawBody) == 0 {
		return nil, schema.E(schema.Invalid, "the file is empty", "")
	}
	hash, err := s.o.Store.PutBlob(ctx, orgOf(ctx), in.RawBody)
	if err != nil {
		return nil, err
	}
	by := callerOf(ctx).user.Name
	var st flow.IncidentState
	a := flow.IncidentAttach{By: by, Name: in.Name, Hash: hash, Size: int64(len(in.RawBody))}
	if err := s.update(ctx, i.Workflow, flow.UpdateAttach, schema.HashID("attach", i.ID, hash, in.Name, by), a, &st); err != nil {
		return nil, err
	}
	return answer(schema.Attachment{Hash: hash, Name: in.Name, Size: a.Size, By: by, Time: time.Now().UTC()}), nil
}

var unsafeName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// serveFile hands out an attachment, inert: whatever it is, no browser shows or runs it. It is
// audited.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	who := callerOf(r.Context())
	fail := func(err error) { writeProblem(w, problem(err)) }
	i, err := s.o.Store.Incident(r.Context(), orgOf(r.Context()), r.PathValue("id"))
	if err != nil {
		fail(err)
		return
	}
	hash := r.PathValue("hash")
	at := slices.IndexFunc(i.Attachments, func(a schema.Attachment) bool { return a.Hash == hash })
	if at < 0 {
		fail(schema.E(schema.NotFound, "the incident has no such file", ""))
		return
	}
	b, err := s.o.Store.Blob(r.Context(), orgOf(r.Context()), hash)
	if err != nil {
		fail(err)
		return
	}
	s.audit(r.Context(), who.user.Name, "incident.file", i.ID, "ok", map[string]string{"sha256": hash, "name": i.Attachments[at].Name})
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Disposition", `attachment; filename="`+unsafeName.ReplaceAllString(i.Attachments[at].Name, "_")+`"`)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

// similarIncidents lists incidents like this one, and says by what.
func (s *Server) similarIncidents(ctx context.Context, in *byID) (*body[list[schema.Likeness]], error) {
	i, err := s.o.Store.Incident(ctx, orgOf(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	others, err := s.o.Store.IncidentsSince(ctx, orgOf(ctx), time.Time{}, maxSimilar)
	if err != nil {
		return nil, err
	}
	return answerList(alert.Similar(i, others, 10), ""), nil
}

type kpiInput struct {
	Days int `query:"days" minimum:"1" maximum:"3650" default:"90" doc:"incidents opened in so many days"`
}

// kpis are the measures of response: TTD, TTA, TTT, TTQ, TTR.
func (s *Server) kpis(ctx context.Context, in *kpiInput) (*body[list[schema.KPI]], error) {
	all, err := s.o.Store.IncidentsSince(ctx, orgOf(ctx), time.Now().AddDate(0, 0, -in.Days), 100_000)
	if err != nil {
		return nil, err
	}
	return answerList(report.KPIs(all), ""), nil
}

// withSteps adds the steps of playbooks that people do to the incident's tasks.
func withSteps(i schema.Incident, approvals []schema.Approval) []schema.Task {
	tasks := slices.Clone(i.Tasks)
	for _, a := range approvals {
		if a.Action != "manual" {
			continue
		}
		t := schema.Task{ID: a.ID, Approval: a.ID, Title: a.Target, Due: a.Deadline, State: schema.TaskOpen, Created: a.Created, By: a.Playbook, Ended: a.Decided}
		if a.Claim != nil {
			t.Owner = a.Claim.User
		}
		switch a.Status {
		case schema.ApprovalPending:
		case schema.ApprovalApproved:
			t.State = schema.TaskDone
		default:
			t.State = schema.TaskDropped
		}
		tasks = append(tasks, t)
	}
	return tasks
}
