package parser

import (
	"maps"
	"testing"

	"vigil/schema"
)

// TestReceived parses what receivers spool: each row is a record and what must be on its
// event.
func TestReceived(t *testing.T) {
	for _, row := range []struct {
		format, raw string
		want        map[string]string
	}{
		{"hec", `{"time":1700000000.25,"host":"web1","source":"/var/log/app.log","sourcetype":"app","event":{"message":"hi","user":{"name":"ana"},"shade":"red"},"fields":{"zone":"eu"}}`,
			map[string]string{"timestamp": "2023-11-14T22:13:20.25Z", "host.name": "web1", "log.file.path": "/var/log/app.log", "message": "hi", "user.name": "ana",
				"+labels.shade": "red", "+labels.zone": "eu", "+labels.sourcetype": "app", "event.dataset": "generic.hec", "event.module": "generic", "event.kind": "event"}},
		{"hec", `{"event":"just text","time":"1700000000"}`,
			map[string]string{"timestamp": "2023-11-14T22:13:20Z", "message": "just text", "event.dataset": "generic.hec", "event.module": "generic", "event.kind": "event"}},
		{"hec", `{"event":{"message":{"msg":"hi","meta":{"shade":"red"}},"severity":"info"},"time":"1700000000"}`,
			map[string]string{"timestamp": "2023-11-14T22:13:20Z", "message": "hi", "log.level": "info", "+labels.message.meta.shade": "red",
				"event.dataset": "generic.hec", "event.module": "generic", "event.kind": "event"}},
		{"syslog", `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 42 ID47 [exampleSDID@32473 iut="3" eventSource="App \"x\" [1\]"][b@1] ` + "\ufeff" + `An application event`,
			map[string]string{"timestamp": "2003-10-11T22:14:15.003Z", "host.name": "mymachine.example.com", "host.hostname": "mymachine.example.com", "process.name": "evntslog", "process.pid": "42", "+log.syslog.msgid": "ID47",
				"+labels.exampleSDID@32473.iut": "3", "+labels.exampleSDID@32473.eventSource": `App "x" [1]`, "message": "An application event", "related.hosts": "mymachine.example.com",
				"log.syslog.facility.name": "local4", "log.syslog.severity.name": "notice", "event.dataset": "linux.syslog", "event.module": "linux", "event.kind": "event", "host.os.family": "linux"}},
		{"syslog", `<34>1 - - su - - -`,
			map[string]string{"process.name": "su", "log.syslog.facility.name": "auth", "log.syslog.severity.name": "critical",
				"event.dataset": "linux.auth", "event.module": "linux", "event.kind": "event", "host.os.family": "linux"}},
	} {
		f, err := ByName(row.format)
		if err != nil {
			t.Fatal(err)
		}
		var e schema.Event
		e.Reset([]byte(row.raw), 0)
		if err := f.New(Options{BaseYear: 2026}).Parse([]byte(row.raw), &e); err != nil {
			t.Errorf("%s: %v", row.raw, err)
			continue
		}
		if got := dump(&e); !maps.Equal(got, row.want) {
			t.Errorf("%s:\ngot  %v\nwant %v", row.raw, got, row.want)
		}
	}
	f, _ := ByName("syslog")
	for _, raw := range []string{`<34>1 2003-10-11T22:14:15Z`, `<34>1 x - su - - -`, `<34>1 - - - - - [a b="c]`, `<34>1 - - - - - [a b]`, `<34>1 - - - - - [a`} {
		var e schema.Event
		e.Reset([]byte(raw), 0)
		if err := f.New(Options{}).Parse([]byte(raw), &e); err == nil {
			t.Errorf("%s was taken: %v", raw, dump(&e))
		}
	}
}

// TestEnvelope: the header comes off whatever the message is, also one that the syslog
// format takes apart itself.
func TestEnvelope(t *testing.T) {
	x := NewEnvelope(Options{BaseYear: 2024})
	const packet = "IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 LEN=40 PROTO=TCP SPT=1 DPT=2"
	for _, message := range []string{packet, "acme: {}", "Accepted password for ana from 192.0.2.1 port 22 ssh2"} {
		var e schema.Event
		raw := []byte("<4>Mar  1 10:00:00 gw kernel: " + message)
		e.Reset(raw, 0)
		got, err := x.Open(raw, &e)
		if err != nil || got != message || e.Str(schema.FHostName) != "gw" || e.Has(schema.FSourceIP) {
			t.Errorf("%q: %q, %v, host %q", message, got, err, e.Str(schema.FHostName))
		}
	}
}

// TestMadeParts: what code makes out of a record for its mapping cannot be given by the
// record itself.
func TestMadeParts(t *testing.T) {
	for _, c := range []struct {
		format, line, action string
	}{
		{"syslog", "Mar  1 10:00:00 gw kernel: DROP IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 PROTO=TCP verdict=ACCEPT rule verdict=ACCEPT", "drop"},
		{"cisco", "<1>Mar 1 10:00:00 fw %FTD-1-430003: SrcIP: 192.0.2.1, UserAgent: x, code: 430005", "connection-finished"},
		{"syslog", "Mar  1 10:00:00 mx postfix/smtp[9]: status reason=x queue id=y status=sent (ok)", "sent"},
	} {
		f, err := ByName(c.format)
		if err != nil {
			t.Fatal(err)
		}
		var e schema.Event
		raw := []byte(c.line)
		e.Reset(raw, 0)
		if err := f.New(Options{BaseYear: 2024}).Parse(raw, &e); err != nil || e.Str(schema.FEventAction) != c.action {
			t.Errorf("%s: action %q, %v", c.format, e.Str(schema.FEventAction), err)
		}
	}
}
