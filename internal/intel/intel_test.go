package intel

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// read reads one document and fails the test when it cannot.
func read(t testing.TB, kind, text string, o Options) ([]Entry, Report) {
	t.Helper()
	entries, rep, err := Read(t.Context(), kind, One("test", strings.NewReader(text)), o)
	if err != nil {
		t.Fatal(err)
	}
	return entries, rep
}

// TestKinds reads the document of every kind and holds the result against its golden
// file: every row of the table has one.
func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		files, err := filepath.Glob(filepath.Join("testdata", k.Name+"*.in"))
		if err != nil || len(files) == 0 {
			t.Fatalf("kind %s has no document in testdata (%v)", k.Name, err)
		}
		for _, f := range files {
			t.Run(filepath.Base(f), func(t *testing.T) {
				in, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				entries, rep := read(t, k.Name, string(in), Options{})
				var b bytes.Buffer
				fmt.Fprintf(&b, "read %d, taken %d, refused %d, ignored %d\n", rep.Read, rep.Taken, rep.Refused, rep.Ignored)
				var why []string
				for r, n := range rep.Reasons {
					why = append(why, fmt.Sprintf("%d × %s\n", n, r))
				}
				slices.Sort(why)
				b.WriteString(strings.Join(why, ""))
				for _, e := range entries {
					j, err := json.Marshal(e)
					if err != nil {
						t.Fatal(err)
					}
					b.Write(append(j, '\n'))
				}
				golden := strings.TrimSuffix(f, ".in") + ".golden"
				if *update {
					if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if b.String() != string(want) {
					t.Errorf("got\n%s\nwant\n%s", b.String(), want)
				}
			})
		}
	}
}

