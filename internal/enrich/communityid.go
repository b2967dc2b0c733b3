package enrich

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"

	"vigil/schema"
)

// community computes community ids.
type community struct{}

// CommunityID returns the part that sets network.community_id, version 1 with seed 0, where the
// record has none: Zeek, Suricata and others name a flow by the same text.
func CommunityID() Part { return community{} }

// protocols are those of network.transport that we know the number of.
var protocols = map[string]uint8{"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmp6": 58, "icmpv6": 58, "sctp": 132}

// Enrich implements Part.
func (community) Enrich(e *schema.Event) {
	if e.Has(schema.FNetworkCommunityID) || !e.Has(schema.FSourceIP) || !e.Has(schema.FDestinationIP) {
		return
	}
	transport := e.Str(schema.FNetworkTransport)
	proto, ok := protocols[transport]
	if !ok {
		if proto, ok = protocols[lower(e, transport)]; !ok {
			return
		}
	}
	f := flow{proto: proto, src: e.Addr(schema.FSourceIP).Unmap().WithZone(""), dst: e.Addr(schema.FDestinationIP).Unmap().WithZone("")}
	if f.src.BitLen() != f.dst.BitLen() || f.src.BitLen() == 0 {
		return
	}
	if proto == 1 && f.src.Is6() {
		f.proto = 58 // Zeek says icmp of both
	}
	switch f.proto {
	case 6, 17, 132:
		if !f.ports(e) {
			return
		}
	case 1, 58:
		// Type and code stand in the ports, in Zeek's records only.
		if !strings.HasPrefix(e.Str(schema.FEventDataset), "zeek.") || !f.ports(e) {
			return
		}
		f.icmp()
	}
	b := e.Buffer(2 + base64.StdEncoding.EncodedLen(sha1.Size))
	e.SetStr(schema.FNetworkCommunityID, e.Commit(f.appendID(b)))
}

// flow is what a community id is made of.
type flow struct {
	src, dst     netip.Addr
	sport, dport uint16
	proto        uint8
	hasPorts     bool
	oneWay       bool // there is no message the other way
}

// ports takes the ports of an event; false when they are no ports.
func (f *flow) ports(e *schema.Event) bool {
	if !e.Has(schema.FSourcePort) || !e.Has(schema.FDestinationPort) {
		return false
	}
	s, d := e.Int(schema.FSourcePort), e.Int(schema.FDestinationPort)
	if s < 0 || d < 0 || s > 65535 || d > 65535 {
		return false
	}
	f.sport, f.dport, f.hasPorts = uint16(s), uint16(d), true
	return true
}

// The types of ICMP and ICMPv6 that answer each other.
var (
	answers4 = [][2]uint16{{8, 0}, {13, 14}, {15, 16}, {10, 9}, {17, 18}}
	answers6 = [][2]uint16{{128, 129}, {133, 134}, {135, 136}, {130, 131}, {139, 140}, {144, 145}}
)

// icmp puts type and the type that answers it in the place of ports; a message without
// answer keeps its code, and its direction.
func (f *flow) icmp() {
	pairs := answers4
	if f.proto == 58 {
		pairs = answers6
	}
	for _, p := range pairs {
		switch f.sport {
		case p[0]:
			f.dport = p[1]
			return
		case p[1]:
			f.dport = p[0]
			return
		}
	}
	f.oneWay = true
}

// appendID writes the community id.
func (f *flow) appendID(dst []byte) []byte {
	src, to, sport, dport := f.src, f.dst, f.sport, f.dport
	if c := src.Compare(to); !f.oneWay && (c > 0 || c == 0 && sport > dport) {
		src, to, sport, dport = to, src, dport, sport
	}
	var buf [2 + 2*16 + 2 + 4]byte
	b := buf[:2] // the seed is 0
	b = appendAddr(b, src)
	b = appendAddr(b, to)
	b = append(b, f.proto, 0)
	if f.hasPorts {
		b = binary.BigEndian.AppendUint16(b, sport)
		b = binary.BigEndian.AppendUint16(b, dport)
	}
	sum := sha1.Sum(b)
	return base64.StdEncoding.AppendEncode(append(dst, "1:"...), sum[:])
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		x := a.As4()
		return append(b, x[:]...)
	}
	x := a.As16()
	return append(b, x[:]...)
}
