package sources

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"vigil/schema"
	"vigil/schema/flow"
)

// api is an API with pages of ten, that refuses now and then.
type api struct {
	mu    sync.Mutex
	n     int
	asked int
	start time.Time
}

func (a *api) grow(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n += n
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	switch a.asked % 7 {
	case 3:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case 5:
		_, _ = w.Write([]byte(`{"items":[{"id":`)) // breaks off
		panic(http.ErrAbortHandler)
	}
	q := r.URL.Query()
	since, _ := time.Parse(time.RFC3339, q.Get("since"))
	until, _ := time.Parse(time.RFC3339, q.Get("until"))
	page, _ := strconv.Atoi(q.Get("page"))
	var all, out []any
	for i := range a.n {
		at := a.start.Add(time.Duration(i) * time.Second)
		if !at.Before(since) && at.Before(until) {
			all = append(all, map[string]any{"id": fmt.Sprint("e", i), "time": at.Format(time.RFC3339), "message": fmt.Sprint("event ", i)})
		}
	}
	out = append(out, all[min(len(all), 10*(page-1)):min(len(all), 10*page)]...)
	_ = json.NewEncoder(w).Encode(map[string]any{"items": append([]any{}, out...)})
}

// TestPull pulls an API that fails now and then; a crash, an overlap, a back-fill and a
// rewind double nothing.
func TestPull(t *testing.T) {
	w := newWorld(t)
	a := &api{n: 25, start: time.Now().Add(-time.Minute).Truncate(time.Second)}
	srv := httptest.NewServer(a)
	defer srv.Close()
	doc := "id: demo-api\nurl: " + srv.URL + "/v1\nevery: 1s\nquery: {since: \"{{from}}\", until: \"{{to}}\", page: \"{{page}}\"}\nrecords: {path: items, id: id, time: time}\npaging: {kind: page, size: 10}\nsince: {kind: time, start: 2h, overlap: 1h}\n"
	start, err := json.Marshal(flow.IngestInput{Kind: flow.KindPull, Host: host, Settings: doc})
	must(t, err)
	w.admin(flow.AdminInput{Verb: "source.add", Key: "demo-api", By: "ana", Args: map[string]string{"start": string(start)}})
	_, err = w.tp.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: flow.DrainID("main", "demo-api", host), TaskQueue: flow.QueueSpool(host)}, flow.Drain, flow.DrainInput{Source: "demo-api", Host: host})
	must(t, err)
	// The document gives a minute to what the API refuses; the test does not.
	go func() {
		for range 100 {
			time.Sleep(2 * time.Second)
			if t.Context().Err() != nil {
				return
			}
			_, _ = w.tp.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: flow.IngestID("main", "demo-api"), UpdateName: flow.UpdateSchedule, Args: []any{flow.SourceControl{Every: 1}}, WaitForStage: client.WorkflowUpdateStageAccepted})
		}
	}()
	w.reach("demo-api", 25)
	a.grow(20)
	w.reach("demo-api", 45)

	// A crash between the spool and the cursor: what is fetched again is in the spool.
	w.stop()
	for _, name := range []string{"pull/demo-api.json", "pull/demo-api.ids"} {
		must(t, os.Remove(w.path(name)))
	}
	a.grow(3)
	w.startWorker()
	w.reach("demo-api", 48)

	to := time.Now().UTC()
	w.admin(flow.AdminInput{Verb: "source.backfill", Key: "demo-api", By: "ana", Args: map[string]string{"from": to.Add(-time.Hour).Format(time.RFC3339), "to": to.Format(time.RFC3339)}})
	w.admin(flow.AdminInput{Verb: "source.rewind", Key: "demo-api", By: "ana", Args: map[string]string{"to": to.Add(-time.Hour).Format(time.RFC3339)}})
	a.grow(2)
	w.reach("demo-api", 50)
	w.admin(flow.AdminInput{Verb: "source.rewind", Key: "demo-api", By: "ana", Args: map[string]string{"to": to.Add(-time.Hour).Format(time.RFC3339), "again": "true"}})
	w.reach("demo-api", 100)
	w.proved("demo-api", 100)
	w.admin(flow.AdminInput{Verb: "source.pause", Key: "demo-api", By: "ana"})
	a.grow(5)
	time.Sleep(1500 * time.Millisecond)
	w.reach("demo-api", 100)
	w.admin(flow.AdminInput{Verb: "source.resume", Key: "demo-api", By: "ana"})
	w.reach("demo-api", 105)
	w.admin(flow.AdminInput{Verb: "source.remove", Key: "demo-api", By: "ana"})
	w.audited("demo-api", "source.add", "source.backfill", "source.rewind", "source.rewind", "source.pause", "source.resume", "source.remove")
	w.save(flow.IngestID("main", "demo-api"), "Ingest-pull")
}

