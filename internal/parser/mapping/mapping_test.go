package mapping

import (
	"strings"
	"testing"
	"time"

	"vigil/schema"
)

// language is what the tests read documents with.
var language = Language{Converters: []Converter{
	{Name: "image", Doc: "a path"},
	{Name: "endpoint", Doc: "an address and a port", Takes: []Want{{"address", []schema.Kind{schema.IP}}, {"port", []schema.Kind{schema.Long}}}},
}}

// good is a document whose parts a test replaces.
const good = `formats: [x]
description: a test
holds: [word]
keys:
  a: source.ip
  b: {to: timestamp, time: auto}
  c: [user.name, {to: event.outcome, values: {T: success}, otherwise: failure}]
  d: {to: [source.ip, source.port], as: endpoint}
  e: {hold: word}
  f: {table: inner, keep: x.f}
drop: [g]
set: {event.category: network, event.type: [start, end]}
fields:
  - {to: event.type, from: e.event.action, values: {go: start}, otherwise: ''}
  - choose:
      - {if: e.http.response.status_code >= 400, set: {event.outcome: failure}}
      - set: {event.outcome: success}
tables:
  inner: {below: [x.], keys: {h: host.name}}
sentences:
  - {start: 'Hello ', has: ' you', words: [user.name, {to: source.ip, after: ' from ', until: ' '}], then: [{has: again, set: {event.kind: state}}]}
  - {any: [Bye, Off], set: {event.kind: event}}
kinds:
  k: {set: {event.kind: alert}}
lookups:
  l: {a: b}
aliases:
  - {from: [user name], to: user.name, first: true}
`

