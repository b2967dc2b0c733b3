//go:build integration

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vigil/internal/testdata"
	"vigil/schema/flow"
)

// laterRules come after the events that they are for.
const laterRules = `id: later-failed
title: A login failed
author: test
status: test
severity: low
dataset: linux.auth
when: e.message.icontains(['failed password'])
---
id: later-closed
title: A connection was closed
author: test
status: test
severity: low
dataset: linux.auth
when: e.message.icontains(['connection closed'])
`

// TestKillHunt kills the whole process with -9 in the third window of a hunt that raises,
// when its detections are written and nobody knows: the hunt goes on there. No window
// before is asked again, and it ends as one that nobody disturbed.
func TestKillHunt(t *testing.T) {
	long(t)
	file := filepath.Join(testdata.Shared(t), "linux/auth.log.gz")
	want, stored, asked := hunted(t, file, "")
	if stored == "" || want.Fires < 1000 || len(want.Found) != 2 || len(asked) < 5 {
		t.Fatalf("nothing to compare: %+v, %s detections, %d windows", want, stored, len(asked))
	}
	got, now, asked := hunted(t, file, "before-hunt-answer:3")
	if got.Fires != want.Fires || !reflect.DeepEqual(got.Found, want.Found) || now != stored {
		t.Errorf("killed: %s, %+v\nundisturbed: %s, %+v", now, got, stored, want)
	}
	for i, attempts := range asked {
		if want := i == 2; attempts > 1 != want {
			t.Errorf("window %d was asked %d times", i+1, attempts)
		}
	}
}

// hunted ingests the file, puts rules beside it that were not there before, hunts for
// them, and returns what was found, what is stored of it, and how often each window was
// asked. With a crash point the process is killed there and started again.
func hunted(t *testing.T, file, crash string) (res flow.HuntResult, stored string, asked []int32) {
	t.Helper()
	v := NewVigil(t)
	v.Start()
	v.SignIn("correct horse battery staple 1")
	v.MustRun("ingest", "--source", "hunt", file)
	v.Stop()
	if err := os.MkdirAll(filepath.Join(v.Data, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.Data, "rules", "later.yaml"), []byte(laterRules), 0o600); err != nil {
		t.Fatal(err)
	}
	var env []string
	if crash != "" {
		env = append(env, "VIGIL_CRASH_AT="+crash)
	}
	v.Start(env...)
	var started struct{ Workflow string }
	if err := v.Call("POST", "/hunts", map[string]any{"rules": []string{"later-*"}, "raise": true, "window": 1000}, &started); err != nil {
		t.Fatal(err)
	}
	if crash != "" {
		if !v.WaitExit(3 * time.Minute) {
			t.Fatalf("the crash point was never reached: a void run\n%s", tail(v.log.String(), 2000))
		}
		if _, err := os.Stat(filepath.Join(v.Data, "run", "crashed-before-hunt-answer")); err != nil {
			t.Fatal("the process ended, but not at the crash point")
		}
		v.Start()
	}
	var st flow.HuntState
	var failed error
	defer func() {
		if t.Failed() {
			t.Logf("%v: %+v", failed, st)
		}
	}()
	Eventually(t, "the end of the hunt", 10*time.Minute, func() bool {
		failed = v.Call("GET", "/hunts/"+strings.ReplaceAll(started.Workflow, "/", "%2F"), nil, &st)
		return failed == nil && st.Status == "completed"
	})
	stored = v.MustRun("-o", "csv", "search", "sql: SELECT rule, count(), uniqExact(id), uniqExact(event_id) FROM detections WHERE startsWith(rule, 'later-') GROUP BY rule ORDER BY rule")
	return st.Result, stored, attempts(t, v, started.Workflow)
}

// attempts is how often each window of a hunt was asked, from its history.
func attempts(t *testing.T, v *Vigil, id string) (out []int32) {
	t.Helper()
	var ep struct {
		Temporal string `json:"temporal"`
		Token    string `json:"temporal_token"`
	}
	b, err := os.ReadFile(filepath.Join(v.Data, "run", "endpoints.json"))
	if err == nil {
		err = json.Unmarshal(b, &ep)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := client.Options{HostPort: ep.Temporal, Credentials: client.NewAPIKeyStaticCredentials(ep.Token)}
	o.ConnectionOptions.TLSDisabled = true
	tp, err := client.Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	defer tp.Close()
	windows := map[int64]int{} // by the event that scheduled them
	for it := tp.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil && a.GetActivityType().GetName() == "HuntRules" {
			windows[e.GetEventId()] = len(out)
			out = append(out, 0)
		}
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
			if i, ok := windows[a.GetScheduledEventId()]; ok {
				out[i] = a.GetAttempt()
			}
		}
	}
	return out
}
