package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"vigil/schema"
)

// flowParser reads flows as collectors write them: Argus (ra) and nfdump as values apart
// by commas or tabs under a header line, and the JSON of NetFlow collectors.
type flowParser struct {
	table   table
	names   interner
	columns []zeekColumn
	sep     string
	json    *mapped
}

func newNetFlow(o Options) Parser {
	t := flowTable(o)
	return &flowParser{table: t, json: newMapped("netflow", "netflow.flow", t, flowFinish)}
}

// flowTable maps the columns of all writers; their names do not clash.
func flowTable(o Options) table {
	f := field
	start := by(func(e *schema.Event, v string) {
		if micro, ok := parseTime(v, o.zone()); ok {
			setTime(e, schema.FTimestamp, micro, v)
			setTime(e, schema.FEventStart, micro, v)
			return
		}
		e.AddExtra("netflow.start", v)
	})
	end := by(timeField(schema.FEventEnd, o.zone()))
	source, destination := by(flowAddress(schema.FSourceIP, schema.FSourceMac)), by(flowAddress(schema.FDestinationIP, schema.FDestinationMac))
	sport, dport := by(portUnlessZero(schema.FSourcePort)), by(portUnlessZero(schema.FDestinationPort))
	return table{
		// Argus
		"StartTime": start, "LastTime": end, "Dur": by(zeekDuration), "Proto": by(setProto), "SrcAddr": source, "Sport": sport, "DstAddr": destination, "Dport": dport, "Dir": by(flowDirection), "State": f(schema.FEventAction),
		"TotPkts": f(schema.FNetworkPackets), "TotBytes": f(schema.FNetworkBytes), "SrcBytes": f(schema.FSourceBytes), "DstBytes": f(schema.FDestinationBytes), "SrcPkts": f(schema.FSourcePackets), "DstPkts": f(schema.FDestinationPackets),
		// nfdump -o csv
		"ts": start, "te": end, "td": by(zeekDuration), "sa": source, "da": destination, "sp": sport, "dp": dport, "pr": by(setProto), "flg": f(schema.FEventAction), "ipkt": f(schema.FSourcePackets), "ibyt": f(schema.FSourceBytes), "opkt": f(schema.FDestinationPackets), "obyt": f(schema.FDestinationBytes), "sas": f(schema.FSourceAsNumber), "das": f(schema.FDestinationAsNumber), "ra": by(addressOf(schema.FObserverIP, schema.FObserverName)),
		// NetFlow field names, as Logstash, pmacct and GoFlow write them
		"IPV4_SRC_ADDR": source, "IPV4_DST_ADDR": destination, "IPV6_SRC_ADDR": source, "IPV6_DST_ADDR": destination, "L4_SRC_PORT": sport, "L4_DST_PORT": dport, "SRC_PORT": sport, "DST_PORT": dport, "PROTOCOL": by(setProto), "PROTO": by(setProto),
		"IN_BYTES": f(schema.FSourceBytes), "IN_PKTS": f(schema.FSourcePackets), "IN_OCTETS": f(schema.FSourceBytes), "IN_PACKETS": f(schema.FSourcePackets), "OUT_BYTES": f(schema.FDestinationBytes), "OUT_PKTS": f(schema.FDestinationPackets), "SRC_AS": by(portUnlessZero(schema.FSourceAsNumber)), "DST_AS": by(portUnlessZero(schema.FDestinationAsNumber)), "SRC_VLAN": f(schema.FNetworkVlanID),
		"ip_src": source, "ip_dst": destination, "port_src": sport, "port_dst": dport, "ip_proto": by(setProto), "packets": f(schema.FSourcePackets), "bytes": f(schema.FSourceBytes), "timestamp_start": start, "timestamp_end": end, "peer_ip_src": by(addressOf(schema.FObserverIP, schema.FObserverName)),
		"src_addr": source, "dst_addr": destination, "src_port": sport, "dst_port": dport, "proto": by(setProto), "sampler_address": by(addressOf(schema.FObserverIP, schema.FObserverName)), "time_flow_start_ns": start, "time_flow_end_ns": end, "type": f(schema.FEventCode),
	}
}

