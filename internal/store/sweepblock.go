package store

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"vigil/schema"
)

// sweepBlock is the buffers of one block of rows, and the event that they fill.
type sweepBlock struct {
	fields []*sweepColumn
	ids    proto.ColFixedStr16
	source lowColumn
	ingest proto.ColDateTime64
	offset proto.ColInt64
	extras []string
	single []*proto.ColStr // by extra, when few are read
	attrs  mapColumn
	wanted map[string]string // extras: name → the same, long-lived
	record *proto.ColStr
	event  schema.Event
}

func newSweepBlock(q Sweep) *sweepBlock {
	b := &sweepBlock{extras: q.Extras, wanted: map[string]string{}}
	b.ingest = *new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
	for _, f := range q.Fields {
		b.fields = append(b.fields, &sweepColumn{field: f.Def(), scalars: newScalars()})
	}
	for _, name := range q.Extras {
		b.wanted[name] = name
		if len(q.Extras) <= fewExtras {
			b.single = append(b.single, new(proto.ColStr))
		}
	}
	if q.Record {
		b.record = new(proto.ColStr)
	}
	return b
}

// results names the columns in the order of [Sweep.sql].
func (b *sweepBlock) results() proto.Results {
	b.source.init()
	out := proto.Results{{Name: "id", Data: &b.ids}, {Name: "source", Data: &b.source}, {Name: "ingested", Data: &b.ingest}, {Name: "offset", Data: &b.offset}}
	for _, c := range b.fields {
		out = append(out, proto.ResultColumn{Name: c.field.Column, Data: c.result()})
	}
	switch {
	case len(b.single) > 0:
		for i, c := range b.single {
			out = append(out, proto.ResultColumn{Name: "extra" + strconv.Itoa(i), Data: c})
		}
	case len(b.extras) > 0:
		b.attrs.keys.init()
		out = append(out, proto.ResultColumn{Name: "attrs", Data: &b.attrs})
	}
	if b.record != nil {
		out = append(out, proto.ResultColumn{Name: "raw", Data: b.record})
	}
	return out
}

// each hands on the rows of the block as events.
func (b *sweepBlock) each(do func(HitEvent) error) error {
	b.source.values()
	for _, c := range b.fields {
		c.low.values()
	}
	b.attrs.read(b.wanted)
	for i := range b.ids {
		var raw []byte
		if b.record != nil {
			raw = b.record.RowBytes(i)
		}
		b.event.Reset(raw, b.offset[i])
		b.event.ID = b.ids[i]
		for _, c := range b.fields {
			c.set(&b.event, i)
		}
		for k, c := range b.single {
			b.event.AddExtra(b.extras[k], text(c, i))
		}
		b.attrs.set(&b.event, i)
		if err := do(HitEvent{Event: &b.event, Source: b.source.at(i), Ingested: time.UnixMilli(int64(b.ingest.Data[i])).UTC()}); err != nil {
			return err
		}
	}
	return nil
}

// text is a value as a view into the block.
func text(c *proto.ColStr, i int) string { return schema.View(c.RowBytes(i)) }

// lowColumn reads a LowCardinality(String) column: its values by their keys.
type lowColumn struct {
	proto.ColLowCardinalityRaw
	dict []string // of the block
}

func (l *lowColumn) init() { l.Index = new(proto.ColStr) }

// values makes the dictionary of the block.
func (l *lowColumn) values() {
	index, ok := l.Index.(*proto.ColStr)
	if !ok {
		return
	}
	l.dict = l.dict[:0]
	for i := range index.Rows() {
		l.dict = append(l.dict, text(index, i))
	}
}

func (l *lowColumn) key(i int) int {
	switch l.Key {
	case proto.KeyUInt8:
		return int(l.Keys8[i])
	case proto.KeyUInt16:
		return int(l.Keys16[i])
	case proto.KeyUInt32:
		return int(l.Keys32[i])
	default:
		return int(l.Keys64[i])
	}
}

func (l *lowColumn) at(i int) string { return l.dict[l.key(i)] }

// sweepColumn reads one event field.
type sweepColumn struct {
	field *schema.Field
	str   proto.ColStr
	low   lowColumn
	list  listColumn
	scalars
}

func (c *sweepColumn) result() proto.ColResult {
	switch {
	case c.field.Multi:
		return &c.list
	case c.field.Kind == schema.LowCard:
		c.low.init()
		return &c.low
	}
	if s := c.of(c.field.Kind); s != nil {
		return s
	}
	return &c.str
}

