package ml

import (
	"net/netip"

	"vigil/schema"
)

// zeekConn finds connections unlike the network's usual ones. The hour of the day is
// left out on purpose: recordings and young deployments cover few hours, and every
// other hour would look anomalous.
var zeekConn = &Detector{
	ID: "zeek-conn-iforest", Title: "Connections unlike the usual ones", Dataset: "zeek.conn",
	Fields: []schema.FieldID{schema.FTimestamp, schema.FEventDuration, schema.FEventAction, schema.FSourceIP, schema.FDestinationIP, schema.FDestinationPort, schema.FSourceBytes,
		schema.FDestinationBytes, schema.FSourcePackets, schema.FDestinationPackets, schema.FNetworkTransport, schema.FNetworkProtocol},
	Features: []Feature{
		{Name: "duration", Doc: "how long the connection lasted", unit: asDuration, number: func(e *schema.Event) float32 { return log2(e.Int(schema.FEventDuration) / 1000) }},
		{Name: "bytes_out", Doc: "bytes sent by the originator", unit: asBytes, number: logOf(schema.FSourceBytes)},
		{Name: "bytes_in", Doc: "bytes sent by the responder", unit: asBytes, number: logOf(schema.FDestinationBytes)},
		{Name: "packets_out", Doc: "packets sent by the originator", unit: asCount, number: logOf(schema.FSourcePackets)},
		{Name: "packets_in", Doc: "packets sent by the responder", unit: asCount, number: logOf(schema.FDestinationPackets)},
		{Name: "packet_size_out", Doc: "bytes per packet of the originator", unit: asBytes, number: perPacket(schema.FSourceBytes, schema.FSourcePackets)},
		{Name: "packet_size_in", Doc: "bytes per packet of the responder", unit: asBytes, number: perPacket(schema.FDestinationBytes, schema.FDestinationPackets)},
		{Name: "balance", Doc: "bytes out against bytes in", unit: asBalance, number: func(e *schema.Event) float32 {
			return log2(e.Int(schema.FSourceBytes)) - log2(e.Int(schema.FDestinationBytes))
		}},
		{Name: "rate", Doc: "bytes a second, both ways", unit: asRate, number: connRate},
		{Name: "port", Doc: "how rare transport and destination port are", unit: asRarity, value: connPort},
		{Name: "port_class", Doc: "how rare well-known, registered or dynamic ports of this transport are", unit: asRarity, value: connPortClass},
		{Name: "service", Doc: "how rare the detected application protocol is", unit: asRarity, value: func(e *schema.Event) uint64 {
			return hash(e.Str(schema.FNetworkTransport), e.Str(schema.FNetworkProtocol))
		}},
		{Name: "state", Doc: "how rare the end state (Zeek conn_state) is for this transport", unit: asRarity, value: func(e *schema.Event) uint64 {
			return hash(e.Str(schema.FNetworkTransport), e.Str(schema.FEventAction))
		}},
		{Name: "direction", Doc: "how rare the direction (inside, out, in, across, multicast) is for this transport", unit: asRarity, value: connDirection},
	},
	Simulators: connSimulators,
	Params:     Params{Trees: 100, Subsample: 256, MaxRows: 20_000, Strangers: 0.06, Budget: 100, MinShare: 0.0005, MaxShare: 0.01},
	Gate:       Limits{MinRows: 500, VolumeFactor: 1.2, MinRecall: 0.5, RecallLoss: 0.15, KeptRecall: 0.5, MinRank: 0.5},
}

func logOf(f schema.FieldID) func(*schema.Event) float32 {
	return func(e *schema.Event) float32 { return log2(e.Int(f)) }
}

func perPacket(bytes, packets schema.FieldID) func(*schema.Event) float32 {
	return func(e *schema.Event) float32 {
		n := e.Int(packets)
		if n <= 0 {
			return 0
		}
		return log2(e.Int(bytes) / n)
	}
}

// connRate counts a connection shorter than a millisecond as one of a millisecond.
func connRate(e *schema.Event) float32 {
	millis := max(e.Int(schema.FEventDuration)/1_000_000, 1)
	// Counters are what a log line says: sums and products of hostile ones must not wrap.
	const most = 1 << 50
	b := min(max(e.Int(schema.FSourceBytes), 0), most) + min(max(e.Int(schema.FDestinationBytes), 0), most)
	return log2(b * 1000 / millis)
}

func connPort(e *schema.Event) uint64 {
	return hash(e.Str(schema.FNetworkTransport)) + uint64(e.Int(schema.FDestinationPort))
}

func connPortClass(e *schema.Event) uint64 {
	class := "dynamic"
	switch p := e.Int(schema.FDestinationPort); {
	case p < 1024:
		class = "known"
	case p < 32768:
		class = "registered"
	}
	return hash(e.Str(schema.FNetworkTransport), class)
}

func connDirection(e *schema.Event) uint64 {
	from, to := e.Addr(schema.FSourceIP), e.Addr(schema.FDestinationIP)
	class := "across"
	switch {
	case to.IsMulticast() || to == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		class = "multicast"
	case inside(from) && inside(to):
		class = "inside"
	case inside(from):
		class = "out"
	case inside(to):
		class = "in"
	}
	return hash(e.Str(schema.FNetworkTransport), class)
}

// inside says whether an address is of a private network; absent ones (the store
// writes ::) are not.
func inside(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
}
