package ml

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"

	"vigil/schema"
)

// Dataset collects the rows of a training: the features of each event, and those of the
// attacks that the simulators make of it. Add events, then Seal.
type Dataset struct {
	d       *Detector
	rows    []sample
	scratch schema.Event
}

// sample is one event's features and those of its simulated attacks, one a simulator.
type sample struct {
	id       schema.EventID
	time     int64
	cells    []cell
	injected [][]cell
}

// NewDataset returns an empty data set of a detector.
func NewDataset(d *Detector) *Dataset { return &Dataset{d: d} }

// Rows is how many events the data set holds.
func (s *Dataset) Rows() int { return len(s.rows) }

// Add reads an event. It keeps nothing of e.
func (s *Dataset) Add(e *schema.Event) {
	n := len(s.d.Features)
	block := make([]cell, n*(1+len(s.d.Simulators)))
	row := sample{id: e.ID, time: e.Int(schema.FTimestamp), cells: block[:n:n]}
	s.d.read(e, row.cells)
	for i, sim := range s.d.Simulators {
		s.scratch.Reset(nil, 0)
		r := rand.New(rand.NewPCG(binary.BigEndian.Uint64(e.ID[:8]), binary.BigEndian.Uint64(e.ID[8:])+uint64(i)<<56))
		sim.inject(e, &s.scratch, r)
		cells := block[n*(i+1) : n*(i+2) : n*(i+2)]
		s.d.read(&s.scratch, cells)
		row.injected = append(row.injected, cells)
	}
	s.rows = append(s.rows, row)
}

// Seal puts the rows into the order of time, thins them out evenly over it when they
// are more than most, and returns the hash of what is left. The order in which events
// were added makes no difference.
func (s *Dataset) Seal(most int) string {
	slices.SortFunc(s.rows, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.time, b.time), bytes.Compare(a.id[:], b.id[:]))
	})
	if n := len(s.rows); n > most {
		for i := range most {
			s.rows[i] = s.rows[i*n/most]
		}
		s.rows = s.rows[:most]
	}
	h := sha256.New()
	var b []byte
	for _, r := range s.rows {
		b = append(b[:0], r.id[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(r.time))
		for _, c := range r.cells {
			b = binary.BigEndian.AppendUint64(b, c)
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// holdOut is the share of the newest rows that a model is not trained on but
// evaluated with.
const holdOut = 0.25

// split parts the rows in time: what to train on and what to hold out.
func (s *Dataset) split() (train, test []sample) {
	at := len(s.rows) - int(float64(len(s.rows))*holdOut)
	return s.rows[:at], s.rows[at:]
}

// Span returns the times (Unix microseconds) of the first row, the first row held out and
// the last one.
func (s *Dataset) Span() (first, heldOut, last int64) {
	train, test := s.split()
	if len(train) == 0 || len(test) == 0 {
		return 0, 0, 0
	}
	return train[0].time, test[0].time, test[len(test)-1].time
}
