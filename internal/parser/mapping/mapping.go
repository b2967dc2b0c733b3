// Package mapping is the language in which formats say which value of a record goes to
// which field: the rows of the built-in formats (the YAML documents of this folder) and
// those of custom formats are read here, checked against the field table, with the place
// of every mistake. It says what was written; package parser makes setters of it.
package mapping

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
	"vigil/internal/expr"
	"vigil/schema"
)

// Row is one checked row: what becomes of a value, or of an event whose values are all there.
type Row struct {
	To        []schema.FieldID
	Keep      string            // name outside the field table under which the value is kept
	As        string            // name of a converter
	Times     *Times            // how times are written; nil: As or the kind of the field says it
	Values    map[string]string // what to write for which value
	Otherwise *string           // for values that are not in Values; nil: they stay
	After     []string          // the value stands behind the first of these that is in it; without any of them there is none
	Until     []string          // the value ends before whichever of these comes first
	Last      bool              // After looks for the last place, not the first
	Absent    []string          // values that stand for none
	Trim      string            // text taken off both ends
	Split     string            // text between the elements of a list
	Scale     float64           // factor; 0: none
	Hold      string            // name under which the format's code takes the value
	Table     string            // name of the table for a value that is a JSON object itself
	First     bool              // the first value stays
	Lower     bool              // in small letters
	List      bool              // the elements of an array are values
	Drop      bool              // the value is not kept

	// Of rows that stand for themselves, not for one key:
	From   []string        // keys of the record; the first that is there
	Of     *schema.FieldID // field of the event whose value is taken
	Value  []string        // constants
	Set    []Constant      // constants of several fields
	Choose []Row           // the first whose condition holds is applied
	If     *Condition      // nil: always
	CEL    *expr.Program   // value, computed from the record's values

	given map[string]bool // the keys that are written
}

// Constant is a value that a field gets.
type Constant struct {
	Field schema.FieldID
	Value string
	Text  bool // the field holds texts: the value needs no reading
}

// Bound of lists in a document, and of texts that are compiled.
const (
	MaxRows = 500
	maxText = 4096
)

// rowKeys are the keys of rows for one key of a record, fieldKeys those of rows of fields.
var (
	rowKeys   = []string{"to", "keep", "as", "time", "zone", "values", "otherwise", "after", "until", "last", "absent", "trim", "split", "scale", "hold", "table", "first", "lower", "list", "drop"}
	fieldKeys = append([]string{"from", "value", "set", "choose", "if", "cel"}, rowKeys...)
)

// Language says what a document may use.
type Language struct {
	Converters []Converter
	// Holds are the values that the format's code takes; none in custom formats.
	Holds []string
	// Record says that rows may ask for values of the record by from and cel, as those of
	// custom formats do. Built-in formats hand each value to its row as it is read.
	Record bool
	// Keys are what the record can have, nil when that is not known.
	Keys []string
	// Zone is of times that name none, "" for the one of the source.
	Zone string
	// Tables are the names of the document's other tables.
	Tables []string
}

// Converter is a named piece of code that takes a value.
type Converter struct {
	Name, Doc string
	Takes     []Want // of each field in to; none: it sets fields of its own
}

// Want is what a converter wants a field to be.
type Want struct {
	Role  string // as in "to: [address, port]"
	Kinds []schema.Kind
}

// Fits says whether the field can be it.
func (w Want) Fits(f schema.FieldID) bool { return slices.Contains(w.Kinds, f.Def().Kind) }

// reader reads rows.
type reader struct {
	*document.Reader
	Language
}

// Keys reads a mapping of keys of the record to rows: a field, an object, or a list of these.
func Keys(r *document.Reader, n ast.Node, lang Language) map[string][]Row {
	m, ok := r.Mapping(n, "keys", nil)
	if !ok {
		return nil
	}
	in := &reader{Reader: r, Language: lang}
	out := make(map[string][]Row, len(m.Keys))
	for _, key := range m.Keys {
		out[key] = in.key(m.At[key])
	}
	return out
}

