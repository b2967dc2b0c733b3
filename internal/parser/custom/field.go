package custom

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/internal/expr"
	"vigil/internal/parser"
	"vigil/schema"
)

// valuesVar is what expressions call the values of a record: a map of text to text.
const valuesVar = "v"

// row is one checked line of the fields table.
type row struct {
	to        schema.FieldID // schema.NumFields: the extra of that name
	extra     string
	from      []string
	value     []string
	values    map[string]string
	otherwise string
	cel       *expr.Program
	when      *expr.Program
	layouts   []layout
	zone      *time.Location
	scale     float64
	split     string
	lower     bool
	drop      bool
}

// layout is one way to write a time.
type layout struct {
	text   string
	unit   time.Duration // of Unix times; 0: text is a layout of package time
	noYear bool
}

// units are the names of Unix times.
var units = map[string]time.Duration{"unix": time.Second, "unix_ms": time.Millisecond, "unix_us": time.Microsecond, "unix_ns": time.Nanosecond}

// rows checks the fields table.
func (r *reader) rows(s *shape) []*row {
	keys := s.keys()
	var out []*row
	for i := range r.doc.Fields {
		out = append(out, r.row(fieldPath(i, ""), &r.doc.Fields[i], keys))
	}
	return out
}

func fieldPath(i int, key string) string {
	p := "$.fields[" + strconv.Itoa(i) + "]"
	if key != "" {
		p += "." + key
	}
	return p
}

func (r *reader) row(path string, d *fieldDoc, keys []string) *row {
	w := &row{to: schema.NumFields, from: d.From, value: d.Value, values: d.Values, otherwise: d.Otherwise, scale: d.Scale, split: d.Split, lower: d.Lower, drop: d.Drop}
	r.target(path, d, w)
	given := 0
	for _, is := range []bool{d.From != nil, d.Value != nil, d.CEL != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		r.fail(path, "a field needs one of from, value and cel")
	}
	for _, k := range d.From {
		if keys != nil && !slices.Contains(keys, k) {
			r.fail(path+".from", "the shape yields no value %q; it yields %s", k, strings.Join(slices.DeleteFunc(slices.Clone(keys), func(s string) bool { return s == "" }), ", "))
		}
	}
	w.cel = r.program(path+".cel", d.CEL)
	w.when = r.program(path+".if", d.If)
	r.times(path, d, w)
	if d.Otherwise != "" && d.Values == nil {
		r.fail(path+".otherwise", "otherwise goes with values")
	}
	if d.Scale != 0 && (w.to == schema.NumFields || w.to.Def().Kind != schema.Long && w.to.Def().Kind != schema.Double) {
		r.fail(path+".scale", "scale is for fields that are numbers")
	}
	if d.Split != "" && (w.to == schema.NumFields || !w.to.Def().Multi) {
		r.fail(path+".split", "split is for fields that are lists")
	}
	if len(d.Value) > 1 && (w.to == schema.NumFields || !w.to.Def().Multi) {
		r.fail(path+".value", "several values are for fields that are lists")
	}
	return w
}

// target finds the field, or the name outside the table.
func (r *reader) target(path string, d *fieldDoc, w *row) {
	switch f, ok := schema.Lookup(d.To); {
	case d.Drop:
		if d.To != "" || d.From == nil {
			r.fail(path, "drop goes with from alone")
		}
	case ok:
		w.to = f.ID
	case strings.HasPrefix(d.To, "labels.") && len(d.To) > len("labels."):
		w.extra = d.To
	case d.To == "":
		r.fail(path, "to is missing: the field that the value goes to")
	default:
		var names []string
		for _, f := range schema.Fields() {
			names = append(names, f.Name)
		}
		message := "there is no field " + strconv.Quote(d.To)
		if near := schema.Nearest(d.To, names); near != "" {
			message += "; is it " + near + "?"
		}
		r.fail(path+".to", "%s (fields that we do not have go to labels.NAME)", message)
	}
}