// TestMistakes: each kind of mistake is told with file, line and column, and what was meant.
func TestMistakes(t *testing.T) {
	if d, errs := Read("m.yaml", []byte(good), language); errs != nil || len(d.Keys) != 7 || len(d.Fields) != 2 || len(d.Aliases) != 1 {
		t.Fatalf("%+v %v", d, errs)
	}
	for _, c := range []struct{ old, new, want string }{
		{"a: source.ip", "a: sorce.ip", `m.yaml:5:6: there is no field "sorce.ip"; is it source.ip?`},
		{"{to: timestamp,", "{to: timestam,", `m.yaml:6:11: there is no field "timestam"; is it timestamp?`},
		{"{to: timestamp, time: auto}", "{too: timestamp}", `m.yaml:6:7: the row has no key "too" (did you mean "to"?)`},
		{"time: auto", "time: yesterday", `m.yaml:6:28: "yesterday" is no layout of a day`},
		{"time: auto", "time: auto, zone: Mars", `m.yaml:6:40: "Mars" is no IANA time zone`},
		{"{to: timestamp, time: auto}", "{to: user.name, time: auto}", "m.yaml:6:7: time and zone are for fields that are times"},
		{"{to: timestamp, time: auto}", "{to: user.name, scale: 2}", "m.yaml:6:7: scale is for fields that are numbers"},
		{"{to: timestamp, time: auto}", "{to: user.name, split: ','}", "m.yaml:6:7: split is for fields that are lists"},
		{"{to: timestamp, time: auto}", "{to: source.port, lower: true}", "m.yaml:6:7: lower is for fields that are texts"},
		{"{to: timestamp, time: auto}", "{to: user.name, lower: maybe}", `m.yaml:6:29: lower cannot be "maybe"`},
		{"{to: timestamp, time: auto}", "{to: source.port, values: {a: b}}", `m.yaml:6:7: source.port cannot be "b"`},
		{"{to: timestamp, time: auto}", "{to: [user.name, user.id]}", "m.yaml:6:7: several fields go with a converter"},
		{"{to: timestamp, time: auto}", "{drop: true, to: user.name}", "m.yaml:6:7: drop goes with nothing else"},
		{"{to: timestamp, time: auto}", "{to: user.name, otherwise: x}", "m.yaml:6:33: otherwise goes with values"},
		{"{to: timestamp, time: auto}", "{keep: user.name}", "m.yaml:6:13: user.name is a field"},
		{"as: endpoint", "as: endpiont", `m.yaml:8:41: there is no converter "endpiont" (did you mean "endpoint"?)`},
		{"[source.ip, source.port], as", "[source.ip, user.name], as", "m.yaml:8:23: the converter endpoint cannot write port as user.name"},
		{"[source.ip, source.port], as", "[source.ip], as", "m.yaml:8:11: the converter endpoint takes to: [address, port]"},
		{"{to: [source.ip, source.port], as: endpoint}", "{to: user.name, as: image}", "m.yaml:8:11: the converter image takes no field"},
		{"hold: word", "hold: wrod", `m.yaml:9:13: the code of the format takes no value "wrod" (did you mean "word"?)`},
		{"table: inner", "table: iner", `m.yaml:10:14: there is no table "iner" (did you mean "inner"?)`},
		{"drop: [g]", "drop: [a]", `m.yaml:11:8: "a" is dropped and has a row`},
		{"set: {event.category: network", "set: {event.catgory: network", `m.yaml:12:7: there is no field "event.catgory"; is it event.category?`},
		{"event.type: [start, end]}", "event.severity: high}", `m.yaml:12:48: event.severity cannot be "high"`},
		{"event.type: [start, end]}", "event.action: [start, end]}", "m.yaml:12:46: event.action takes one text"},
		{"from: e.event.action", "from: e.event.acton", `m.yaml:14:28: there is no field "event.acton"; is it event.action?`},
		{"from: e.event.action", "from: action", "m.yaml:14:6: want from: e.FIELD"},
		{"from: e.event.action, values: {go: start}, otherwise: ''", "if: 'true'", "m.yaml:14:6: a field needs one of from: e.FIELD, value, set and choose"},
		{"from: e.event.action, values: {go: start}, otherwise: ''", "cel: 'v.x'", "m.yaml:14:27: expressions over the values of a record are for custom formats"},
		{"status_code >= 400", "status_cod >= 400", `m.yaml:16:14: expression "e.http.response.status_cod >= 400": 1:`},
		{"status_code >= 400", `status_code == "x"`, "m.yaml:16:14: expression "},
		{"below: [x.]", "below: [x]", `m.yaml:19:18: element 1 of below cannot be "x"`},
		{"kinds:", "kind:", `the document has no key "kind" (did you mean "kinds"?)`},
		{"formats: [x]\n", "", `the key "formats" is missing`},
		{"to: user.name, first: true}\n", "first: true}\n", "m.yaml:28:6: to is missing"},
		{"start: 'Hello '", "begin: 'Hello '", `m.yaml:21:6: the sentence has no key "begin"`},
		{"start: 'Hello '", "start: []", "m.yaml:21:"},
		{"start: 'Hello ', has: ' you'", "set: {event.kind: event}", "m.yaml:21:6: this sentence fits every text"},
		{"after: ' from '", "last: true", "m.yaml:21:56: last goes with after"},
		{"after: ' from '", "behind: ' from '", `the row has no key "behind"`},
		{"words: [user.name", "words: [user.nam", `there is no field "user.nam"; is it user.name?`},
		{"then: [{has: again", "then: [{has: {a: b}", "has must be text"},
		{"set: {event.kind: state}}]", "then: [{then: [{then: [{has: x}]}]}]}]", "sentences nest deeper than 4"},
		{"{any: [Bye, Off], set: {event.kind: event}}", "{any: Bye}", "m.yaml:22:6: the sentence says nothing"},
		{"a: source.ip", "a: []", "m.yaml:5:6: the key has no row"},
		{"a: source.ip\n", "a: source.ip\n  a: source.ip\n", "m.yaml:6:3"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%q is not in the document", c.old)
		}
		_, errs := Read("m.yaml", []byte(text), language)
		var all strings.Builder
		for _, err := range errs {
			all.WriteString(err.Error() + "\n")
		}
		if !strings.Contains(all.String(), c.want) {
			t.Errorf("%s → %s:\n%swant %s", c.old, c.new, all.String(), c.want)
		}
	}
}