// key reads what stands behind one key of the record.
func (r *reader) key(n ast.Node) []Row {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return []Row{r.short(n)}
	}
	var out []Row
	for _, v := range seq.Values {
		out = append(out, r.short(v))
	}
	if len(out) == 0 {
		r.Fail(n, "name a field, or drop the key", "the key has no row")
	}
	return out
}

// short reads a row that may be the name of a field alone.
func (r *reader) short(n ast.Node) Row {
	if name, ok := document.Scalar(n); ok {
		row := Row{}
		row.To = r.field(n, name, row.To)
		r.fits(n, &row)
		return row
	}
	return r.row(n, "the row", rowKeys)
}

// Fields reads a list of rows that stand for themselves.
func Fields(r *document.Reader, n ast.Node, lang Language) []Row {
	return (&reader{Reader: r, Language: lang}).rows(n)
}

// Constants reads a mapping of fields to the values that every event gets.
func Constants(r *document.Reader, n ast.Node, lang Language) []Constant {
	return (&reader{Reader: r, Language: lang}).set(n)
}

func (r *reader) rows(n ast.Node) []Row {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.Fail(n, "", "the rows must be a list")
		return nil
	}
	if len(seq.Values) > MaxRows {
		r.Fail(n, "", "more than %d rows", MaxRows)
		return nil
	}
	var out []Row
	for _, v := range seq.Values {
		row := r.row(v, "the row", fieldKeys)
		r.source(v, &row)
		out = append(out, row)
	}
	return out
}

// row reads an object of known keys.
func (r *reader) row(n ast.Node, what string, known []string) Row {
	row := Row{}
	m, ok := r.Mapping(n, what, known)
	if !ok {
		return row
	}
	row.given = map[string]bool{}
	for k := range m.At {
		row.given[k] = true
	}
	names, nodes := m.List("to")
	for i, name := range names {
		row.To = r.field(nodes[i], name, row.To)
	}
	r.labels(m, &row)
	row.As, row.Hold, row.Table = m.Text("as"), m.Text("hold"), m.Text("table")
	row.Trim, row.Split = r.exact(m, "trim"), r.exact(m, "split")
	row.After, row.Until, row.Last = r.marks(m, "after"), r.marks(m, "until"), r.yes(m, "last")
	row.First, row.Lower, row.List, row.Drop = r.yes(m, "first"), r.yes(m, "lower"), r.yes(m, "list"), r.yes(m, "drop")
	row.Absent, _ = m.List("absent")
	row.From, _ = m.List("from")
	r.values(m, &row)
	r.times(m, &row)
	r.named(m, &row)
	if at, ok := m.At["scale"]; ok {
		f, err := strconv.ParseFloat(m.Text("scale"), 64)
		if err != nil || f == 0 {
			r.Fail(at, "", "scale cannot be %q: want a number", m.Text("scale"))
		}
		row.Scale = f
	}
	r.compute(m, &row)
	r.fits(n, &row)
	return row
}

// field finds a field by name.
func (r *reader) field(n ast.Node, name string, to []schema.FieldID) []schema.FieldID {
	f, ok := schema.Lookup(name)
	if ok {
		return append(to, f.ID)
	}
	if strings.HasPrefix(name, "labels.") && len(name) > len("labels.") {
		return to // kept: see labels
	}
	var names []string
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	message := "there is no field " + strconv.Quote(name)
	if near := schema.Nearest(name, names); near != "" {
		message += "; is it " + near + "?"
	}
	r.Fail(n, "what has no field goes to labels.NAME", "%s", message)
	return to
}