func (r *reader) program(path, text string) *expr.Program {
	if text == "" {
		return nil
	}
	if len(text) > maxPattern {
		r.fail(path, "the expression has %d bytes, more than %d", len(text), maxPattern)
		return nil
	}
	p, err := expr.Compile(text, map[string]expr.Type{valuesVar: expr.StringMap})
	if err != nil {
		r.fail(path, "%v", err)
		return nil
	}
	return &p
}

// times checks how a time is written.
func (r *reader) times(path string, d *fieldDoc, w *row) {
	date := w.to != schema.NumFields && w.to.Def().Kind == schema.Date
	if !date && (d.Time != nil || d.Zone != "") {
		r.fail(path, "time and zone are for fields that are times")
		return
	}
	if d.Zone != "" {
		zone, err := time.LoadLocation(d.Zone)
		if err != nil || d.Zone == "Local" {
			r.fail(path+".zone", "%q is no IANA time zone such as Europe/Berlin", d.Zone)
		}
		w.zone = zone
	}
	for _, text := range d.Time {
		if text == "iso" {
			w.layouts = append(w.layouts, layout{text: text})
			continue
		}
		if unit := units[text]; unit != 0 {
			w.layouts = append(w.layouts, layout{text: text, unit: unit})
			continue
		}
		probe := time.Date(2021, 11, 22, 18, 33, 44, 0, time.UTC)
		shown := probe.Format(text)
		back, err := time.Parse(text, shown)
		if err != nil || shown == text || back.Day() != probe.Day() && back.YearDay() != probe.YearDay() {
			r.fail(path+".time", "%q is no layout of a day: write 2006-01-02 15:04:05 the way your times are written, or iso, unix, unix_ms, unix_us, unix_ns", text)
			continue
		}
		w.layouts = append(w.layouts, layout{text: text, noYear: back.Year() != probe.Year()})
	}
}

// clock is what times are read with.
type clock struct {
	zone *time.Location
	year int
	end  time.Time
}

func clockOf(o parser.Options) clock {
	c := clock{zone: o.Zone, year: o.BaseYear, end: o.BaseTime}
	if c.zone == nil {
		c.zone = time.UTC
	}
	return c
}

// read reads a time by the first layout that fits.
func (w *row) read(c clock, text string) (time.Time, bool) {
	zone := c.zone
	if w.zone != nil {
		zone = w.zone
	}
	for _, l := range w.layouts {
		switch {
		case l.unit != 0:
			if t, ok := unixTime(text, l.unit); ok {
				return t, true
			}
		case l.text == "iso":
			for _, iso := range isoLayouts {
				if t, err := time.ParseInLocation(iso, text, zone); err == nil {
					return t, true
				}
			}
		default:
			t, err := time.ParseInLocation(l.text, text, zone)
			if err != nil {
				continue
			}
			if l.noYear {
				t = c.inYear(t)
			}
			return t, true
		}
	}
	return time.Time{}, false
}

var isoLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700"}

// inYear puts a time that names no year into the year in which the log ends.
func (c clock) inYear(t time.Time) time.Time {
	t = time.Date(c.year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	if !c.end.IsZero() && t.After(c.end) {
		t = t.AddDate(-1, 0, 0)
	}
	return t
}

// unixTime reads a number of units since 1970, which may have a fraction.
func unixTime(text string, unit time.Duration) (time.Time, bool) {
	whole, frac, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return time.Time{}, false
	}
	per := int64(time.Second / unit)
	t := time.Unix(n/per, n%per*int64(unit))
	if frac != "" {
		f, err := strconv.ParseFloat("0."+frac, 64)
		if err != nil {
			return time.Time{}, false
		}
		t = t.Add(time.Duration(f * float64(unit)))
	}
	return t, true
}

// list is the elements of a value for a list field: of a JSON array, or split by text.
func (w *row) list(v string) []string {
	switch {
	case w.split != "":
		return strings.Split(v, w.split)
	case strings.HasPrefix(v, "["):
		var raw []json.RawMessage
		if json.Unmarshal([]byte(v), &raw) != nil {
			return []string{v}
		}
		var out []string
		for _, x := range raw {
			var s string
			if json.Unmarshal(x, &s) != nil {
				s = string(x)
			}
			out = append(out, s)
		}
		return out
	}
	return []string{v}
}
