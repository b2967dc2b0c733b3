package server

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vigil/internal/auth/perm"
	"vigil/schema"
	"vigil/schema/flow"
)

const ownRule = `id: own-rule
title: A failure
author: Vigil
severity: low
dataset: linux.auth
when: e.event.outcome == 'failure'
entities: {host: host.name}
tests:
  - {name: fires, match: true, event: {event.outcome: failure}}
  - {name: quiet, match: false, event: {event.outcome: %}}
`

// deployRule: a rule from the editor is put in force in the caller's name, a second one
// keeps the first, and one whose test fails is refused with its place.
func deployRule(t *testing.T, w *world, cookies map[perm.Role]string) {
	admin := cookies[perm.Admin]
	deploy := func(yaml string) flow.DeployRulesResult {
		t.Helper()
		if r := w.call(admin, "POST", "/api/v1/rules/deploy", map[string]string{"yaml": yaml, "reason": "a test"}); r.status != 200 {
			t.Fatalf("deploying: %d %s", r.status, r.body)
		}
		var st flow.DeployRulesResult
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			r := w.call(cookies[perm.Viewer], "GET", "/api/v1/rules/deploy", nil)
			if err := json.Unmarshal(r.body, &st); err != nil || r.status != 200 {
				t.Fatalf("where it stands: %d %s", r.status, r.body)
			}
			if st.Status != "checking" && st.Status != "trying" {
				return st
			}
		}
		t.Fatalf("not done after a minute: %+v", st)
		return st
	}
	good := strings.Replace(ownRule, "%", "success", 1)
	if st := deploy(good); st.Status != "deployed" || len(st.Report.Added) != 1 || st.Report.Requester != "p-admin" {
		t.Fatalf("the first: %+v", st)
	}
	if st := deploy(good); st.Status != "unchanged" {
		t.Errorf("again: %+v", st)
	}
	if st := deploy(strings.Replace(good, "own-rule", "second-rule", 1)); st.Status != "deployed" || st.Report.Rules != 2 || len(st.Report.Removed) != 0 {
		t.Errorf("the second: %+v", st)
	}
	st := deploy(strings.Replace(ownRule, "%", "failure", 1))
	if st.Status != "refused" || len(st.Report.Problems) != 1 || !strings.HasPrefix(st.Report.Problems[0], "own-rule.yaml:10:") {
		t.Errorf("a failing test: %+v", st)
	}
	history, err := w.store.RuleDeployments(t.Context(), schema.DefaultOrg, 10)
	if err != nil || len(history) != 2 || history[0].By != "p-admin" || history[0].Reason != "a test" {
		t.Errorf("history: %+v %v", history, err)
	}
	for _, bad := range []string{"", "id: [", good + "---\n" + strings.Replace(good, "own-rule", "other", 1)} {
		if r := w.call(admin, "POST", "/api/v1/rules/deploy", map[string]string{"yaml": bad, "reason": "a test"}); r.status != 422 && r.status != 400 {
			t.Errorf("deploying %q: %d %s", bad, r.status, r.body)
		}
	}
}
