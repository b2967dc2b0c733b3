package custom

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vigil/internal/parser"
	"vigil/internal/testdata"
	"vigil/schema"
)

// guide returns the documents in the guide.
func guide(t testing.TB) (out []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testdata.Root(t), "docs", "guides", "custom-formats.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	if len(out) < 2 {
		t.Fatal("the guide has no examples")
	}
	return out
}

// TestGuide: every document in the guide is good, samples and all.
func TestGuide(t *testing.T) {
	for _, doc := range guide(t) {
		s, errs := Load([]File{{"guide.yaml", doc}})
		for _, err := range errs {
			t.Error(err)
		}
		if len(s.Formats()) != 1 {
			t.Errorf("%d formats", len(s.Formats()))
		}
	}
}

// simple is a document whose parts a test replaces.
const simple = `id: my-format
description: A test
detect: {contains: [KEY]}
shape: {type: kv}
fields:
  - {to: user.name, from: KEY}
samples:
  - record: KEY=ana
    event: {user.name: ana}
`

// TestProblems: what is wrong is told with file, line and column.
func TestProblems(t *testing.T) {
	if _, errs := Load([]File{{"a.yaml", simple}}); errs != nil {
		t.Fatal(errs)
	}
	for _, c := range []struct{ old, new, want string }{
		{"id: my-format", "id: My Format", `a.yaml:1:5: id is "My Format"`},
		{"id: my-format", "id: syslog", "a.yaml:1:5: syslog is a built-in format"},
		{"description: A test\n", "", "description is missing"},
		{"description", "descriptoin", `a.yaml:2:1: unknown field "descriptoin"`},
		{"{contains: [KEY]}", "{confidence: 50}", "a.yaml:3:10: detect needs one of"},
		{"{contains: [KEY]}", "{contains: [OTHER]}", "a.yaml:8:13: detect does not recognise the record"},
		{"{contains: [KEY]}", "{contains: [KEY], confidence: 500}", "a.yaml:3:39: confidence is 500"},
		{"{contains: [KEY]}", "{matches: '('}", "a.yaml:3:19: error parsing regexp"},
		{"{contains: [KEY]}", "{name: '['}", "a.yaml:3:16: \"[\" is no pattern"},
		{"type: kv", "type: kw", `a.yaml:4:15: type is "kw"`},
		{"type: kv", "type: regex", "pattern is missing"},
		{"type: kv", "type: regex, pattern: abc", "a.yaml:4:31: the pattern has no named group"},
		{"type: kv", "type: kv, delimiter: ;", "a.yaml:4:30: delimiter is no setting of the shape kv"},
		{"type: kv", "type: csv", "a.yaml:4:9: csv needs columns"},
		{"type: kv", "type: csv, columns: [A]", `a.yaml:6:27: the shape yields no value "KEY"; it yields A`},
		{"to: user.name", "to: user.nam", `a.yaml:6:10: there is no field "user.nam"; is it user.name?`},
		{"to: user.name, from: KEY", "to: user.name", "a.yaml:6:6: a field needs one of from, value and cel"},
		{"to: user.name, from: KEY", "from: KEY", "to is missing"},
		{"from: KEY", "cel: 'v.x +'", "a.yaml:6:26: "},
		{"from: KEY", "cel: 'w.x'", `a.yaml:6:26: expression "w.x": 1:1: no name "w"`},
		{"from: KEY", "from: KEY, time: iso", "time and zone are for fields that are times"},
		{"to: user.name", "to: timestamp, time: yyyy-MM-dd", "is no layout of a day"},
		{"to: user.name", "to: timestamp, zone: Mars", "is no IANA time zone"},
		{"from: KEY", "from: KEY, scale: 2", "scale is for fields that are numbers"},
		{"from: KEY", "from: KEY, otherwise: x", "otherwise goes with values"},
		{"event: {user.name: ana}", "event: {user.name: ben}", "- user.name: ben\n+ user.name: ana"},
		{"event: {user.name: ana}", "event: {user.name: ana, user.id: 7}", "- user.id: 7   is missing"},
		{"KEY=ana\n", "KEY=ana X=1\n", "+ labels.X: 1   is not expected"},
		{"event: {user.name: ana}", "event: {user.nam: ana}", `a.yaml:9:13: there is no field "user.nam"`},
		{"event: {user.name: ana}", "is: skipped", "the record is taken as event, not as skipped"},
		{"event: {user.name: ana}", "error: bad", "the record is taken as event, not as an error"},
		{"KEY=ana\n", "KEY\n", "the record is refused: the record has no key=value pair"},
		{"samples:", "samples: []\nother:", "unknown field \"other\""},
		{"A test", "&a A test", "is not used here"},
		{"A test", "*a", "is not used here"},
		{"A test", "!!binary x", "is not used here"},
		{"A test", strings.Repeat("[", 500), "nested deeper than 100"},
		{"description: A test", strings.Repeat("- ", 500) + "x", "nested deeper than 100"},
		{"A test", strings.Repeat("x", MaxFile), "more than 262144"},
		{"A test", "'A\n---\nb: c", "a.yaml:"},
		{"id: my-format", "--- \nid: x\n---\nid: my-format", "a file holds one document"},
	} {
		text := strings.Replace(simple, c.old, c.new, 1)
		if text == simple {
			t.Fatalf("%q is not in the document", c.old)
		}
		_, errs := Load([]File{{"a.yaml", text}})
		var all strings.Builder
		for _, err := range errs {
			all.WriteString(err.Error() + "\n")
		}
		if !strings.Contains(all.String(), c.want) {
			t.Errorf("%s → %.60s: %q, want %q", c.old, c.new, all.String(), c.want)
		}
	}
	if _, errs := Load([]File{{"a.yaml", simple}, {"b.yaml", simple}}); len(errs) != 1 || !strings.Contains(errs[0].Error(), "already in a.yaml") {
		t.Errorf("the same id twice: %v", errs)
	}
}

