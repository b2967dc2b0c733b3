package store_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"vigil/activities"
	"vigil/integration/chtest"
	"vigil/rules"
	"vigil/schema/flow"
)

// TestManySmallObjects moves a folder of small files, which are taken side by side:
// every record is stored once, a second delivery of the same bytes adds nothing, what is
// broken is told, and an attempt that follows another counts the same.
func TestManySmallObjects(t *testing.T) {
	s, _ := chtest.Open(t)
	dir := t.TempDir()
	const files, records = 60, 40
	for i := range files {
		var b strings.Builder
		for j := range records {
			fmt.Fprintf(&b, `{"timestamp":"2026-01-02T03:04:05Z","message":"file %d record %d"}`+"\n", i, j)
		}
		put(t, dir, fmt.Sprintf("f%02d.jsonl", i), b.String())
		if i%10 == 0 {
			put(t, dir, fmt.Sprintf("again%02d.jsonl", i), b.String())
		}
	}
	put(t, dir, "broken.jsonl.gz", "\x1f\x8b\x08\x00 this is no gzip")
	set, _ := rules.Load()
	ingest := &activities.Ingest{Store: s, Rules: &activities.RuleSets{Store: s, Local: set}, Log: slog.New(slog.DiscardHandler)}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(ingest)
	in := flow.IngestInput{Org: "main", Source: "small", Paths: []string{dir}}
	v, err := env.ExecuteActivity(ingest.PlanIngest, in)
	if err != nil {
		t.Fatal(err)
	}
	seg := activities.SegmentInput{Ingest: in}
	if err := v.Get(&seg.Plan); err != nil {
		t.Fatal(err)
	}
	for attempt := range 2 { // the second finds everything done
		v, err := env.ExecuteActivity(ingest.IngestSegment, seg)
		if err != nil {
			t.Fatal(err)
		}
		var r activities.SegmentResult
		if err := v.Get(&r); err != nil {
			t.Fatal(err)
		}
		if p := r.Progress; !r.Done || p.Objects != files+files/10+1 || p.Records != files*records || p.Events != files*records || p.Size != p.SizeAll {
			t.Errorf("attempt %d: done %v, %+v", attempt, r.Done, p)
		}
		if attempt == 0 && len(r.Progress.Problems) != 1 {
			t.Errorf("problems: %q", r.Progress.Problems)
		}
	}
	rows, err := s.RowCounts(t.Context(), "main", "small")
	if err != nil {
		t.Fatal(err)
	}
	var stored, distinct int64
	for _, n := range rows {
		stored, distinct = stored+n.Events, distinct+n.DistinctEvents
	}
	if stored != files*records || distinct != stored {
		t.Errorf("%d events are stored, %d distinct, of %d", stored, distinct, files*records)
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
