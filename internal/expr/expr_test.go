package expr

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/schema"
)

func event(pairs ...string) *schema.Event {
	e := &schema.Event{}
	e.Reset([]byte("the raw line"), 0)
	for i := 0; i < len(pairs); i += 2 {
		if f, ok := schema.Lookup(pairs[i]); ok {
			e.Set(f.ID, pairs[i+1])
		} else {
			e.AddExtra(pairs[i], pairs[i+1])
		}
	}
	return e
}

func TestEval(t *testing.T) {
	env, err := NewEnv(Options{Lists: map[string][]string{"admins": {"Alice", "bob"}}})
	if err != nil {
		t.Fatal(err)
	}
	e := event("process.command_line", `C:\Windows\powershell.exe -Enc AAAA`, "source.ip", "10.1.2.3", "source.port", "4444",
		"tags", "Alpha", "tags", "beta", "winlog.event_data.TargetObject", `HKLM\Run`, "aws.request.bucket.name", "b1",
		"user.name", "ALICE", "timestamp", "2024-05-06T07:08:09Z", "tls.established", "true", "threat.indicator.value", "10.1.2.3",
		"labels.score.d1", "0.75", "labels.threshold.d1", "0.7", "labels.odd-key", "v", "destination.ip", "::ffff:1.2.3.4")
	for src, want := range map[string]bool{
		`e.process.command_line.icontains('-enc ')`:                                    true,
		`e.process.command_line.icontains(['x', 'POWERSHELL'])`:                        true,
		`e.process.command_line.icontainsAll(['-enc', 'POWERSHELL'])`:                  true,
		`e.process.command_line.icontainsAll(['-enc', 'nothere'])`:                     false,
		`e.process.command_line.iendsWith('aaaa') && e.source.port == 4444`:            true,
		`e.process.command_line.istartsWith('c:\\windows\\')`:                          true,
		`e.process.command_line.ilike('c:\\*\\power?hell.exe *')`:                      true,
		`e.process.command_line.contains('-enc')`:                                      false,
		`e.process.command_line.matches('(?i)-enc\\s')`:                                true,
		`e.source.ip == '10.1.2.3' && cidr(e.source.ip, ['10.0.0.0/8'])`:               true,
		`cidr(e.destination.ip, '1.2.3.0/24') && e.destination.ip == '1.2.3.4'`:        true,
		`has(e.source.ip) && !has(e.client.ip) && has(e.source.port)`:                  true,
		`cidr(e.client.ip, '::/0')`:                                                    false,
		`e.source.port in [1, 4444] && e.source.port > 1024 && e.source.port != 5`:     true,
		`e.user.name in ['ALICE']`:                                                     true,
		`inList(e.user.name, 'admins')`:                                                true,
		`'beta' in e.tags && e.tags.ieq('alpha') && size(e.tags) == 2`:                 true,
		`e.tags.exists(t, t.startsWith('Al'))`:                                         true,
		`e.tags.exists(e, e == 'beta')`:                                                true,
		`e.winlog.event_data.TargetObject.icontains('\\run')`:                          true,
		`has(e.winlog.event_data.TargetObject) && !has(e.winlog.event_data.Other)`:     true,
		`e.winlog.event_data.Other == ''`:                                              true,
		`e.aws.request.bucket.name == 'b1' && has(e.aws.request.bucket.name)`:          true,
		`e.labels['odd-key'] == 'v' && e.labels.` + "`odd-key`" + ` == 'v'`:            true,
		`e.timestamp > timestamp('2024-01-01T00:00:00Z') && e.timestamp.getHours()==7`: true,
		`e.tls.established && e.raw.icontains('RAW')`:                                  true,
		`intel(e.source.ip) && !intel(e.client.ip) && !intel(e.user.name)`:             true,
		`score('d1') >= threshold('d1') && score('d2') < threshold('d2')`:              true,
		`e.user.name != 'x' && e.user.target.name != 'x'`:                              true,
	} {
		p, err := env.Compile(src, nil)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		got, err := p.Eval(&Input{Event: e})
		if err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", src, got, err, want)
		}
	}
}

