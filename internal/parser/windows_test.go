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

const xmlEvent = `<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='P' Guid='{G}'/><EventID Qualifiers="7">4624</EventID><Level>0</Level>
<TimeCreated SystemTime='2020-01-02T03:04:05.1234567Z'/><EventRecordID>9</EventRecordID><Correlation ActivityID='{A}'/><Execution ProcessID='4' ThreadID='8'/><Channel>Security</Channel><Computer>ws01</Computer><Security UserID='S-1-5-18'/></System>
<EventData><Data Name='TargetUserName'>mira</Data><Data Name="CommandLine">a &lt;b&gt; &amp;&#x41;&#66; &amp;lt; &unknown; x&amp;</Data><Data Name='Empty'/><!-- > --><Data Name='Raw'><![CDATA[<x>&amp;]]></Data></EventData><RenderingInfo Culture='en'><Message>An account
was logged on.</Message><Level>Information</Level></RenderingInfo></Event>`

// TestWindowsXML: an event as XML gives the fields of the same event as JSON.
func TestWindowsXML(t *testing.T) {
	got := parseOne(t, "windows-xml", xmlEvent)
	expect(t, got, map[string]string{
		"event.code": "4624", "user.target.name": "mira", "user.name": "mira", "process.command_line": "a <b> &AB &lt; &unknown; x&", "+winlog.event_data.Raw": "<x>&amp;", "timestamp": "2020-01-02T03:04:05.123456Z", "winlog.record_id": "9",
		"winlog.process.thread.id": "8", "winlog.channel": "Security", "host.name": "ws01", "message": "An account\nwas logged on.", "+winlog.activity_id": "{A}", "event.action": "logged-in", "winlog.provider_name": "P",
	})
	list := parseOne(t, "windows-xml", `<13>Oct 11 22:14:15 host x: <Event><System><EventID>400</EventID></System><EventData><Data>a"b</Data><Data></Data><Data/><Data>c</Data></EventData></Event>`)
	expect(t, list, map[string]string{"event.code": "400", "+winlog.event_data.Data": `["a\"b","","","c"]`})
	user := parseOne(t, "windows-xml", `<Event><System><EventID>1102</EventID><Channel>Security</Channel></System><UserData><LogFileCleared xmlns='u'><SubjectUserName>mira</SubjectUserName><Other>o</Other></LogFileCleared></UserData></Event>`)
	expect(t, user, map[string]string{"user.name": "mira", "+winlog.event_data.Other": "o"})
	for _, bad := range []string{"<Event", "<Event>", "<Event><System></Event>", "<Event a>", "<Event a='x", "<Event>" + strings.Repeat("<a>", 100), "<Event><![CDATA[</Event>", "<Event><!--</Event>", "</x>"} {
		f, _ := ByName("windows-xml")
		var e schema.Event
		e.Reset([]byte(bad), 0)
		if err := f.New(Options{}).Parse([]byte(bad), &e); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if f, why, err := Detect([]byte(xmlEvent), "x"); err != nil || f.Name != "windows-xml" {
		t.Errorf("detected as %s (%s), %v", f.Name, why, err)
	}
}

// TestAuditFailure: the keywords of a record decide the outcome of audited acts, however
// a layout writes them.
func TestAuditFailure(t *testing.T) {
	for keywords, want := range map[string]string{`"0x8010000000000000"`: "failure", `"0x8020000000000000"`: "success"} {
		got := parseOne(t, "windows", `{"Event":{"System":{"EventID":4663,"Channel":"Security","Keywords":`+keywords+`},"EventData":{"SubjectUserName":"mira"}}}`)
		expect(t, got, map[string]string{"event.outcome": want})
	}
	expect(t, parseOne(t, "windows", `{"EventID":4663,"Channel":"Security","Keywords":-9218868437227405312}`), map[string]string{"event.outcome": "failure"})
	expect(t, parseOne(t, "windows", `{"winlog":{"event_id":4663,"channel":"Security","keywords":["Audit Failure"],"event_data":{"a":"b"}}}`), map[string]string{"event.outcome": "failure", "winlog.keywords": "Audit Failure"})
}
