package parser

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// Mappings are the mappings that a built-in format goes by.
func Mappings(format string) []*mapping.Document {
	var out []*mapping.Document
	for _, name := range mapping.Names() {
		if d := document(name); slices.Contains(d.Formats, format) {
			out = append(out, d)
		}
	}
	return out
}

// documents are the mappings of the built-in formats, each read when it is first asked for:
// to read all of them takes longer than to parse a small object. Two that ask at once may
// both read it.
var documents = func() map[string]*atomic.Pointer[mapping.Document] {
	all := map[string]*atomic.Pointer[mapping.Document]{}
	for _, name := range mapping.Names() {
		all[name] = new(atomic.Pointer[mapping.Document])
	}
	return all
}()

// document is the mapping of that name. It panics on one that is not there or not good:
// they are part of the program, and a test reads them all.
func document(name string) *mapping.Document {
	at := documents[name]
	if at == nil {
		panic("parser: there is no mapping " + name)
	}
	if d := at.Load(); d != nil {
		return d
	}
	d, err := mapping.Load(name, mapping.Language{Converters: Converters()})
	if err != nil {
		panic("parser: the mapping " + name + ": " + err.Error())
	}
	at.Store(d)
	return d
}

// holds are the values that a format's code takes, by the name that the mapping gives them.
type holds map[string]setter

// mapper makes targets of the rows of one document, for one parser.
type mapper struct {
	*mapping.Document
	clock mapping.Clock
	holds holds
}

// mapperOf reads the document of that name.
func mapperOf(name string, o Options, h holds) *mapper {
	return &mapper{Document: document(name), clock: clockOf(o), holds: h}
}

func clockOf(o Options) mapping.Clock {
	return mapping.Clock{Zone: o.zone(), Year: o.BaseYear, End: o.BaseTime, Any: parseTime}
}

// table makes the table of the document's own keys.
func (m *mapper) table() table { return m.section(table{}, m.Section) }

// named makes one of the document's other tables.
func (m *mapper) named(name string) table { return m.section(table{}, m.Tables[name]) }

// section adds the keys of a section to a table.
func (m *mapper) section(t table, s mapping.Section) table {
	below := s.Below
	if len(below) == 0 {
		below = []string{""}
	}
	for key, rows := range s.Keys {
		to := m.key(rows)
		for _, b := range below {
			t[b+key] = to
		}
	}
	return t
}

// key makes the target of one key.
func (m *mapper) key(rows []mapping.Row) target {
	if len(rows) == 1 {
		return m.target(&rows[0])
	}
	all := make([]setter, len(rows))
	list := false
	for i := range rows {
		to := m.target(&rows[i])
		all[i], list = to.put(), list || to.list
	}
	return target{list: list, set: func(e *schema.Event, v string) {
		for _, set := range all {
			set(e, v)
		}
	}}
}

// put is the setter of a target, also of one that goes by the field's kind.
func (t target) put() setter {
	switch f := t.field; {
	case t.skip:
		return func(*schema.Event, string) {}
	case t.set != nil:
		return t.set
	default:
		return func(e *schema.Event, v string) { e.Set(f, v) }
	}
}

// target makes the target of a row.
func (m *mapper) target(r *mapping.Row) target {
	if r.Drop {
		return skipped
	}
	if r.Table != "" {
		return embedded(m.named(r.Table), r.Keep)
	}
	to := m.base(r)
	to.list = to.list && !r.First || r.List
	if set := m.around(r, to); set != nil {
		to.set = set
	}
	return to
}

// base is what a row says of the value as it is.
func (m *mapper) base(r *mapping.Row) target {
	zone := r.Times.Zone(m.clock.Zone)
	switch {
	case r.As != "":
		return by(converterOf(r.As).make(r.To, zone))
	case len(r.To) == 0:
		return by(func(*schema.Event, string) {})
	case r.Times.Auto():
		return by(timeField(r.To[0], zone))
	case r.Times.Layouts():
		return by(m.written(r))
	case r.Scale != 0:
		return by(scaled(r.To[0], r.Scale))
	case r.Split != "":
		return target{list: true, set: split(r.To[0], r.Split)}
	}
	return field(r.To[0])
}

