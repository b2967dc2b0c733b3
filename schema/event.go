package schema

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// Extra is one field that the field table does not model, under its full dotted
// name. Names must be long-lived strings (interned by the parser); values
// follow the same lifetime rule as all event values.
type Extra struct{ Name, Value string }

// Event is one normalised log record: values by field id that point into the
// record's own bytes, so that filling one allocates nothing.
//
// An Event is reused: Reset it, fill it, hand it to rules and columns, Reset it
// again. Strings set on it must stay unchanged until the next Reset: they are
// views into the record, constants, or copies made by Copy. Whoever keeps a
// value beyond that must clone it (strings.Clone). An Event is not safe for
// concurrent use.
type Event struct {
	// Raw is the record as it arrived.
	Raw []byte
	// Offset is the byte offset of the record in the decompressed object.
	Offset int64
	// ID is the deterministic event id.
	ID EventID
	// Warnings counts values that did not fit their field's kind and were kept
	// as extras instead.
	Warnings int

	has   [(NumFields + 63) / 64]uint64
	set   []FieldID
	str   [NumFields]string
	num   [NumFields]int64
	addr  [NumFields]netip.Addr
	lists [NumFields][]string

	extras []Extra
	arena  []byte
}

// Reset empties e for the next record, keeping its buffers.
func (e *Event) Reset(raw []byte, offset int64) {
	for _, f := range e.set {
		switch d := &fieldTable[f]; { // an array that the field does not use is not touched
		case d.Multi:
			e.lists[f] = e.lists[f][:0]
			continue
		case d.Kind == IP:
			e.addr[f] = netip.Addr{}
		}
		e.str[f] = ""
		e.num[f] = 0
	}
	clear(e.has[:])
	e.set = e.set[:0]
	e.extras = e.extras[:0]
	e.arena = e.arena[:0]
	e.Raw, e.Offset, e.Warnings = raw, offset, 0
	e.ID = EventID{}
}

// Has says whether f carries a value.
func (e *Event) Has(f FieldID) bool { return e.has[f/64]&(1<<(f%64)) != 0 }

// Fields returns the ids of the fields that are set, in the order they were set.
func (e *Event) Fields() []FieldID { return e.set }

// Str returns the value of f as text in its canonical form, "" when absent.
// For a list field it is the first element.
func (e *Event) Str(f FieldID) string {
	if s := e.str[f]; s != "" { // most fields are texts, and are asked most
		return s
	}
	return e.spelled(f)
}

// spelled writes the value of a field that is not held as text.
func (e *Event) spelled(f FieldID) string {
	if !e.Has(f) {
		return ""
	}
	d := &fieldTable[f]
	if d.Multi {
		return e.lists[f][0]
	}
	switch d.Kind {
	case Long:
		return strconv.FormatInt(e.num[f], 10)
	case Double:
		return strconv.FormatFloat(e.Float(f), 'g', -1, 64)
	case Bool:
		return strconv.FormatBool(e.num[f] != 0)
	case Date:
		return time.UnixMicro(e.num[f]).UTC().Format(time.RFC3339Nano)
	default:
		return ""
	}
}

// Int returns the value of a Long, Bool (0/1) or Date (Unix microseconds) field,
// 0 when absent.
func (e *Event) Int(f FieldID) int64 { return e.num[f] }

// Float returns the value of a Double field, 0 when absent.
func (e *Event) Float(f FieldID) float64 { return floatFromBits(e.num[f]) }

// Addr returns the value of a single IP field; the zero Addr when absent.
func (e *Event) Addr(f FieldID) netip.Addr { return e.addr[f] }

// List returns the values of a list field; nil or empty when absent.
func (e *Event) List(f FieldID) []string { return e.lists[f] }

// Time returns the timestamp of the event, the zero time when absent.
func (e *Event) Time() time.Time {
	if !e.Has(FTimestamp) {
		return time.Time{}
	}
	return time.UnixMicro(e.num[FTimestamp]).UTC()
}

// Extras returns the unmodelled fields in the order they were added.
func (e *Event) Extras() []Extra { return e.extras }

// Extra returns the unmodelled field of that full name.
func (e *Event) Extra(name string) (string, bool) {
	for i := range e.extras {
		if e.extras[i].Name == name {
			return e.extras[i].Value, true
		}
	}
	return "", false
}

// Get returns the value of a field by its dotted name, promoted or not, as text.
// It is for cold paths (display, templates, grouping keys).
func (e *Event) Get(name string) (string, bool) {
	if f, ok := fieldByName[name]; ok {
		if e.Has(f) && fieldTable[f].Multi {
			return strings.Join(e.lists[f], ","), true
		}
		return e.Str(f), e.Has(f)
	}
	return e.Extra(name)
}

// SetStr sets a Keyword, LowCard or Text field; an empty value leaves it absent.
// On a list field it appends.
func (e *Event) SetStr(f FieldID, v string) {
	if v == "" {
		return
	}
	if fieldTable[f].Multi {
		e.Add(f, v)
		return
	}
	e.mark(f)
	e.str[f] = v
}

