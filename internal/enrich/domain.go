package enrich

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"

	"vigil/schema"
)

// domains takes the names of queries and URLs apart. It remembers the suffixes of names, of
// which most come again: looking at the list costs allocations.
type domains struct{ suffixes map[string]string }

// maxSuffixes bounds what is remembered.
const maxSuffixes = 16384

// Domains returns the part that sets registered domain, subdomain and effective top-level
// domain of dns.question.name and url.domain by the public suffix list. A name under a top-level
// domain that the list does not have is taken as the list's default rule says: the last
// label is the suffix. One part serves one goroutine.
func Domains() Part { return &domains{map[string]string{}} }

// splits are the names, and where their parts go.
var splits = []struct{ name, registered, subdomain, suffix schema.FieldID }{
	{schema.FDnsQuestionName, schema.FDnsQuestionRegisteredDomain, schema.FDnsQuestionSubdomain, schema.FDnsQuestionTopLevelDomain},
	{schema.FUrlDomain, schema.FUrlRegisteredDomain, schema.FUrlSubdomain, schema.FUrlTopLevelDomain},
}

// Enrich implements Part.
func (x *domains) Enrich(e *schema.Event) {
	for _, s := range splits {
		if !e.Has(s.name) || e.Has(s.registered) {
			continue
		}
		name := hostName(e, e.Str(s.name))
		if name == "" {
			continue
		}
		suffix := x.suffix(name)
		if len(suffix) >= len(name) {
			e.SetStr(s.suffix, suffix)
			continue
		}
		rest := name[:len(name)-len(suffix)-1]
		dot := strings.LastIndexByte(rest, '.')
		e.SetStr(s.suffix, suffix)
		e.SetStr(s.registered, name[dot+1:])
		if dot > 0 {
			e.SetStr(s.subdomain, rest[:dot])
		}
	}
}

func (x *domains) suffix(name string) string {
	suffix, ok := x.suffixes[name]
	if !ok {
		if len(x.suffixes) == maxSuffixes {
			clear(x.suffixes)
		}
		name = strings.Clone(name)
		suffix, _ = publicsuffix.PublicSuffix(name)
		x.suffixes[name] = suffix
	}
	return suffix
}

// maxName is the longest name that DNS has.
const maxName = 253

// hostName is a host name in small letters without its last dot; "" when the text is none: an
// address, a bare label, or labels that are empty.
func hostName(e *schema.Event, v string) string {
	v = strings.TrimSuffix(v, ".")
	if len(v) > maxName || strings.IndexByte(v, '.') <= 0 || strings.Contains(v, "..") || v[len(v)-1] == '.' {
		return ""
	}
	if addressLike(v) {
		if _, err := netip.ParseAddr(strings.Trim(v, "[]")); err == nil {
			return ""
		}
	}
	for i := range len(v) {
		if c := v[i]; c >= 'A' && c <= 'Z' {
			return lower(e, v)
		}
	}
	return v
}

// lower is v with small ASCII letters, kept with the event.
func lower(e *schema.Event, v string) string {
	b := e.Buffer(len(v))
	for i := range len(v) {
		c := v[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return e.Commit(b)
}
