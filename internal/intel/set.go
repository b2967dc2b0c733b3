package intel

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"vigil/schema"
)

// Part is the share of one feed in a set: the hash of its content names it.
type Part struct {
	Feed    string
	Hash    string
	Entries []Entry
}

// partRows is how many entries stand in one stored body.
const partRows = 25_000

// EncodePart returns the bodies under which a feed's entries are stored, and the hash
// that names them. Entries must be sorted as Read returns them.
func EncodePart(entries []Entry) (hash string, bodies []string, err error) {
	for c := range slices.Chunk(entries, partRows) {
		b, err := json.Marshal(c)
		if err != nil {
			return "", nil, fmt.Errorf("writing indicators: %w", err)
		}
		bodies = append(bodies, string(b))
	}
	return PartHash(bodies), bodies, nil
}

// PartHash names a part by its bodies.
func PartHash(bodies []string) string {
	return schema.HashID(append([]string{"intel-part"}, bodies...)...)
}

// DecodePart reads the bodies of a part.
func DecodePart(bodies []string) ([]Entry, error) {
	var out []Entry
	for _, b := range bodies {
		var c []Entry
		if err := json.Unmarshal([]byte(b), &c); err != nil {
			return nil, fmt.Errorf("a stored indicator set is damaged: %w", err)
		}
		out = append(out, c...)
	}
	return out, nil
}

// SetVersion names the set that these parts (feed → hash) make: it is a hash of what
// the set holds, so the same feeds with the same content are the same version anywhere.
// No parts are version "".
func SetVersion(org string, parts map[string]string) string {
	if len(parts) == 0 {
		return ""
	}
	in := []string{"intel-set", org}
	for _, feed := range slices.Sorted(maps.Keys(parts)) {
		in = append(in, feed, parts[feed])
	}
	return schema.HashID(in...)
}

// item is an entry of the compiled set.
type item struct {
	value       string
	from, until int64
	next        int32 // index of the same value in another feed, -1 at the end
	feed        uint16
	kind        uint8 // index in Types
}

// Set is what events are matched with. It never changes and is safe for concurrent use;
// a lookup that finds nothing does not allocate.
type Set struct {
	version string
	feeds   []string
	types   []string
	items   []item
	ips     map[[16]byte]int32
	nets    []prefixes // by length, longest first
	domains map[string]int32
	urls    map[string]int32
	hashes  map[string]int32
	mails   map[string]int32
}

// prefixes are the networks of one length.
type prefixes struct {
	bits int // of 128
	v4   bool
	at   map[[16]byte]int32
}

// Build compiles parts into a set. Revoked entries are left out.
func Build(version string, parts []Part) *Set {
	s := &Set{version: version, types: Types(), ips: map[[16]byte]int32{}, domains: map[string]int32{}, urls: map[string]int32{}, hashes: map[string]int32{}, mails: map[string]int32{}}
	parts = slices.Clone(parts)
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Compare(a.Feed, b.Feed) })
	n := 0
	for _, p := range parts {
		n += len(p.Entries)
	}
	s.items = make([]item, 0, n)
	for _, p := range parts {
		feed := uint16(len(s.feeds))
		s.feeds = append(s.feeds, p.Feed)
		for i := range p.Entries {
			if e := &p.Entries[i]; !e.Revoked {
				s.put(e, feed)
			}
		}
	}
	slices.SortFunc(s.nets, func(a, b prefixes) int { return cmp.Compare(b.bits, a.bits) })
	return s
}

func (s *Set) put(e *Entry, feed uint16) {
	kind := slices.Index(s.types, e.Type)
	if kind < 0 {
		return
	}
	it := item{value: e.Value, from: e.From, until: e.Until, next: -1, feed: feed, kind: uint8(kind)}
	switch e.Type {
	case IP:
		if a, err := netip.ParseAddr(e.Value); err == nil {
			chain(s, s.ips, a.As16(), it)
		}
	case CIDR:
		if p, err := netip.ParsePrefix(e.Value); err == nil {
			chain(s, s.network(p), p.Addr().As16(), it)
		}
	case Domain:
		chain(s, s.domains, e.Value, it)
	case URL:
		chain(s, s.urls, e.Value, it)
	case Email:
		chain(s, s.mails, e.Value, it)
	default:
		chain(s, s.hashes, e.Value, it)
	}
}

