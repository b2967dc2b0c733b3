package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"vigil/schema"
)

// Batch collects the events of one chunk as columns. It is reused: Reset, Append…,
// then InsertEvents. It is not safe for concurrent use.
type Batch struct {
	rows  int
	bytes int
	ids   proto.ColFixedStr16
	off   proto.ColInt64
	raw   texts
	keys  lowCard
	vals  texts
	ends  proto.ColUInt64
	cols  [schema.NumFields]*column
	used  []*column
}

// NewBatch returns an empty batch.
func NewBatch() *Batch { return &Batch{} }

// Rows is how many events the batch holds.
func (b *Batch) Rows() int { return b.rows }

// Bytes is the size of the raw records in the batch.
func (b *Batch) Bytes() int { return b.bytes }

// Reset empties the batch and keeps its buffers.
func (b *Batch) Reset() {
	b.rows, b.bytes = 0, 0
	b.ids, b.off, b.ends = b.ids[:0], b.off[:0], b.ends[:0]
	b.raw.Reset()
	b.vals.Reset()
	b.keys.reset()
	for _, c := range b.used {
		c.reset()
	}
	b.used = b.used[:0]
}

// Append copies the event's values into the columns.
func (b *Batch) Append(e *schema.Event) {
	b.ids = append(b.ids, e.ID)
	b.off = append(b.off, e.Offset)
	b.raw.Append(schema.View(e.Raw))
	for _, x := range e.Extras() {
		b.keys.append(x.Name)
		b.vals.Append(x.Value)
	}
	b.ends = append(b.ends, uint64(b.vals.Rows()))
	for _, f := range e.Fields() {
		c := b.cols[f]
		if c == nil {
			c = newColumn(f.Def())
			b.cols[f] = c
		}
		if c.rows == 0 {
			b.used = append(b.used, c)
		}
		c.pad(b.rows)
		c.add(e)
	}
	b.rows++
	b.bytes += len(e.Raw)
}

// mapInput is a Map(LowCardinality(String), String) column over the batch's buffers.
type mapInput struct {
	ends *proto.ColUInt64
	keys *proto.ColLowCardinalityRaw
	vals *texts
}

func (m mapInput) Type() proto.ColumnType {
	return proto.ColumnTypeMap.Sub(m.keys.Type(), m.vals.Type())
}
func (m mapInput) Rows() int                   { return m.ends.Rows() }
func (m mapInput) EncodeState(b *proto.Buffer) { m.keys.EncodeState(b) }
func (m mapInput) EncodeColumn(b *proto.Buffer) {
	m.ends.EncodeColumn(b)
	m.keys.EncodeColumn(b)
	m.vals.EncodeColumn(b)
}
func (m mapInput) WriteColumn(w *proto.Writer) {
	m.ends.WriteColumn(w)
	m.keys.WriteColumn(w)
	m.vals.WriteColumn(w)
}

// input assembles the columns that are sent: the fixed ones, and the fields used.
func (b *Batch) input(org, source, chunk string, ingested time.Time) proto.Input {
	in := proto.Input{
		{Name: "org", Data: constant(org, b.rows)},
		{Name: "source", Data: constant(source, b.rows)},
		{Name: "chunk", Data: constant(chunk, b.rows)},
		{Name: "id", Data: &b.ids},
		{Name: "offset", Data: &b.off},
		{Name: "ingested", Data: constantTime(ingested, b.rows)},
		{Name: "raw", Data: &b.raw},
	}
	if b.vals.Rows() > 0 {
		keys, _ := b.keys.input().(*proto.ColLowCardinalityRaw)
		in = append(in, proto.InputColumn{Name: "attrs", Data: mapInput{&b.ends, keys, &b.vals}})
	}
	for _, c := range b.used {
		c.pad(b.rows)
		in = append(in, proto.InputColumn{Name: c.field.Column, Data: c.input()})
	}
	return in
}

