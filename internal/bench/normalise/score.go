package normalise

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vigil/internal/parser"
	"vigil/schema"
)

// core are the fields that rules and people ask for first.
var core = []string{"@timestamp", "source.ip", "source.port", "destination.ip", "destination.port", "user.name", "user.domain", "user.email", "host.name",
	"event.action", "event.outcome", "url.original", "url.full", "url.domain", "url.path",
	"file.hash.md5", "file.hash.sha1", "file.hash.sha256", "process.hash.md5", "process.hash.sha1", "process.hash.sha256", "rule.name"}

// Count is how many of the expected fields came out equal.
type Count struct {
	Equal  int `json:"equal"`
	Wanted int `json:"wanted"`
}

// Percent is the share of equal fields, 0 to 100.
func (c Count) Percent() float64 { return 100 * float64(c.Equal) / float64(max(1, c.Wanted)) }

func (c *Count) add(o Count) { c.Equal += o.Equal; c.Wanted += o.Wanted }

// Miss is a field that did not come out as expected.
type Miss struct {
	Field string `json:"field"`
	Times int    `json:"times"`
	Want  string `json:"want"` // of one record
	Have  string `json:"have"`
}

// Row is the score of one format of one collection.
type Row struct {
	Set        string `json:"set"`
	Format     string `json:"format"`
	Claimed    bool   `json:"claimed"`
	Records    int    `json:"records"`
	Recognised int    `json:"recognised"` // taken by a format that knows more than lines and objects
	Core       Count  `json:"core"`
	All        Count  `json:"all"`
	Agreed     int    `json:"agreed"` // of the equal fields, those that only Differences make equal
	Apart      int    `json:"apart"`  // expected fields that are not compared, see Differences
	Misses     []Miss `json:"misses,omitempty"`

	misses map[string]*Miss
}

// Report is the score of everything.
type Report struct {
	Rows []Row `json:"rows"`
}

// Total sums the rows that keep says yes to.
func (r Report) Total(keep func(Row) bool) Row {
	var sum Row
	for _, row := range r.Rows {
		if keep(row) {
			sum.Records += row.Records
			sum.Recognised += row.Recognised
			sum.Agreed += row.Agreed
			sum.Apart += row.Apart
			sum.Core.add(row.Core)
			sum.All.add(row.All)
		}
	}
	return sum
}

// Score parses every pair below data and compares.
func Score(ctx context.Context, data string) (Report, error) {
	rows := map[[2]string]*Row{}
	twins, err := scoreTwins(ctx, data)
	if err != nil {
		return Report{}, err
	}
	rows[[2]string{twins.Set, twins.Format}] = &twins
	for p, err := range pairs(data) {
		if err != nil {
			return Report{}, err
		}
		key := [2]string{p.set, p.format}
		if rows[key] == nil {
			rows[key] = &Row{Set: p.set, Format: p.format, Claimed: claimed(p.set, p.format), misses: map[string]*Miss{}}
		}
		if ctx.Err() != nil {
			return Report{}, context.Cause(ctx)
		}
		rows[key].add(p)
	}
	var out Report
	for _, r := range rows {
		for _, m := range r.misses {
			r.Misses = append(r.Misses, *m)
		}
		slices.SortFunc(r.Misses, func(a, b Miss) int { return cmp.Or(b.Times-a.Times, strings.Compare(a.Field, b.Field)) })
		out.Rows = append(out.Rows, *r)
	}
	slices.SortFunc(out.Rows, func(a, b Row) int {
		return cmp.Or(strings.Compare(a.Set, b.Set), b.Records-a.Records, strings.Compare(a.Format, b.Format))
	})
	return out, nil
}

// parsed is what became of a record.
type parsed struct {
	format string
	event  *schema.Event
	failed error
}

// parse detects and parses a record as the pipeline does with a file of one record.
func parse(p pair) parsed {
	raw := []byte(p.record)
	f, _, err := parser.Detect(raw, "x.log")
	if err != nil {
		return parsed{failed: err}
	}
	q := f.New(options(p))
	e := &schema.Event{}
	e.Reset(raw, 0)
	if err = q.Parse(raw, e); err == nil {
		return parsed{format: f.Name, event: e}
	}
	for line := range strings.Lines(p.record) { // a format with a header
		line := []byte(strings.TrimRight(line, "\n"))
		e.Reset(line, 0)
		if err := q.Parse(line, e); err == nil {
			return parsed{format: f.Name, event: e}
		}
	}
	return parsed{format: f.Name, failed: err}
}

