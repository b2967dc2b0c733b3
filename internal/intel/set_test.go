package intel

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Unix()

// entry makes an entry of a value whose type its shape tells.
func entry(t testing.TB, value string, from, until int64) Entry {
	t.Helper()
	kind, v, err := Normalize("", value)
	if err != nil {
		t.Fatal(err)
	}
	return Entry{Type: kind, Value: v, From: from, Until: until}
}

func texts(ms []Match) string {
	var out []string
	for _, m := range ms {
		out = append(out, m.Feed+":"+m.Value)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestSetMatches(t *testing.T) {
	revoked := entry(t, "198.51.100.1", 0, 0)
	revoked.Revoked = true
	s := Build("v1", []Part{
		{Feed: "b", Entries: []Entry{entry(t, "203.0.113.9", 0, 0), entry(t, "bad.example", 0, 0), entry(t, "2001:db8::/32", 0, 0)}},
		{Feed: "a", Entries: []Entry{entry(t, "203.0.113.9", 0, 0), entry(t, "203.0.113.0/24", 0, 0), entry(t, "203.0.112.0/22", 0, 0), entry(t, "sub.bad.example", 0, 0), entry(t, "http://bad.example/x?y=1", 0, 0),
			entry(t, strings.Repeat("a", 64), 0, 0), entry(t, "m@bad.example", 0, 0), revoked, entry(t, "198.51.100.2", day, day+10)}},
	})
	addr := func(v string, at int64) string { return texts(s.Addr(nil, netip.MustParseAddr(v), at)) }
	for _, c := range []struct{ got, want string }{
		{addr("203.0.113.9", day), "a:203.0.112.0/22 a:203.0.113.0/24 a:203.0.113.9 b:203.0.113.9"}, {addr("::ffff:203.0.113.10", day), "a:203.0.112.0/22 a:203.0.113.0/24"},
		{addr("203.0.116.1", day), ""}, {addr("2001:db8:1::5", day), "b:2001:db8::/32"}, {addr("2001:db9::5", day), ""}, {addr("198.51.100.1", day), ""},
		{addr("198.51.100.2", day-1), ""}, {addr("198.51.100.2", day), "a:198.51.100.2"}, {addr("198.51.100.2", day+9), "a:198.51.100.2"}, {addr("198.51.100.2", day+10), ""},
		{texts(s.Domain(nil, "www.SUB.bad.example.", day)), "a:sub.bad.example b:bad.example"}, {texts(s.Domain(nil, "notbad.example", day)), ""}, {texts(s.Domain(nil, "example", day)), ""}, {texts(s.Domain(nil, "", day)), ""},
		{texts(s.URL(nil, "https://BAD.example/x?y=1#frag", day)), "a:bad.example/x?y=1"}, {texts(s.URL(nil, "http://bad.example/x", day)), ""}, {texts(s.URL(nil, "http://bad.example/X?y=1", day)), ""},
		{texts(s.HostPath(nil, "bad.example", "/x?y=1", day)), "a:bad.example/x?y=1"}, {texts(s.HostPath(nil, "", "/x?y=1", day)), ""},
		{texts(s.Hash(nil, strings.Repeat("A", 64), day)), "a:" + strings.Repeat("a", 64)}, {texts(s.Hash(nil, "aa", day)), ""}, {texts(s.Email(nil, "<M@Bad.Example>", day)), "a:m@bad.example"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if s.Len() != 11 || s.Version() != "v1" {
		t.Errorf("%d %s", s.Len(), s.Version())
	}
}

// TestPrefixes holds every prefix length against netip's own idea of it.
func TestPrefixes(t *testing.T) {
	for _, base := range []string{"203.0.113.170", "2001:db8:a5a5:5a5a:ffff:1234:8765:abcd"} {
		a := netip.MustParseAddr(base)
		for bits := 8; bits < a.BitLen(); bits++ {
			if a.Is6() && bits < 16 {
				continue
			}
			p, _ := a.Prefix(bits)
			s := Build("v", []Part{{Feed: "f", Entries: []Entry{{Type: CIDR, Value: p.String()}}}})
			for flip := range a.BitLen() {
				b := a.AsSlice()
				b[flip/8] ^= 0x80 >> (flip % 8)
				x, _ := netip.AddrFromSlice(b)
				if got := len(s.Addr(nil, x, day)) == 1; got != p.Contains(x) {
					t.Fatalf("%s in %s: %v", x, p, got)
				}
			}
		}
	}
}

func TestParts(t *testing.T) {
	var entries []Entry
	for i := range partRows + 3 {
		entries = append(entries, Entry{Type: Domain, Value: fmt.Sprintf("h%d.example", i), Confidence: 50})
	}
	hash, bodies, err := EncodePart(entries)
	if err != nil || len(bodies) != 2 || PartHash(bodies) != hash {
		t.Fatalf("%d bodies, %v", len(bodies), err)
	}
	back, err := DecodePart(bodies)
	if err != nil || !slices.EqualFunc(entries, back, func(a, b Entry) bool { return a.Value == b.Value && a.Type == b.Type }) {
		t.Errorf("what was written is not what is read: %v", err)
	}
	if PartHash(bodies[:1]) == hash || PartHash([]string{bodies[1], bodies[0]}) == hash {
		t.Error("a hole or another order is not noticed")
	}
	if _, err := DecodePart([]string{"{"}); err == nil {
		t.Error("damage is not noticed")
	}
	p := map[string]string{"a": "1", "b": "2"}
	v := SetVersion("main", p)
	if v == SetVersion("other", p) || v == SetVersion("main", map[string]string{"a": "2", "b": "1"}) || v != SetVersion("main", map[string]string{"b": "2", "a": "1"}) || SetVersion("main", nil) != "" {
		t.Error("the version does not name the content")
	}
}

// large is a set of n indicators: addresses, networks, domains, URLs and hashes.
func large(n int) *Set {
	entries := make([]Entry, 0, n)
	for i := range n {
		switch i % 5 {
		case 0, 1:
			entries = append(entries, Entry{Type: IP, Value: netip.AddrFrom4([4]byte{byte(60 + i>>24), byte(i >> 16), byte(i >> 8), byte(i)}).String()})
		case 2:
			entries = append(entries, Entry{Type: Domain, Value: fmt.Sprintf("host%d.bad%d.example", i, i%1000)})
		case 3:
			entries = append(entries, Entry{Type: URL, Value: fmt.Sprintf("host%d.example/path/%d", i, i)})
		case 4:
			entries = append(entries, Entry{Type: SHA256, Value: fmt.Sprintf("%064x", i)})
		}
	}
	for bits := 12; bits <= 28; bits++ {
		entries = append(entries, Entry{Type: CIDR, Value: netip.PrefixFrom(netip.AddrFrom4([4]byte{5, byte(bits), 0, 0}), bits).Masked().String()})
	}
	return Build("large", []Part{{Feed: "f", Entries: entries}})
}

// misses looks for one value of each kind that is not there.
func misses(s *Set, a netip.Addr, dst []Match) []Match {
	dst = s.Addr(dst, a, day)
	dst = s.Domain(dst, "www.Intranet.corp.example", day)
	dst = s.URL(dst, "http://Www.Intranet.corp.example:8080/some/longer/path?with=query#x", day)
	dst = s.Hash(dst, "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", day)
	return s.Email(dst, "Somebody@corp.example", day)
}

// TestMissAllocatesNothing: the price of a set is paid by every event.
func TestMissAllocatesNothing(t *testing.T) {
	s, a := large(20_000), netip.MustParseAddr("10.1.2.3")
	if n := testing.AllocsPerRun(200, func() {
		if len(misses(s, a, nil)) != 0 {
			t.Fatal("a miss matched")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMiss(b *testing.B) {
	for _, n := range []int{1000, 100_000, 500_000} {
		s, a := large(n), netip.MustParseAddr("10.1.2.3")
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				misses(s, a, nil)
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	var entries []Entry
	for i := range 120_000 {
		entries = append(entries, Entry{Type: IP, Value: netip.AddrFrom4([4]byte{60, byte(i >> 16), byte(i >> 8), byte(i)}).String(), Confidence: 50})
	}
	_, bodies, err := EncodePart(entries)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		back, err := DecodePart(bodies)
		if err != nil {
			b.Fatal(err)
		}
		Build("v", []Part{{Feed: "f", Entries: back}})
	}
	j, _ := json.Marshal(bodies)
	b.ReportMetric(float64(len(j)), "bytes")
}