// TestConditions: a condition that runs as code decides as CEL does.
func TestConditions(t *testing.T) {
	events := make([]schema.Event, 4)
	for i := range events {
		events[i].Reset(nil, 0)
	}
	events[1].Set(schema.FEventAction, "Login_failed")
	events[1].Set(schema.FHttpResponseStatusCode, "404")
	events[2].Set(schema.FEventAction, "get")
	events[2].Set(schema.FSourceIP, "192.0.2.1")
	events[2].Set(schema.FSourcePort, "0")
	events[3].Set(schema.FSourceIP, "::")
	events[3].Set(schema.FHostIP, "10.0.0.1")
	events[3].Set(schema.FHttpResponseStatusCode, "200")
	for _, text := range []string{
		`e.event.action == "get"`, `e.event.action != "get"`, `e.event.action in ["get", "list"]`, `e.event.action.startsWith("Login")`, `e.event.action.endsWith("failed")`,
		`e.event.action.contains("_")`, `e.event.action.icontains("LOGIN")`, `e.event.action.ieq(["GET", "PUT"])`, `has(e.event.action)`, `!has(e.event.action)`, `has(e.source.ip)`, `has(e.source.port)`, `has(e.host.ip)`,
		`e.http.response.status_code >= 400`, `e.http.response.status_code > 200`, `e.http.response.status_code < 404`, `e.http.response.status_code <= 200`, `e.http.response.status_code == 404`, `e.http.response.status_code != 404`,
		`has(e.source.ip) && e.event.action == "get"`, `has(e.source.ip) || has(e.host.ip) || e.event.action == ""`, `!(has(e.source.ip) && e.event.action == "get")`,
	} {
		c, err := newCondition(text, false)
		if err != nil || c.Native() == nil || c.Text != text {
			t.Errorf("%s: %v, native %v", text, err, c.Native() != nil)
			continue
		}
		slow := &Condition{event: c.event}
		for i := range events {
			if have, want := c.Holds(&events[i], nil), slow.Holds(&events[i], nil); have != want {
				t.Errorf("%s of event %d: %v, CEL says %v", text, i, have, want)
			}
		}
		e := &events[2]
		if n := testing.AllocsPerRun(100, func() { c.Holds(e, nil) }); n != 0 {
			t.Errorf("%s allocates %v", text, n)
		}
	}
	if c, err := newCondition(`e.event.action.size() > 3`, false); err != nil || c.Native() != nil || !c.Holds(&events[1], nil) {
		t.Errorf("what has no code is left to CEL: %v", err)
	}
	if c, err := newCondition(`v["a"] == "1"`, true); err != nil || !c.Holds(&events[0], map[string]string{"a": "1"}) || c.Holds(&events[0], nil) {
		t.Errorf("of the record's values: %v", err)
	}
	var none *Condition
	if !none.Holds(&events[0], nil) {
		t.Error("no condition does not hold")
	}
}

// TestTimes: times are read by the first layout that fits, in the row's zone.
func TestTimes(t *testing.T) {
	for _, c := range []struct{ row, text, want string }{
		{"{to: timestamp, time: '02.01.2006 15:04:05', zone: Europe/Berlin}", "03.05.2026 07:59:01", "2026-05-03T05:59:01Z"},
		{"{to: timestamp, time: [unix_ms, iso]}", "1772359200123", "2026-03-01T10:00:00.123Z"},
		{"{to: timestamp, time: [unix_ms, iso]}", "2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z"},
		{"{to: timestamp, time: Jan _2 15:04:05}", "Mar  1 10:00:00", "2025-03-01T10:00:00Z"},
		{"{to: timestamp, time: unix}", "1772359200.5", "2026-03-01T10:00:00.5Z"},
		{"{to: timestamp, time: unix_us}", "x", ""},
		{"{to: timestamp, time: auto}", "whatever", "1970-01-01T00:00:07Z"},
	} {
		d, errs := Read("t.yaml", []byte("formats: [x]\ndescription: a test\nkeys: {a: "+c.row+"}\n"), language)
		if errs != nil {
			t.Error(errs)
			continue
		}
		clock := Clock{Year: 2026, End: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Any: func(string, *time.Location) (int64, bool) { return 7e6, true }}
		at, ok := d.Keys["a"][0].Times.Read(clock, c.text)
		if have := at.UTC().Format(time.RFC3339Nano); ok != (c.want != "") || ok && have != c.want {
			t.Errorf("%s of %s: %s %v, want %s", c.text, c.row, have, ok, c.want)
		}
	}
}

// FuzzRead: no text makes the reader panic.
func FuzzRead(f *testing.F) {
	f.Add(good)
	for _, name := range Names() {
		text, err := Text(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, _ := Read("f.yaml", []byte(text), language); d == nil {
			t.Fatal("no document")
		}
	})
}
