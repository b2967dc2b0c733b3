package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"vigil/activities"
	"vigil/integration/chtest"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/pipeline"
	"vigil/internal/store"
	"vigil/internal/tables"
	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// tablesWorld is what puts tables in force and ingests with them, without Temporal.
type tablesWorld struct {
	t     *testing.T
	store *store.Store
	put   *activities.Tables
	env   *testsuite.TestActivityEnvironment
	n     int

	formats string // folder of custom formats
}

func newTablesWorld(t *testing.T) *tablesWorld {
	t.Helper()
	w := &tablesWorld{t: t}
	w.store, _ = chtest.Open(t)
	dir := t.TempDir()
	key, err := auth.LoadDecisionKey(filepath.Join(dir, "keys", "decision.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.put = &activities.Tables{Store: w.store, Trail: activities.Trail{Log: audit.NewLog(w.store, key, "test", filepath.Join(dir, "audit"))}}
	var suite testsuite.WorkflowTestSuite
	w.env = suite.NewTestActivityEnvironment()
	w.env.RegisterActivity(w.put)
	return w
}

// change puts bytes in force as the table of that name, or goes back to a version.
func (w *tablesWorld) change(name, body string, args map[string]string) schema.TableVersion {
	w.t.Helper()
	w.n++
	v, err := w.try(name, body, args, fmt.Sprint("run", w.n))
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *tablesWorld) try(name, body string, args map[string]string, run string) (schema.TableVersion, error) {
	w.t.Helper()
	if args == nil {
		args = map[string]string{"hash": tables.Hash([]byte(body)), "file": "test.csv"}
		if err := w.store.PutTableBody(w.t.Context(), "main", args["hash"], []byte(body)); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := w.env.ExecuteActivity(w.put.PutTable, flow.AdminInput{Org: "main", Verb: "table.put", Key: name, By: "ana", Args: args}, run, time.Now()); err != nil {
		return schema.TableVersion{}, err
	}
	list, err := w.store.TableVersions(w.t.Context(), "main", name)
	if err != nil || len(list) == 0 {
		w.t.Fatal(list, err)
	}
	return list[0], nil
}

// process makes what one process ingests with; crash, if set, is where its commits end.
func (w *tablesWorld) process(crash string) *activities.Ingest {
	set, _ := rules.Load()
	live := &activities.LiveTables{Store: w.store, FormatDir: w.formats, Log: slog.New(slog.DiscardHandler)}
	return &activities.Ingest{Store: dying{w.store, crash}, Rules: &activities.RuleSets{Store: w.store, Local: set}, Log: slog.New(slog.DiscardHandler), TableVersion: live.Version, Formats: live.Formats,
		Enricher: func(ctx context.Context, org string, plan flow.IngestPlan) (pipeline.Enricher, error) {
			return live.Part(ctx, org, plan)
		}}
}

// dying is a store whose commits end at a point, with what was written before left there.
type dying struct {
	*store.Store
	point string
}

func (d dying) CommitChunk(ctx context.Context, c store.ChunkData) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	c.Crash = func(point string) {
		if point == d.point {
			panic("killed at " + point)
		}
	}
	return d.Store.CommitChunk(ctx, c)
}

// ingest plans a source (unless a plan is given) and moves it.
func (w *tablesWorld) ingest(a *activities.Ingest, in flow.IngestInput, plan *flow.IngestPlan) (flow.IngestPlan, error) {
	w.t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(a)
	seg := activities.SegmentInput{Ingest: in}
	if plan != nil {
		seg.Plan = *plan
	} else {
		v, err := env.ExecuteActivity(a.PlanIngest, in)
		if err == nil {
			err = v.Get(&seg.Plan)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	_, err := env.ExecuteActivity(a.IngestSegment, seg)
	return seg.Plan, err
}

// owners counts the events of a source by the owner of their source's asset.
func (w *tablesWorld) owners(source string) map[string]int {
	w.t.Helper()
	res, err := w.store.Search(w.t.Context(), store.SearchRequest{Org: "main", From: time.Unix(0, 0), To: time.Now().AddDate(1, 0, 0), Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]int{}
	for _, r := range res.Rows {
		if r.Source != source {
			continue
		}
		e, err := w.store.Event(w.t.Context(), "main", r.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		out[e.Fields["source.asset.owner"]]++
	}
	return out
}

const tableOf = "name,ip,owner\npc,10.0.0.0/24,%s\n"

// TestRetryUsesPinnedTables: an attempt dies while its chunk is half stored, the table changes,
// and another process repeats the chunk: the events are those of the plan's table, once each.
func TestRetryUsesPinnedTables(t *testing.T) {
	w := newTablesWorld(t)
	first := w.change(tables.AssetTable, fmt.Sprintf(tableOf, "before"), nil)
	for _, point := range []string{"before-events", "after-events", "before-manifest"} {
		t.Run(point, func(t *testing.T) {
			w.t = t
			dir := t.TempDir()
			put(t, dir, "a.jsonl", strings.Repeat(`{"timestamp":"2026-01-02T03:04:05Z","source.ip":"10.0.0.7","message":"`+point+`"}`+"\n", 5))
			in := flow.IngestInput{Org: "main", Source: point, Paths: []string{dir}}
			w.change(tables.AssetTable, "", map[string]string{"number": fmt.Sprint(first.Number)})
			plan, err := w.ingest(w.process(point), in, nil)
			if err == nil || plan.Tables != "assets="+first.Hash {
				t.Fatalf("the attempt did not die, or pins nothing: %+v %v", plan, err)
			}
			now := w.change(tables.AssetTable, fmt.Sprintf(tableOf, "after "+point), nil)
			if _, err := w.ingest(w.process(""), in, &plan); err != nil {
				t.Fatal(err)
			}
			if got := w.owners(point); got["before"] != 5 || len(got) != 1 {
				t.Errorf("the owners of the repeated chunk: %v", got)
			}
			chunks, err := w.store.Chunks(t.Context(), "main", point)
			if err != nil || len(chunks) != 1 || chunks[0].Tables != plan.Tables || chunks[0].Events != 5 {
				t.Errorf("%+v %v", chunks, err)
			}
			put(t, dir, "b.jsonl", `{"timestamp":"2026-01-02T03:04:06Z","source.ip":"10.0.0.7"}`+"\n")
			if plan, err = w.ingest(w.process(""), in, nil); err != nil || plan.Tables != "assets="+now.Hash {
				t.Errorf("the next plan: %+v %v", plan, err)
			}
			if got := w.owners(point); got["after "+point] != 1 || got["before"] != 5 {
				t.Errorf("the owners after the next plan: %v", got)
			}
		})
	}
}

// TestTableVersions: versions are numbered, repeats change nothing, entities are those in force.
func TestTableVersions(t *testing.T) {
	w := newTablesWorld(t)
	one := w.change(tables.AssetTable, "name,owner\na,Ana\nb,Ben\nc,\n", nil)
	two := w.change(tables.AssetTable, "name,owner\nb,Bo\n", nil)
	if one.Number != 1 || one.Rows != 3 || two.Number != 2 || one.Hash == two.Hash {
		t.Errorf("%+v %+v", one, two)
	}
	if again := w.change(tables.AssetTable, "name,owner\nb,Bo\n", nil); again.Number != 2 {
		t.Errorf("the same table again is version %d", again.Number)
	}
	if again, err := w.try(tables.AssetTable, "name,owner\nb,Bo\n", nil, "run2"); err != nil || again.Number != 2 {
		t.Errorf("a repeat of the change: %+v %v", again, err)
	}
	if _, err := w.try(tables.AssetTable, "name,criticality\na,hgh\n", nil, "bad"); err == nil || !strings.Contains(err.Error(), "line 2, column 3") {
		t.Errorf("a table with a wrong cell: %v", err)
	}
	if _, err := w.try(tables.AssetTable, "", map[string]string{"hash": strings.Repeat("0", 32)}, "none"); err == nil {
		t.Error("a table that was never stored is in force")
	}
	if _, err := w.try(tables.AssetTable, "", map[string]string{"number": "9"}, "none"); err == nil {
		t.Error("a version that is not there is gone back to")
	}
	names := func() (out []string) {
		cursor := ""
		for {
			list, next, err := w.store.EntitiesInForce(t.Context(), "main", tables.AssetTable, store.EntityFilter{Limit: 1, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				out = append(out, e.Name+e.Owner)
			}
			if cursor = next; next == "" {
				return out
			}
		}
	}
	if got := fmt.Sprint(names()); got != "[bBo]" {
		t.Errorf("in force: %s", got)
	}
	back := w.change(tables.AssetTable, "", map[string]string{"number": "1"})
	if got := fmt.Sprint(names()); back.Number != 3 || back.Back != 1 || back.Hash != one.Hash || got != "[aAna bBen c]" {
		t.Errorf("gone back: %+v, %s", back, got)
	}
	if list, _, err := w.store.EntitiesInForce(t.Context(), "main", tables.AssetTable, store.EntityFilter{Text: "BEN"}); err != nil || len(list) != 1 || list[0].Name != "b" {
		t.Errorf("%+v %v", list, err)
	}
}

const gateFormat = `id: gate
description: A gate
detect: {contains: ['GATE ']}
shape: {type: regex, pattern: '^GATE (?P<who>\w+)'}
fields: [{to: user.name, from: who}, {to: event.action, value: %[1]s}]
samples: [{record: GATE ana, event: {user.name: ana, event.action: %[1]s}}]
`

// TestRetryUsesPinnedFormats: a custom format changes between two attempts at a chunk; the second
// reads the records as the first did.
func TestRetryUsesPinnedFormats(t *testing.T) {
	w := newTablesWorld(t)
	w.formats = t.TempDir()
	put(t, w.formats, "gate.yaml", fmt.Sprintf(gateFormat, "first"))
	put(t, w.formats, "broken.yaml", "id: [")
	dir := t.TempDir()
	put(t, dir, "a.log", "GATE ana\nGATE ben\n")
	in := flow.IngestInput{Org: "main", Source: "gate", Paths: []string{dir}}
	plan, err := w.ingest(w.process("before-manifest"), in, nil)
	if err == nil || !strings.HasPrefix(plan.Tables, "formats=") {
		t.Fatalf("%+v %v", plan, err)
	}
	put(t, w.formats, "gate.yaml", fmt.Sprintf(gateFormat, "second"))
	if _, err := w.ingest(w.process(""), in, &plan); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "b.log", "GATE carl\n")
	next, err := w.ingest(w.process(""), in, nil)
	if err != nil || next.Tables == plan.Tables {
		t.Fatalf("%+v %v", next, err)
	}
	res, err := w.store.Search(t.Context(), store.SearchRequest{Org: "main", From: time.Unix(0, 0), To: time.Now().AddDate(1, 0, 0), Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range res.Rows {
		got[r.Fields["user.name"]] = r.Fields["event.action"] + " " + r.Dataset
	}
	if len(res.Rows) != 3 || got["ana"] != "first gate" || got["ben"] != "first gate" || got["carl"] != "second gate" {
		t.Errorf("%d rows: %v", len(res.Rows), got)
	}
	if err := os.Remove(filepath.Join(w.formats, "gate.yaml")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "c.log", "GATE dan\n")
	if last, err := w.ingest(w.process(""), in, nil); err != nil || last.Tables != "" {
		t.Errorf("without formats: %+v %v", last, err)
	}
}
