package schema

// Kind is the value type of a field: how its text is checked, which column
// holds it, and which CEL type it has.
type Kind uint8

// The kinds of field.
const (
	// Keyword is a short exact string.
	Keyword Kind = iota
	// LowCard is a keyword with few distinct values (LowCardinality column).
	LowCard
	// Text is a string that people search by word (text index).
	Text
	// IP is an IPv4 or IPv6 address; stored as IPv6, absent is "::".
	IP
	// Long is a signed 64-bit integer; absent is 0.
	Long
	// Double is a 64-bit float; absent is 0.
	Double
	// Bool is a boolean; absent is false.
	Bool
	// Date is an instant in Unix microseconds UTC; absent is 0.
	Date
)

// Field is one row of the field table: the single place that says how an ECS
// field is named, typed, stored and explained.
type Field struct {
	// ID is the field's index in Fields.
	ID FieldID
	// Name is the ECS name, dotted ("source.ip").
	Name string
	// Column is the ClickHouse column ("source_ip").
	Column string
	// Kind is the value type.
	Kind Kind
	// Multi marks a list field: an Array column with any-of semantics in rules.
	Multi bool
	// Index asks for a bloom-filter skip index on the column.
	Index bool
	// Since is the migration that added the column; 0: the table was made with it.
	Since int
	// Doc is one sentence for the generated reference.
	Doc string
}

// FieldID names a promoted field; it is an index into Fields and is not stable
// across versions, so it is never persisted.
type FieldID uint16

// Fields returns the field table in column order. The slice must not be changed.
func Fields() []Field { return fieldTable[:] }

// Lookup returns the field with the given ECS name.
func Lookup(name string) (Field, bool) {
	id, ok := fieldByName[name]
	if !ok {
		return Field{}, false
	}
	return fieldTable[id], true
}

// Def returns the table row of f.
func (f FieldID) Def() *Field { return &fieldTable[f] }

// String returns the ECS name of f.
func (f FieldID) String() string { return fieldTable[f].Name }

var fieldByName = func() map[string]FieldID {
	m := make(map[string]FieldID, len(fieldTable))
	for i := range fieldTable {
		m[fieldTable[i].Name] = FieldID(i)
	}
	return m
}()

// OpenNamespaces are the prefixes under which unmodelled fields live. In CEL
// each is a map of string to string (`e.winlog.event_data.TargetObject`), in
// ClickHouse a key of the bucketed `attrs` map with the full dotted name.
// Every key outside them goes under "labels".
func OpenNamespaces() []string {
	return []string{"winlog.event_data", "winlog.user_data", "zeek", "suricata", "aws", "azure", "gcp", "o365", "okta",
		"auditd", "cef", "github", "google", "iis", "kubernetes", "microsoft", "labels"}
}
