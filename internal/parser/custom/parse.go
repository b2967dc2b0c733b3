package custom

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/internal/parser"
	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// maxNames bounds how many names of unmapped values a parser remembers.
const maxNames = 20_000

// custom is the parser of one object in a custom format.
type custom struct {
	f      *format
	split  *splitter
	keys   map[string]func(*schema.Event, string)
	rows   parser.Rows
	ask    func(*mapping.Row, func(*schema.Event, string)) // record, as rows call it
	labels map[string]string

	// of the record in hand:
	e      *schema.Event
	extras []schema.Extra
	taken  []bool            // by the extra's place: it has a row
	values map[string]string // for expressions
}

func (f *format) parser(o parser.Options) parser.Parser {
	m := parser.NewMapper(o)
	p := &custom{f: f, split: f.shape.splitter(o), keys: map[string]func(*schema.Event, string){}, rows: m.Rows(f.rows), labels: map[string]string{}, values: map[string]string{}}
	for name, rows := range f.keys {
		p.keys[name] = keySetter(m, rows)
	}
	p.ask = p.record
	return parser.Classified(p)
}

// Parse implements parser.Parser.
func (p *custom) Parse(raw []byte, e *schema.Event) error {
	var err error
	if p.extras, err = p.split.split(raw, e); err != nil {
		return err
	}
	p.e, p.taken = e, append(p.taken[:0], make([]bool, len(p.extras))...)
	clear(p.values)
	for i, x := range p.extras {
		if p.f.programs {
			p.values[x.Name] = x.Value
		}
		if put := p.keys[x.Name]; put != nil {
			p.taken[i] = true
			put(e, x.Value)
		}
	}
	p.rows.Apply(e, p.values, p.ask)
	for i, x := range p.extras {
		if !p.taken[i] {
			e.AddExtra(p.label(x.Name), x.Value)
		}
	}
	for _, d := range []struct {
		f schema.FieldID
		v string
	}{{schema.FEventModule, p.f.module}, {schema.FEventDataset, p.f.dataset}, {schema.FEventKind, "event"}} {
		if !e.Has(d.f) {
			e.SetStr(d.f, d.v)
		}
	}
	return nil
}

func (p *custom) label(name string) string {
	if l, ok := p.labels[name]; ok {
		return l
	}
	l := "labels." + name
	if len(p.labels) < maxNames {
		p.labels[strings.Clone(name)] = l
	}
	return l
}

// record finds the value that a row asks the record for.
func (p *custom) record(r *mapping.Row, put func(*schema.Event, string)) {
	if r.CEL != nil {
		p.program(r, put)
		return
	}
	for _, name := range r.From {
		i := slices.IndexFunc(p.extras, func(x schema.Extra) bool { return x.Name == name })
		if i < 0 {
			continue
		}
		p.taken[i] = true
		p.put(r, put, p.extras[i].Value)
		return
	}
}

// program puts the result of a row's expression on the event; one that fails, because a value
// is not there, puts nothing.
func (p *custom) program(r *mapping.Row, put func(*schema.Event, string)) {
	v, err := r.CEL.Eval(map[string]any{mapping.ValuesVar: p.values})
	if err != nil {
		return
	}
	switch v := v.(type) {
	case string:
		p.put(r, put, v)
	case time.Time:
		if len(r.To) == 1 && r.To[0].Def().Kind == schema.Date {
			parser.SetTime(p.e, r.To[0], v, v.Format(time.RFC3339))
		}
	case int64, uint64, float64, bool:
		p.put(r, put, fmt.Sprint(v))
	}
}

// put hands the elements of a value to a row.
func (p *custom) put(r *mapping.Row, put func(*schema.Event, string), v string) {
	for _, x := range elements(r, v) {
		if x != "" {
			put(p.e, x)
		}
	}
}
