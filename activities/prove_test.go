package activities

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/pipeline"
	"vigil/internal/source"
	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/schema"
	"vigil/schema/flow"
)

// manifest is a store that remembers the chunks of a run. Its tables hold what the chunks
// say, but for what plant changes.
type manifest struct {
	chunks []schema.Chunk
	plant  func(map[string]store.RowCount)
}

type count struct{ n int }

func (c *count) Append(*schema.Event) { c.n++ }
func (c *count) Rows() int            { return c.n }
func (c *count) Reset()               { c.n = 0 }

func (m *manifest) NewEvents() pipeline.Events { return &count{} }
func (m *manifest) Recycle(pipeline.Events)    {}

// The trail of proofs is kept nowhere here.
func (m *manifest) InsertAudit(context.Context, []schema.AuditRecord) error { return nil }
func (m *manifest) HaveAudit(context.Context, string, []string) (map[string]bool, error) {
	return nil, nil
}

func (m *manifest) Commit(_ context.Context, c *pipeline.Commit) error {
	m.chunks = append(m.chunks, c.Chunk)
	return nil
}

func (m *manifest) Chunks(context.Context, string, string) ([]schema.Chunk, error) {
	return m.chunks, nil
}

func (m *manifest) RowCounts(context.Context, string, string) (map[string]store.RowCount, error) {
	out := map[string]store.RowCount{}
	for _, c := range m.chunks {
		out[c.ID] = store.RowCount{Events: c.Events, DistinctEvents: c.Events, Failures: c.Failures}
	}
	if m.plant != nil {
		m.plant(out)
	}
	return out, nil
}

// committed runs the objects through the pipeline.
func committed(t *testing.T, paths ...string) *manifest {
	t.Helper()
	m := &manifest{}
	for o, err := range source.Objects(t.Context(), paths) {
		if err != nil {
			t.Fatal(err)
		}
		cfg := pipeline.Config{Org: "main", Source: "s", Plan: flow.IngestPlan{Records: 20, Bytes: 1 << 30, Ingested: time.Unix(1.7e9, 0)}}
		if err := pipeline.Run(t.Context(), cfg, o, pipeline.Position{}, m); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func proved(t *testing.T, m *manifest) Proof {
	t.Helper()
	return provedBy(t, &Prove{Store: m}, "s")
}

// provedBy proves a source; what is proved is audited nowhere.
func provedBy(t *testing.T, x *Prove, source string) Proof {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	key, err := auth.LoadDecisionKey(filepath.Join(t.TempDir(), "decision.key"))
	if err != nil {
		t.Fatal(err)
	}
	x.Trail = Trail{Log: audit.NewLog(&manifest{}, key, "test", "")}
	env.RegisterActivity(x)
	got, err := env.ExecuteActivity(x.ProveSource, flow.AdminInput{Org: "main", Key: source})
	if err != nil {
		t.Fatal(err)
	}
	var r flow.AdminResult
	if err := got.Get(&r); err != nil {
		t.Fatal(err)
	}
	var p Proof
	if err := json.Unmarshal([]byte(r.Doc), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProveEventLogs: the recount of event logs agrees with the manifest on every
// shared recording, whole or damaged.
func TestProveEventLogs(t *testing.T) {
	root := filepath.Join(testdata.Shared(t), "windows")
	p := proved(t, committed(t, filepath.Join(root, "evtx/parser-robustness.zip"), filepath.Join(root, "evtx/evtx-attack-samples.zip"), filepath.Join(root, "evtx/evtx-to-mitre-attack.zip")))
	if !p.OK || p.Reread != 286 || p.Events < 18977 {
		t.Errorf("%+v", p)
	}
}

// TestProveFindsChangedEventLog: one record more, one less, or one bit changed in the
// log does not go unseen.
func TestProveFindsChangedEventLog(t *testing.T) {
	f, err := os.Open("../internal/parser/evtx/testdata/logon.evtx.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.evtx")
	put := func(b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(whole)
	m := committed(t, path)
	if p := proved(t, m); !p.OK || p.Reread != 1 || len(m.chunks) < 2 {
		t.Fatalf("untouched: %+v", p)
	}
	first := 4096 + 512
	for name, change := range map[string]func(b []byte){
		"a bit":    func(b []byte) { b[first+900] ^= 1 },
		"a record": func(b []byte) { b[bytes.Index(b[first+1:], []byte("**\x00\x00"))+first+1] = 0 },
	} {
		b := bytes.Clone(whole)
		change(b)
		put(b)
		if p := proved(t, m); p.OK || !strings.Contains(strings.Join(p.Problems, " "), m.chunks[0].ID) {
			t.Errorf("%s changed: %+v", name, p)
		}
	}
	put(whole)
	m.chunks[0].Records--
	m.chunks[0].Events--
	if p := proved(t, m); p.OK {
		t.Error("a record missing in the manifest is not seen")
	}
}