// labels reads the name outside the field table that a value is kept under.
func (r *reader) labels(m *document.Mapping, row *Row) {
	row.Keep = m.Text("keep")
	if to, ok := document.Scalar(m.At["to"]); ok && strings.HasPrefix(to, "labels.") {
		if _, ok := schema.Lookup(to); !ok {
			row.Keep = to
		}
	}
	if _, ok := schema.Lookup(row.Keep); ok && row.Keep != "" {
		r.Fail(m.At["keep"], "write to: "+row.Keep, "%s is a field", row.Keep)
	}
}

// exact is a text as it is written, blanks and all.
func (r *reader) exact(m *document.Mapping, key string) string {
	n, ok := m.At[key]
	if !ok {
		return ""
	}
	s, ok := document.Scalar(n)
	if !ok || s == "" {
		r.Fail(n, "", "%s must be text", key)
	}
	return s
}

func (r *reader) yes(m *document.Mapping, key string) bool {
	n, ok := m.At[key]
	if !ok {
		return false
	}
	switch s := m.Text(key); s {
	case "true":
		return true
	case "false":
	default:
		r.Fail(n, "", "%s cannot be %q: want true or false", key, s)
	}
	return false
}

// values reads the table of values.
func (r *reader) values(m *document.Mapping, row *Row) {
	if n, ok := m.At["values"]; ok {
		row.Values = Texts(r.Reader, n, "values")
	}
	if n, ok := m.At["otherwise"]; ok {
		s, ok := document.Scalar(n)
		if !ok {
			r.Fail(n, "", "otherwise must be text")
		}
		if row.Values == nil {
			r.Fail(n, "", "otherwise goes with values")
		}
		row.Otherwise = &s
	}
}

// Texts reads a mapping of texts to texts.
func Texts(r *document.Reader, n ast.Node, what string) map[string]string {
	m, ok := r.Mapping(n, what, nil)
	if !ok {
		return nil
	}
	out := make(map[string]string, len(m.Keys))
	for _, k := range m.Keys {
		s, ok := document.Scalar(m.At[k])
		if !ok {
			r.Fail(m.At[k], "", "the value for %q must be text", k)
		}
		out[k] = s
	}
	return out
}

// named checks the names of converter, held value and table.
func (r *reader) named(m *document.Mapping, row *Row) {
	if row.As != "" {
		var names []string
		for _, c := range r.Converters {
			names = append(names, c.Name)
		}
		i := slices.Index(names, row.As)
		if i < 0 {
			r.Fail(m.At["as"], document.Suggest(row.As, names), "there is no converter %q", row.As)
			return
		}
		r.takes(m, r.Converters[i], row)
	}
	if row.Hold != "" && !slices.Contains(r.Holds, row.Hold) {
		hint := "only the code of built-in formats takes values"
		if len(r.Holds) > 0 {
			hint = document.Suggest(row.Hold, r.Holds)
		}
		r.Fail(m.At["hold"], hint, "the code of the format takes no value %q", row.Hold)
	}
	if row.Table != "" && !slices.Contains(r.Tables, row.Table) {
		r.Fail(m.At["table"], document.Suggest(row.Table, r.Tables), "there is no table %q", row.Table)
	}
}

// takes holds the fields of a row against what its converter wants.
func (r *reader) takes(m *document.Mapping, c Converter, row *Row) {
	_, nodes := m.List("to")
	if len(nodes) != len(c.Takes) || len(row.To) != len(c.Takes) {
		var roles []string
		for _, w := range c.Takes {
			roles = append(roles, w.Role)
		}
		want := "no field: it sets its own"
		if len(roles) > 0 {
			want = "to: [" + strings.Join(roles, ", ") + "]"
		}
		at := m.Node
		if n, ok := m.At["to"]; ok {
			at = n
		}
		r.Fail(at, "", "the converter %s takes %s", c.Name, want)
		return
	}
	for i, w := range c.Takes {
		if !w.Fits(row.To[i]) {
			r.Fail(nodes[i], "", "the converter %s cannot write %s as %s", c.Name, w.Role, row.To[i])
		}
	}
}

