// Package ml learns what is usual and scores what is not: a table of detectors, each
// with its features, trained as an isolation forest, evaluated with injected
// anomalies and admitted by a gate. It is pure: no I/O, no clock, no unseeded chance, so that
// the same rows give the same model to the byte.
package ml

import (
	"math"
	"math/bits"
	"strings"

	"vigil/schema"
)

// Detector is one row of the detector table: what is scored, by which features, and
// what a model must show before it is put in force.
type Detector struct {
	ID      string
	Title   string
	Dataset string           // event.dataset of the events that are scored
	Fields  []schema.FieldID // what the features and simulators read; columns of the training query
	// Features are read from an event; the same code reads the live event and the one
	// rebuilt from stored columns.
	Features   []Feature
	Simulators []Simulator
	Params     Params
	Gate       Limits
}

// Params are the settings of a training.
type Params struct {
	Trees, Subsample int
	MaxRows          int     // sample size
	Strangers        float64 // made-up rows beyond the range of the real ones, as a share of these
	// Budget is how many events a day may score above the threshold; MinShare and
	// MaxShare bound the share of events that this comes to.
	Budget             float64
	MinShare, MaxShare float64
}

// unit says how a feature's value is shown to people.
type unit uint8

const (
	asBytes    unit = iota // log2(1+n) of bytes
	asCount                // log2(1+n) of things
	asDuration             // log2(1+µs)
	asRate                 // log2(1+bytes per second)
	asBalance              // log2 of bytes out ÷ in
	asRarity               // -log2 of the share of training events with the value
)

// Feature is one number of an event: measured, or how rare a value was in training.
type Feature struct {
	Name, Doc string
	unit      unit
	number    func(e *schema.Event) float32 // measured, or
	value     func(e *schema.Event) uint64  // the value whose rarity counts
}

// maxFeatures bounds the features of a detector, so that the hot path needs no
// allocation.
const maxFeatures = 31

// Detectors is the table of detectors.
func Detectors() []*Detector { return []*Detector{zeekConn} }

// ByID returns the detector of that id.
func ByID(id string) (*Detector, error) {
	for _, d := range Detectors() {
		if d.ID == id {
			return d, nil
		}
	}
	var known []string
	for _, d := range Detectors() {
		known = append(known, d.ID)
	}
	return nil, schema.E(schema.NotFound, "there is no detector "+id, "there are: "+strings.Join(known, ", "))
}

// FeatureNames lists the features in the order of the vector.
func (d *Detector) FeatureNames() []string {
	out := make([]string, len(d.Features))
	for i, f := range d.Features {
		out[i] = f.Name
	}
	return out
}

// cell is a feature as read from an event: the bits of a number, or a value.
type cell = uint64

// read reads the features of an event.
func (d *Detector) read(e *schema.Event, dst []cell) {
	for i := range d.Features {
		if f := &d.Features[i]; f.number != nil {
			dst[i] = cell(math.Float32bits(f.number(e)))
		} else {
			dst[i] = f.value(e)
		}
	}
}

// log2 is the logarithm of n+1 with straight lines between the powers of two: it is
// continuous, monotone, costs a nanosecond and is the same on every processor.
func log2(n int64) float32 {
	if n <= 0 {
		return 0
	}
	v := uint64(n) + 1
	k := bits.Len64(v) - 1
	return float32(k) + float32(v<<(63-k)<<1>>40)/(1<<24)
}

// unlog2 undoes log2.
func unlog2(v float32) float64 {
	k := math.Floor(float64(v))
	return math.Exp2(k)*(1+float64(v)-k) - 1
}

// hash is FNV-1a over texts, each ended by a zero byte.
func hash(texts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range texts {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h *= 1099511628211
	}
	return h
}