func TestNormalize(t *testing.T) {
	for _, c := range []struct{ kind, in, wantKind, want string }{
		{"", "203.0.113.9", IP, "203.0.113.9"}, {IP, "::ffff:203.0.113.9", IP, "203.0.113.9"}, {IP, "203.0.113.0/24", CIDR, "203.0.113.0/24"},
		{"", "203.0.113.77/24", CIDR, "203.0.113.0/24"}, {CIDR, "203.0.113.9/32", IP, "203.0.113.9"}, {"", "2001:DB8::1", IP, "2001:db8::1"}, {"", "2001:db8::/32", CIDR, "2001:db8::/32"},
		{"", "Bad.Example.ORG.", Domain, "bad.example.org"}, {Domain, "*.example.org", Domain, "example.org"}, {Domain, "bücher.example", Domain, "xn--bcher-kva.example"}, {"", "bad[.]example", Domain, "bad.example"},
		{"", "hxxp://Bad[.]example/A?b=C#d", URL, "bad.example/A?b=C"}, {URL, "https://u:p@bad.example:443", URL, "bad.example/"}, {URL, "http://bad.example:8080/x", URL, "bad.example:8080/x"},
		{URL, "203.0.113.9/a", URL, "203.0.113.9/a"}, {"", "http://[2001:db8::1]:80/x", URL, "[2001:db8::1]/x"},
		{"", strings.Repeat("A", 32), MD5, strings.Repeat("a", 32)}, {hash, strings.Repeat("0", 40), SHA1, strings.Repeat("0", 40)}, {SHA256, strings.Repeat("f", 64), SHA256, strings.Repeat("f", 64)},
		{"", "Mallory@Bad.example", Email, "mallory@bad.example"},
	} {
		kind, v, err := Normalize(c.kind, c.in)
		if err != nil || kind != c.wantKind || v != c.want {
			t.Errorf("Normalize(%q, %q) = %q %q %v, want %q %q", c.kind, c.in, kind, v, err, c.wantKind, c.want)
		}
		if k2, v2, err := Normalize(kind, v); err != nil || k2 != kind || v2 != v {
			t.Errorf("%q is not stable: %q %q %v", v, k2, v2, err)
		}
	}
	for _, c := range [][2]string{{"", ""}, {"", "hello"}, {IP, "127.0.0.1"}, {"", "0.0.0.0/0"}, {"", "10.0.0.0/7"}, {"", "::/0"}, {IP, "169.254.169.254"}, {Domain, "com"}, {Domain, "co.uk"}, {Domain, "1.2.3.4"}, {Domain, "a..b.example"},
		{Domain, "-"}, {Domain, strings.Repeat("a", 64) + ".example"}, {URL, "http:///x"}, {URL, "/path"}, {MD5, strings.Repeat("a", 40)}, {"", "d41d8cd98f00b204e9800998ecf8427e"}, {Email, "a b@c.example"}, {Email, "x@y"},
		{"mutex", "x"}, {URL, "http://h.example/" + strings.Repeat("a", 3000)}} {
		if kind, v, err := Normalize(c[0], c[1]); err == nil {
			t.Errorf("Normalize(%q, %.60q) = %q %q, want a refusal", c[0], c[1], kind, v)
		}
	}
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // kind=value, sorted as they come
		why  string // part of the reason
	}{
		{"[ipv4-addr:value = '203.0.113.9']", "ip=203.0.113.9", ""},
		{"[ipv4-addr:value ISSUBSET '203.0.113.0/24']", "ip=203.0.113.0/24", ""},
		{"[domain-name:value IN ('a.example', 'b.example') OR url:value='http://x.example/']", "domain=a.example domain=b.example url=http://x.example/", ""},
		{"[file:hashes.'SHA-256' = 'aa' AND file:hashes.MD5 = 'bb' AND file:name = 'x.exe']", "sha256=aa md5=bb", ""},
		{"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '203.0.113.9']", "ip=203.0.113.9", ""},
		{"[network-traffic:dst_ref.value = '203.0.113.9' AND network-traffic:dst_port = 443]", "", "AND"},
		{"[email-message:from_ref.value = 'a@b.example'] OR ([ipv6-addr:value = '2001:db8::1'])", "email=a@b.example ip=2001:db8::1", ""},
		{"[(domain-name:value = 'a.example' OR file:name = 'x')]", "domain=a.example", "file:name is not matched"},
		{"[domain-name:value = 'a.example' AND ipv4-addr:value = '203.0.113.9']", "", "AND of different things"},
		{"[domain-name:value = 'a.example' AND domain-name:resolves_to_refs[*].value = '203.0.113.9']", "", "AND"},
		{"[file:name = 'x' AND file:size = 5]", "", "AND of conditions"},
		{"[ipv4-addr:value = '203.0.113.9'] FOLLOWEDBY [domain-name:value = 'a.example']", "", "several observations"},
		{"[ipv4-addr:value = '203.0.113.9'] AND [domain-name:value = 'a.example']", "", "several observations"},
		{"[ipv4-addr:value = '203.0.113.9'] REPEATS 5 TIMES WITHIN 10 SECONDS", "", "qualifiers"},
		{"[ipv4-addr:value NOT = '203.0.113.9']", "", "NOT"}, {"[ipv4-addr:value != '203.0.113.9']", "", "operator"}, {"[url:value LIKE '%x%']", "", "operator"}, {"[url:value MATCHES 'x']", "", "operator"},
		{`[file:hashes.MD5 = 'it\'s' OR url:value = 'a\\b']`, `md5=it's url=a\b`, ""},
		{"[file:hashes.'SHA-512' = 'aa']", "", "not matched"}, {"[process:args[0] = 'x']", "", "not matched"}, {"[EXISTS ipv4-addr:value]", "", "EXISTS"},
		{"[artifact:payload_bin = b'AAAA']", "", "constants"},
		{"", "", "missing"}, {"[", "", "object path"}, {"[ipv4-addr:value = '203.0.113.9'", "", "missing"}, {"[ipv4-addr:value = 'x] y", "", "quote"}, {"[ipv4-addr:value]", "", ""}, {"[ipv4-addr:value IN ('a' 'b')]", "", "want"},
		{"[ipv4-addr:value = 'a'] junk", "", "not expected"}, {strings.Repeat("(", 1000) + "[", "", "deeply"}, {"[" + strings.Repeat("(", 1000), "", "deeply"},
	} {
		values, reasons := pattern(c.in)
		var got []string
		for _, v := range values {
			got = append(got, v.kind+"="+v.value)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%.80s\n gives %q, want %q (%v)", c.in, got, c.want, reasons)
		}
		if c.want == "" && len(reasons) == 0 {
			t.Errorf("%.80s: refused without a reason", c.in)
		}
		if c.why != "" && !strings.Contains(strings.Join(reasons, "|"), c.why) {
			t.Errorf("%.80s: reasons %q, want one with %q", c.in, reasons, c.why)
		}
	}
}