// options hands over what is not in the record, and the collection took from around it:
// the year of times that have none, and the zone.
func options(p pair) parser.Options {
	o := parser.Options{Object: "x.log", BaseYear: 2024}
	if t, err := time.Parse(time.RFC3339Nano, p.want.first("@timestamp")); err == nil {
		o.BaseYear = t.Year()
	}
	zone := strings.TrimPrefix(p.want.first("event.timezone"), "GMT")
	if len(zone) == 2 { // "+2"
		zone = zone[:1] + "0" + zone[1:]
	}
	for _, layout := range []string{"-0700", "-07"} {
		if off, err := time.Parse(layout, zone); err == nil {
			o.Zone = off.Location()
		}
	}
	return o
}

func (r *Row) add(p pair) {
	r.Records++
	got := parse(p)
	if got.format != "" && got.format != "text" && got.format != "json" && got.format != "csv" {
		r.Recognised++
	}
	r.compare(p, got)
}

// compare counts the expected fields of one record.
func (r *Row) compare(p pair, got parsed) {
	for name, want := range p.want {
		have := got.values(name)
		apart, agreed := differs(p.set, p.format, name, want[0], have)
		if apart {
			r.Apart++
			continue
		}
		c := Count{Wanted: 1}
		switch {
		case same(name, want, have):
			c.Equal = 1
		case agreed:
			c.Equal = 1
			r.Agreed++
		default:
			r.miss(name, got.format, want, have)
		}
		r.All.add(c)
		if slices.Contains(core, name) || name == formatName {
			r.Core.add(c)
		}
	}
}

func (r *Row) miss(name, format string, want, have []string) {
	key := format + ":" + name
	m := r.misses[key]
	if m == nil {
		m = &Miss{Field: key, Want: strings.Join(want, ","), Have: strings.Join(have, ",")}
		r.misses[key] = m
	}
	m.Times++
}

// values are what the event has under an expected name.
func (p parsed) values(name string) []string {
	switch {
	case name == formatName:
		return []string{p.format}
	case p.event == nil:
		return nil
	case name == "@timestamp":
		name = "timestamp"
	}
	if f, ok := schema.Lookup(name); ok && f.Multi {
		return p.event.List(f.ID)
	}
	if v, ok := p.event.Get(name); ok {
		return []string{v}
	}
	return nil
}

// same says whether every expected value is there, whatever its case and the blanks around
// it. Times count to the millisecond, addresses by what they mean, and a list that is kept
// as JSON by its values.
func same(name string, want, have []string) bool {
	if name == formatName {
		return len(have) > 0 && slices.Contains(want, have[0])
	}
	for _, w := range want {
		if !slices.ContainsFunc(have, func(h string) bool {
			return strings.EqualFold(strings.TrimSpace(w), strings.TrimSpace(h)) || sameTime(w, h) || sameAddress(w, h) || within(w, h)
		}) {
			return false
		}
	}
	return true
}

func sameTime(a, b string) bool {
	if len(a) < 19 || len(b) < 19 {
		return false
	}
	s, err := time.Parse(time.RFC3339Nano, a)
	t, err2 := time.Parse(time.RFC3339Nano, b)
	return err == nil && err2 == nil && s.UnixMilli() == t.UnixMilli()
}

func sameAddress(a, b string) bool {
	x, err := netip.ParseAddr(a)
	y, err2 := netip.ParseAddr(b)
	return err == nil && err2 == nil && x.Unmap() == y.Unmap()
}

// within says whether a JSON array, kept as text, has the value.
func within(value, text string) bool {
	if !strings.HasPrefix(text, "[") {
		return false
	}
	var list []any
	if json.Unmarshal([]byte(text), &list) != nil {
		return false
	}
	return slices.ContainsFunc(list, func(v any) bool { s, ok := v.(string); return ok && s == value })
}
