package tables

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"vigil/schema"
)

// Place is what a database says of an address; what it does not say is zero.
type Place struct {
	Country, City string // ISO code; name in English
	ASN           int64
	Organization  string // who runs the autonomous system
}

// Geo looks addresses up in a MaxMind DB.
type Geo struct {
	db   *maxminddb.Reader
	size int // networks, once verified
}

// Where databases keep what we look for: MaxMind's and DB-IP's layout, then the flat ones.
var (
	countryPaths      = [][]any{{"country", "iso_code"}, {"registered_country", "iso_code"}, {"country_code"}, {"country"}}
	cityPaths         = [][]any{{"city", "names", "en"}, {"city"}}
	asnPaths          = [][]any{{"autonomous_system_number"}, {"asn"}}
	organizationPaths = [][]any{{"autonomous_system_organization"}, {"as_name"}, {"name"}}
)

func openGeo(body []byte) (*Geo, error) {
	db, err := maxminddb.OpenBytes(body)
	if err != nil {
		return nil, schema.E(schema.Invalid, "the file is no MaxMind DB", "a .mmdb file, such as GeoLite2-City.mmdb; unpack it first", err)
	}
	return &Geo{db: db}, nil
}

// verify reads the whole database and counts its networks: it comes from outside, and a
// damaged one must not be found out while events are read.
func (g *Geo) verify(body []byte) error {
	damaged := func(err error) error {
		return schema.E(schema.Invalid, "the database is damaged", "download it again", err)
	}
	if err := checkTree(body, g.db.Metadata.NodeCount, g.db.Metadata.RecordSize); err != nil {
		return damaged(err)
	}
	if err := g.db.Verify(); err != nil {
		return damaged(err)
	}
	useful := false
	for r := range g.db.Networks() {
		if err := r.Err(); err != nil {
			return damaged(err)
		}
		useful = useful || g.place(r) != (Place{})
		g.size++
	}
	if !useful {
		return schema.E(schema.Invalid, "the database ("+g.db.Metadata.DatabaseType+") has neither country, city nor autonomous system", "a City, Country or ASN database")
	}
	return nil
}

// Len implements Table; it is known after Check only.
func (g *Geo) Len() int { return g.size }

// Entities implements Table.
func (g *Geo) Entities() []schema.Entity { return nil }

func (g *Geo) place(r maxminddb.Result) Place {
	p := Place{Country: first(r, countryPaths), City: first(r, cityPaths), Organization: first(r, organizationPaths)}
	if len(p.Country) != 2 {
		p.Country = ""
	}
	p.ASN = number(r)
	return p
}

// first is the first of the paths that holds text.
func first(r maxminddb.Result, paths [][]any) string {
	for _, path := range paths {
		var v string
		if err := r.DecodePath(&v, path...); err == nil && v != "" {
			return v
		}
	}
	return ""
}

func number(r maxminddb.Result) int64 {
	for _, path := range asnPaths {
		var n uint32
		if err := r.DecodePath(&n, path...); err == nil && n != 0 {
			return int64(n)
		}
		var text string
		if err := r.DecodePath(&text, path...); err == nil {
			if n, err := strconv.ParseUint(strings.TrimPrefix(text, "AS"), 10, 32); err == nil {
				return int64(n)
			}
		}
	}
	return 0
}

// maxPlaces bounds what a Finder remembers.
const maxPlaces = 100_000

// Finder looks addresses up for one goroutine; it remembers the places it has read, so
// that one seen before costs no allocation.
type Finder struct {
	geo    *Geo
	places map[uintptr]*Place
}

// Finder makes one.
func (g *Geo) Finder() *Finder { return &Finder{geo: g, places: map[uintptr]*Place{}} }

// Find returns the place of a public address, nil when the database does not have it.
func (f *Finder) Find(a netip.Addr) *Place {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return nil
	}
	r := f.geo.db.Lookup(a.Unmap())
	if r.Err() != nil || !r.Found() {
		return nil
	}
	p, ok := f.places[r.Offset()]
	if !ok {
		if len(f.places) >= maxPlaces {
			clear(f.places)
		}
		v := f.geo.place(r)
		p = &v
		f.places[r.Offset()] = p
	}
	return p
}
