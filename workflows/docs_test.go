package workflows

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vigil/internal/testdata"
	"vigil/schema/flow"
)

var fieldRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|")

// TestWorkflowsDocument holds docs/WORKFLOWS.md to the inputs of the workflows and to
// the verbs of Admin: a field or verb that is missing there, or only there, fails.
func TestWorkflowsDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testdata.Root(t), "docs", "WORKFLOWS.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(s, "\n")
		sections[name] = body
	}
	for name, in := range map[string]any{
		flow.Ingest: flow.IngestInput{}, flow.Detect: flow.DetectInput{}, flow.Hunt: flow.HuntInput{}, flow.SyncIntel: flow.SyncIntelInput{}, flow.Retrain: flow.RetrainInput{},
		flow.Incident: flow.IncidentInput{}, flow.RunPlaybook: flow.RunPlaybookInput{}, flow.Action: flow.ActionInput{}, flow.AssessPosture: flow.AssessPostureInput{}, flow.TestDetections: flow.TestDetectionsInput{}, flow.Admin: flow.AdminInput{},
		flow.DeployRules: flow.DeployRulesInput{}, flow.Exception: flow.ExceptionInput{}, flow.Report: flow.ReportInput{},
	} {
		body, ok := sections[name]
		if !ok {
			t.Errorf("%s has no section", name)
			continue
		}
		for _, must := range []string{"```sh run\n", "--type " + name + " --task-queue " + flow.Queue(name) + " ", "Query `state`", "--type state"} {
			if !strings.Contains(body, must) {
				t.Errorf("the section %s lacks %q", name, must)
			}
		}
		checkNames(t, name, fields(in), documented(body))
	}
	// Drain's queue is its host's, so that its section has no command that runs everywhere.
	checkNames(t, flow.Drain, fields(flow.DrainInput{}), documented(sections[flow.Drain]))
	var verbs, told []string
	for _, v := range adminVerbs() {
		verbs = append(verbs, v.name)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+(?:\\.[a-z]+)?)` \\|[^|]*\\|[^|]*\\|[^|]*\\|$").FindAllStringSubmatch(sections[flow.Admin], -1) {
		told = append(told, m[1])
	}
	checkNames(t, "Admin's verbs", verbs, told)
}

func checkNames(t *testing.T, what string, want, told []string) {
	t.Helper()
	for _, n := range want {
		if !slices.Contains(told, n) {
			t.Errorf("%s: %q is not in docs/WORKFLOWS.md", what, n)
		}
	}
	for _, n := range told {
		if !slices.Contains(want, n) {
			t.Errorf("%s: docs/WORKFLOWS.md tells of %q, which does not exist", what, n)
		}
	}
}

// fields are the JSON names of a struct.
func fields(in any) []string {
	var out []string
	for f := range reflect.TypeOf(in).Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// documented are the fields of the first table of a section.
func documented(body string) []string {
	i := strings.Index(body, "| Field |")
	if i < 0 {
		return nil
	}
	table, _, _ := strings.Cut(body[i:], "\n\n")
	var out []string
	for _, m := range fieldRow.FindAllStringSubmatch(table, -1) {
		out = append(out, m[1])
	}
	return out
}
