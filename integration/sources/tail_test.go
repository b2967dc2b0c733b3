package sources

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vigil/schema"
	"vigil/schema/flow"
)

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "Mar  1 10:%02d:%02d web01 sshd[%d]: Failed password for root from 203.0.113.%d port 51000 ssh2\n", i/60%60, i%60, i, i%250)
	}
	return b.String()
}

// TestTail follows a file through rotation and truncation; it is paused, rewound, and
// proved.
func TestTail(t *testing.T) {
	w := newWorld(t)
	log := w.path("auth.log")
	w.put(log, lines(0, 100))
	w.start(flow.IngestInput{Source: "auth", Kind: flow.KindTail, Paths: []string{log}})
	w.reach("auth", 100)

	for i := range 3 { // at a low rate, a line is there at once
		began := time.Now()
		w.put(log, lines(100+i, 101+i))
		w.reach("auth", int64(101+i))
		t.Logf("committed %s after it was written", time.Since(began).Round(time.Millisecond))
	}
	must(t, os.Rename(log, log+".1"))
	w.put(log+".1", lines(103, 110))
	w.put(log, lines(110, 120))
	w.reach("auth", 120)

	w.tell("auth", flow.UpdatePause, flow.SourceControl{By: "ana"})
	w.put(log, lines(120, 130))
	time.Sleep(time.Second)
	w.reach("auth", 120)
	w.tell("auth", flow.UpdateResume, flow.SourceControl{By: "ana"})
	w.reach("auth", 130)

	text, err := os.ReadFile(log)
	must(t, err)
	w.put(log+".2", string(text)+lines(130, 131)) // what was written just before the truncation
	must(t, os.Truncate(log, 0))
	w.put(log, lines(131, 140))
	w.reach("auth", 140)
	p := w.proved("auth", 140)
	if p.Objects != 3 || p.Reread != 3 {
		t.Errorf("%+v", p)
	}

	must(t, os.Remove(log+".1"))
	if p := w.proved("auth", 140); p.Reread != 2 || len(p.Gone) != 1 || !strings.Contains(p.Gone[0], "auth.log") {
		t.Errorf("%+v", p)
	}
	// Going back reads nothing twice; storing it again is another epoch.
	w.tell("auth", flow.UpdateRewind, flow.SourceControl{By: "ana", To: time.Now().Add(-time.Hour)})
	w.put(log, lines(140, 141))
	w.reach("auth", 141)
	w.tell("auth", flow.UpdateRewind, flow.SourceControl{By: "ana", To: time.Now().Add(-time.Hour), Again: true})
	w.reach("auth", 141+31) // app.log.1 is gone
	w.proved("auth", 141+31)
	w.audited("auth", "source.pause", "source.resume", "source.rewind", "source.rewind")
	w.save(flow.IngestID("main", "auth"), "Ingest-tail")
}

// audited checks that a source's audit records hold these verbs, by ana.
func (w *world) audited(source string, verbs ...string) {
	w.t.Helper()
	want := map[string]int{}
	for _, v := range verbs {
		want[v]++
	}
	must(w.t, w.store.EachAudit(w.t.Context(), "main", func(r schema.AuditRecord) error {
		if r.Object == source && strings.HasPrefix(r.Verb, "source.") && r.Actor == "ana" {
			want[r.Verb]--
		}
		return nil
	}))
	for v, n := range want {
		if n > 0 {
			w.t.Errorf("%d records of %s are missing", n, v)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