// TestShapes: one record of each shape.
func TestShapes(t *testing.T) {
	for name, doc := range map[string]string{
		"logfmt": `shape: {type: logfmt}
fields: [{to: message, from: msg}, {to: event.severity, from: n}, {to: event.reason, from: q}]
samples:
  - record: 'msg="a \"quoted\" text" n=3 q= empty="" rest'
    event: {message: 'a "quoted" text', event.severity: 3}`,
		"kv": `shape: {type: kv, pair: ':', separator: ','}
fields: [{to: user.name, from: user}, {to: tags, from: t, split: '/'}]
samples:
  - record: 'user:ana,t:a/b,x:1'
    event: {user.name: ana, tags: [a, b], labels.x: 1}`,
		"csv": `shape: {type: csv, columns: [a, b, c], delimiter: ';'}
fields: [{to: user.name, from: a}]
samples:
  - record: 'ana;"x;y";z'
    event: {user.name: ana, labels.b: 'x;y', labels.c: z}
  - record: 'a;b;c;d'
    error: there are 3 columns`,
		"csv with header": `shape: {type: csv, header: true}
fields: [{to: user.name, from: who}]
samples:
  - {record: 'when,who', is: header}
  - {record: '1,ana', event: {user.name: ana, labels.when: 1}}`,
		"json": `shape: {type: json}
fields: [{to: source.ip, from: a.b}, {to: host.ip, from: l}, {to: network.bytes, from: kb, scale: 1024}, {to: event.created, from: t, time: '02/Jan/2006'}, {to: file.code_signature.signed, from: s}]
samples:
  - record: '{"a":{"b":"192.0.2.1"},"l":["10.0.0.1","10.0.0.2"],"kb":1.5,"t":"03/May/2026","s":true,"deep":{"er":[{"x":1}]}}'
    event: {source.ip: 192.0.2.1, host.ip: [10.0.0.1, 10.0.0.2], network.bytes: 1536, event.created: '2026-05-03T00:00:00Z', file.code_signature.signed: true, labels.deep.er: '[{"x":1}]'}
  - record: '{"a":{"b":"no address"},"kb":"many","t":"never"}'
    event: {labels.source.ip: no address, labels.network.bytes: many, labels.absurd_timestamp: never}
  - {record: '{"a":', error: not valid JSON}`,
		"regex behind syslog": `shape: {type: regex, syslog: true, pattern: '^(?P<a>\w+)(?: (?P<b>\w+))?'}
fields: [{to: user.name, from: [b, a]}, {to: event.action, value: seen}]
samples:
  - record: '2026-03-01T10:00:00Z gw app[7]: ana'
    event: {timestamp: '2026-03-01T10:00:00Z', host.name: gw, process.name: app, process.pid: 7, user.name: ana, event.action: seen}
  - {record: 'no header', error: does not start with a syslog time}`,
	} {
		_, errs := Load([]File{{name, "id: my-format\ndescription: A test\ndetect: {name: '*'}\n" + doc}})
		for _, err := range errs {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDetect: a custom format is taken before a built-in one that is as sure.
func TestDetect(t *testing.T) {
	s, errs := Load([]File{{"a.yaml", simple}, {"b.yaml", guide(t)[0]}, {"c.yaml", guide(t)[1]}})
	if errs != nil {
		t.Fatal(errs)
	}
	for sample, want := range map[string]string{
		"03.05.2026 07:59:01 GATE7 card=4711 user=ana OPEN\nmore": "acme-gate",
		"\n<134>Mar  1 10:00:00 gw1 acmevpn: {\"tunnel\":1}\n":    "acme-vpn",
		"KEY=1 other=2 third=3\n":                                 "my-format",
		"<134>Mar  1 10:00:00 gw1 sshd[1]: x\n":                   "syslog",
	} {
		if f, _, err := s.All().Detect([]byte(sample), "x.log"); err != nil || f.Name != want {
			t.Errorf("%q: %s %v, want %s", sample, f.Name, err, want)
		}
	}
	if f, err := s.All().ByName("acme-gate"); err != nil || f.Doc == "" {
		t.Error(err)
	}
}

// TestEncode: a set is the same bytes whatever order its files come in, and comes back whole.
func TestEncode(t *testing.T) {
	a, b := File{"a.yaml", simple}, File{"b.yaml", guide(t)[0]}
	one, _ := Load([]File{a, b})
	two, _ := Load([]File{b, a})
	x, err := one.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if y, _ := two.Encode(); string(x) != string(y) {
		t.Error("the order of the files counts")
	}
	back, err := Decode(x)
	if err != nil || len(back.Formats()) != 2 {
		t.Errorf("%v", err)
	}
	if _, err := Decode([]byte("{")); schema.CodeOf(err) != schema.Internal {
		t.Error(err)
	}
	none, _ := Load(nil)
	if x, err := none.Encode(); x != nil || err != nil {
		t.Errorf("%q %v", x, err)
	}
}

// FuzzDocument: no text makes the reader panic, or run for long.
func FuzzDocument(f *testing.F) {
	for _, doc := range guide(f) {
		f.Add(doc)
	}
	f.Add(simple)
	f.Add("a: &a [1]\nb: *a")
	f.Add("- - - - -")
	f.Fuzz(func(t *testing.T, text string) {
		began := time.Now()
		s, errs := Load([]File{{"f.yaml", text}})
		if len(s.Formats()) == 0 && len(errs) == 0 {
			t.Fatal("neither a format nor a problem")
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Fatalf("%d bytes took %s", len(text), d)
		}
	})
}

// FuzzRecord: no record makes a parser of any shape panic.
func FuzzRecord(f *testing.F) {
	var formats []parser.Format
	for i, shape := range []string{"{type: json}", "{type: logfmt}", "{type: kv, pair: ':', separator: ', '}", "{type: csv, header: true}", "{type: csv, columns: [a, b]}", "{type: regex, syslog: true, pattern: '(?P<a>.*) (?P<b>.*)'}"} {
		doc := strings.Replace(simple, "{type: kv}", shape, 1)
		doc, _, _ = strings.Cut(doc, "fields:")
		doc += "fields:\n  - {to: timestamp, from: a, time: [iso, unix, unix_ns, Jan _2 15.04.05]}\n  - {to: host.ip, from: b}\n  - {to: event.duration, from: b, scale: 1e9}\n  - {to: user.name, cel: 'v.a + v.b'}\n"
		doc += "samples: [{record: '', is: skipped}]\n"
		s, errs := Load([]File{{"x.yaml", doc}})
		if errs != nil {
			f.Fatal(i, errs)
		}
		formats = append(formats, s.Formats()...)
	}
	f.Add([]byte(`{"a":"1e300","b":["x",1,null]}`))
	f.Add([]byte(`a="x\" b=3`))
	f.Add([]byte("Mar  1 10:00:00 h p: x y"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, format := range formats {
			p := format.New(parser.Options{BaseYear: 2026})
			for range 2 {
				var e schema.Event
				e.Reset(raw, 0)
				_ = p.Parse(raw, &e)
				_ = values(&e)
			}
		}
	})
}
