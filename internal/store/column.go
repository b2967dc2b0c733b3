package store

import (
	"net/netip"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"vigil/schema"
)

// column is the buffer of one event field. Rows that lack the field are filled in
// only when a later row has it, and a column that no row of a batch has is not sent.
type column struct {
	field *schema.Field
	rows  int

	str  texts
	low  lowCard
	list *proto.ColArr[string]
	scalars
}

// scalars are the columns of the kinds of field whose values have one size, of which an
// event field uses at most one.
type scalars struct {
	ip   proto.ColIPv6
	num  proto.ColInt64
	flt  proto.ColFloat64
	flag proto.ColBool
	date proto.ColDateTime64
}

func newScalars() scalars {
	return scalars{date: *new(proto.ColDateTime64).WithPrecision(proto.PrecisionMicro)}
}

// of is the column of a kind, nil for the kinds of text.
func (s *scalars) of(k schema.Kind) proto.Column {
	switch k {
	case schema.IP:
		return &s.ip
	case schema.Long:
		return &s.num
	case schema.Double:
		return &s.flt
	case schema.Bool:
		return &s.flag
	case schema.Date:
		return &s.date
	default:
		return nil
	}
}

func newColumn(f *schema.Field) *column {
	c := &column{field: f, scalars: newScalars()}
	if f.Multi {
		c.list = proto.NewArray[string](new(proto.ColStr))
	}
	return c
}

// pad appends defaults until the column has n rows.
func (c *column) pad(n int) {
	for ; c.rows < n; c.rows++ {
		switch {
		case c.field.Multi:
			c.list.Offsets = append(c.list.Offsets, uint64(c.list.Data.Rows()))
		case c.field.Kind == schema.LowCard:
			c.low.append("")
		case c.field.Kind == schema.Keyword, c.field.Kind == schema.Text:
			c.str.Append("")
		case c.field.Kind == schema.IP:
			c.ip = append(c.ip, proto.IPv6{})
		case c.field.Kind == schema.Long:
			c.num = append(c.num, 0)
		case c.field.Kind == schema.Double:
			c.flt = append(c.flt, 0)
		case c.field.Kind == schema.Bool:
			c.flag = append(c.flag, false)
		case c.field.Kind == schema.Date:
			c.date.Data = append(c.date.Data, 0)
		}
	}
}

// add appends the event's value; the event has the field.
func (c *column) add(e *schema.Event) {
	f := c.field.ID
	switch {
	case c.field.Multi:
		for _, v := range e.List(f) {
			c.list.Data.Append(v)
		}
		c.list.Offsets = append(c.list.Offsets, uint64(c.list.Data.Rows()))
	case c.field.Kind == schema.LowCard:
		c.low.append(e.Str(f))
	case c.field.Kind == schema.Keyword, c.field.Kind == schema.Text:
		c.str.Append(e.Str(f))
	case c.field.Kind == schema.IP:
		c.ip = append(c.ip, as16(e.Addr(f)))
	case c.field.Kind == schema.Long:
		c.num = append(c.num, e.Int(f))
	case c.field.Kind == schema.Double:
		c.flt = append(c.flt, e.Float(f))
	case c.field.Kind == schema.Bool:
		c.flag = append(c.flag, e.Int(f) != 0)
	case c.field.Kind == schema.Date:
		c.date.Data = append(c.date.Data, proto.DateTime64(e.Int(f)))
	}
	c.rows++
}

func as16(a netip.Addr) proto.IPv6 {
	if !a.IsValid() {
		return proto.IPv6{}
	}
	return proto.IPv6(a.As16())
}

// input is the column as the client sends it.
func (c *column) input() proto.ColInput {
	switch {
	case c.field.Multi:
		return c.list
	case c.field.Kind == schema.LowCard:
		return c.low.input()
	}
	if s := c.of(c.field.Kind); s != nil {
		return s
	}
	return &c.str
}

func (c *column) reset() {
	c.rows = 0
	c.str.Reset()
	c.low.reset()
	c.ip, c.num, c.flt, c.flag = c.ip[:0], c.num[:0], c.flt[:0], c.flag[:0]
	c.date.Data = c.date.Data[:0]
	if c.list != nil {
		c.list.Reset()
	}
}

// lowCard is a LowCardinality(String) column that copies a value only when it is new
// to the batch (the values it is given are views that die with the record).
type lowCard struct {
	index  map[string]uint32
	values []string // by key; own copies
	dict   proto.ColStr
	keys   []uint32
	last   uint32
	next   []uint32 // by key: what came behind it the last time
	wire   proto.ColLowCardinalityRaw
}

func (l *lowCard) append(v string) {
	if len(l.keys) > 0 {
		// Neighbouring rows mostly repeat the value; keys of a map repeat their order.
		k := l.last
		if l.values[k] != v {
			k = l.next[k]
		}
		if l.values[k] == v {
			l.follow(k)
			return
		}
	}
	k, ok := l.index[v]
	if !ok {
		if l.index == nil {
			l.index = make(map[string]uint32)
		}
		v = strings.Clone(v)
		k = uint32(len(l.values))
		l.index[v] = k
		l.values, l.next = append(l.values, v), append(l.next, k)
		l.dict.Append(v)
	}
	l.follow(k)
}

// follow appends a key.
func (l *lowCard) follow(k uint32) {
	if len(l.keys) > 0 && k != l.last {
		l.next[l.last] = k
	}
	l.last = k
	l.keys = append(l.keys, k)
}

func (l *lowCard) input() proto.ColInput {
	l.wire.Index = &l.dict
	l.wire.Keys8, l.wire.Keys16, l.wire.Keys32 = l.wire.Keys8[:0], l.wire.Keys16[:0], l.wire.Keys32[:0]
	switch n := len(l.index); {
	case n <= 1<<8:
		l.wire.Key = proto.KeyUInt8
		for _, k := range l.keys {
			l.wire.Keys8 = append(l.wire.Keys8, uint8(k))
		}
	case n <= 1<<16:
		l.wire.Key = proto.KeyUInt16
		for _, k := range l.keys {
			l.wire.Keys16 = append(l.wire.Keys16, uint16(k))
		}
	default:
		l.wire.Key = proto.KeyUInt32
		l.wire.Keys32 = append(l.wire.Keys32, l.keys...)
	}
	return &l.wire
}

func (l *lowCard) reset() {
	clear(l.index)
	l.dict.Reset()
	l.keys, l.values, l.next = l.keys[:0], l.values[:0], l.next[:0]
	l.last = 0
}
