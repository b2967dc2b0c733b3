package intel

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/activities"
	"vigil/internal/intel"
	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/schema"
	"vigil/schema/flow"
)

// connections are Zeek records to the addresses; no two files are the same bytes, because the
// same bytes are ingested once.
func connections(name string, addresses ...string) string {
	var b strings.Builder
	for i, a := range addresses {
		fmt.Fprintf(&b, `{"_path":"conn","ts":"2026-03-01T10:00:0%d.000000Z","uid":"C%s%d","id.orig_h":"10.0.0.5","id.orig_p":50000,"id.resp_h":%q,"id.resp_p":443,"proto":"tcp","conn_state":"SF"}`+"\n", i%10, name, i, a)
	}
	return b.String()
}

// bundle is a STIX bundle of addresses; extra goes into each indicator.
func bundle(extra string, addresses ...string) string {
	var list []string
	for _, a := range addresses {
		list = append(list, fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--%s","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"C2 %s","indicator_types":["malicious-activity"],
"pattern":"[ipv4-addr:value = '%s']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"%s}`, schema.HashID(a), a, a, extra))
	}
	return `{"type":"bundle","id":"bundle--1","objects":[` + strings.Join(list, ",") + `]}`
}

const bad, other = "203.0.113.66", "203.0.113.67"

// TestFeedToAlert: a bundle is synced, events are ingested, the rule fires; the indicator
// expires, is revoked or vanishes, and the same events of a new source do not fire.
func TestFeedToAlert(t *testing.T) {
	w := newWorld(t)
	path := w.file("bundle.json", bundle("", bad, other))
	if p := w.ingest("before", w.file("before.log", connections("before", bad))); p.Detections != 0 || p.Events != 1 {
		t.Fatalf("without a feed: %+v", p)
	}
	res, outer, err := w.start(flow.SyncIntelInput{Feed: "demo", Kind: "stix", URL: path, By: "ana"})
	if err != nil || res.Read != 2 || res.Added != 2 || res.Active != 2 || res.Refused != 0 || res.Version == "" {
		t.Fatalf("%+v %v", res, err)
	}
	w.keep("SyncIntel-outer", outer)
	w.keep("SyncIntel-feed", flow.SyncIntelID("main", "demo"))
	pinned := res.Version
	p := w.ingest("hit", w.file("hit.log", connections("hit", bad, "198.51.100.1", bad)))
	if p.Detections != 2 || p.Alerts != 1 {
		t.Fatalf("%+v", p)
	}
	list := w.alerts()
	if len(list) != 1 || list[0].Entities["indicator"] != bad || list[0].Count != 2 {
		t.Fatalf("%+v", list)
	}
	chunks, err := w.store.Chunks(t.Context(), "main", "hit")
	if err != nil || len(chunks) == 0 || chunks[0].Intel != pinned {
		t.Fatalf("the chunk does not name the set %s: %+v %v", pinned, chunks, err)
	}
	w.sighted(2)

	for step, doc := range map[string]string{
		"expired":  bundle(`,"valid_until":"2026-02-01T00:00:00Z"`, bad, other),
		"revoked":  bundle(`,"revoked":true`, bad, other),
		"vanished": bundle("", other),
	} {
		t.Run(step, func(t *testing.T) {
			w.file("bundle.json", doc)
			res := w.sync(flow.SyncIntelInput{Feed: "demo"})
			if res.Version == pinned || res.Expired == 0 {
				t.Errorf("%+v", res)
			}
			if p := w.ingest(step, w.file(step+".log", connections(step, bad))); p.Detections != 0 || p.Events != 1 {
				t.Errorf("%s, and still: %+v", step, p)
			}
			w.file("bundle.json", bundle("", bad, other))
			if res := w.sync(flow.SyncIntelInput{Feed: "demo"}); res.Active != 2 {
				t.Errorf("back again: %+v", res)
			}
			if p := w.ingest(step+"-back", w.file(step+"-back.log", connections(step+"-back", bad))); p.Detections != 1 {
				t.Errorf("back again: %+v", p)
			}
		})
	}
	w.pinned(pinned)
}

// sighted expects so many sightings of the bad address, page by page.
func (w *world) sighted(want int) {
	w.t.Helper()
	seen, cursor := map[string]bool{}, ""
	for {
		list, next, err := w.store.Sightings(w.t.Context(), "main", store.SightingFilter{Value: bad, Limit: 1, Cursor: cursor})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, s := range list {
			if s.Feed != "demo" || s.Source != "hit" || s.Chunk == "" || s.EventID == "" || s.Indicator != intel.ID("demo", "ip", bad) || s.Time.Year() != 2026 {
				w.t.Errorf("%+v", s)
			}
			seen[s.EventID] = true
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(seen) != want {
		w.t.Errorf("%d sightings, want %d", len(seen), want)
	}
}

// pinned loads an old version as another process would: whatever the feeds say now, a
// retry of its plan matches the same.
func (w *world) pinned(version string) {
	w.t.Helper()
	fresh := &activities.IntelSets{Store: w.store}
	set, err := fresh.Set(w.t.Context(), "main", version)
	if err != nil || set.Version() != version || set.Len() != 2 {
		w.t.Errorf("the pinned set: %+v %v", set, err)
	}
	if _, err := fresh.Set(w.t.Context(), "main", "no such version"); schema.CodeOf(err) != schema.NotFound {
		w.t.Errorf("an unknown version: %v", err)
	}
	w.file("bundle.json", bundle("", other))
	if res := w.sync(flow.SyncIntelInput{Feed: "demo"}); res.Version == version {
		w.t.Errorf("%+v", res)
	}
	// A run that was planned before the sync, and is continued after it.
	now := time.Now().UTC().Truncate(time.Millisecond)
	for name, c := range map[string]struct {
		version string
		at      time.Time
		want    int64
	}{"old-plan": {version, now, 1}, "new-plan": {w.version(), now, 0}, "none": {"", now, 0}, "too-late": {version, now.AddDate(0, 0, 31), 0}} {
		p := w.resume(name, flow.IngestPlan{Ingested: c.at, BaseYear: 2026, Records: 1000, Bytes: 1 << 20, Intel: c.version, Objects: 1})
		if p.Detections != c.want || p.Events != 1 {
			w.t.Errorf("%s: %+v, want %d detections", name, p, c.want)
		}
		if chunks, err := w.store.Chunks(w.t.Context(), "main", name); err != nil || len(chunks) != 1 || chunks[0].RuleSet == "" {
			w.t.Errorf("%s: its plan pins no rule set, its chunk must: %+v %v", name, chunks, err)
		}
	}
	if v, err := fresh.Version(w.t.Context(), "elsewhere"); v != "" || err != nil {
		w.t.Errorf("another org has the set %q %v", v, err)
	}
}

func (w *world) version() string {
	w.t.Helper()
	v, err := w.sets.Version(w.t.Context(), "main")
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// TestFeedOverHTTP: unchanged feeds, broken feeds, empty feeds, schedules, the end.
func TestFeedOverHTTP(t *testing.T) {
	w := newWorld(t)
	var mode atomic.Value
	var sent atomic.Int64
	mode.Store("ok")
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch m := mode.Load().(string); {
		case m == "404":
			http.NotFound(rw, r)
		case m == "empty":
			_, _ = io.WriteString(rw, "<html>\n<h1>moved</h1>\n</html>\n")
		case m == "flaky":
			mode.Store("new")
			rw.WriteHeader(http.StatusBadGateway)
		case m == "new":
			_, _ = io.WriteString(rw, bad+"\n")
		case r.Header.Get("If-None-Match") == `"1"`:
			rw.WriteHeader(http.StatusNotModified)
		default:
			sent.Add(1)
			rw.Header().Set("ETag", `"1"`)
			_, _ = io.WriteString(rw, bad+"\n"+other+"\n")
		}
	}))
	defer srv.Close()
	in := flow.SyncIntelInput{Feed: "list", Kind: "text", URL: srv.URL + "/list.txt", Every: 60}
	first := w.sync(in)
	if first.Active != 2 {
		t.Fatalf("%+v", first)
	}
	w.keep("SyncIntel-scheduled", flow.SyncIntelID("main", "list"))
	w.scheduled("list", time.Hour)
	again := w.sync(flow.SyncIntelInput{Feed: "list", Every: 30})
	if sent.Load() != 1 || again.Version != first.Version || again.Added+again.Changed+again.Expired != 0 || again.Active != 2 {
		t.Errorf("an unchanged feed: %+v, sent %d times", again, sent.Load())
	}
	w.scheduled("list", 30*time.Minute)
	for m, want := range map[string]string{"404": "not there", "empty": "is empty now"} {
		mode.Store(m)
		_, _, err := w.start(flow.SyncIntelInput{Feed: "list", Confidence: 60})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", m, err)
		}
		if f := w.feed("list"); f.Status != "failed" || !strings.Contains(f.Error, want) {
			t.Errorf("%s: %+v", m, f)
		}
		if m == "404" {
			w.keep("SyncIntel-failed", flow.SyncIntelID("main", "list"))
		}
		if p := w.ingest(m, w.file(m+".log", connections(m, bad))); p.Detections != 1 {
			t.Errorf("after a failed sync the indicators match no more: %+v", p)
		}
	}
	mode.Store("flaky")
	if res := w.sync(flow.SyncIntelInput{Feed: "list", Confidence: 60}); res.Active != 1 || res.Expired != 1 || res.Changed != 1 {
		t.Errorf("after a 502: %+v", res)
	}
	w.remove()
}

// remove ends the feed: no schedule, nothing matches, the rows stay as revoked.
func (w *world) remove() {
	w.t.Helper()
	if res := w.sync(flow.SyncIntelInput{Feed: "list", Remove: true}); res.Expired != 1 || res.Version != "" {
		w.t.Errorf("%+v", res)
	}
	w.keep("SyncIntel-removed", flow.SyncIntelID("main", "list"))
	if revoked, n := w.status(bad); !revoked || n != 1 {
		w.t.Errorf("the indicator is not revoked (%d rows)", n)
	}
	if _, err := w.tp.ScheduleClient().GetHandle(w.t.Context(), flow.IntelScheduleID("main", "list")).Describe(w.t.Context()); err == nil {
		w.t.Error("the schedule goes on")
	}
	if p := w.ingest("removed", w.file("removed.log", connections("removed", bad))); p.Detections != 0 {
		w.t.Errorf("%+v", p)
	}
	if feeds, err := w.store.Feeds(w.t.Context(), "main"); err != nil || len(feeds) != 0 {
		w.t.Errorf("%+v %v", feeds, err)
	}
}

func (w *world) scheduled(feed string, every time.Duration) {
	w.t.Helper()
	d, err := w.tp.ScheduleClient().GetHandle(w.t.Context(), flow.IntelScheduleID("main", feed)).Describe(w.t.Context())
	if err != nil || len(d.Schedule.Spec.Intervals) != 1 || d.Schedule.Spec.Intervals[0].Every != every {
		w.t.Errorf("the schedule: %+v %v", d, err)
	}
}

// TestRefusals: what is wrong with the input is said at once.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	text := w.file("list.txt", bad+"\n")
	for want, in := range map[string]flow.SyncIntelInput{
		"cannot be named":         {Feed: "Bad/Name", Kind: "text", URL: text},
		"there is no feed":        {Feed: "unknown"},
		"no feed kind":            {Feed: "x", Kind: "taxi", URL: text},
		"not absolute":            {Feed: "x", Kind: "text", URL: "list.txt"},
		"no file":                 {Feed: "x", Kind: "text", URL: filepath.Join(w.dir, "no.txt")},
		"no indicator type":       {Feed: "x", Kind: "text", URL: text, Type: "mutex"},
		"cannot be read as stix":  {Feed: "x", Kind: "stix", URL: text},
		"may not read the":        {Feed: "x", Kind: "text", URL: text, Secret: "env:HOME"},
		"variable is not set":     {Feed: "x", Kind: "text", URL: text, Secret: "env:VIGIL_INTEL_NOT_SET"},
		"mapped to value":         {Feed: "x", Kind: "csv", URL: text, Columns: map[string]string{"a": "name"}},
		"there is no feed gone":   {Feed: "gone", Remove: true},
		"between 0 and 100":       {Feed: "x", Kind: "text", URL: text, Confidence: 400},
		"1 hour and ten years":    {Feed: "x", Kind: "text", URL: text, TTLHours: -7},
		"link-local":              {Feed: "x", Kind: "text", URL: "http://169.254.169.254/"},
		"no column is known":      {Feed: "x", Kind: "csv", URL: w.file("x.csv", "a,b\n1,2\n")},
		"its \"#fields\" line is": {Feed: "x", Kind: "zeek-intel", URL: text},
	} {
		if _, _, err := w.start(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v:\n %v\n want %q", in, err, want)
		}
	}
	if _, err := w.store.Feed(t.Context(), "main", "x"); schema.CodeOf(err) != schema.NotFound {
		t.Errorf("a feed that never worked is stored: %v", err)
	}
}

// TestLargeFeed: 120,430 addresses from a compressed list, twice, under one id at a time.
func TestLargeFeed(t *testing.T) {
	w := newWorld(t)
	in := flow.SyncIntelInput{Feed: "ipsum", Kind: "text", URL: filepath.Join(testdata.Shared(t), "intel", "feeds", "ipsum.txt.gz"), Type: "ip"}
	began := time.Now()
	res := w.sync(in)
	t.Logf("%+v in %s", res, time.Since(began))
	if res.Active != 120430 || res.Added != 120430 {
		t.Fatalf("%+v", res)
	}
	type outcome struct {
		res flow.SyncIntelResult
		err error
	}
	done := make(chan outcome, 2)
	for range 2 {
		go func() {
			var o outcome
			o.res, _, o.err = w.start(in)
			done <- o
		}()
	}
	for range 2 {
		if o := <-done; o.err != nil || o.res.Version != res.Version || o.res.Added+o.res.Changed+o.res.Expired != 0 {
			t.Errorf("a second sync of the same: %+v %v", o.res, o.err)
		}
	}
	began = time.Now()
	set, err := (&activities.IntelSets{Store: w.store}).Set(t.Context(), "main", res.Version)
	if err != nil || set.Len() != 120430 {
		t.Fatalf("%v", err)
	}
	t.Logf("loading the set took %s", time.Since(began))
	n, cursor := 0, ""
	for {
		list, next, err := w.store.Indicators(t.Context(), "main", store.IndicatorFilter{Text: "77.90.18", Status: "active", At: time.Now(), Limit: 7, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		n += len(list)
		if cursor = next; next == "" {
			break
		}
	}
	whole, _, err := w.store.Indicators(context.WithoutCancel(t.Context()), "main", store.IndicatorFilter{Text: "77.90.18", Limit: 1000})
	if err != nil || n != len(whole) || n == 0 {
		t.Errorf("%d by pages, %d at once (%v)", n, len(whole), err)
	}
}
