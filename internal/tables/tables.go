// Package tables is what events are enriched with from tables that people hand in: assets,
// identities, file hashes (CSV), places and networks of addresses (MaxMind DB). It checks a
// file, naming line and column of what is wrong, and makes the immutable look-up of it. A
// table is named by the hash of its bytes, and a plan pins it by that name.
package tables

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"vigil/schema"
)

// Kind is one row of the table of tables.
type Kind struct {
	Name string // as in commands, in the API and in pins
	Doc  string // one sentence for help texts
	// Build makes the look-up of the bytes of a file: *Assets, *Identities, *Hashes or *Geo.
	Build func(body []byte) (Table, error)
}

// Table is a built table.
type Table interface {
	// Len is how many rows (networks, of a MaxMind DB) the table has.
	Len() int
	// Entities are the rows of tables of entities, nil of others.
	Entities() []schema.Entity
}

// The tables.
const (
	AssetTable    = "assets"
	IdentityTable = "identities"
	HashTable     = "hashes"
	GeoTable      = "geo"
	ASNTable      = "asn"
	// FormatTable names the set of custom formats in pins; it is no table that can be put.
	FormatTable = "formats"
)

// MaxSize is the size up to which a file is taken.
const MaxSize = 512 << 20

// Kinds is the table of tables.
func Kinds() []Kind {
	return []Kind{
		{AssetTable, "machines: name, addresses, owner, criticality (CSV)", build(parseAssets)},
		{IdentityTable, "people and accounts: name, e-mail, department, privileged (CSV)", build(parseIdentities)},
		{HashTable, "files by MD5, SHA-1 or SHA-256: name, owner, status (CSV)", build(parseHashes)},
		{GeoTable, "country and city of addresses (MaxMind DB, .mmdb)", build(openGeo)},
		{ASNTable, "autonomous system of addresses (MaxMind DB, .mmdb)", build(openGeo)},
	}
}

// build makes a Build of a typed function.
func build[T Table](fn func([]byte) (T, error)) func([]byte) (Table, error) {
	return func(body []byte) (Table, error) {
		if len(body) > MaxSize {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("the file has %d bytes, more than %d", len(body), MaxSize), "")
		}
		t, err := fn(body)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
}

// Check builds the table of a file that comes from outside and checks all of it. Build is
// enough for bytes that were checked before.
func (k Kind) Check(body []byte) (Table, error) {
	t, err := k.Build(body)
	if err != nil {
		return nil, err
	}
	if g, ok := t.(*Geo); ok {
		if err := g.verify(body); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// ByName returns the kind of that name.
func ByName(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds() {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, schema.E(schema.NotFound, fmt.Sprintf("there is no table %q", name), "the tables are "+strings.Join(names, ", "))
}

// Hash names a file's bytes.
func Hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}

// Pins are the tables that a plan uses, by name.
type Pins map[string]string

// String is the form that plans and chunks carry: name=hash in order, commas between.
func (p Pins) String() string {
	var out []string
	for name, hash := range p {
		if hash != "" {
			out = append(out, name+"="+hash)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// ParsePins reads what String wrote.
func ParsePins(text string) (Pins, error) {
	p := Pins{}
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		name, hash, ok := strings.Cut(part, "=")
		if !ok || name == "" || hash == "" {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("the pinned tables %q are damaged", text), "they are name=hash, with commas between")
		}
		p[name] = hash
	}
	return p, nil
}