// TestErrors holds the place and the suggestion of typical mistakes.
func TestErrors(t *testing.T) {
	env, err := NewEnv(Options{Lists: map[string][]string{"admins": {"alice"}}})
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]string{
		`e.process.comand_line == 'x'`:            `1:11: no field "process.comand_line" (did you mean "process.command_line"?)`,
		"true &&\n  e.proces.name == 'x'":         `2:5: no field "proces.name" (did you mean "process.name"?)`,
		`process.name == 'x'`:                     `1:1: no name "process" (fields are written e.process…)`,
		`e.user.name.icontain('x')`:               `1:21: no name "icontain" (did you mean "icontains"?)`,
		`e.user.name == 'é' && e.source.prt == 1`: `1:32: no field "source.prt" (did you mean "source.port"?)`,
		`has(e.process)`:                          `e.process is an object, not a value (name one of its fields)`,
		`e.source.port == '1'`:                    `== cannot be applied to (int, string) (one side is text and the other a number`,
		`e.user.name.icontains(e.user.id)`:        `1:29: icontains needs a literal or a list of literals`,
		`e.user.name.icontains('')`:               `icontains of an empty text is always true`,
		`e.user.name.matches('(')`:                `1:21: compiling "(": error parsing regexp`,
		`e.source.ip == '2001:DB8::1'`:            `is not the canonical spelling of the address (write "2001:db8::1")`,
		`inList(e.user.name, 'admin')`:            `1:21: no list "admin" (did you mean "admins"?)`,
		`cidr(e.source.ip, '10.0.0.0/99')`:        `1:19: "10.0.0.0/99" is no address range`,
		`e.tags.exists(a, e.tags.exists(b, a == b && e.tags.exists(c, c == a)))`: `too expensive: up to`,
		`e.source.port + 1`: `must be true or false, but is int`,
	} {
		_, err := env.Compile(src, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", src, err, want)
		}
	}
}

