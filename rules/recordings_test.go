package rules_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/rules/correlate"
	"vigil/rules/library"
	"vigil/schema"
)

const mordor = "mordor/windows/"

// quiet are recordings of ordinary background by log family: none of the family's
// rules may fire on them. The Windows one is an attack recording too, but of a
// technique that no rule of the library is about; the rest of its events is what
// these machines do all day. internal/bench/detect has larger ones.
var quiet = map[string][]string{
	"windows": {mordor + "execution/psh_powershell_httplistener.jsonl.zst"},
	"zeek": {"volume/zeek-http.jsonl.zst", "zeek/rita-edge-cases.zip!proxy/conn.log", "zeek/rita-edge-cases.zip!proxy/dns.log", "zeek/rita-edge-cases.zip!proxy/http.log",
		"zeek/rita-edge-cases.zip!proxy/ssl.log", "zeek/lsass-campaigns.zip!LSASS_campaign_05/conn.log", "zeek/ocsf-raw-zeek.zip!Zeek/dce_rpc.log", "zeek/wrccdc-2018/json/notice.json.zst"},
	"linux": {"loghub-2k/Linux.zip!Linux_2k.log"},
}

// firing says on which recording each rule fires and how often exactly: a count
// of detections, or for threshold rules of full windows. silent names a
// recording of the same kind of log without the behaviour; "" stands for quiet.
type firing struct {
	rule, on string
	count    int
	silent   string
}

// eventLogs are the files of rules whose recordings are binary event logs and the tests of
// other engines: internal/bench/detect reads those, and holds how many rules fire on nothing.
var eventLogs = []string{"windows_access.yaml", "windows_defences.yaml", "windows_directory.yaml", "windows_scripts.yaml", "cloud_identity.yaml"}

// TestRecordings runs the library over real recordings.
func TestRecordings(t *testing.T) {
	root := testdata.Shared(t)
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	seen := map[string]map[string]int{}
	count := func(t *testing.T, name string) map[string]int {
		if seen[name] == nil {
			seen[name] = detections(t, set, root, name)
		}
		return seen[name]
	}
	tabled := map[string]bool{"win-failed-logons": true, // its recordings are EVTX, which is not read yet
		"linux-ssh-guessed-login": true, "linux-sudo-new-user": true} // no recording shows it: the inline tests do
	for _, c := range firings() {
		tabled[c.rule] = true
		t.Run(c.rule, func(t *testing.T) {
			if got := count(t, c.on)[c.rule]; got != c.count {
				t.Errorf("fires %d times on %s, want %d", got, c.on, c.count)
			}
			if c.silent == "" {
				return
			}
			if got := count(t, c.silent)[c.rule]; got != 0 {
				t.Errorf("fires %d times on %s, want silence", got, c.silent)
			}
		})
	}
	for _, r := range set.Rules() {
		if !tabled[r.ID] && r.Query == nil && !slices.Contains(eventLogs, r.File) { // aggregates need an engine: integration/response
			t.Errorf("%s has no recording", r.ID)
		}
	}
	for family, names := range quiet {
		for _, name := range names {
			if got := count(t, name); len(got) > 0 {
				t.Errorf("%s background %s: %v", family, name, got)
			}
		}
	}
}

// detections counts by rule; base detections of threshold rules are counted into
// windows. The events get what enrichment and models would add where a rule is
// about it.
func detections(t *testing.T, set *rules.Set, root, name string) map[string]int {
	t.Helper()
	out := map[string]int{}
	bases := map[string][]schema.Detection{}
	ev := set.Evaluator()
	var hits []rules.Hit
	eachEvent(t, root, name, func(e *schema.Event) {
		enrich(e)
		hits = ev.Evaluate(e, hits[:0])
		for _, h := range hits {
			if h.Rule.Stateful() {
				bases[h.Rule.ID] = append(bases[h.Rule.ID], h.Detection(rules.Origin{Org: "main"}))
			} else {
				out[h.Rule.ID]++
			}
		}
	})
	if n, err := ev.Failures(); n > 0 {
		t.Errorf("%s: %d run-time errors, the last: %v", name, n, err)
	}
	for id, ds := range bases {
		r, _ := set.Rule(id)
		first, last := ds[0].Time, ds[0].Time
		for _, d := range ds {
			if d.Time.Before(first) {
				first = d.Time
			}
			if d.Time.After(last) {
				last = d.Time
			}
		}
		fires, _ := correlate.Judge(r, ds, correlate.Affected(r, first, last), time.Now())
		if len(fires) > 0 {
			out[id] = len(fires)
		}
	}
	return out
}

// enrich stands for the pipeline on one recording: one address of it is an
// indicator, and transfers above 10,000 bytes are anomalous.
func enrich(e *schema.Event) {
	if e.Str(schema.FEventDataset) != "zeek.conn" {
		return
	}
	if e.Str(schema.FDestinationIP) == "151.97.100.116" {
		e.Add(schema.FThreatIndicatorValue, "151.97.100.116")
	}
	if e.Int(schema.FDestinationBytes) == 34266 {
		e.AddExtra("labels.score.zeek-conn-iforest", fmt.Sprint(0.8))
		e.AddExtra("labels.threshold.zeek-conn-iforest", fmt.Sprint(0.7))
	}
}
