// Package expr is the expression language of rules, playbook conditions and
// policies: CEL with typed events, case-insensitive predicates and a static
// cost limit. It is the only home of the CEL implementation.
//
// Event expressions ([Env]) see the event as the object e, whose fields are the
// field table (e.process.command_line) and whose unmodelled fields are text
// under the open namespaces (e.winlog.event_data.TargetObject). Presence is
// "not the zero value": an absent text is ”, an absent number 0, so that
// stored columns need no null and history answers like the stream.
//
// Other homes use [Compile] with their own variables.
package expr

import (
	"strings"

	"github.com/google/cel-go/cel"

	"vigil/schema"
)

// Type is the type of a variable or result.
type Type string

// The types.
const (
	Bool       Type = "bool"
	Int        Type = "int"
	Double     Type = "double"
	String     Type = "string"
	Timestamp  Type = "timestamp"
	Duration   Type = "duration"
	StringList Type = "list(string)"
	StringMap  Type = "map(string, string)"
	Dyn        Type = "dyn"
)

func (t Type) cel() *cel.Type {
	switch t {
	case Bool:
		return cel.BoolType
	case Int:
		return cel.IntType
	case Double:
		return cel.DoubleType
	case String:
		return cel.StringType
	case Timestamp:
		return cel.TimestampType
	case Duration:
		return cel.DurationType
	case StringList:
		return cel.ListType(cel.StringType)
	case StringMap:
		return cel.MapType(cel.StringType, cel.StringType)
	default:
		return cel.DynType
	}
}

// FieldType returns the type a field of the table has in expressions. Addresses
// are text in canonical spelling; dates are timestamps; list fields are lists
// of text.
func FieldType(f *schema.Field) Type {
	if f.Multi {
		return StringList
	}
	switch f.Kind {
	case schema.Long:
		return Int
	case schema.Double:
		return Double
	case schema.Bool:
		return Bool
	case schema.Date:
		return Timestamp
	default:
		return String
	}
}

// object is one level of the typed event: e, e.process, e.process.parent …
type object struct {
	typ    *cel.Type
	fields map[string]*cel.Type
	names  []string
}

const rootType = "Event"

// RawField is the name of the record as it arrived (e.raw), beside the fields
// of the table.
const RawField = "raw"

// objects builds the object types of the event from the field table and the
// open namespaces.
func objects() map[string]*object {
	all := map[string]*object{}
	at := func(name string) *object {
		o := all[name]
		if o == nil {
			o = &object{typ: cel.ObjectType(name), fields: map[string]*cel.Type{}}
			all[name] = o
		}
		return o
	}
	add := func(dotted string, leaf *cel.Type) {
		parts := strings.Split(dotted, ".")
		here := rootType
		for i, p := range parts {
			t := leaf
			if i < len(parts)-1 {
				t = at(here + "." + p).typ
			}
			o := at(here)
			if _, ok := o.fields[p]; !ok {
				o.names = append(o.names, p)
			}
			o.fields[p] = t
			here += "." + p
		}
	}
	for _, f := range schema.Fields() {
		add(f.Name, FieldType(&f).cel())
	}
	for _, ns := range schema.OpenNamespaces() {
		add(ns, StringMap.cel())
	}
	add(RawField, cel.StringType)
	return all
}

// Ref names a value of the event: a field of the table, an unmodelled field by
// its full name, or the raw record.
type Ref struct {
	Field schema.FieldID // when Extra is "" and Raw is false
	Extra string         // full dotted name of an unmodelled field
	Raw   bool
}

// Name returns the dotted name without the leading "e.".
func (r Ref) Name() string {
	switch {
	case r.Raw:
		return RawField
	case r.Extra != "":
		return r.Extra
	default:
		return r.Field.String()
	}
}

// Type returns the type of the value.
func (r Ref) Type() Type {
	if r.Raw || r.Extra != "" {
		return String
	}
	return FieldType(r.Field.Def())
}

// ParseRef resolves a dotted name without "e." to what it names.
func ParseRef(name string) (Ref, bool) {
	if name == RawField {
		return Ref{Raw: true}, true
	}
	if f, ok := schema.Lookup(name); ok {
		return Ref{Field: f.ID}, true
	}
	for _, ns := range schema.OpenNamespaces() {
		if len(name) > len(ns)+1 && strings.HasPrefix(name, ns) && name[len(ns)] == '.' {
			return Ref{Extra: name}, true
		}
	}
	return Ref{}, false
}

// Text returns the value as text for people and keys: "" when absent, list
// elements joined by commas. The result lives as long as the event's values.
func (r Ref) Text(e *schema.Event) string {
	switch {
	case r.Raw:
		return schema.View(e.Raw)
	case r.Extra != "":
		v, _ := e.Extra(r.Extra)
		return v
	}
	d := r.Field.Def()
	if d.Kind == schema.IP && !d.Multi {
		return addrText(e, r.Field)
	}
	v, _ := e.Get(d.Name)
	return v
}