// TestVersions: of one STIX id the version modified last counts, in any order.
func TestVersions(t *testing.T) {
	a := `{"type":"indicator","id":"indicator--1","modified":"2026-01-01T00:00:00Z","pattern":"[domain-name:value='old.example']"}`
	b := `{"type":"indicator","id":"indicator--1","modified":"2026-02-01T00:00:00Z","revoked":true,"pattern":"[domain-name:value='new.example']"}`
	for _, doc := range []string{a + "," + b, b + "," + a} {
		entries, _ := read(t, "stix", `{"type":"bundle","objects":[`+doc+`]}`, Options{})
		if len(entries) != 1 || entries[0].Value != "new.example" || !entries[0].Revoked {
			t.Errorf("%+v", entries)
		}
	}
}

func TestHostile(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for name, c := range map[string][2]string{
		"empty": {"stix", ""}, "no JSON": {"stix", "<html>"}, "cut": {"stix", `{"objects":[{"type":"indicator"`}, "deep": {"stix", deep}, "a number": {"misp", "42"},
		"large object": {"stix", `{"objects":[{"type":"indicator","pattern":"` + strings.Repeat("x", maxObject+(1<<20)) + `"}]}`},
		"long line":    {"text", strings.Repeat("a", maxObject+10)}, "open quote": {"csv", "value\n\"" + strings.Repeat("a,\n", maxObject/2)}, "no fields": {"zeek-intel", "1.2.3.4\tIntel::ADDR\n"}, "no header": {"csv", ""}, "no value column": {"csv", "a,b\n1,2\n"},
	} {
		if _, _, err := Read(t.Context(), c[0], One("x", strings.NewReader(c[1])), Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, _, err := Read(t.Context(), "nonsense", One("x", strings.NewReader("")), Options{}); err == nil {
		t.Error("an unknown kind is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Read(ctx, "text", One("x", strings.NewReader("203.0.113.1\n")), Options{}); err == nil {
		t.Error("a cancelled read goes on")
	}
}

func TestColumns(t *testing.T) {
	o := Options{Columns: map[string]string{"#2": "value", "#1": "name"}, Type: Domain}
	entries, rep := read(t, "csv", "first,a.example\nsecond,b.example\nthird\n", o)
	if len(entries) != 2 || entries[0].Name != "first" || rep.Refused != 1 {
		t.Errorf("%+v %+v", entries, rep)
	}
	for _, bad := range []map[string]string{{"a": "name"}, {"a": "nonsense", "b": "value"}, {"#0": "value"}, {"#x": "value"}} {
		if CheckColumns(bad) == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

// FuzzRead: no document of any kind breaks the readers, and what they take is canonical.
func FuzzRead(f *testing.F) {
	for i, k := range Kinds() {
		files, _ := filepath.Glob(filepath.Join("testdata", k.Name+"*.in"))
		for _, name := range files {
			if b, err := os.ReadFile(name); err == nil {
				f.Add(uint8(i), b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, doc []byte) {
		k := Kinds()[int(kind)%len(Kinds())]
		entries, rep, err := Read(t.Context(), k.Name, One("fuzz", bytes.NewReader(doc)), Options{})
		if err != nil {
			return
		}
		if rep.Taken > rep.Read || rep.Refused > rep.Read {
			t.Errorf("%+v", rep)
		}
		for _, e := range entries {
			kind, v, err := Normalize(e.Type, e.Value)
			if err != nil || kind != e.Type || v != e.Value {
				t.Errorf("%+v is not canonical: %q %q %v", e, kind, v, err)
			}
		}
		Build("v", []Part{{Feed: "f", Entries: entries}})
	})
}

// FuzzPattern: any text gives values or reasons, never nothing, and never breaks.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"[ipv4-addr:value = '203.0.113.9']", "[file:hashes.'SHA-256' = 'aa' AND file:hashes.MD5 = 'bb']", "([a:b IN ('x','y')] OR [c:d ISSUBSET '1.2.3.4/8']) WITHIN 5 SECONDS", `[a:b[*].c NOT LIKE 'x\'y']`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if values, reasons := pattern(s); len(values) == 0 && len(reasons) == 0 {
			t.Errorf("%q gives nothing", s)
		}
	})
}