// fits checks a row as a whole.
func (r *reader) fits(n ast.Node, row *Row) {
	one := len(row.To) == 1 && row.As == ""
	kind := func(kinds ...schema.Kind) bool { return one && slices.Contains(kinds, row.To[0].Def().Kind) }
	for _, c := range []struct {
		key  string
		good bool
		why  string
	}{
		{"scale", kind(schema.Long, schema.Double), "scale is for fields that are numbers"},
		{"split", one && row.To[0].Def().Multi, "split is for fields that are lists"},
		{"time", kind(schema.Date), "time and zone are for fields that are times"},
		{"last", row.After != nil, "last goes with after"},
		{"drop", !row.given["to"] && !row.given["keep"] && !row.given["as"] && !row.given["hold"] && !row.given["first"], "drop goes with nothing else"},
	} {
		if row.given[c.key] && !c.good {
			r.Fail(n, "", "%s", c.why)
		}
	}
	if row.As == "" && len(row.To) > 1 {
		r.Fail(n, "", "several fields go with a converter; write a list of rows for a value that goes to several")
	}
	if row.As == "" && row.Lower && one && !kind(schema.Keyword, schema.LowCard, schema.Text, schema.IP) {
		r.Fail(n, "", "lower is for fields that are texts")
	}
	if one && row.Scale == 0 {
		r.constants(n, row.To[0], slices.Sorted(mapValues(row)))
	}
}

// mapValues yields what a table of values can write.
func mapValues(row *Row) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range row.Values {
			if !yield(v) {
				return
			}
		}
		if row.Otherwise != nil {
			yield(*row.Otherwise)
		}
	}
}

// constants checks texts that are written in the document against the kind of their field.
func (r *reader) constants(n ast.Node, f schema.FieldID, values []string) {
	for _, v := range values {
		var e schema.Event
		e.Reset(nil, 0)
		if f.Def().Kind != schema.Date && !e.Set(f, v) {
			r.Fail(n, "", "%s cannot be %q", f, v)
		}
	}
}

// compute reads where the value of a row that stands for itself comes from.
func (r *reader) compute(m *document.Mapping, row *Row) {
	if len(row.From) == 1 && r.eventField(m, row) {
		row.From = nil
	}
	if n, ok := m.At["value"]; ok {
		row.Value, _ = m.List("value")
		if len(row.To) == 1 {
			r.constants(n, row.To[0], row.Value)
		}
		if len(row.Value) > 1 && (len(row.To) != 1 || !row.To[0].Def().Multi) {
			r.Fail(n, "", "several values are for fields that are lists")
		}
	}
	if n, ok := m.At["set"]; ok {
		row.Set = r.set(n)
	}
	if n, ok := m.At["choose"]; ok {
		row.Choose = r.rows(n)
	}
	if n, ok := m.At["if"]; ok {
		row.If = r.condition(n, m.Text("if"))
	}
	if n, ok := m.At["cel"]; ok {
		if !r.Record {
			r.Fail(n, "write from: e.FIELD with values, or a condition with if", "expressions over the values of a record are for custom formats")
			return
		}
		row.CEL = r.program(n, m.Text("cel"))
	}
}

// eventField reads from: e.FIELD.
func (r *reader) eventField(m *document.Mapping, row *Row) bool {
	name, ok := strings.CutPrefix(row.From[0], "e.")
	if !ok {
		return false
	}
	f, ok := schema.Lookup(name)
	if !ok && r.Record {
		return false // a key of the record
	}
	if !ok {
		r.field(m.At["from"], name, nil)
		return true
	}
	row.Of = &f.ID
	return true
}

