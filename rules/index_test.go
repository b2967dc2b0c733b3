package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
	"unicode/utf8"

	"vigil/internal/expr"
	"vigil/schema"
)

// indexed are conditions with each function that the index looks into, and with ones
// that it does not, over values of few letters so that they often hold.
func indexed() []string {
	out := []string{
		`e.process.command_line.matches('(?i)k.*s|abc')`, `e.process.command_line.matches('ab+c')`, `e.process.command_line.matches('(abc|bca)x?')`, `e.process.command_line.matches('a{2}b')`, `e.process.command_line.matches('^a?b*$')`,
		`e.process.command_line.ilike('*ab?bc*')`, `e.process.command_line.ilike(['a*sk*', 'kks*'])`, `e.process.command_line.icontains('ÄB')`, `e.process.command_line.icontains(['b→a', 'ka→'])`, `e.process.command_line.iendsWith('cı→')`,
		"e.process.command_line.matches('[ab]`[bc]')", `e.process.command_line.matches('c[.][ab]{1}')`, `e.process.command_line.icontains(['А', 'ο'])`, `e.process.command_line.icontains('zЕ') || e.user.name.ieq('Аa')`,
		`e.process.command_line == e.user.name`, `cidr(e.labels.x, '10.0.0.0/8')`, `e.process.command_line.matches('[abc]{12}')`, `e.process.command_line.icontainsAll(['abca', 'bb'])`,
		`e.source.port == 0`, `e.source.port in [1, 2]`, `e.source.port > 2`, `!e.process.command_line.icontains('abc')`, `!(e.user.name == 'ab' || e.source.port != 1)`,
		`'abc' in e.tags`, `e.tags.icontains('bca')`, `e.tags.exists(t, t == 'abc')`, `e.user.name.ieq('')`, `e.user.name == 'Abc' && e.process.command_line.icontains('a')`,
		`e.labels.x.iendsWith('abc')`, `e.raw.icontains('cab')`, `has(e.user.name)`, `e.user.name.ieq(e.labels.x)`, `e.process.command_line.contains('Abc')`, `e.process.command_line.startsWith('aBc') || e.user.name == 'b'`,
	}
	for _, f := range []string{"ieq", "istartsWith", "iendsWith", "icontains"} {
		for _, v := range []string{"a", "ab", "abc", "bcab", "cabca", "kss"} {
			out = append(out, fmt.Sprintf("e.process.command_line.%s('%s')", f, v), fmt.Sprintf("e.user.name.%s(['%s', 'cc%s'])", f, strings.ToUpper(v), v))
		}
	}
	return out
}