// written sets a time that is written in one of several ways.
func (m *mapper) written(r *mapping.Row) setter {
	f, times, clock := r.To[0], r.Times, m.clock
	return func(e *schema.Event, v string) {
		t, ok := times.Read(clock, v)
		if !ok {
			t = time.Time{} // as absurd as any
		}
		setTime(e, f, t.UnixMicro(), v)
	}
}

// scaled sets a number in another unit.
func scaled(f schema.FieldID, scale float64) setter {
	return func(e *schema.Event, v string) {
		n, err := strconv.ParseFloat(v, 64)
		switch {
		case err != nil || math.Abs(n*scale) > math.MaxInt64/2 || math.IsNaN(n):
			e.Set(f, v) // keeps it as a label, and counts it
		case f.Def().Kind == schema.Double:
			e.SetFloat(f, n*scale)
		default:
			e.SetInt(f, int64(math.Round(n*scale)))
		}
	}
}

func split(f schema.FieldID, by string) setter {
	return func(e *schema.Event, v string) {
		for one := range strings.SplitSeq(v, by) {
			e.Set(f, one)
		}
	}
}

// around is what a row does with a value before it is set and besides; nil when it does
// nothing. The innermost comes first: a value passes them from the last to the first.
func (m *mapper) around(r *mapping.Row, to target) setter {
	set := to.set
	wrap := func(with func(set setter) setter) {
		if set == nil {
			set = to.put()
		}
		set = with(set)
	}
	if r.First && len(r.To) > 0 {
		wrap(func(set setter) setter { return unlessHas(r.To[0], set) })
	}
	if r.Keep != "" {
		wrap(func(set setter) setter { return keeping(r.Keep, set) })
	}
	if r.Hold != "" {
		wrap(func(set setter) setter { return m.holding(r.Hold, set) })
	}
	if r.Lower {
		wrap(inSmall)
	}
	if r.Values != nil {
		wrap(func(set setter) setter { return translated(r, set) })
	}
	if r.Trim != "" {
		wrap(func(set setter) setter { return trimmed(r.Trim, set) })
	}
	if len(r.Absent) > 0 {
		wrap(func(set setter) setter { return unlessAbsent(r.Absent, set) })
	}
	if r.After != nil || r.Until != nil {
		wrap(func(set setter) setter { return within(r, set) })
	}
	return set
}

// unlessHas keeps the first value of a field.
func unlessHas(f schema.FieldID, set setter) setter {
	return func(e *schema.Event, v string) {
		if !e.Has(f) {
			set(e, v)
		}
	}
}

// keeping sets what a value means and keeps it under a name as well.
func keeping(name string, set setter) setter {
	return func(e *schema.Event, v string) {
		set(e, v)
		e.AddExtra(name, v)
	}
}

// holding hands a value to the format's code, and sets what it means.
func (m *mapper) holding(name string, set setter) setter {
	hold := m.holds[name]
	if hold == nil {
		panic("parser: the code of " + m.Name + " takes no value " + name)
	}
	return func(e *schema.Event, v string) {
		hold(e, v)
		set(e, v)
	}
}

// translated looks values up; "" sets nothing.
func translated(r *mapping.Row, set setter) setter {
	values, otherwise := r.Values, r.Otherwise
	return func(e *schema.Event, v string) {
		to, ok := values[v]
		switch {
		case ok:
			v = to
		case otherwise != nil:
			v = *otherwise
		}
		if v != "" {
			set(e, v)
		}
	}
}

// inSmall writes the value in small letters.
func inSmall(set setter) setter {
	return func(e *schema.Event, v string) { set(e, lowerText(e, v)) }
}

// trimmed takes a text off both ends of the value.
func trimmed(text string, set setter) setter {
	return func(e *schema.Event, v string) {
		for strings.HasPrefix(v, text) {
			v = v[len(text):]
		}
		for strings.HasSuffix(v, text) {
			v = v[:len(v)-len(text)]
		}
		if v != "" {
			set(e, v)
		}
	}
}

// within takes a value out of a text, by what stands before and behind it.
func within(r *mapping.Row, set setter) setter {
	return func(e *schema.Event, v string) {
		if v, ok := behind(r, v); ok {
			set(e, before(r.Until, v))
		}
	}
}