// set reads constants of several fields.
func (r *reader) set(n ast.Node) []Constant {
	m, ok := r.Mapping(n, "set", nil)
	if !ok {
		return nil
	}
	var out []Constant
	for _, k := range m.Keys {
		to := r.field(keyNode(n, k), k, nil)
		values, _ := m.List(k)
		if len(to) == 0 {
			continue
		}
		if len(values) == 0 || len(values) > 1 && !to[0].Def().Multi {
			r.Fail(m.At[k], "", "%s takes one text", k)
		}
		r.constants(m.At[k], to[0], values)
		for _, v := range values {
			kind := to[0].Def().Kind
			out = append(out, Constant{to[0], v, kind == schema.Keyword || kind == schema.LowCard || kind == schema.Text})
		}
	}
	return out
}

// keyNode is the node of a key itself, so that a misspelled one is shown, not its value.
func keyNode(n ast.Node, key string) ast.Node {
	values := []*ast.MappingValueNode{}
	switch x := n.(type) {
	case *ast.MappingNode:
		values = x.Values
	case *ast.MappingValueNode:
		values = append(values, x)
	}
	for _, v := range values {
		if k, _ := document.Scalar(v.Key); k == key {
			return v.Key
		}
	}
	return n
}

// source checks that a row of fields says one thing about where its value comes from.
func (r *reader) source(n ast.Node, row *Row) {
	if len(row.given) == 0 {
		return
	}
	given := 0
	for _, k := range []string{"from", "value", "cel", "set", "choose"} {
		if row.given[k] {
			given++
		}
	}
	want := "one of from, value and cel"
	if !r.Record {
		want = "one of from: e.FIELD, value, set and choose"
	}
	alone := row.Set != nil || row.Choose != nil
	switch {
	case given != 1:
		r.Fail(n, "", "a field needs %s", want)
	case row.Drop && row.From == nil:
		r.Fail(n, "", "drop goes with from alone")
	case !alone && !row.Drop && len(row.To) == 0 && row.Keep == "" && row.As == "" && !row.given["to"]:
		r.Fail(n, "", "to is missing: the field that the value goes to")
	case alone && (row.given["to"] || row.given["as"] || row.given["keep"]):
		r.Fail(n, "", "set and choose name their fields themselves")
	case row.From != nil && !r.Record:
		r.Fail(n, "", "want from: e.FIELD, a field that the event has by then")
	}
	for _, k := range row.From {
		if r.Record && r.Language.Keys != nil && !slices.Contains(r.Language.Keys, k) {
			known := slices.DeleteFunc(slices.Clone(r.Language.Keys), func(s string) bool { return s == "" })
			r.Fail(valueNode(n, "from"), "", "the shape yields no value %q; it yields %s", k, strings.Join(known, ", "))
		}
	}
}

// valueNode is the value of a key in a mapping, or the mapping.
func valueNode(n ast.Node, key string) ast.Node {
	if m, ok := n.(*ast.MappingNode); ok {
		for _, v := range m.Values {
			if k, _ := document.Scalar(v.Key); k == key {
				return v.Value
			}
		}
	}
	if v, ok := n.(*ast.MappingValueNode); ok {
		return v.Value
	}
	return n
}

func (r *reader) condition(n ast.Node, text string) *Condition {
	if len(text) > maxText {
		r.Fail(n, "", "the expression has %d bytes, more than %d", len(text), maxText)
		return nil
	}
	c, err := newCondition(text, r.Record)
	if err != nil {
		r.Fail(n, "", "%v", err)
	}
	return c
}

func (r *reader) program(n ast.Node, text string) *expr.Program {
	if len(text) > maxText {
		r.Fail(n, "", "the expression has %d bytes, more than %d", len(text), maxText)
		return nil
	}
	p, err := expr.Compile(text, map[string]expr.Type{ValuesVar: expr.StringMap})
	if err != nil {
		r.Fail(n, "", "%v", err)
		return nil
	}
	return &p
}

// Asks says whether a row, or one in it, has an expression over the values of the record.
func Asks(rows []Row) bool {
	return slices.ContainsFunc(rows, func(r Row) bool {
		return r.CEL != nil || r.If != nil && r.If.program != nil || Asks(r.Choose)
	})
}
