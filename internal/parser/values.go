package parser

import (
	"strconv"
	"strings"
	"time"

	"vigil/schema"
)

// Event times outside these bounds are absurd: the text is kept as an extra, and the
// event gets its time from the ingest plan.
var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC).UnixMicro()
	latest   = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

const absurdTime = "labels.absurd_timestamp"

// setTime sets a Date field to Unix microseconds, unless they are absurd.
func setTime(e *schema.Event, f schema.FieldID, micro int64, text string) {
	if micro < earliest || micro > latest {
		e.Warnings++
		e.AddExtra(absurdTime, text)
		return
	}
	e.SetInt(f, micro)
}

// SetTime sets a Date field, unless the time is absurd: then its text is kept.
func SetTime(e *schema.Event, f schema.FieldID, t time.Time, text string) {
	setTime(e, f, t.UnixMicro(), text)
}

// timeField is the setter of a Date field from ISO text in any of its usual
// spellings, or from Unix seconds or milliseconds.
func timeField(f schema.FieldID, zone *time.Location) setter {
	return func(e *schema.Event, v string) {
		if micro, ok := parseTime(v, zone); ok {
			setTime(e, f, micro, v)
			return
		}
		e.Warnings++
		e.AddExtra(absurdTime, v)
	}
}

// parseTime reads a timestamp as Unix microseconds. The common spellings take the
// fast path; it allocates nothing.
func parseTime(v string, zone *time.Location) (int64, bool) {
	if micro, ok := isoTime(v, zone); ok {
		return micro, true
	}
	if micro, ok := epochTime(v); ok {
		return micro, true
	}
	for _, layout := range []string{time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC, "01/02/2006 15:04:05", "02/Jan/2006:15:04:05 -0700"} {
		if t, err := time.ParseInLocation(layout, v, zone); err == nil {
			return t.UnixMicro(), true
		}
	}
	return 0, false
}

// isoTime reads "2006-01-02[T ]15:04:05[.frac][Z|±hh[:]mm]"; the date may have slashes.
func isoTime(v string, zone *time.Location) (int64, bool) {
	if len(v) < 19 || v[4] != '-' && v[4] != '/' || v[7] != v[4] || v[10] != 'T' && v[10] != ' ' || v[13] != ':' || v[16] != ':' {
		return 0, false
	}
	y, ok1 := digits(v[0:4])
	mo, ok2 := digits(v[5:7])
	d, ok3 := digits(v[8:10])
	h, ok4 := digits(v[11:13])
	mi, ok5 := digits(v[14:16])
	s, ok6 := digits(v[17:19])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60 {
		return 0, false
	}
	rest := v[19:]
	nano := 0
	if rest != "" && (rest[0] == '.' || rest[0] == ',') {
		i, scale := 1, 100_000_000
		for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
			nano += int(rest[i]-'0') * scale
			scale /= 10
		}
		rest = rest[i:]
	}
	switch {
	case rest == "Z" || rest == "z" || rest == " UTC":
		zone = time.UTC
	case rest == "":
	case len(rest) >= 5 && (rest[0] == '+' || rest[0] == '-'):
		oh, ok1 := digits(rest[1:3])
		om, ok2 := digits(strings.TrimPrefix(rest[3:], ":"))
		if !ok1 || !ok2 {
			return 0, false
		}
		off := int64(oh*3600 + om*60)
		if rest[0] == '-' {
			off = -off
		}
		return unix(y, mo, d, h, mi, s)*1e6 + int64(nano/1000) - off*1e6, true
	default:
		return 0, false
	}
	if zone == time.UTC {
		return unix(y, mo, d, h, mi, s)*1e6 + int64(nano/1000), true
	}
	return time.Date(y, time.Month(mo), d, h, mi, s, nano, zone).UnixMicro(), true
}

// unix is the Unix time of a UTC civil date (days-from-civil; no allocation, no zone).
func unix(y, m, d, h, mi, s int) int64 {
	if m <= 2 {
		y--
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	mp := (m + 9) % 12
	doy := (153*mp+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	days := int64(era)*146097 + int64(doe) - 719468
	return days*86400 + int64(h*3600+mi*60+s)
}

func digits(s string) (int, bool) {
	n := 0
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// epochTime reads Unix seconds with fraction, or whole milliseconds or microseconds.
func epochTime(v string) (int64, bool) {
	whole, frac, _ := strings.Cut(v, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	if len(whole) < 3 && strings.Contains(frac, "e+") { // Zeek writes far times so
		x, err := strconv.ParseFloat(v, 64)
		return int64(x * 1e6), err == nil && x < 1e13
	}
	switch {
	case len(whole) >= 19:
		return n / 1000, true
	case len(whole) >= 16:
		return n, true
	case len(whole) >= 13:
		return n * 1000, true
	}
	micro, scale := n*1e6, int64(100_000)
	for i := 0; i < len(frac) && scale > 0; i++ {
		if frac[i] < '0' || frac[i] > '9' {
			return 0, false
		}
		micro += int64(frac[i]-'0') * scale
		scale /= 10
	}
	return micro, true
}

// base is the last part of a Windows or Unix path.
func base(path string) string {
	if i := strings.LastIndexAny(path, `\/`); i >= 0 {
		return path[i+1:]
	}
	return path
}

// extension is what stands behind the last dot of a file name.
func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i+1:]
	}
	return ""
}

// setAll sets several fields to constants.
func setAll(e *schema.Event, pairs ...pair) {
	for _, p := range pairs {
		e.SetStr(p.f, p.v)
	}
}

type pair struct {
	f schema.FieldID
	v string
}

// maxColumns is how many values of one line get names of their own. A line of more is
// kept whole beside them.
const maxColumns = 256
