package intel

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// The types of indicators.
const (
	IP     = "ip"
	CIDR   = "cidr"
	Domain = "domain"
	URL    = "url"
	MD5    = "md5"
	SHA1   = "sha1"
	SHA256 = "sha256"
	Email  = "email"
	// any stands for a type that the value's shape tells.
	any_ = ""
	hash = "hash"
)

// Types lists the types of indicators.
func Types() []string { return []string{IP, CIDR, Domain, URL, MD5, SHA1, SHA256, Email} }

// observable is a value of a claimed type.
type observable struct{ kind, value string }

// Normalize brings a value into the one form in which it is stored and matched, and
// refuses what cannot be an indicator: nonsense, and values that everybody has (the
// hash of the empty file, a whole top-level domain, 0.0.0.0/0).
//
//   - ip, cidr: canonical text; an IPv4 address in IPv6 form is IPv4
//   - domain: lower case, ASCII (punycode), no dot at the end; it stands for its
//     subdomains too, so "*.example.org" is "example.org"
//   - url: without scheme, user and fragment, host as a domain, default port dropped
//   - md5, sha1, sha256: lower case hexadecimal
//   - email: lower case
//
// The type "" is found by the value's shape, "hash" by its length. Values that were
// made harmless for print (hxxp://, example[.]org) are taken back first.
func Normalize(kind, value string) (string, string, error) {
	value = refang(strings.TrimSpace(value))
	if value == "" {
		return "", "", errors.New("an empty value")
	}
	if len(value) > 2048 {
		return "", "", errors.New("a value longer than 2048 bytes")
	}
	if kind == any_ {
		kind = shape(value)
	}
	switch kind {
	case IP, CIDR:
		return network(value)
	case Domain:
		d, err := domain(value)
		return Domain, d, err
	case URL:
		u, err := address(value)
		return URL, u, err
	case MD5, SHA1, SHA256, hash:
		return digest(kind, value)
	case Email:
		e, err := mailbox(value)
		return Email, e, err
	case "":
		return "", "", errors.New("a value whose type cannot be told")
	default:
		return "", "", fmt.Errorf("the type %s is not matched", plain(kind, 40))
	}
}

var refanger = strings.NewReplacer("[.]", ".", "(.)", ".", "[:]", ":", "[@]", "@", "hxxp://", "http://", "hxxps://", "https://", "hXXp://", "http://", "hXXps://", "https://")

func refang(s string) string {
	if !strings.ContainsAny(s, "[(") && !strings.HasPrefix(s, "hxx") && !strings.HasPrefix(s, "hXX") {
		return s
	}
	return refanger.Replace(s)
}

// shape guesses the type of a value.
func shape(v string) string {
	if _, err := netip.ParseAddr(v); err == nil {
		return IP
	}
	if _, err := netip.ParsePrefix(v); err == nil {
		return CIDR
	}
	switch {
	case strings.Contains(v, "://"):
		return URL
	case isHex(v) && (len(v) == 32 || len(v) == 40 || len(v) == 64):
		return hash
	case strings.Contains(v, "@"):
		return Email
	case strings.Contains(v, "/"):
		return URL
	case strings.Contains(v, "."):
		return Domain
	}
	return ""
}

func network(v string) (string, string, error) {
	if a, err := netip.ParseAddr(v); err == nil {
		a = a.Unmap().WithZone("")
		if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || a.As16() == [16]byte{10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff} {
			return "", "", errors.New("an address that every machine has (loopback, link-local, multicast or unspecified)")
		}
		return IP, a.String(), nil
	}
	p, err := netip.ParsePrefix(v)
	if err != nil {
		return "", "", errors.New("no address or network")
	}
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() {
		if bits < 96 {
			return "", "", errors.New("a network that is too wide")
		}
		a, bits = a.Unmap(), bits-96
	}
	p = netip.PrefixFrom(a, bits).Masked()
	if a.Is4() && bits < 8 || a.Is6() && bits < 16 {
		return "", "", errors.New("a network that is too wide (wider than /8, or /16 of IPv6)")
	}
	if bits == a.BitLen() {
		return network(p.Addr().String())
	}
	return CIDR, p.String(), nil
}

func domain(v string) (string, error) {
	v = strings.TrimPrefix(strings.TrimSuffix(strings.ToLower(v), "."), "*.")
	v = strings.TrimPrefix(v, ".")
	if !ascii(v) {
		p, err := idna.Lookup.ToASCII(v)
		if err != nil {
			return "", errors.New("no domain name")
		}
		v = p
	}
	if !hostname(v) {
		return "", errors.New("no domain name")
	}
	if suffix, icann := publicsuffix.PublicSuffix(v); suffix == v && (icann || !strings.Contains(v, ".")) {
		return "", errors.New("a public suffix: everything under it would match")
	}
	return v, nil
}

