package response

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"vigil/rules/tune"
	"vigil/schema"
	"vigil/schema/flow"
)

// TestSamples tries the rules in force on built-in and kept samples: a technique is green
// only while a rule finds it, and an exception that hides it turns it red.
func TestSamples(t *testing.T) {
	w := newWorld(t)
	play := func(in flow.TestDetectionsInput) (res flow.TestDetectionsResult) {
		t.Helper()
		if err := w.run(flow.TestDetectionsID("main"), flow.TestDetections, in, &res); err != nil {
			t.Fatal(err)
		}
		return res
	}
	first := play(flow.TestDetectionsInput{By: "test"})
	if first.Samples < 10 || first.Passed != first.Samples || len(first.Failed) > 0 || first.Red > 0 || first.Green < first.Samples {
		t.Fatalf("%+v", first)
	}
	if *record {
		w.recordAll(map[string]string{"TestDetections-builtin": flow.TestDetectionsID("main")})
	}
	// Stored events become a sample.
	path := filepath.Join(t.TempDir(), "auth.log")
	var text strings.Builder
	for i := range 9 {
		fmt.Fprintf(&text, "Mar  1 10:00:%02d web01 sshd[%d]: Failed password for root from 203.0.113.45 port %d ssh2\n", 3*i, 100+i, 51000+i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.run(flow.IngestID("main", "attack"), flow.Ingest, flow.IngestInput{Source: "attack", Paths: []string{path}}, nil); err != nil {
		t.Fatal(err)
	}
	keep := func(key string, args map[string]string, ids ...string) error {
		return w.run(flow.AdminID("main", "sample", key), flow.Admin, flow.AdminInput{Verb: "sample.put", By: "test", Key: key, IDs: ids, Args: args}, nil)
	}
	if err := keep("kept-guessing", map[string]string{"title": "Kept", "attack": "T1110.001,T1003.001", "source": "attack"}); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string]map[string]string{
		"a technique cannot be \"x\"": {"title": "T", "attack": "x", "source": "attack"},
		"needs a title":               {"attack": "T1110", "source": "attack"},
		"there are no such events":    {"title": "T", "attack": "T1110", "source": "nobody"},
	} {
		if err := keep("bad-sample", args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// It names a technique that nothing of it shows: half of it is not found.
	if res := play(flow.TestDetectionsInput{Samples: []string{"kept-guessing"}}); res.Samples != 1 || res.Passed != 0 || !slices.Equal(res.Failed, []string{"kept-guessing"}) || res.Red == 0 {
		t.Errorf("%+v", res)
	}
	proof := func() map[string]schema.TechniqueProof {
		results, err := w.store.SampleResults(t.Context(), "main")
		if err != nil || len(results) != first.Samples+1 {
			t.Fatal(len(results), err)
		}
		return schema.Proofs(results, time.Now(), time.Hour)
	}
	if p := proof(); p["T1190"].State != schema.ProofGreen || p["T1110.001"].State != schema.ProofGreen || p["T1003"].State != schema.ProofGreen {
		t.Errorf("%+v", p)
	}
	// What nobody is shown proves nothing.
	x := flow.ExceptionInput{ID: "hide-injection", Rule: "web-sql-injection", When: "e.source.ip == '203.0.113.45'", Owner: "ana", Reason: "a test", Expires: time.Now().Add(48 * time.Hour), By: "ana"}
	if _, err := w.tp.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: flow.ExceptionID("main", x.ID), TaskQueue: flow.Queue(flow.Exception)}, flow.Exception, x); err != nil {
		t.Fatal(err)
	}
	w.eventually("the exception is in force", func() bool {
		list, err := w.store.ActiveExceptions(t.Context(), "main")
		return err == nil && len(list) == 1
	})
	if res := play(flow.TestDetectionsInput{Samples: []string{"web-sql-injection"}}); res.Passed != 0 {
		t.Errorf("%+v", res)
	}
	if p := proof(); p["T1190"].State != schema.ProofRed {
		t.Errorf("%+v", p["T1190"])
	}
	// Proposals are worked out from stored alerts and their verdicts.
	alerts, err := w.store.AlertsOfRule(t.Context(), "main", "linux-ssh-brute-force", time.Unix(0, 0), 100)
	if err != nil || len(alerts) == 0 {
		t.Fatal(len(alerts), err)
	}
	r, _ := w.sets.Now(schema.DefaultOrg).Rule("linux-ssh-brute-force")
	if rep := tune.Propose(r, alerts); rep.Alerts != len(alerts) || len(rep.Proposals) != 0 {
		t.Errorf("nothing is judged, yet %+v", rep)
	}
	for _, a := range alerts {
		if err := w.run(flow.AdminID("main", "alert", a.ID), flow.Admin, flow.AdminInput{Verb: "alert.update", By: "ana", IDs: []string{a.ID}, Args: map[string]string{"status": "closed", "verdict": "false_positive", "reason": "ours"}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	alerts, err = w.store.AlertsOfRule(t.Context(), "main", "linux-ssh-brute-force", time.Unix(0, 0), 100)
	if rep := tune.Propose(r, alerts); err != nil || !slices.ContainsFunc(rep.Proposals, func(p tune.Proposal) bool {
		return p.When == "e.source.ip.ieq('203.0.113.45')" && p.FalsePositives == len(alerts) && p.Removed == len(alerts)
	}) {
		t.Errorf("%+v %v", rep, err)
	}
	if err := w.run(flow.AdminID("main", "sample", "kept-guessing"), flow.Admin, flow.AdminInput{Verb: "sample.delete", By: "test", Key: "kept-guessing"}, nil); err != nil {
		t.Fatal(err)
	}
	err = w.run(flow.TestDetectionsID("main"), flow.TestDetections, flow.TestDetectionsInput{Samples: []string{"kept-guessing"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "there is no sample kept-guessing") {
		t.Errorf("%v", err)
	}
}