// behind is what stands behind the first of the texts of After that is in v.
func behind(r *mapping.Row, v string) (string, bool) {
	find := strings.Index
	if r.Last {
		find = strings.LastIndex
	}
	for _, mark := range r.After {
		if i := find(v, mark); i >= 0 {
			return v[i+len(mark):], true
		}
	}
	return v, r.After == nil
}

// before is v up to whichever of the texts comes first.
func before(until []string, v string) string {
	for _, mark := range until {
		v, _, _ = strings.Cut(v, mark)
	}
	return v
}

// unlessAbsent passes over values that stand for none.
func unlessAbsent(absent []string, set setter) setter {
	if len(absent) == 1 {
		none := absent[0]
		return func(e *schema.Event, v string) {
			if v != none {
				set(e, v)
			}
		}
	}
	return func(e *schema.Event, v string) {
		if !slices.Contains(absent, v) {
			set(e, v)
		}
	}
}

// constants sets what every event, or every one of a kind, gets.
func constants(e *schema.Event, set []mapping.Constant) {
	for i := range set {
		if c := &set[i]; c.Text {
			e.SetStr(c.Field, c.Value)
		} else {
			e.Set(c.Field, c.Value)
		}
	}
}

// closing makes what a section does with an event whose values are all there.
func (m *mapper) closing(s mapping.Section) func(e *schema.Event) {
	rows := m.rows(s.Fields)
	return func(e *schema.Event) {
		constants(e, s.Set)
		rows.Apply(e, nil, nil)
	}
}

// Mapper makes setters of the rows of custom formats.
type Mapper struct{ m mapper }

// NewMapper makes one for the parser of one object.
func NewMapper(o Options) Mapper { return Mapper{mapper{clock: clockOf(o)}} }

// Key is what the rows of one key do with its value.
func (m Mapper) Key(rows []mapping.Row) func(e *schema.Event, v string) { return m.m.key(rows).put() }

// Rows makes rows of fields ready.
func (m Mapper) Rows(rows []mapping.Row) Rows { return m.m.rows(rows) }

// Rows are rows of fields, made ready for one parser.
type Rows []eventRow

// eventRow is a row with what it does with its value.
type eventRow struct {
	*mapping.Row
	test   func(*schema.Event) bool // the condition, where it is code
	set    []mapping.Constant
	put    setter // nil: the row has no value of its own
	choose Rows
}

func (m *mapper) rows(from []mapping.Row) Rows {
	out := make(Rows, len(from))
	for i := range from {
		r := &from[i]
		out[i] = eventRow{Row: r, test: r.If.Native(), set: r.Set, choose: m.rows(r.Choose)}
		if r.Set == nil && r.Choose == nil {
			out[i].put = m.target(r).put()
		}
	}
	return out
}

// Apply applies the rows in their order. Conditions over the record see values, and record
// finds the value of a row that asks the record for it; both are nil for built-in formats.
func (r Rows) Apply(e *schema.Event, values map[string]string, record func(r *mapping.Row, put func(*schema.Event, string))) {
	for i := range r {
		r[i].apply(e, values, record)
	}
}

// apply says whether the condition of the row holds.
func (r *eventRow) apply(e *schema.Event, values map[string]string, record func(*mapping.Row, func(*schema.Event, string))) bool {
	if r.test != nil {
		if !r.test(e) {
			return false
		}
	} else if r.If != nil && !r.If.Holds(e, values) {
		return false
	}
	constants(e, r.set)
	if r.put != nil {
		r.value(e, record)
	}
	for i := range r.choose {
		if r.choose[i].apply(e, values, record) {
			break
		}
	}
	return true
}

// value hands the value of the row to its setter.
func (r *eventRow) value(e *schema.Event, record func(*mapping.Row, func(*schema.Event, string))) {
	for _, v := range r.Value {
		r.put(e, v)
	}
	switch {
	case r.Of != nil:
		if e.Has(*r.Of) || r.Otherwise != nil {
			r.put(e, e.Str(*r.Of))
		}
	case record != nil && (r.From != nil || r.CEL != nil):
		record(r.Row, r.put)
	}
}