// hostname checks the shape of a lower-case host name that is no address.
func hostname(v string) bool {
	if len(v) == 0 || len(v) > 253 {
		return false
	}
	last := v
	for rest := v; rest != ""; {
		label, more, found := strings.Cut(rest, ".")
		if label == "" || len(label) > 63 || found && more == "" {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
		last, rest = label, more
	}
	return last[0] < '0' || last[0] > '9'
}

func address(v string) (string, error) {
	var buf [2100]byte
	k, ok := urlKey(buf[:0], v)
	if !ok {
		return "", errors.New("no URL")
	}
	host, _, _ := strings.Cut(string(k), "/")
	name, port := splitPort(host)
	if strings.Trim(port, "0123456789") != "" {
		return "", errors.New("a URL without a proper host")
	}
	if _, err := netip.ParseAddr(bare(name)); err == nil {
		return string(k), nil
	}
	if !ascii(name) {
		p, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", errors.New("a URL without a proper host")
		}
		return p + string(k[len(name):]), nil
	}
	if !hostname(name) || !strings.Contains(name, ".") {
		return "", errors.New("a URL without a proper host")
	}
	return string(k), nil
}

// bare takes the brackets off an IPv6 address.
func bare(host string) string {
	if v, ok := strings.CutPrefix(host, "["); ok {
		if v, ok = strings.CutSuffix(v, "]"); ok && strings.Contains(v, ":") {
			return v
		}
	}
	return host
}

// urlKey appends the form in which URLs are compared: host in lower case, port unless
// it is the scheme's own, path (at least "/") and query. The scheme, the user and the
// fragment do not count: logs often lack them. It does not allocate while dst suffices.
func urlKey(dst []byte, v string) ([]byte, bool) {
	scheme, rest := "", v
	if i := strings.Index(v, "://"); i >= 0 && i <= 10 {
		scheme, rest = v[:i], v[i+3:]
	}
	if i := strings.IndexByte(rest, '#'); i >= 0 {
		rest = rest[:i]
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, tail := rest[:end], rest[end:]
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	host, port := splitPort(host)
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > 300 || len(port) > 5 || host[0] != '[' && strings.IndexByte(host, ':') >= 0 {
		return dst, false
	}
	dst = lower(dst, host)
	if !defaultPort(scheme, port) {
		dst = append(append(dst, ':'), port...)
	}
	if tail == "" || tail[0] != '/' {
		dst = append(dst, '/')
	}
	return append(dst, tail...), true
}

// splitPort splits host:port; an IPv6 address stands in brackets.
func splitPort(s string) (host, port string) {
	if i := strings.LastIndexByte(s, ':'); i > 0 && s[len(s)-1] != ']' {
		return s[:i], s[i+1:]
	}
	return s, ""
}

func defaultPort(scheme, port string) bool {
	switch port {
	case "80":
		return scheme == "" || scheme[0]|0x20 == 'h' && len(scheme) == 4
	case "443":
		return scheme == "" || scheme[0]|0x20 == 'h' && len(scheme) == 5
	}
	return port == ""
}

// emptyHashes are of the empty file and of one line feed: half the world has them.
var emptyHashes = map[string]bool{
	"d41d8cd98f00b204e9800998ecf8427e": true, "da39a3ee5e6b4b0d3255bfef95601890afd80709": true,
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": true,
	"68b329da9893e34099c7d8ad5cb9c940":                                 true, "adc83b19e793491b1c6ea0fd8b46cd9f32e592fc": true,
	"01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b": true,
}

func digest(kind, v string) (string, string, error) {
	v = strings.ToLower(v)
	is := map[int]string{32: MD5, 40: SHA1, 64: SHA256}[len(v)]
	switch {
	case !isHex(v) || is == "":
		return "", "", errors.New("no MD5, SHA-1 or SHA-256 hash")
	case kind != hash && kind != is:
		return "", "", fmt.Errorf("a %s of the wrong length", kind)
	case emptyHashes[v]:
		return "", "", errors.New("the hash of an empty file")
	}
	return is, v, nil
}

func mailbox(v string) (string, error) {
	v = strings.Trim(strings.ToLower(v), "<>")
	user, host, ok := strings.Cut(v, "@")
	if !ok || user == "" || strings.ContainsAny(user, " \t\"'()<>,;:\\") || !hostname(host) || !strings.Contains(host, ".") {
		return "", errors.New("no e-mail address")
	}
	return v, nil
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return s != ""
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// lower appends s in lower case (ASCII letters only).
func lower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
