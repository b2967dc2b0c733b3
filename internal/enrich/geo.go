package enrich

import (
	"vigil/internal/tables"
	"vigil/schema"
)

// places puts country, city and autonomous system on addresses.
type places struct{ finder *tables.Finder }

// Places returns the part that tells where source and destination are by a database, where
// the record does not. One part serves one goroutine.
func Places(g *tables.Geo) Part { return &places{g.Finder()} }

// ends are the fields of both ends of a connection.
var ends = []struct{ ip, country, city, asn, organization schema.FieldID }{
	{schema.FSourceIP, schema.FSourceGeoCountryIsoCode, schema.FSourceGeoCityName, schema.FSourceAsNumber, schema.FSourceAsOrganizationName},
	{schema.FDestinationIP, schema.FDestinationGeoCountryIsoCode, schema.FDestinationGeoCityName, schema.FDestinationAsNumber, schema.FDestinationAsOrganizationName},
}

// Enrich implements Part.
func (x *places) Enrich(e *schema.Event) {
	for _, f := range ends {
		if !e.Has(f.ip) {
			continue
		}
		p := x.finder.Find(e.Addr(f.ip))
		if p == nil {
			continue
		}
		fill(e, f.country, p.Country)
		fill(e, f.city, p.City)
		fill(e, f.organization, p.Organization)
		if p.ASN != 0 && !e.Has(f.asn) {
			e.SetInt(f.asn, p.ASN)
		}
	}
}