// TestControlsOfFiles: files that were read are walked again, back-filled and scheduled,
// and nothing is doubled.
func TestControlsOfFiles(t *testing.T) {
	w := newWorld(t)
	must(t, os.Mkdir(w.path("logs"), 0o700))
	w.put(w.path("logs/a.log"), lines(0, 50))
	run := func(in flow.IngestInput) {
		t.Helper()
		r, err := w.tp.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: flow.IngestID("main", in.Source), TaskQueue: flow.QueueIngest}, flow.Ingest, in)
		must(t, err)
		must(t, r.Get(t.Context(), nil))
	}
	run(flow.IngestInput{Source: "logs", Paths: []string{w.path("logs")}})
	w.reach("logs", 50)
	hour := time.Now().Add(-time.Hour).Format(time.RFC3339)
	w.put(w.path("logs/b.log"), lines(50, 60))
	w.admin(flow.AdminInput{Verb: "source.rewind", Key: "logs", By: "ana", Args: map[string]string{"to": hour}})
	w.reach("logs", 60)
	w.put(w.path("old.log"), lines(60, 70))
	w.settled(flow.IngestID("main", "logs"))
	w.settled(w.admin(flow.AdminInput{Verb: "source.backfill", Key: "logs", By: "ana", IDs: []string{w.path("old.log")}}).Doc)
	w.reach("logs", 70)
	w.admin(flow.AdminInput{Verb: "source.schedule", Key: "logs", By: "ana", Args: map[string]string{"every_seconds": "10"}})
	w.put(w.path("logs/c.log"), lines(70, 75))
	w.reach("logs", 75)
	w.admin(flow.AdminInput{Verb: "source.schedule", Key: "logs", By: "ana", Args: map[string]string{"every_seconds": "0"}})
	w.proved("logs", 75)
	w.audited("logs", "source.rewind", "source.backfill", "source.schedule", "source.schedule")

	for verb, c := range map[string]struct {
		args map[string]string
		want string
	}{
		"source.rewind":   {nil, "needs a time"},
		"source.backfill": {map[string]string{"from": "yesterday"}, "is no time"},
		"source.schedule": {map[string]string{"every_seconds": "1"}, "too often"},
		"source.pause":    {nil, "not running"},
		"source.add":      {map[string]string{"start": `{"kind":"tail","host":"h","paths":["x"]}`}, "is a files source"},
	} {
		if _, err := w.tryAdmin(flow.AdminInput{Verb: verb, Key: "logs", Args: c.args}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if _, err := w.tryAdmin(flow.AdminInput{Verb: "source.rewind", Key: "nobody"}); err == nil || !strings.Contains(err.Error(), "takes no rewind") {
		t.Error(err)
	}
	defs, err := w.store.SourceDefs(t.Context(), schema.DefaultOrg)
	if err != nil || len(defs) != 1 || defs[0].Kind != flow.KindFiles {
		t.Errorf("%+v %v", defs, err)
	}
}

// settled waits for the end of a workflow.
func (w *world) settled(id string) {
	w.t.Helper()
	must(w.t, w.tp.GetWorkflow(w.t.Context(), id, "").Get(w.t.Context(), nil))
}