// TestGlob: a backslash is plain, the pattern is anchored and ignores case.
func TestGlob(t *testing.T) {
	m, err := NewMatcher("ilike", []string{`c:\*\power?hell.exe`})
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{`C:\Windows\PowerShell.exe`: true, "C:\\a\nb\\powershell.exe": true, `xC:\W\powershell.exe`: false, `C:\W\powershell.exe.txt`: false, `C:\W\powerhell.exe`: false} {
		if m(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// FuzzFold compares the searching predicates with a plain implementation.
func FuzzFold(f *testing.F) {
	f.Add("C:\\Windows\\cmd.exe /c", "\\CMD.exe")
	f.Add("aaaaab", "AAB")
	f.Add("Ärger", "ÄR")
	f.Add("\u212a", "k")
	f.Add("C:\\Windows\\System32\\AclUI.dll", "\\aclui.dll")
	f.Add("yYab", "ab")
	f.Add("aBxxxxxxxxxxxx", "ab")
	f.Fuzz(func(t *testing.T, s, p string) {
		if p == "" {
			return
		}
		fold := Fold
		if IsASCII(p) {
			fold = asciiLower
		}
		text, lit := fold(s), fold(p)
		for name, want := range map[string]bool{"icontains": strings.Contains(text, lit), "istartsWith": strings.HasPrefix(text, lit),
			"iendsWith": strings.HasSuffix(text, lit), "ieq": text == lit} {
			m, err := NewMatcher(name, []string{p})
			if err != nil {
				t.Fatal(err)
			}
			if m(s) != want {
				t.Errorf("%s(%q, %q) = %v", name, s, p, !want)
			}
		}
		many := []string{p, s + p, p + s}
		for i := range manyLiterals {
			many = append(many, p+strings.Repeat("x", i), strings.Repeat("Y", i)+p)
		}
		for _, name := range []string{"icontains", "istartsWith", "iendsWith", "ieq"} {
			all, err := NewMatcher(name, many)
			if err != nil {
				t.Fatal(err)
			}
			want := slices.ContainsFunc(many, func(v string) bool {
				m, err := NewMatcher(name, []string{v})
				return err == nil && m(s)
			})
			if all(s) != want {
				t.Errorf("%s(%q) of %d texts = %v", name, s, len(many), !want)
			}
		}
		var sketch Sketch
		sketch.Of(s)
		for _, name := range []string{"icontains", "icontainsAll"} {
			for _, values := range [][]string{many, {p, p + p, "b" + p, p[:1]}, {p, strings.ToUpper(p), p[:1], "a"}} {
				m, err := NewMatcher(name, values)
				if err != nil {
					t.Fatal(err)
				}
				if want := m(s); NewWithin(name, values).Match(s, &sketch) != want {
					t.Errorf("%s(%q) of %q by a sketch = %v", name, s, values, !want)
				}
			}
		}
	})
}

func asciiLower(s string) string {
	b := []byte(s)
	for i := range b {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func TestConditions(t *testing.T) {
	vars := map[string]Type{"incident": StringMap, "risk": Int, "hosts": StringList, "ok": Bool, "at": Timestamp, "any": Dyn}
	values := map[string]any{"incident": map[string]string{"severity": "High", "source.ip": "10.1.2.3"}, "risk": 70, "hosts": []string{"WS1", "ws2"}, "ok": true,
		"at": time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), "any": map[string]any{"count": 3}}
	for src, want := range map[string]bool{
		`risk >= 60 && ok`: true, `incident.severity.ieq('high')`: true, `cidr(incident['source.ip'], '10.0.0.0/8')`: true, `hosts.istartsWith('ws')`: true,
		`'WS2' in hosts`: false, `at < timestamp('2025-01-01T00:00:00Z')`: true, `any.count == 3`: true, `has(incident.missing)`: false,
	} {
		p, err := Compile(src, vars)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got, err := p.EvalBool(values); err != nil || got != want {
			t.Errorf("%s = %v, %v", src, got, err)
		}
	}
	for _, src := range []string{`risks > 1`, `risk > 'a'`, `inList(incident.severity, 'x')`, `risk >`, `incident.severity.matches('(')`} {
		if _, err := Compile(src, vars); schema.CodeOf(err) != schema.Invalid {
			t.Errorf("%s: %v", src, err)
		}
	}
	p, err := Compile(`incident.missing == 'x'`, vars)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.EvalBool(values); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("a missing key: %v", err)
	}
	if s, err := mustCompile(t, `incident.severity + '!'`, vars).EvalString(values); err != nil || s != "High!" {
		t.Errorf("text %q, %v", s, err)
	}
}

func mustCompile(t *testing.T, src string, vars map[string]Type) Program {
	t.Helper()
	p, err := Compile(src, vars)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSameFolded: every byte at every place compares as its ASCII lower case, in texts around
// the eight bytes that are compared at a time.
func TestSameFolded(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				text := []byte(strings.Repeat("q", n))
				text[at] = byte(c)
				folded := asciiLower(string(text))
				if !SameFolded(string(text), folded) {
					t.Fatalf("%q is not %q", text, folded)
				}
				if text[at] ^= 0x20; SameFolded(string(text), folded) != (asciiLower(string(text)) == folded) {
					t.Fatalf("%q and %q", text, folded)
				}
				if text[at] ^= 0x20 ^ 0x80; SameFolded(string(text), folded) {
					t.Fatalf("%q is %q", text, folded)
				}
			}
		}
		if SameFolded(strings.Repeat("a", n+1), strings.Repeat("a", n)) {
			t.Fatal("lengths")
		}
	}
}
