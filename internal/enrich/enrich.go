// Package enrich puts context on events, from tables handed in: which indicators an
// event carries, and what else [All] composes.
package enrich

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vigil/internal/intel"
	"vigil/schema"
)

// Part is one enrichment. It keeps nothing of the event.
type Part interface {
	Enrich(e *schema.Event)
}

// Witness is a Part that also tells which indicators it saw in the event it enriched
// last.
type Witness interface {
	Sightings(dst []schema.Sighting) []schema.Sighting
}

// all runs parts one after the other.
type all []Part

// All composes parts; nil ones are left out. One composition serves one goroutine.
func All(parts ...Part) Part {
	var a all
	for _, p := range parts {
		if p != nil {
			a = append(a, p)
		}
	}
	if len(a) == 1 {
		return a[0]
	}
	return a
}

// Enrich implements Part.
func (a all) Enrich(e *schema.Event) {
	for _, p := range a {
		p.Enrich(e)
	}
}

// Sightings implements Witness.
func (a all) Sightings(dst []schema.Sighting) []schema.Sighting {
	for _, p := range a {
		if w, ok := p.(Witness); ok {
			dst = w.Sightings(dst)
		}
	}
	return dst
}

// maxMatches bounds how many indicators are noted on one event.
const maxMatches = 32

// indicators matches the observables of events with a set.
type indicators struct {
	set     *intel.Set
	at      int64
	found   []intel.Match
	matches []intel.Match
	ids     map[intel.Match]string // of what was seen, so that an id is hashed once
}

// Indicators returns the part that notes matching indicators: threat.indicator.value
// gets the value as the event has it (what can be blocked; the domain above it or the
// network around it is in the sighting), threat.indicator.feed the feeds. Validity is
// judged at the time given, which is the ingest time of the plan and not the clock: a
// retry finds the same. One part serves one goroutine.
func Indicators(set *intel.Set, at time.Time) Part {
	return &indicators{set: set, at: at.Unix(), ids: map[intel.Match]string{}}
}

// lookup says how a field is matched.
type lookup uint8

const (
	none lookup = iota
	byAddress
	byDomain
	byEither // an address or a name
	byURL
	byPath // a URL, or a path of the host in url.domain
	byHash
	byEmail
)

// observables is the table of the fields that indicators are looked for in. The
// addresses of the machines that log (host.ip, observer.ip) are not among them, nor is related.*, which
// repeats others.
var observables = [schema.NumFields]lookup{
	schema.FSourceIP: byAddress, schema.FDestinationIP: byAddress, schema.FClientIP: byAddress, schema.FServerIP: byAddress, schema.FSourceNatIP: byAddress,
	schema.FDnsResolvedIP: byEither, schema.FDnsAnswersData: byEither, schema.FSourceAddress: byEither, schema.FDestinationAddress: byEither,
	schema.FSourceDomain: byEither, schema.FDestinationDomain: byEither, schema.FUrlDomain: byEither, schema.FTlsClientServerName: byEither,
	schema.FDnsQuestionName: byDomain,
	schema.FUrlFull:         byURL, schema.FHttpRequestReferrer: byURL, schema.FUrlOriginal: byPath,
	schema.FProcessHashMd5: byHash, schema.FProcessHashSha1: byHash, schema.FProcessHashSha256: byHash,
	schema.FFileHashMd5: byHash, schema.FFileHashSha1: byHash, schema.FFileHashSha256: byHash, schema.FTlsServerHashSha1: byHash,
	schema.FEmailFromAddress: byEmail, schema.FEmailToAddress: byEmail,
}

// Enrich implements Part.
func (x *indicators) Enrich(e *schema.Event) {
	x.matches = x.matches[:0]
	fields := e.Fields()
	for _, f := range fields {
		how := observables[f]
		if how == none {
			continue
		}
		if f.Def().Multi {
			for _, v := range e.List(f) {
				x.note(e, v, x.look(e, how, v))
			}
			continue
		}
		if how == byAddress {
			x.found = x.set.Addr(x.found[:0], e.Addr(f), x.at)
		} else {
			x.look(e, how, e.Str(f))
		}
		if len(x.found) > 0 {
			x.note(e, shown(e, f, how), x.found)
		}
	}
}

// shown is the field's value; a bare path says nothing without its host, there the
// indicator's own value does.
func shown(e *schema.Event, f schema.FieldID, how lookup) string {
	v := e.Str(f)
	if how == byPath && strings.HasPrefix(v, "/") {
		return ""
	}
	return v
}

func (x *indicators) look(e *schema.Event, how lookup, v string) []intel.Match {
	x.found = x.found[:0]
	switch how {
	case byDomain:
		x.found = x.set.Domain(x.found, v, x.at)
	case byEither:
		if !addressLike(v) {
			x.found = x.set.Domain(x.found, v, x.at)
		} else if a, err := netip.ParseAddr(v); err == nil {
			x.found = x.set.Addr(x.found, a, x.at)
		}
	case byURL:
		x.found = x.set.URL(x.found, v, x.at)
	case byPath:
		if strings.HasPrefix(v, "/") {
			x.found = x.set.HostPath(x.found, e.Str(schema.FUrlDomain), v, x.at)
		} else {
			x.found = x.set.URL(x.found, v, x.at)
		}
	case byHash:
		x.found = x.set.Hash(x.found, v, x.at)
	case byEmail:
		x.found = x.set.Email(x.found, v, x.at)
	}
	return x.found
}

// addressLike says whether a text can only be an address: names do not end in a digit
// and hold no colon.
func addressLike(v string) bool {
	return v != "" && (v[len(v)-1] >= '0' && v[len(v)-1] <= '9' || strings.IndexByte(v, ':') >= 0)
}

func (x *indicators) note(e *schema.Event, value string, found []intel.Match) {
	for _, m := range found {
		if len(x.matches) == maxMatches {
			return
		}
		if seen(x.matches, m) {
			continue
		}
		x.matches = append(x.matches, m)
		e.Add(schema.FThreatIndicatorValue, cmp.Or(value, m.Value))
		e.Add(schema.FThreatIndicatorFeed, m.Feed)
	}
}

func seen(list []intel.Match, m intel.Match) bool {
	return slices.Contains(list, m)
}

// Sightings implements Witness: one per indicator and event.
func (x *indicators) Sightings(dst []schema.Sighting) []schema.Sighting {
	for _, m := range x.matches {
		id, ok := x.ids[m]
		if !ok {
			id = intel.ID(m.Feed, m.Type, m.Value)
			x.ids[m] = id
		}
		dst = append(dst, schema.Sighting{Indicator: id, Value: m.Value, Feed: m.Feed})
	}
	return dst
}