// SetInt sets a Long, Bool (0/1) or Date (Unix microseconds) field.
func (e *Event) SetInt(f FieldID, v int64) {
	e.mark(f)
	e.num[f] = v
	e.str[f] = ""
}

// SetFloat sets a Double field.
func (e *Event) SetFloat(f FieldID, v float64) {
	e.mark(f)
	e.num[f] = floatToBits(v)
	e.str[f] = ""
}

// SetTime sets a Date field.
func (e *Event) SetTime(f FieldID, t time.Time) { e.SetInt(f, t.UnixMicro()) }

// SetAddr sets an IP field; text is its canonical or original spelling.
func (e *Event) SetAddr(f FieldID, a netip.Addr, text string) {
	if fieldTable[f].Multi {
		e.Add(f, text)
		return
	}
	e.mark(f)
	e.addr[f] = a
	e.str[f] = text
}

// Add appends a value to a list field, dropping empty values and repeats.
func (e *Event) Add(f FieldID, v string) {
	if v == "" {
		return
	}
	if slices.Contains(e.lists[f], v) {
		return
	}
	e.mark(f)
	e.lists[f] = append(e.lists[f], v)
}

// AddExtra keeps an unmodelled field. The name must be long-lived.
func (e *Event) AddExtra(name, v string) {
	if v == "" {
		return
	}
	e.extras = append(e.extras, Extra{name, v})
}

// Set stores text in f according to the field's kind. A value that does not fit
// (a name in an IP field, letters in a number) is kept as an extra under
// "labels.<field>", counted in Warnings, and false is returned: the record is
// kept whatever its values are.
func (e *Event) Set(f FieldID, v string) bool {
	if v == "" {
		return true
	}
	ok := true
	switch fieldTable[f].Kind {
	case Keyword, LowCard, Text:
		e.SetStr(f, v)
	case IP:
		ok = e.setIP(f, v)
	case Long:
		ok = e.setLong(f, v)
	case Double:
		n, err := strconv.ParseFloat(v, 64)
		if ok = err == nil; ok {
			e.SetFloat(f, n)
		}
	case Bool:
		ok = e.setBool(f, v)
	case Date:
		t, err := time.Parse(time.RFC3339Nano, v)
		if ok = err == nil; ok {
			e.SetTime(f, t)
		}
	}
	if !ok {
		e.Warnings++
		e.AddExtra(misfitName[f], v)
	}
	return ok
}

func (e *Event) setIP(f FieldID, v string) bool {
	a, err := netip.ParseAddr(v)
	if err != nil {
		return false
	}
	e.SetAddr(f, a.Unmap(), v)
	return true
}

func (e *Event) setLong(f FieldID, v string) bool {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		if n, err = strconv.ParseInt(v, 0, 64); err != nil {
			x, ferr := strconv.ParseFloat(v, 64)
			if ferr != nil || x != float64(int64(x)) {
				return false
			}
			n = int64(x)
		}
	}
	e.SetInt(f, n)
	return true
}

func (e *Event) setBool(f FieldID, v string) bool {
	switch v {
	case "true", "True", "TRUE", "T", "1", "yes":
		e.SetInt(f, 1)
	case "false", "False", "FALSE", "F", "0", "no":
		e.SetInt(f, 0)
	default:
		return false
	}
	return true
}

// Copy puts b into the event's arena and returns a string that lives until the
// next Reset; parsers use it for unescaped text.
func (e *Event) Copy(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if cap(e.arena)-len(e.arena) < len(b) {
		// Old strings keep pointing into the old block, which stays alive with them.
		e.arena = make([]byte, 0, max(2*cap(e.arena), len(b), 4096))
	}
	n := len(e.arena)
	e.arena = append(e.arena, b...)
	return unsafe.String(&e.arena[n], len(b))
}

// Buffer returns an empty slice of at least n bytes of the arena to append to; Commit
// makes it a value. Nothing else of the arena may be used in between.
func (e *Event) Buffer(n int) []byte {
	if cap(e.arena)-len(e.arena) < n {
		e.arena = make([]byte, 0, max(2*cap(e.arena), n, 4096))
	}
	return e.arena[len(e.arena):len(e.arena):cap(e.arena)]
}

// Commit keeps what was appended to a Buffer and returns it as a string that lives
// until the next Reset.
func (e *Event) Commit(b []byte) string {
	if len(b) > 0 && len(e.arena) < cap(e.arena) && unsafe.SliceData(b) == unsafe.SliceData(e.arena[len(e.arena):cap(e.arena)]) {
		e.arena = e.arena[:len(e.arena)+len(b)]
	}
	return View(b)
}

// View returns b as a string without copying; b must stay unchanged until Reset.
func View(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (e *Event) mark(f FieldID) {
	w, bit := f/64, uint64(1)<<(f%64)
	if e.has[w]&bit == 0 {
		e.has[w] |= bit
		e.set = append(e.set, f)
	}
}

var misfitName = func() (names [NumFields]string) {
	for i := range names {
		names[i] = "labels." + fieldTable[i].Name
	}
	return names
}()
