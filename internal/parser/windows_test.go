package parser

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/source"
	"vigil/internal/testdata"
	"vigil/schema"
)

// parseOne is the event of one record of a format.
func parseOne(t *testing.T, format, raw string) map[string]string {
	t.Helper()
	f, err := ByName(format)
	if err != nil {
		t.Fatal(err)
	}
	var e schema.Event
	e.Reset([]byte(raw), 0)
	if err := f.New(Options{Object: "x"}).Parse([]byte(raw), &e); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return dump(&e)
}

func expect(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %q, want %q", k, got[k], v)
		}
	}
	for k := range got {
		if strings.Contains(k, "#") || strings.Contains(k, "Event.") {
			t.Errorf("the layout shows in the name %s", k)
		}
	}
}

// TestNestedNames: data without a field is winlog.event_data.NAME in the nested layout
// too, one after another, in EventData and below the one element of UserData.
func TestNestedNames(t *testing.T) {
	expect(t, parseOne(t, "windows", `{"Event":{"#attributes":{"xmlns":"u"},"System":{"Provider":{"#attributes":{"Name":"P","Guid":"G"}},"EventID":{"#attributes":{"Qualifiers":7},"#text":4624},
		"Correlation":{"#attributes":{"ActivityID":"A"}},"Channel":"Security","TimeCreated":{"#attributes":{"SystemTime":"2020-01-02T03:04:05.0000000Z"}}},
		"EventData":{"First":"1","TargetUserName":"mira","Second":"2","Data":{"#text":["a","b"]},"Third":{"#attributes":{"k":"x"},"#text":"3"}}}}`), map[string]string{
		"event.code": "4624", "user.target.name": "mira", "+winlog.event_data.First": "1", "+winlog.event_data.Second": "2", "+winlog.event_data.Data": `["a","b"]`,
		"+winlog.event_data.Third.k": "x", "+winlog.event_data.Third": "3", "+winlog.activity_id": "A", "timestamp": "2020-01-02T03:04:05Z", "winlog.provider_name": "P",
	})
	expect(t, parseOne(t, "windows", `{"Event":{"System":{"EventID":1102,"Channel":"Security"},"UserData":{"LogFileCleared":{"#attributes":{"xmlns":"u"},"SubjectUserName":"mira","Param1":"p","Param2":"q"}}}}`), map[string]string{
		"user.name": "mira", "+winlog.event_data.Param1": "p", "+winlog.event_data.Param2": "q", "event.action": "audit-log-cleared",
	})
}

// TestEventLogTwins: an event log and its JSON twin give equal events, but for white
// space at the end of values, which the twins' tool drops.
func TestEventLogTwins(t *testing.T) {
	events := map[string][]map[string]string{}
	for o, err := range source.Objects(t.Context(), []string{filepath.Join(testdata.Shared(t), "windows/sigma-regression/events.zip")}) {
		if err != nil {
			t.Fatal(err)
		}
		events[o.Member] = eventsOf(t, o)
	}
	twins := 0
	for name, logs := range events {
		base, ok := strings.CutSuffix(name, ".evtx")
		if !ok {
			continue
		}
		twins++
		twin := events[base+".json"]
		if len(logs) != len(twin) {
			t.Errorf("%s: %d events, its twin %d", name, len(logs), len(twin))
			continue
		}
		for i := range logs {
			for k := range twin[i] {
				if strings.TrimRight(logs[i][k], " \n") != strings.TrimRight(twin[i][k], " \n") && !strings.EqualFold(logs[i][k], twin[i][k]) {
					t.Errorf("%s %d: %s = %q, its twin %q", name, i, k, logs[i][k], twin[i][k])
				}
			}
			if len(logs[i]) != len(twin[i]) {
				t.Errorf("%s %d: %d fields, its twin %d", name, i, len(logs[i]), len(twin[i]))
			}
		}
	}
	if twins != 103 {
		t.Errorf("%d twins", twins)
	}
}

// eventsOf is every event of an object.
func eventsOf(t *testing.T, o source.Object) []map[string]string {
	t.Helper()
	r, err := o.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	sample, err := r.Sample()
	if err != nil {
		t.Fatal(err)
	}
	f, _, err := Detect(sample, o.Name())
	if err != nil {
		t.Fatal(err)
	}
	p := f.New(Options{Object: o.Name()})
	var out []map[string]string
	var e schema.Event
	for {
		rec, err := r.Next()
		if err != nil {
			return out
		}
		raw := bytes.Clone(rec.Data) // the values stay views of it
		e = schema.Event{}
		e.Reset(raw, rec.Offset)
		if err := p.Parse(raw, &e); err == nil {
			out = append(out, dump(&e))
		} else if !errors.Is(err, ErrSkip) {
			t.Errorf("%s at %d: %v", o.Name(), rec.Offset, err)
		}
	}
}