// set puts row i on the event; the zero value stands for none, as it does in the store.
func (c *sweepColumn) set(e *schema.Event, i int) {
	f := c.field.ID
	switch {
	case c.field.Multi:
		for k := c.list.start(i); k < int(c.list.ends[i]); k++ {
			e.Add(f, text(&c.list.vals, k))
		}
	case c.field.Kind == schema.LowCard:
		e.SetStr(f, c.low.at(i))
	case c.field.Kind == schema.IP:
		if c.ip[i] != (proto.IPv6{}) {
			a := netip.AddrFrom16(c.ip[i]).Unmap()
			e.SetAddr(f, a, e.Commit(a.AppendTo(e.Buffer(48))))
		}
	case c.field.Kind == schema.Long:
		if c.num[i] != 0 {
			e.SetInt(f, c.num[i])
		}
	case c.field.Kind == schema.Double:
		if c.flt[i] != 0 {
			e.SetFloat(f, c.flt[i])
		}
	case c.field.Kind == schema.Bool:
		if c.flag[i] {
			e.SetInt(f, 1)
		}
	case c.field.Kind == schema.Date:
		if v := int64(c.date.Data[i]); v != 0 {
			e.SetInt(f, v)
		}
	default:
		e.SetStr(f, text(&c.str, i))
	}
}

// listColumn reads an Array(String) column.
type listColumn struct {
	ends proto.ColUInt64
	vals proto.ColStr
}

func (l *listColumn) Type() proto.ColumnType {
	return proto.ColumnTypeArray.Sub(proto.ColumnTypeString)
}
func (l *listColumn) Rows() int { return l.ends.Rows() }
func (l *listColumn) Reset()    { l.ends.Reset(); l.vals.Reset() }
func (l *listColumn) DecodeColumn(r *proto.Reader, rows int) error {
	n, err := decodeEnds(&l.ends, r, rows)
	if err != nil || n == 0 {
		return err
	}
	return l.vals.DecodeColumn(r, n)
}

func (l *listColumn) start(i int) int { return start(l.ends, i) }

func start(ends proto.ColUInt64, i int) int {
	if i == 0 {
		return 0
	}
	return int(ends[i-1])
}

// maxBlockValues bounds what one block may claim to hold: the engine sends some
// 65,000 rows at once.
const maxBlockValues = 1 << 28

func decodeEnds(ends *proto.ColUInt64, r *proto.Reader, rows int) (int, error) {
	if rows == 0 {
		return 0, nil
	}
	if err := ends.DecodeColumn(r, rows); err != nil {
		return 0, err
	}
	n := (*ends)[rows-1]
	if n > maxBlockValues {
		return 0, fmt.Errorf("a block claims %d values", n)
	}
	return int(n), nil
}

// mapColumn reads a Map(LowCardinality(String), String) column.
type mapColumn struct {
	ends  proto.ColUInt64
	keys  lowColumn
	vals  proto.ColStr
	names []string // by key: the wanted name, "" for others
}

func (m *mapColumn) Type() proto.ColumnType {
	return proto.ColumnTypeMap.Sub(m.keys.Type(), proto.ColumnTypeString)
}
func (m *mapColumn) Rows() int { return m.ends.Rows() }
func (m *mapColumn) Reset() {
	m.ends.Reset()
	m.keys.Reset()
	m.vals.Reset()
}
func (m *mapColumn) DecodeState(r *proto.Reader) error { return m.keys.DecodeState(r) }
func (m *mapColumn) DecodeColumn(r *proto.Reader, rows int) error {
	n, err := decodeEnds(&m.ends, r, rows)
	if err != nil || n == 0 {
		return err
	}
	if err := m.keys.DecodeColumn(r, n); err != nil {
		return err
	}
	return m.vals.DecodeColumn(r, n)
}

// read finds out which keys of the block are wanted.
func (m *mapColumn) read(wanted map[string]string) {
	m.names = m.names[:0]
	if m.ends.Rows() == 0 || m.vals.Rows() == 0 {
		return
	}
	m.keys.values()
	for _, k := range m.keys.dict {
		m.names = append(m.names, wanted[k])
	}
}

func (m *mapColumn) set(e *schema.Event, i int) {
	if len(m.names) == 0 {
		return
	}
	for k := start(m.ends, i); k < int(m.ends[i]); k++ {
		if name := m.names[m.keys.key(k)]; name != "" {
			e.AddExtra(name, text(&m.vals, k))
		}
	}
}