// chain adds an item in front of those with the same key.
func chain[K comparable](s *Set, m map[K]int32, key K, it item) {
	if first, ok := m[key]; ok {
		it.next = first
	}
	m[key] = int32(len(s.items))
	s.items = append(s.items, it)
}

func (s *Set) network(p netip.Prefix) map[[16]byte]int32 {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for _, n := range s.nets {
		if n.bits == bits && n.v4 == p.Addr().Is4() {
			return n.at
		}
	}
	n := prefixes{bits: bits, v4: p.Addr().Is4(), at: map[[16]byte]int32{}}
	s.nets = append(s.nets, n)
	return n.at
}

// Version is the hash of what the set holds.
func (s *Set) Version() string { return s.version }

// Len is how many indicators the set holds.
func (s *Set) Len() int { return len(s.items) }

// Match is an indicator that an observable matched.
type Match struct {
	Feed, Type, Value string
}

// matches appends the items of a chain that are valid at a time.
func (s *Set) matches(dst []Match, i int32, at int64) []Match {
	for ; i >= 0; i = s.items[i].next {
		if it := &s.items[i]; it.from <= at && (it.until == 0 || at < it.until) {
			dst = append(dst, Match{s.feeds[it.feed], s.types[it.kind], it.value})
		}
	}
	return dst
}

// Addr appends the indicators, valid at the time, that are the address or a network
// around it.
func (s *Set) Addr(dst []Match, a netip.Addr, at int64) []Match {
	if !a.IsValid() || len(s.ips)+len(s.nets) == 0 {
		return dst
	}
	a = a.Unmap()
	key := a.As16()
	if i, ok := s.ips[key]; ok {
		dst = s.matches(dst, i, at)
	}
	for n := range s.nets {
		if s.nets[n].v4 != a.Is4() {
			continue
		}
		masked := key
		mask(&masked, s.nets[n].bits)
		if i, ok := s.nets[n].at[masked]; ok {
			dst = s.matches(dst, i, at)
		}
	}
	return dst
}

func mask(a *[16]byte, bits int) {
	for i := bits / 8; i < 16; i++ {
		keep := max(bits-8*i, 0)
		a[i] &= 0xff << (8 - min(keep, 8))
	}
}

// Domain appends the indicators that are the name or a domain above it.
func (s *Set) Domain(dst []Match, name string, at int64) []Match {
	if len(s.domains) == 0 || len(name) > 255 {
		return dst
	}
	if !ascii(name) {
		p, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return dst
		}
		name = p
	}
	var buf [256]byte
	d := lower(buf[:0], strings.TrimSuffix(name, "."))
	for i := range d {
		if i > 0 && d[i-1] != '.' {
			continue
		}
		if n, ok := s.domains[string(d[i:])]; ok {
			dst = s.matches(dst, n, at)
		}
	}
	return dst
}

// URL appends the indicators that are this URL (see Normalize for what counts).
func (s *Set) URL(dst []Match, u string, at int64) []Match {
	if len(s.urls) == 0 || len(u) > 2048 {
		return dst
	}
	var buf [2100]byte
	if k, ok := urlKey(buf[:0], u); ok {
		if i, ok := s.urls[string(k)]; ok {
			dst = s.matches(dst, i, at)
		}
	}
	return dst
}

// HostPath is URL for logs that keep host and path apart.
func (s *Set) HostPath(dst []Match, host, path string, at int64) []Match {
	if len(s.urls) == 0 || host == "" || len(host)+len(path) > 2048 {
		return dst
	}
	var join, buf [2100]byte
	u := append(append(join[:0], host...), path...)
	if k, ok := urlKey(buf[:0], schema.View(u)); ok {
		if i, ok := s.urls[string(k)]; ok {
			dst = s.matches(dst, i, at)
		}
	}
	return dst
}

// Hash appends the indicators that are this MD5, SHA-1 or SHA-256.
func (s *Set) Hash(dst []Match, v string, at int64) []Match {
	return s.text(dst, s.hashes, v, 64, at)
}

// Email appends the indicators that are this address.
func (s *Set) Email(dst []Match, v string, at int64) []Match {
	return s.text(dst, s.mails, strings.Trim(v, "<>"), 254, at)
}

func (s *Set) text(dst []Match, in map[string]int32, v string, limit int, at int64) []Match {
	if len(in) == 0 || len(v) > limit {
		return dst
	}
	var buf [256]byte
	if i, ok := in[string(lower(buf[:0], v))]; ok {
		dst = s.matches(dst, i, at)
	}
	return dst
}
