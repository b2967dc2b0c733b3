package parser

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"

	"vigil/schema"
)

// vpcFlow reads AWS VPC flow logs: fields apart by blanks, in the order of version 2
// or of a header line. As JSON, newVPCFlow walks them by name.
type vpcFlow struct {
	columns []zeekColumn
	table   table
	names   interner
	json    *mapped
	close   func(e *schema.Event)
}

// vpcDefault is the order of the default format.
const vpcDefault = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"

func newVPCFlow(o Options) Parser {
	m := mapperOf("vpcflow", o, nil)
	p := &vpcFlow{table: vpcTable(m), close: m.closing(m.Section)}
	p.header(vpcDefault)
	p.json = newMappedTable(m, p.table)
	return p
}

// vpcTable has each name also as JSON exports write it.
func vpcTable(m *mapper) table {
	t := m.table()
	for key, to := range m.table() {
		t[strings.ReplaceAll(key, "-", "_")] = to
	}
	return t
}

func detectVPCFlow(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	word := strings.Fields(schema.View(line))
	switch {
	case hasKeys(sample, "srcaddr", "dstaddr", "interface_id"), hasKeys(sample, "srcaddr", "dstaddr", "account_id"):
		return 95, "JSON with srcaddr, dstaddr and interface_id"
	case isVPCHeader(schema.View(line)):
		return 95, "a header line with srcaddr and dstaddr"
	case len(word) >= 14 && (word[12] == "ACCEPT" || word[12] == "REJECT") && looksLikeIP(word[3]) && looksLikeIP(word[4]),
		len(word) >= 14 && (word[13] == "NODATA" || word[13] == "SKIPDATA") && strings.HasPrefix(word[2], "eni-"):
		return 95, "14 fields with two addresses and ACCEPT or REJECT"
	}
	return 0, ""
}

// isVPCHeader says whether a line names columns, apart by blanks or commas.
func isVPCHeader(line string) bool {
	return strings.Contains(line, "srcaddr") && strings.Contains(line, "dstaddr") && !strings.ContainsAny(line, `={}[]"`)
}

// vpcWords are the values of a line, apart by blanks or by commas.
func vpcWords(line string) iter.Seq[string] {
	return strings.FieldsFuncSeq(line, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
}

func (p *vpcFlow) header(line string) {
	p.columns = p.columns[:0]
	for n := range vpcWords(line) {
		c := zeekColumn{extra: p.names.name([]byte("aws.vpcflow." + n))}
		if to, ok := p.table[n]; ok {
			c.to = &to
		}
		p.columns = append(p.columns, c)
	}
}

// Parse implements Parser.
func (p *vpcFlow) Parse(raw []byte, e *schema.Event) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ErrSkip
	}
	if raw[0] == '{' {
		return p.json.Parse(raw, e)
	}
	s := schema.View(raw)
	if isVPCHeader(s) {
		p.header(strings.Clone(s))
		return ErrHeader
	}
	n := 0
	for word := range vpcWords(s) {
		switch {
		case n < len(p.columns):
			p.value(&p.columns[n], word, e)
		case n < maxColumns:
			e.AddExtra(p.names.name(fmt.Appendf(nil, "aws.vpcflow.field%d", n+1)), word)
		default:
			e.AddExtra("aws.vpcflow.surplus", s)
			return p.finish(e)
		}
		n++
	}
	if n < min(len(p.columns), 14) {
		return errors.New("the flow record has fewer fields than its format: it is cut off")
	}
	return p.finish(e)
}

func (p *vpcFlow) finish(e *schema.Event) error {
	p.close(e)
	settleFlow(e)
	return nil
}

func (p *vpcFlow) value(c *zeekColumn, v string, e *schema.Event) {
	switch {
	case v == "-" || c.to != nil && c.to.skip:
	case c.to == nil:
		e.AddExtra(c.extra, v)
	case c.to.set != nil:
		c.to.set(e, v)
	default:
		e.Set(c.to.field, v)
	}
}