// flowAddress takes an IP address, or the hardware address of flows below IP.
func flowAddress(ip, mac schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		switch {
		case looksLikeIP(v) && strings.Count(v, ":") != 5:
			e.Set(ip, v)
		case strings.Count(v, ":") == 5:
			e.SetStr(mac, v)
		case v != "0":
			e.AddExtra("netflow.address", v)
		}
	}
}

// flowDirection reads Argus's arrow: who has sent.
func flowDirection(e *schema.Event, v string) {
	if v = strings.TrimSpace(v); v != "" {
		e.AddExtra("netflow.direction", v)
	}
}

// flowHeaders are the beginnings of header lines.
var flowHeaders = []struct{ start, writer string }{
	{"StartTime", "Argus"}, {"ts,te,td", "nfdump"}, {"ts\tte\ttd", "nfdump"},
}

// flowHeader says who writes a header line like this, and what is between its names.
func flowHeader(line string) (writer, sep string) {
	for _, h := range flowHeaders {
		if !strings.HasPrefix(line, h.start) || h.writer == "Argus" && !strings.Contains(line, "SrcAddr") {
			continue
		}
		if strings.Contains(line, "\t") {
			return h.writer, "\t"
		}
		return h.writer, ","
	}
	return "", ""
}

func detectNetFlow(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if writer, _ := flowHeader(schema.View(line)); writer != "" {
		return 94, "the header line of flows that " + writer + " writes"
	}
	switch {
	case hasKeys(sample, "IPV4_SRC_ADDR", "IPV4_DST_ADDR"), hasKeys(sample, "IPV6_SRC_ADDR", "IPV6_DST_ADDR"):
		return 92, "JSON with the field names of NetFlow"
	case hasKeys(sample, "ip_src", "ip_dst", "ip_proto"):
		return 90, "JSON with ip_src, ip_dst and ip_proto, as pmacct writes flows"
	case hasKeys(sample, "sampler_address", "src_addr", "dst_addr"):
		return 92, "JSON with sampler_address, src_addr and dst_addr, as GoFlow writes flows"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *flowParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	if startsObject(raw) {
		return p.json.Parse(raw, e)
	}
	s := strings.TrimRight(schema.View(raw), "\r\n")
	if writer, sep := flowHeader(s); writer != "" {
		p.header(s, sep)
		return ErrHeader
	}
	if p.columns == nil {
		return errors.New("a flow stands before its header line")
	}
	if strings.HasPrefix(s, "Summary") || strings.HasPrefix(s, "flows,bytes") { // nfdump's last lines
		return ErrSkip
	}
	n := 0
	for v := range strings.SplitSeq(s, p.sep) {
		if n >= len(p.columns) {
			return fmt.Errorf("the flow has more values than the %d columns of its header", len(p.columns))
		}
		p.value(&p.columns[n], strings.TrimSpace(v), e)
		n++
	}
	if n < min(len(p.columns), 8) {
		return errors.New("the flow has fewer values than its header: it is cut off")
	}
	flowFinish(e)
	settleFlow(e)
	return nil
}

func (p *flowParser) header(line, sep string) {
	p.columns, p.sep = p.columns[:0], sep
	for name := range strings.SplitSeq(strings.Clone(line), sep) {
		c := zeekColumn{extra: p.names.name([]byte("netflow." + name))}
		if to, ok := p.table[name]; ok {
			c.to = &to
		}
		p.columns = append(p.columns, c)
	}
}

func (p *flowParser) value(c *zeekColumn, v string, e *schema.Event) {
	switch {
	case v == "" || v == "-":
	case c.to == nil:
		e.AddExtra(c.extra, v)
	case c.to.set != nil:
		c.to.set(e, v)
	default:
		e.Set(c.to.field, v)
	}
}

func flowFinish(e *schema.Event) {
	setAll(e, pair{schema.FEventModule, "netflow"}, pair{schema.FEventDataset, "netflow.flow"}, pair{schema.FEventKind, "event"})
	e.Add(schema.FEventCategory, "network")
	e.Add(schema.FEventType, "connection")
}
