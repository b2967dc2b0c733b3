package ml

import (
	"math/rand/v2"
	"net/netip"

	"vigil/schema"
)

// Simulator makes an attack's event out of a real one: who, when and, where the attack
// would not change it, with whom.
type Simulator struct {
	Name, Doc string
	// inject fills e, which is empty, for an attack in the place of base. Its
	// parameters are drawn from r, which depends on base only.
	inject func(base, e *schema.Event, r *rand.Rand)
}

// connSimulators are attacks as they look in one connection. They know nothing of the
// features or of a model.
var connSimulators = []Simulator{
	{"exfiltration", "megabytes to gigabytes go out over an encrypted channel to an unusual port", func(base, e *schema.Event, r *rand.Rand) {
		out := between(r, 20<<20, 4<<30)
		connect(base, e, "tcp", "ssl", "SF", between(r, 1024, 65535))
		outside(e, r)
		flow(e, between(r, 60, 7200), out, out/between(r, 200, 2000), 1400, 60)
	}},
	{"long-channel", "a connection of hours or days that now and then carries a little, as remote control does", func(base, e *schema.Event, r *rand.Rand) {
		secs := between(r, 4*3600, 72*3600)
		beats := secs / between(r, 10, 60)
		connect(base, e, "tcp", "", "S1", between(r, 1024, 65535))
		outside(e, r)
		flow(e, secs, beats*between(r, 50, 300), beats*between(r, 50, 300), 150, 150)
	}},
	{"tunnel", "a name server connection that carries a download", func(base, e *schema.Event, r *rand.Rand) {
		connect(base, e, "udp", "dns", "SF", 53)
		outside(e, r)
		flow(e, between(r, 60, 3600), between(r, 1<<20, 64<<20), between(r, 1<<20, 256<<20), 200, 400)
	}},
	{"probe", "one of the connections of a scan: refused or unanswered, to any port of a known server", func(base, e *schema.Event, r *rand.Rand) {
		state := []string{"S0", "REJ", "RSTOS0", "SH"}[r.IntN(4)]
		connect(base, e, "tcp", "", state, between(r, 1, 49151))
		e.SetAddr(schema.FDestinationIP, base.Addr(schema.FDestinationIP), base.Str(schema.FDestinationIP))
		e.SetInt(schema.FEventDuration, between(r, 0, 3_000_000)*1000)
		e.SetInt(schema.FSourcePackets, between(r, 1, 3))
		e.SetInt(schema.FDestinationPackets, between(r, 0, 1))
	}},
}

func between(r *rand.Rand, low, high int64) int64 { return low + r.Int64N(high-low+1) }

// connect starts a connection of base's originator at base's time.
func connect(base, e *schema.Event, transport, service, state string, port int64) {
	e.SetInt(schema.FTimestamp, base.Int(schema.FTimestamp))
	e.SetAddr(schema.FSourceIP, base.Addr(schema.FSourceIP), base.Str(schema.FSourceIP))
	e.SetStr(schema.FNetworkTransport, transport)
	e.SetStr(schema.FNetworkProtocol, service)
	e.SetStr(schema.FEventAction, state)
	e.SetInt(schema.FDestinationPort, port)
}

// outside makes the responder an address of a documentation network.
func outside(e *schema.Event, r *rand.Rand) {
	a := netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(256))})
	e.SetAddr(schema.FDestinationIP, a, a.String())
}

// flow sets seconds, bytes and, from the packet sizes, packets.
func flow(e *schema.Event, seconds, out, in, sizeOut, sizeIn int64) {
	e.SetInt(schema.FEventDuration, seconds*1_000_000_000)
	e.SetInt(schema.FSourceBytes, out)
	e.SetInt(schema.FDestinationBytes, in)
	e.SetInt(schema.FSourcePackets, out/sizeOut+1)
	e.SetInt(schema.FDestinationPackets, in/sizeIn+1)
}
