package spool

import (
	"fmt"
	"time"

	"vigil/schema"
)

// Limits are what one source may take, whatever there is room for. The zero value sets none.
type Limits struct {
	Quota  int64     `json:"quota,omitempty"`  // bytes that wait to be committed
	Rate   int64     `json:"rate,omitempty"`   // bytes a second
	Weight int64     `json:"weight,omitempty"` // of its share against those of others; 0 is 1
	Set    time.Time `json:"set,omitzero"`     // when they were decided: later ones replace them
}

// weight is the weight of the source's share.
func (m Limits) weight() int64 { return max(1, m.Weight) }

// greed is how many times the room that is left a source may hold. The rule is the dynamic
// threshold of shared-memory switches: one loud source fills four fifths of the spool, two
// of them four ninths each, and however many there are, room is left for one that is
// quiet. Nothing has to be configured for that, and nothing lies idle for sources that
// do not send.
const greed = 4

// rateBurst is how many seconds of its rate a source may send at once.
const rateBurst = 2

// ledger is who holds how much of the spool. Its fields in Log are guarded by Dir.mu.
//
//	used = what is on disk, and what is promised to batches on their way
//	kept = of that, segments that give way when room is needed
//	held = of a log, what waits to be committed
func (d *Dir) room() int64 { return d.o.Limit - (d.used - d.kept) }

// tight says whether room is so scarce that segments are ended early, to be given back.
func (d *Dir) tight() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.room() < d.o.Limit/8
}

// reserve promises room for a batch of a source, or says why there is none.
func (d *Dir) reserve(l *Log, n int64) error {
	if err := d.admit(l, n); err != nil {
		return err
	}
	if d.take(l, n) {
		return nil
	}
	for _, c := range d.released() {
		c.log.delete(c.segment)
		if d.take(l, n) {
			return nil
		}
	}
	return errFull
}

var (
	errFull  = schema.E(schema.Exhausted, "the spool is full", "it drains as soon as the store takes events; send again later")
	errShare = schema.E(schema.Exhausted, "the source has its share of the spool", "room is left for other sources; it drains as soon as the store takes events; send again later")
)

// admit says whether the source may take n more bytes, and counts them against its rate.
func (d *Dir) admit(l *Log, n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch q := l.limits.Quota; {
	case q > 0 && l.held > 0 && l.held+n > q: // one batch of a source that holds nothing fits: its limits are no dead end
		return schema.E(schema.Exhausted, fmt.Sprintf("the source %s has its quota of %d bytes in the spool", l.Source, q), "send again later, or give it more: vigil sources add-push --quota")
	case d.used-d.kept+n > d.o.Limit:
		return errFull
	case l.held > 0 && l.held+n > greed*l.limits.weight()*(d.room()-n):
		return errShare
	}
	return l.pace(d.now(), n)
}

// pace is a bucket that may go into debt, so that a batch larger than the burst is taken
// and paid for by the ones behind it.
func (l *Log) pace(now time.Time, n int64) error {
	rate := float64(l.limits.Rate)
	if rate <= 0 {
		return nil
	}
	l.tokens = min(rateBurst*rate, l.tokens+rate*now.Sub(l.paced).Seconds())
	l.paced = now
	if l.tokens <= 0 {
		return schema.E(schema.Exhausted, fmt.Sprintf("the source %s sends more than its %d bytes a second", l.Source, l.limits.Rate), "send again later, or give it more: vigil sources add-push --rate")
	}
	l.tokens -= float64(n)
	return nil
}

// take promises the bytes where they fit on disk.
func (d *Dir) take(l *Log, n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used+n > d.o.Limit {
		return false
	}
	d.used += n
	l.held += n
	return true
}

// grow corrects what the log holds.
func (l *Log) grow(n int64) {
	l.dir.mu.Lock()
	l.dir.used += n
	l.held += n
	l.dir.mu.Unlock()
}

// settle says that n bytes that the log held are committed; kept of them may be given
// back, and gone of them are deleted.
func (l *Log) settle(n, kept, gone int64) {
	l.dir.mu.Lock()
	l.held -= n
	l.dir.kept += kept
	l.dir.used -= gone
	l.dir.mu.Unlock()
}

// InForce are the limits of the source now.
func (l *Log) InForce() Limits {
	l.dir.mu.Lock()
	defer l.dir.mu.Unlock()
	return l.limits
}

// Limit puts limits in force, and keeps them for restarts, unless those that are were
// decided later.
func (l *Log) Limit(m Limits) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !m.Set.After(l.Meta.Set) {
		return nil
	}
	l.Meta.Limits = m
	l.dir.mu.Lock()
	l.limits, l.tokens, l.paced = m, rateBurst*float64(m.Rate), l.dir.now()
	l.dir.mu.Unlock()
	return l.saveMeta()
}
