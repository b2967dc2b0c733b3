package chsql

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"vigil/rules"
	"vigil/rules/library"
	"vigil/schema"
)

// Equality of the SQL with the interpreter, on a real engine, is tested in
// integration/rulesql.

func load(t *testing.T, when string) *rules.Rule {
	t.Helper()
	text := "id: abc\ntitle: t\nauthor: a\nseverity: low\ndataset: [zeek.conn, 'windows.*']\nwhen: >-\n  " + when + "\n"
	set, errs := rules.Load(fstest.MapFS{"r.yaml": {Data: []byte(text)}})
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	return set.Rules()[0]
}

func TestWhere(t *testing.T) {
	for when, want := range map[string]string{
		`e.user.name == "it's"`:                          `((startsWith(event_dataset, 'windows.') OR event_dataset IN ('zeek.conn')) AND (user_name = 'it\'s'))`,
		`e.user.name.icontains(['A\\', 'b'])`:            `((startsWith(event_dataset, 'windows.') OR event_dataset IN ('zeek.conn')) AND multiSearchAnyCaseInsensitive(user_name, ['A\\', 'b']))`,
		`cidr(e.source.ip, '10.0.0.0/8')`:                `((startsWith(event_dataset, 'windows.') OR event_dataset IN ('zeek.conn')) AND (source_ip != toIPv6('::') AND (source_ip BETWEEN toIPv6('::ffff:10.0.0.0') AND toIPv6('::ffff:10.255.255.255'))))`,
		`has(e.labels.x) && e.destination.port in [1,2]`: `((startsWith(event_dataset, 'windows.') OR event_dataset IN ('zeek.conn')) AND (notEmpty(attrs['labels.x']) AND destination_port IN (toInt64(1), toInt64(2))))`,
		`(e.user.domain + '/' + e.user.name).icontains('a/b') && string(e.source.port).startsWith('4')`: `((startsWith(event_dataset, 'windows.') OR event_dataset IN ('zeek.conn')) AND ((positionCaseInsensitive(concat(concat(user_domain, '/'), user_name), 'a/b') > 0) AND startsWith(toString(source_port), '4')))`,
		`int(e.labels.x) > 3`: `((startsWith(event_dataset, 'windows.') OR event_dataset IN ('zeek.conn')) AND (toInt64OrNull(attrs['labels.x']) > toInt64(3)))`,
	} {
		w, err := Where(load(t, when))
		if err != nil {
			t.Errorf("%s: %v", when, err)
		} else if got := w.Inline(); got != want {
			t.Errorf("%s\n got %s\nwant %s", when, got, want)
		}
	}
}

// TestCandidates: rules that imply texts of the record are asked by those alone, all in one
// search; the others, and one that implies but two letters, by what they say.
func TestCandidates(t *testing.T) {
	list := []*rules.Rule{
		load(t, `e.raw.icontains(['MimiKatz', 'sekurlsa::.']) && e.event.code != '15'`),
		load(t, `e.user.name == 'bob' && e.raw.matches('"a": *1')`),
		load(t, `e.raw.icontains('mimikatz') || e.raw.icontainsAll(['ab', 'longer text'])`),
		load(t, `e.raw.icontains('größe')`),
	}
	w, err := Candidates(list)
	if err != nil {
		t.Fatal(err)
	}
	const datasets = `((startsWith(event_dataset, 'windows.') OR event_dataset IN ('zeek.conn')) AND `
	want := `(` + datasets + `((user_name = 'bob') AND match(raw, '(?-s)"a": *1'))) OR ` + datasets + `(position(lowerUTF8(raw), 'größe') > 0)) OR ` +
		`multiFuzzyMatchAny(raw, 0, ['(?i)longer text', '(?i)mimikatz', '(?i)sekurlsa::\\.']))`
	if got := w.Inline(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestNothingEscapes: text of a rule never reaches SQL outside of a parameter.
func TestNothingEscapes(t *testing.T) {
	hostile := `x') OR 1=1 -- \\`
	w, err := Where(load(t, `e.user.name == "`+hostile+`" || e.labels["`+hostile+`"].icontains("`+hostile+`")`))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(w.SQL, "OR 1=1") || !regexp.MustCompile(`^[^'\\]*('[a-z.:]*'[^'\\]*)*$`).MatchString(w.SQL) {
		t.Errorf("the text is in the SQL: %s", w.SQL)
	}
	if q := Quote(hostile); q != `'x\') OR 1=1 -- \\\\'` && q != `'x\') OR 1=1 -- \\'` {
		t.Errorf("quoted as %s", q)
	}
}

func TestRefusal(t *testing.T) {
	_, err := Where(load(t, `e.source.port / 2 == 1`))
	if schema.CodeOf(err) != schema.Invalid || !strings.Contains(err.Error(), "abc") {
		t.Errorf("got %v", err)
	}
}

func TestLibraryRenders(t *testing.T) {
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	for _, r := range set.Rules() {
		w, err := Where(r)
		if err != nil {
			t.Error(err)
			continue
		}
		for name := range w.Params {
			if !strings.Contains(w.SQL, "{"+name+":String}") {
				t.Errorf("%s: the parameter %s is not used", r.ID, name)
			}
		}
		if strings.Contains(w.Inline(), ":String}") {
			t.Errorf("%s: a parameter is left: %s", r.ID, w.Inline())
		}
	}
}
