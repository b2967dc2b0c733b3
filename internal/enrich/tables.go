package enrich

import "vigil/internal/tables"

// Table returns the part that a built table makes.
func Table(t tables.Table) Part {
	switch t := t.(type) {
	case *tables.Assets:
		return Assets(t)
	case *tables.Identities:
		return Identities(t)
	case *tables.Hashes:
		return Hashes(t)
	case *tables.Geo:
		return Places(t)
	}
	return nil
}

// BuiltIn returns the parts that need no table: domains, community ids, user agents. They
// serve one goroutine.
func BuiltIn() Part { return All(Domains(), CommunityID(), UserAgents()) }