// constant is a LowCardinality column of n times the same value.
func constant(v string, n int) proto.ColInput {
	c := &proto.ColLowCardinalityRaw{Index: new(proto.ColStr), Key: proto.KeyUInt8, Keys8: make(proto.ColUInt8, n)}
	c.Index.(*proto.ColStr).Append(v)
	return c
}

func constantTime(t time.Time, n int) proto.ColInput {
	c := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
	v := proto.DateTime64(t.UnixMilli())
	c.Data = make([]proto.DateTime64, n)
	for i := range c.Data {
		c.Data[i] = v
	}
	return c
}

// columnar owns the connections of the columnar inserts: each carries one at a time.
type columnar struct {
	o    Options
	idle chan *ch.Client // what is kept for the next insert
}

// keptConnections is how many connections wait for the next insert; more than so many
// inserts at once dial and hang up.
const keptConnections = 4

func newColumnar(o Options) *columnar {
	return &columnar{o: o, idle: make(chan *ch.Client, keptConnections)}
}

// take returns a connection that waits, or a new one.
func (w *columnar) take(ctx context.Context) (*ch.Client, error) {
	for {
		select {
		case c := <-w.idle:
			if !c.IsClosed() {
				return c, nil
			}
		default:
			return w.dial(ctx)
		}
	}
}

// give keeps a connection whose insert succeeded.
func (w *columnar) give(c *ch.Client) {
	select {
	case w.idle <- c:
	default:
		_ = c.Close()
	}
}

func (w *columnar) dial(ctx context.Context) (*ch.Client, error) {
	opts := ch.Options{Address: w.o.Addr, Database: w.o.Database, User: w.o.User, Password: w.o.Password.Reveal(), DialTimeout: 10 * time.Second,
		ReadTimeout: 5 * time.Minute, Compression: ch.CompressionLZ4, ClientName: "vigil"}
	if loopback(w.o.Addr) {
		opts.Compression = ch.CompressionDisabled
	}
	if w.o.TLS {
		opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c, err := ch.Dial(ctx, opts)
	if err != nil {
		return nil, schema.E(schema.Unavailable, "ClickHouse does not answer at "+w.o.Addr, "it may be restarting; try again", err)
	}
	return c, nil
}

func (w *columnar) close() {
	for {
		select {
		case c := <-w.idle:
			_ = c.Close()
		default:
			return
		}
	}
}

// InsertEvents stores the batch as the events of one chunk, under the chunk's id as
// deduplication token: repeated with the same rows, it stores them once.
func (s *Store) InsertEvents(ctx context.Context, org, source, chunk string, ingested time.Time, b *Batch) error {
	return s.insertEvents(ctx, "events", org, source, chunk, ingested, b)
}

func (s *Store) insertEvents(ctx context.Context, table, org, source, chunk string, ingested time.Time, b *Batch) error {
	if b.rows == 0 {
		return nil
	}
	c, err := s.events.take(ctx)
	if err != nil {
		return err
	}
	in := b.input(org, source, chunk, ingested)
	names := make([]string, len(in))
	for i := range in {
		names[i] = in[i].Name
	}
	err = c.Do(ctx, ch.Query{
		Body:  "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES",
		Input: in,
		Settings: []ch.Setting{
			{Key: "async_insert", Value: "0", Important: true},
			{Key: "insert_deduplicate", Value: "1", Important: true},
			{Key: "insert_deduplication_token", Value: chunk, Important: true},
		},
	})
	if err != nil {
		_ = c.Close()
		return eventError(ctx, err)
	}
	s.events.give(c)
	return nil
}

func eventError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	if ex, ok := ch.AsException(err); ok {
		return fmt.Errorf("storing events: clickhouse: %s (code %d)", firstLine(ex.Message), ex.Code)
	}
	return schema.E(schema.Unavailable, "ClickHouse broke off an insert", "it is tried again under the same token", err)
}