// TestIndexAgainstReference compares index and interpreter on events made by chance.
func TestIndexAgainstReference(t *testing.T) {
	files := fstest.MapFS{}
	for i, when := range indexed() {
		files[fmt.Sprintf("%03d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "id: rule-%03d\ntitle: t\nauthor: a\nseverity: low\ndataset: test.all\nwhen: >-\n  %s\n", i, when)}
	}
	set, errs := Load(files)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if len(set.rules) <= fewRules {
		t.Fatal("too few rules for an index")
	}
	fast, slow := set.Evaluator(), set.Reference()
	letters := []string{"a", "b", "c", "a", "b", "c", "A", "B", "k", "s", "K", "ſ", "\u212a", "Ä", "x", "Abc", "bcAb", "cabca", "kSs", "abca", "abc", "bb", "→", "ı", "10.1.2.3", "`", ".", "А", "а", "Ο", "zе"}
	r := rand.New(rand.NewPCG(1, 2))
	text := func(most int) string {
		var b strings.Builder
		for range r.IntN(most) {
			b.WriteString(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	hits := map[string]int{}
	for n := range 6000 {
		e, err := NewEvent([][2]string{{"event.dataset", "test.all"}, {"process.command_line", text(12)}, {"user.name", text(4)}, {"labels.x", text(6)},
			{"tags", text(5)}, {"tags", text(5)}, {"raw", text(9)}, {"source.port", fmt.Sprint(r.IntN(4))}})
		if err != nil {
			t.Fatal(err)
		}
		a, b := fast.Evaluate(e, nil), slow.Evaluate(e, nil)
		if len(a) != len(b) {
			t.Fatalf("event %d %v:\n%v\nthe interpreter has\n%v", n, describe(e), whens(a), whens(b))
		}
		for i := range a {
			if hits[b[i].Rule.ID]++; a[i].Rule != b[i].Rule {
				t.Fatalf("event %d %v: %s, the interpreter has %s", n, describe(e), a[i].Rule.When, b[i].Rule.When)
			}
		}
	}
	for _, rule := range set.rules {
		if hits[rule.ID] == 0 {
			t.Errorf("%s never fired", rule.When)
		}
	}
}

func whens(hits []Hit) []string {
	var out []string
	for _, h := range hits {
		out = append(out, h.Rule.When)
	}
	return out
}

func describe(e *schema.Event) []string {
	var out []string
	for _, f := range e.Fields() {
		v, _ := e.Get(f.String())
		out = append(out, f.String()+"="+v)
	}
	return out
}

// TestTerms: what rules are filed under.
func TestTerms(t *testing.T) {
	for when, want := range map[string]string{
		`e.event.code == '1' && e.process.executable.iendsWith('\\A.exe')`:          `process.executable ends \a.exe`,
		`e.process.command_line.icontains(['abc', 'def']) && e.tags.icontains('x')`: `process.command_line holds abc, process.command_line holds def`,
		`!(e.user.name != 'x' || e.source.port == 3)`:                               ``,
		`!(e.user.name == 'x') && e.source.port == 3`:                               `source.port is 3`,
		`e.user.name.ieq('Me') || e.labels.y.istartsWith('abc')`:                    `user.name is me, labels.y starts abc`,
		`e.user.name.ieq('Me') || has(e.labels.y)`:                                  ``,
		`e.process.command_line.matches('(?i)foo[0-9]+barkeeper')`:                  `process.command_line holds eeper`,
		`e.process.command_line.ilike('*one*, number*')`:                            `process.command_line holds , number`,
		"e.process.command_line.matches('[a-c]+`[a-c]+')":                           "process.command_line holds `",
		`e.process.command_line.matches('[a-c]+[.][x ]{1}')`:                        `process.command_line holds . , process.command_line holds .x`,
		`e.process.command_line.icontains('А')`:                                     `process.command_line holds А, process.command_line holds а`,
	} {
		rs, errs := Parse("f.yaml", []byte("id: abc\ntitle: t\nauthor: a\nseverity: low\ndataset: '*'\nwhen: >-\n  "+when+"\n"), Options{})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		var got []string
		if rs[0].terms != nil {
			for _, x := range rs[0].terms.any {
				s := x.ref.Name() + map[how]string{isEqual: " is ", isPrefix: " starts ", isSuffix: " ends ", isWithin: " holds ", isNumber: " is "}[x.how] + x.text
				if x.how == isNumber {
					s += fmt.Sprint(x.number)
				}
				got = append(got, s)
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: filed under %q, want %q", when, s, want)
		}
	}
}

// TestSpellings: whatever characters have a lower case beyond ASCII, a text is filed under
// all that it may be the lower case of.
func TestSpellings(t *testing.T) {
	ref, ok := expr.ParseRef("process.command_line")
	if !ok {
		t.Fatal("no such field")
	}
	filed := map[rune]string{}
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		lower := unicode.ToLower(r)
		if lower < utf8.RuneSelf || r == utf8.RuneError || !utf8.ValidRune(r) {
			continue
		}
		if filed[lower] == "" {
			var b strings.Builder
			for _, x := range spellings(ref, "ab"+string(lower)).any {
				b.WriteString(x.text)
			}
			filed[lower] = b.String()
		}
		if !strings.ContainsRune(filed[lower], r) {
			t.Fatalf("%q is not among the spellings %q of %q", r, filed[lower], lower)
		}
	}
	if len(filed) < 100_000 {
		t.Errorf("%d characters", len(filed))
	}
}
