package mapping

import (
	"math"
	"strconv"
	"strings"
	"time"

	"vigil/internal/document"
	"vigil/schema"
)

// Times is how the times of a row are written, checked.
type Times struct {
	layouts []layout
	zone    *time.Location // nil: that of the source
}

// layout is one way to write a time.
type layout struct {
	text   string
	unit   time.Duration // of Unix times; 0: text is a layout of package time
	noYear bool
}

// Auto is the layout of any ISO spelling, Unix seconds to nanoseconds by their length, and
// what mail and web servers write.
const Auto = "auto"

// units are the names of Unix times.
var units = map[string]time.Duration{"unix": time.Second, "unix_ms": time.Millisecond, "unix_us": time.Microsecond, "unix_ns": time.Nanosecond}

// times checks how a time is written.
func (r *reader) times(m *document.Mapping, row *Row) {
	name := m.Text("zone")
	if name == "" {
		name = r.Zone
	}
	texts, nodes := m.List("time")
	date := len(row.To) == 1 && row.To[0].Def().Kind == schema.Date
	if m.At["zone"] != nil && !date && row.As == "" {
		r.Fail(m.Node, "", "time and zone are for fields that are times")
	}
	t := &Times{}
	if name != "" {
		zone, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			at := m.Node
			if n, ok := m.At["zone"]; ok {
				at = n
			}
			r.Fail(at, "", "%q is no IANA time zone such as Europe/Berlin", name)
		}
		t.zone = zone
	}
	for i, text := range texts {
		l, ok := layoutOf(text)
		if !ok {
			r.Fail(nodes[i], "", "%q is no layout of a day: write 2006-01-02 15:04:05 the way your times are written, or auto, iso, unix, unix_ms, unix_us, unix_ns", text)
			continue
		}
		t.layouts = append(t.layouts, l)
	}
	if len(t.layouts) > 0 || t.zone != nil {
		row.Times = t
	}
}

func layoutOf(text string) (layout, bool) {
	if text == "iso" || text == Auto {
		return layout{text: text}, true
	}
	if unit := units[text]; unit != 0 {
		return layout{text: text, unit: unit}, true
	}
	probe := time.Date(2021, 11, 22, 18, 33, 44, 0, time.UTC)
	shown := probe.Format(text)
	back, err := time.Parse(text, shown)
	if err != nil || shown == text || back.Day() != probe.Day() && back.YearDay() != probe.YearDay() {
		return layout{}, false
	}
	return layout{text: text, noYear: back.Year() != probe.Year()}, true
}

// Layouts says whether the row names any layout.
func (t *Times) Layouts() bool { return t != nil && len(t.layouts) > 0 }

// Auto says whether the row's one layout is Auto.
func (t *Times) Auto() bool { return t.Layouts() && len(t.layouts) == 1 && t.layouts[0].text == Auto }

// Zone is the zone of times that name none: the row's, or else the source's.
func (t *Times) Zone(source *time.Location) *time.Location {
	switch {
	case t != nil && t.zone != nil:
		return t.zone
	case source == nil:
		return time.UTC
	}
	return source
}

// Clock is what times are read with.
type Clock struct {
	Zone *time.Location // of the source; nil: UTC
	Year int            // in which the log ends
	End  time.Time      // upper bound of times without a year; zero: none
	// Any reads what Auto stands for, as Unix microseconds.
	Any func(text string, zone *time.Location) (int64, bool)
}

// Read reads a time by the first layout that fits.
func (t *Times) Read(c Clock, text string) (time.Time, bool) {
	zone := t.Zone(c.Zone)
	for _, l := range t.layouts {
		switch {
		case l.unit != 0:
			if at, ok := unixTime(text, l.unit); ok {
				return at, true
			}
		case l.text == Auto:
			if micro, ok := c.Any(text, zone); ok {
				return time.UnixMicro(micro), true
			}
		case l.text == "iso":
			for _, iso := range isoLayouts {
				if at, err := time.ParseInLocation(iso, text, zone); err == nil {
					return at, true
				}
			}
		default:
			at, err := time.ParseInLocation(l.text, text, zone)
			if err != nil {
				continue
			}
			if l.noYear {
				at = c.inYear(at)
			}
			return at, true
		}
	}
	return time.Time{}, false
}

var isoLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700"}

// inYear puts a time that names no year into the year in which the log ends.
func (c Clock) inYear(t time.Time) time.Time {
	t = time.Date(c.Year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	if !c.End.IsZero() && t.After(c.End) {
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
