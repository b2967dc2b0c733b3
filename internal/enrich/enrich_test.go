package enrich

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/intel"
	"vigil/schema"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// setOf makes a set of one feed per value list.
func setOf(t testing.TB, feeds map[string][]string) *intel.Set {
	t.Helper()
	var parts []intel.Part
	for feed, values := range feeds {
		p := intel.Part{Feed: feed}
		for _, v := range values {
			kind, value, err := intel.Normalize("", v)
			if err != nil {
				t.Fatal(err)
			}
			p.Entries = append(p.Entries, intel.Entry{Type: kind, Value: value})
		}
		parts = append(parts, p)
	}
	return intel.Build("v", parts)
}

func event(fields map[schema.FieldID]string) *schema.Event {
	e := &schema.Event{}
	e.Reset([]byte("raw"), 0)
	ids := make([]int, 0, len(fields))
	for f := range fields {
		ids = append(ids, int(f))
	}
	slices.Sort(ids)
	for _, f := range ids {
		e.Set(schema.FieldID(f), fields[schema.FieldID(f)])
	}
	return e
}

func TestIndicators(t *testing.T) {
	sha := strings.Repeat("a", 64)
	p := Indicators(setOf(t, map[string][]string{
		"a": {"203.0.113.9", "bad.example", "http://bad.example/x", sha, "m@bad.example"},
		"b": {"203.0.113.0/24", "203.0.113.9"},
	}), at)
	for name, c := range map[string]struct {
		fields        map[schema.FieldID]string
		values, feeds []string
		sightings     int
	}{
		"nothing":            {map[schema.FieldID]string{schema.FSourceIP: "10.0.0.1", schema.FDestinationIP: "198.51.100.1", schema.FUserName: "bad.example"}, nil, nil, 0},
		"address, two feeds": {map[schema.FieldID]string{schema.FSourceIP: "10.0.0.1", schema.FDestinationIP: "203.0.113.9"}, []string{"203.0.113.9"}, []string{"b", "a"}, 3},
		"network":            {map[schema.FieldID]string{schema.FSourceIP: "203.0.113.7"}, []string{"203.0.113.7"}, []string{"b"}, 1},
		"both ends":          {map[schema.FieldID]string{schema.FSourceIP: "203.0.113.7", schema.FDestinationIP: "203.0.113.8"}, []string{"203.0.113.7"}, []string{"b"}, 1},
		"domain below":       {map[schema.FieldID]string{schema.FDnsQuestionName: "WWW.bad.example."}, []string{"WWW.bad.example."}, []string{"a"}, 1},
		"answers":            {map[schema.FieldID]string{schema.FDnsAnswersData: "203.0.113.9"}, []string{"203.0.113.9"}, []string{"b", "a"}, 3},
		"server name":        {map[schema.FieldID]string{schema.FTlsClientServerName: "bad.example"}, []string{"bad.example"}, []string{"a"}, 1},
		"address as a name":  {map[schema.FieldID]string{schema.FUrlDomain: "203.0.113.7"}, []string{"203.0.113.7"}, []string{"b"}, 1},
		"host and path":      {map[schema.FieldID]string{schema.FUrlDomain: "bad.example", schema.FUrlOriginal: "/x"}, []string{"bad.example/x", "bad.example"}, []string{"a"}, 2},
		"whole url":          {map[schema.FieldID]string{schema.FUrlOriginal: "http://bad.example/x"}, []string{"http://bad.example/x"}, []string{"a"}, 1},
		"hash":               {map[schema.FieldID]string{schema.FFileHashSha256: strings.ToUpper(sha)}, []string{strings.ToUpper(sha)}, []string{"a"}, 1},
		"email":              {map[schema.FieldID]string{schema.FEmailFromAddress: "<m@bad.example>"}, []string{"<m@bad.example>"}, []string{"a"}, 1},
	} {
		e := event(c.fields)
		p.Enrich(e)
		values, feeds := slices.Sorted(slices.Values(e.List(schema.FThreatIndicatorValue))), slices.Sorted(slices.Values(e.List(schema.FThreatIndicatorFeed)))
		slices.Sort(c.values)
		slices.Sort(c.feeds)
		if !slices.Equal(values, c.values) || !slices.Equal(feeds, c.feeds) {
			t.Errorf("%s: %q of %q, want %q of %q", name, values, feeds, c.values, c.feeds)
		}
		got := p.(Witness).Sightings(nil)
		if len(got) != c.sightings {
			t.Errorf("%s: %+v, want %d sightings", name, got, c.sightings)
		}
		for _, s := range got {
			if s.Indicator == "" || s.Feed == "" || s.Value == "" {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}

// TestPinnedTime: validity is judged at the time of the plan, not of the clock.
func TestPinnedTime(t *testing.T) {
	set := intel.Build("v", []intel.Part{{Feed: "f", Entries: []intel.Entry{{Type: intel.IP, Value: "203.0.113.9", Until: at.Unix()}}}})
	for when, want := range map[time.Time]int{at.Add(-time.Second): 1, at: 0, time.Now(): 0} {
		e := event(map[schema.FieldID]string{schema.FSourceIP: "203.0.113.9"})
		Indicators(set, when).Enrich(e)
		if got := len(e.List(schema.FThreatIndicatorValue)); got != want {
			t.Errorf("at %s: %d values, want %d", when, got, want)
		}
	}
}

type tag struct{ text string }

func (t tag) Enrich(e *schema.Event) { e.Add(schema.FTags, t.text) }

func TestAll(t *testing.T) {
	p := All(tag{"first"}, nil, Indicators(setOf(t, map[string][]string{"f": {"203.0.113.9"}}), at), tag{"last"})
	e := event(map[schema.FieldID]string{schema.FSourceIP: "203.0.113.9"})
	p.Enrich(e)
	if !slices.Equal(e.List(schema.FTags), []string{"first", "last"}) || len(p.(Witness).Sightings(nil)) != 1 {
		t.Errorf("%q", e.List(schema.FTags))
	}
	All(nil, nil).Enrich(e)
}

// connection is a typical event: what most of the work is spent on.
func connection() *schema.Event {
	e := event(map[schema.FieldID]string{schema.FSourceIP: "10.1.2.3", schema.FDestinationIP: "198.51.100.4", schema.FSourcePort: "5555", schema.FDestinationPort: "443", schema.FNetworkTransport: "tcp",
		schema.FEventDataset: "zeek.ssl", schema.FTlsClientServerName: "www.intranet.corp.example", schema.FDnsAnswersData: "198.51.100.4", schema.FUrlDomain: "www.intranet.corp.example", schema.FUrlOriginal: "/index.html?x=1"})
	e.Add(schema.FDnsAnswersData, "cdn.corp.example")
	return e
}

func TestMissAllocatesNothing(t *testing.T) {
	p, e := Indicators(many(t, 20_000), at), connection()
	if n := testing.AllocsPerRun(100, func() { p.Enrich(e) }); n != 0 || e.Has(schema.FThreatIndicatorValue) {
		t.Errorf("%v allocations, %q", n, e.List(schema.FThreatIndicatorValue))
	}
}

func many(t testing.TB, n int) *intel.Set {
	var values []string
	for i := range n / 2 {
		values = append(values, netip.AddrFrom4([4]byte{60, byte(i >> 16), byte(i >> 8), byte(i)}).String(), fmt.Sprintf("host%d.bad%d.example", i, i%100))
	}
	return setOf(t, map[string][]string{"f": append(values, "5.1.0.0/16", "5.2.3.0/24", "http://bad.example/x")})
}

// BenchmarkEnrich is the cost per event of a set of 100,000 indicators, and of none.
func BenchmarkEnrich(b *testing.B) {
	for _, n := range []int{0, 100_000} {
		p, e := Indicators(many(b, n), at), connection()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Enrich(e)
			}
		})
	}
}
