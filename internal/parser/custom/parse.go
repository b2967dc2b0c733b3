package custom

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/internal/parser"
	"vigil/schema"
)

// Event times outside these bounds are absurd, as they are for built-in formats.
var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

// maxNames bounds how many names of unmapped values a parser remembers.
const maxNames = 20_000

// custom is the parser of one object in a custom format.
type custom struct {
	f      *format
	split  *splitter
	clock  clock
	labels map[string]string
	taken  []bool            // by the extra's place: it has a row
	values map[string]string // for expressions
}

func (f *format) parser(o parser.Options) parser.Parser {
	return parser.Classified(&custom{f: f, split: f.shape.splitter(o), clock: clockOf(o), labels: map[string]string{}, values: map[string]string{}})
}

// Parse implements parser.Parser.
func (p *custom) Parse(raw []byte, e *schema.Event) error {
	values, err := p.split.split(raw, e)
	if err != nil {
		return err
	}
	p.taken = append(p.taken[:0], make([]bool, len(values))...)
	if p.f.programs {
		clear(p.values)
		for _, x := range values {
			p.values[x.Name] = x.Value
		}
	}
	for _, w := range p.f.rows {
		p.row(w, values, e)
	}
	for i, x := range values {
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

// row puts one row's value on the event.
func (p *custom) row(w *row, values []schema.Extra, e *schema.Event) {
	if w.when != nil {
		if ok, err := w.when.EvalBool(map[string]any{valuesVar: p.values}); err != nil || !ok {
			return
		}
	}
	if w.value != nil {
		for _, v := range w.value {
			p.put(w, v, e)
		}
		return
	}
	if w.cel != nil {
		p.program(w, e)
		return
	}
	for _, name := range w.from {
		i := slices.IndexFunc(values, func(x schema.Extra) bool { return x.Name == name })
		if i < 0 {
			continue
		}
		p.taken[i] = true
		if !w.drop {
			p.put(w, p.mapped(w, values[i].Value), e)
		}
		return
	}
}

// mapped looks a value up in the row's table of values.
func (p *custom) mapped(w *row, v string) string {
	if w.values == nil {
		return v
	}
	if to, ok := w.values[v]; ok {
		return to
	}
	if w.otherwise != "" {
		return w.otherwise
	}
	return v
}

// program puts the result of a row's expression on the event; one that fails, because a value
// is not there, puts nothing.
func (p *custom) program(w *row, e *schema.Event) {
	v, err := w.cel.Eval(map[string]any{valuesVar: p.values})
	if err != nil {
		return
	}
	switch v := v.(type) {
	case string:
		p.put(w, p.mapped(w, v), e)
	case time.Time:
		if w.to != schema.NumFields && w.to.Def().Kind == schema.Date {
			p.time(w, v, v.Format(time.RFC3339), e)
		}
	case int64, uint64, float64, bool:
		p.put(w, p.mapped(w, fmt.Sprint(v)), e)
	}
}

// put sets the field of a row by its kind.
func (p *custom) put(w *row, v string, e *schema.Event) {
	if v == "" {
		return
	}
	if w.lower {
		v = strings.ToLower(v)
	}
	if w.to == schema.NumFields {
		e.AddExtra(w.extra, v)
		return
	}
	d := w.to.Def()
	switch {
	case d.Multi:
		for _, x := range w.list(v) {
			e.Add(w.to, x)
		}
	case d.Kind == schema.Date && w.layouts != nil:
		t, ok := w.read(p.clock, v)
		if !ok {
			t = time.Time{} // as absurd as any
		}
		p.time(w, t, v, e)
	case w.scale != 0:
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || math.Abs(n*w.scale) > math.MaxInt64/2 || math.IsNaN(n) {
			e.Set(w.to, v) // keeps it as a label, and counts it
			return
		}
		if d.Kind == schema.Double {
			e.SetFloat(w.to, n*w.scale)
		} else {
			e.SetInt(w.to, int64(math.Round(n*w.scale)))
		}
	default:
		e.Set(w.to, v)
	}
}

func (p *custom) time(w *row, t time.Time, text string, e *schema.Event) {
	if t.Before(earliest) || t.After(latest) {
		e.Warnings++
		e.AddExtra("labels.absurd_timestamp", text)
		return
	}
	e.SetTime(w.to, t)
}
