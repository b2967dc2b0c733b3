package workflows

import (
	"archive/zip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vigil/activities"
	"vigil/internal/action"
	"vigil/internal/playbook"
	"vigil/internal/secret"
	"vigil/internal/testdata"
	"vigil/schema"
	"vigil/schema/flow"
)

// cacao is what must become of each playbook that others have written: it loads, or
// the fault is named.
var cacao = map[string]string{
	"manual-playbook.json":              "",
	"http-playbook.json":                "",
	"ssh-playbook.json":                 "",
	"fin-playbook.json":                 `commands of type "pong" do not run`,
	"openc2-playbook.json":              `commands of type "openc2" do not run (vigil-action, http-api, openc2-http, ssh or manual)`,
	"powershell-playbook.json":          `commands of type "powershell" do not run (it is off`,
	"tests/infinite_playbook.json":      "workflow_start cannot be",
	"tests/invalid_email_playbook.json": "workflow_start cannot be",
	"tests/parallels_playbook.json":     `there is no step "end--40131926-89e9-44df-a018-5f92f2df7914"`,
	"tests/playbook.json":               `there is no step "end--40131926-89e9-44df-a018-5f92f2df7914"`,
}

// imported reads the playbooks of a zip of the shared data.
func imported(t *testing.T) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join(testdata.Shared(t), "playbooks", "cacao-v2.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	out := map[string][]byte{}
	for _, f := range z.File {
		if f.FileInfo().IsDir() || !strings.HasSuffix(f.Name, ".json") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = text
	}
	return out
}

func TestImport(t *testing.T) {
	files := imported(t)
	if len(files) != len(cacao) {
		t.Errorf("%d files, the table has %d", len(files), len(cacao))
	}
	for name, text := range files {
		want, ok := cacao[name]
		if !ok {
			t.Errorf("%s is not in the table", name)
		}
		d, errs := playbook.Parse(name, text, activities.PlaybookVerbs(nil))
		all := errors.Join(errs...)
		switch {
		case want == "" && (d == nil || all != nil):
			t.Errorf("%s does not load: %v", name, all)
		case want != "" && (all == nil || !strings.Contains(all.Error(), want) || !strings.Contains(all.Error(), name+":")):
			t.Errorf("%s: %v, want %s", name, all, want)
		}
		if d != nil && strings.Contains(d.Encode(), "password") {
			t.Errorf("%s keeps a password that stood in it", name)
		}
	}
}

// TestImportedRun runs those that load: the person's answer, the request to the address
// that the document names, the commands to the machine that it names.
func TestImportedRun(t *testing.T) {
	files := imported(t)
	sys := fstest.MapFS{}
	for name, want := range cacao {
		if want == "" {
			sys[name] = &fstest.MapFile{Data: files[name]}
		}
	}
	set, errs := playbook.Load(activities.PlaybookVerbs(nil), sys)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	calls := map[string]int{}
	l := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { calls[r.Method+" "+r.Host+r.URL.Path]++ }))
	defer l.Close()
	everywhere := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the listener stands for a host of the internet
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", l.Listener.Addr().String())
		}}}
	for name, dry := range map[string]bool{"example-manual": false, "example-http": false, "example-ssh": true} {
		w := newWorldFrom(t, set)
		maps.Copy(w.act.Table, action.NewTable(action.Ports{Lists: w.mem, HTTP: everywhere, Systems: action.Connectors{
			"http": {Name: "http", URL: secret.New("https://httpbin.org/"), Auth: "none", Timeout: time.Second},
			"ssh":  {Name: "ssh", URL: secret.New("ssh://root@127.0.0.1:1"), Auth: "none", Timeout: time.Second, Options: map[string]string{"serves": "192.168.0.10"}}}}))
		w.mem.incidents["i1"] = schema.Incident{ID: "i1"}
		w.approveAll("", map[string]string{"hyperspeed_ready": "true"})
		w.env.ExecuteWorkflow(RunPlaybook, flow.RunPlaybookInput{Playbook: name, Parent: "outer", DryRun: dry, Requester: "cy", Token: w.runToken("cy", name), Incident: "i1"})
		var r schema.Run
		if err := w.env.GetWorkflowError(); err != nil || w.env.GetWorkflowResult(&r) != nil || r.Status != runCompleted {
			t.Errorf("%s: %v %+v", name, err, r)
		}
		if name == "example-manual" && r.Outputs["hyperspeed_ready"] != "true" {
			t.Errorf("what the person said is lost: %v", r.Outputs)
		}
	}
	if calls["GET httpbin.org/get"] != 1 {
		t.Errorf("requests: %v", calls)
	}
}

// TestShellWords: what a run is given goes into a command only where it is a plain word.
func TestShellWords(t *testing.T) {
	const text = `type: playbook
spec_version: cacao-2.0
id: playbook--ban
name: ban
description: Bans an address.
playbook_variables:
  __address__: {type: string, description: whom, external: true}
workflow_start: start--1
workflow:
  start--1: {type: start, on_completion: action--1}
  action--1:
    type: action
    name: Ban it
    on_completion: end--1
    commands: [{type: bash, command: "ban __address__:value"}]
  end--1: {type: end}
`
	systems := action.Connectors{"bash": {Name: "bash", URL: secret.New("exec:///bin/bash"), Options: map[string]string{"dir": "/"}}}
	set, errs := playbook.Load(activities.PlaybookVerbs(systems), fstest.MapFS{"ban.yaml": &fstest.MapFile{Data: []byte(text)}})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for address, want := range map[string]string{"203.0.113.5": "", "203.0.113.5; id": "more than a plain word to a shell"} {
		w := newWorldFrom(t, set)
		maps.Copy(w.act.Table, action.NewTable(action.Ports{Lists: w.mem, Systems: systems}))
		w.mem.incidents["i1"] = schema.Incident{ID: "i1"}
		w.env.ExecuteWorkflow(RunPlaybook, flow.RunPlaybookInput{Playbook: "ban", Incident: "i1", DryRun: true, Requester: "cy", Token: w.runToken("cy", "ban"), Variables: map[string]string{"address": address}})
		err := w.env.GetWorkflowError()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}
