package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

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
	close   func(e *schema.Event)
}

func newNetFlow(o Options) Parser {
	m := mapperOf("netflow", o, nil)
	t := m.table()
	return &flowParser{table: t, json: newMappedTable(m, t), close: m.closing(m.Section)}
}

// flowStart is the start of a flow, which is its time as well.
func flowStart(zone *time.Location) setter {
	return func(e *schema.Event, v string) {
		if micro, ok := parseTime(v, zone); ok {
			setTime(e, schema.FTimestamp, micro, v)
			setTime(e, schema.FEventStart, micro, v)
			return
		}
		e.AddExtra("netflow.start", v)
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
	p.close(e)
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
