package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"vigil/schema"
)

// genericTable maps ECS names to their fields, and the names that loggers commonly
// give to the basics.
func genericTable(zone *time.Location) table {
	m, t := mapperOf("generic", Options{Zone: zone}, nil), table{}
	for _, d := range schema.Fields() {
		to := field(d.ID)
		if d.Kind == schema.Date {
			to = by(timeField(d.ID, zone))
		}
		t[d.Name] = to
	}
	return m.section(t, m.Section)
}

func clientIP(e *schema.Event, v string) {
	if looksLikeIP(v) {
		e.Set(schema.FSourceIP, v)
		return
	}
	e.SetStr(schema.FSourceAddress, v)
}

type jsonParser struct{ w walker }

// aliasTrees and csvTables are shared: their setters keep no state.
var (
	aliasTrees shared[*node]
	csvTables  shared[table]
)

func newJSON(o Options) Parser {
	return &jsonParser{w: walker{root: aliasTrees.of(o.zone(), aliasTree), prefix: "labels"}}
}

func detectJSON(sample []byte, _ string) (int, string) {
	if startsObject(sample) {
		return 30, "JSON objects of no known product"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *jsonParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	generic(e, "generic.json")
	return nil
}

// generic fills in what every event has, where the record did not say it.
func generic(e *schema.Event, dataset string) {
	if !e.Has(schema.FEventModule) {
		e.SetStr(schema.FEventModule, "generic")
	}
	if !e.Has(schema.FEventDataset) {
		e.SetStr(schema.FEventDataset, dataset)
	}
	if !e.Has(schema.FEventKind) {
		e.SetStr(schema.FEventKind, "event")
	}
}

// csvParser reads comma-separated values; the first line names the columns.
type csvParser struct {
	table   table
	names   interner
	columns []zeekColumn
	row     []string
}

func newCSV(o Options) Parser {
	return &csvParser{table: csvTables.of(o.zone(), func(zone *time.Location) table {
		t := genericTable(zone)
		addAliases(t, zone)
		return t
	})}
}

func detectCSV(sample []byte, object string) (int, string) {
	line, rest, ok := bytes.Cut(sample, []byte("\n"))
	commas := bytes.Count(line, []byte(","))
	if !ok || commas < 1 || bytes.ContainsAny(line, "{}[]=") {
		return 0, ""
	}
	second, _, _ := bytes.Cut(rest, []byte("\n"))
	if bytes.Count(second, []byte(",")) < commas {
		return 0, ""
	}
	if strings.Contains(strings.ToLower(object), ".csv") {
		return 70, "a header line with commas, and the name says csv"
	}
	if commas >= 2 {
		return 25, "a header line with commas"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *csvParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	p.row = csvRow(strings.TrimRight(schema.View(raw), "\r\n"), e, p.row[:0])
	row := p.row
	if p.columns == nil {
		p.header(row)
		return ErrHeader
	}
	if len(row) > len(p.columns) {
		return fmt.Errorf("the row has %d columns, its header %d", len(row), len(p.columns))
	}
	for i, v := range row {
		c := &p.columns[i]
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
	if len(e.Fields()) == 0 && len(e.Extras()) == 0 {
		return errors.New("the row is empty")
	}
	generic(e, "generic.csv")
	return nil
}

func (p *csvParser) header(row []string) {
	p.columns = make([]zeekColumn, 0, len(row))
	for _, n := range row {
		n = strings.TrimSpace(strings.TrimPrefix(n, "\ufeff"))
		c := zeekColumn{extra: p.names.name([]byte("labels." + n))}
		if to, ok := p.table[n]; ok {
			c.to = &to
		}
		p.columns = append(p.columns, c)
	}
}

type textParser struct{ programs }

func newText(o Options) Parser { return &textParser{newPrograms(o)} }

func detectText(sample []byte, _ string) (int, string) {
	if len(bytes.TrimSpace(sample)) == 0 || bytes.IndexByte(sample, 0) >= 0 {
		return 0, ""
	}
	return 5, "lines of text that no other format takes"
}

// Parse implements Parser.
func (p *textParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	e.SetStr(schema.FMessage, schema.View(raw))
	if set := p.headless(schema.View(raw), e); set != "" {
		module, _, _ := strings.Cut(set, ".")
		setAll(e, pair{schema.FEventModule, module}, pair{schema.FEventDataset, set})
		if module == "linux" {
			e.SetStr(schema.FHostOsFamily, "linux")
		}
		settleFlow(e)
	}
	generic(e, "generic.text")
	return nil
}
