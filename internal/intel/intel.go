// Package intel reads threat-intelligence feeds and matches what events carry with
// them: documents of several kinds become entries (one table of kinds), entries of
// all feeds become one immutable, versioned set.
package intel

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"vigil/schema"
)

// Limits of one document. They bound memory against hostile input.
const (
	// MaxBytes is how much of a document is read, decompressed.
	MaxBytes = 512 << 20
	// MaxEntries is how many different values one feed may hold.
	MaxEntries = 1_000_000
	maxObject  = 4 << 20 // bytes of one object, record or line
	maxName    = 200     // bytes of a name
	maxLabels  = 16
	maxLabel   = 80
	maxReasons = 20
)

// Entry is what a feed says of one value, as matching and storing need it. The JSON
// keys are short because stored sets have many.
type Entry struct {
	Type       string   `json:"t"` // one of Types
	Value      string   `json:"v"` // canonical, see Normalize
	Name       string   `json:"n,omitempty"`
	Confidence int      `json:"c,omitempty"` // 0–100
	Labels     []string `json:"l,omitempty"`
	From       int64    `json:"f,omitempty"` // Unix seconds; 0: always
	Until      int64    `json:"u,omitempty"` // Unix seconds; 0: never expires
	Default    bool     `json:"d,omitempty"` // the feed named no end; Until was given here
	Revoked    bool     `json:"r,omitempty"`
}

// Active says whether the entry matches at a time (Unix seconds).
func (e *Entry) Active(at int64) bool {
	return !e.Revoked && e.From <= at && (e.Until == 0 || at < e.Until)
}

// ID is the id of the indicator that a feed's entry is: one per feed, type and value.
func ID(feed, kind, value string) string { return schema.HashID("indicator", feed, kind, value) }

// Report says what a document held.
type Report struct {
	Read    int            // objects that claim to be an indicator
	Taken   int            // of them, those of which at least one value is taken
	Refused int            // of them, those of which something cannot be taken
	Ignored int            // other objects: context, comments, deleted
	Reasons map[string]int // why something was refused, at most 20 reasons
}

// Options say how a feed is read.
type Options struct {
	Type       string            // indicator type for one-column feeds; "": by the value's shape
	Columns    map[string]string // CSV column → field
	Confidence int               // of indicators that name none
	Beat       func()            // called now and then
}

// Kind is one row of the table of feed kinds.
type Kind struct {
	Name string
	Doc  string // what it reads
	read func(ctx context.Context, in *guard, o Options, to *sink) error
}

// Kinds is the table of feed kinds.
func Kinds() []Kind {
	return []Kind{
		{"stix", "STIX 2.x: a bundle, a TAXII envelope, or any JSON with arrays of \"objects\"", readSTIX},
		{"csv", "comma-separated values with a header, or columns by number", readCSV},
		{"text", "one value a line; what follows a blank, comma or semicolon is ignored", readText},
		{"zeek-intel", "files of the Zeek intelligence framework", readZeek},
		{"misp", "MISP events as JSON; attributes with to_ids are indicators", readMISP},
	}
}

// KindByName returns the row of a kind.
func KindByName(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds() {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, schema.E(schema.Invalid, fmt.Sprintf("there is no feed kind %q", name), "one of "+strings.Join(names, ", "))
}

// Read reads the documents of a feed (several when an archive holds several) and
// returns one entry per value, sorted by type and value. What cannot be taken is
// counted with its reason; only a document that cannot be read at all is an error.
func Read(ctx context.Context, kind string, docs Documents, o Options) ([]Entry, Report, error) {
	k, err := KindByName(kind)
	if err != nil {
		return nil, Report{}, err
	}
	if o.Confidence <= 0 || o.Confidence > 100 {
		o.Confidence = 50
	}
	if o.Beat == nil {
		o.Beat = func() {}
	}
	to := &sink{o: o, at: map[string]int{}, report: Report{Reasons: map[string]int{}}}
	left := int64(MaxBytes)
	for name, r := range docs {
		in := &guard{r: r, left: left, beat: o.Beat, ctx: ctx}
		if err := k.read(ctx, in, o, to); err != nil {
			if ctx.Err() != nil {
				return nil, to.report, context.Cause(ctx)
			}
			return nil, to.report, schema.E(schema.Invalid, fmt.Sprintf("%s cannot be read as %s", name, kind), "check the feed's kind and address", err)
		}
		left = in.left
	}
	out := to.entries
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value)) })
	return out, to.report, nil
}

// sink collects entries, one per value.
type sink struct {
	o       Options
	entries []Entry
	at      map[string]int // type NUL value → index
	report  Report
}

var errTooMany = fmt.Errorf("more than %d different values", MaxEntries)

// take takes the values of one object: those that are fine become entries, the
// others are refused with their reason.
func (s *sink) take(values []observable, base Entry, reasons ...string) error {
	s.report.Read++
	taken := 0
	for _, v := range values {
		kind, value, err := Normalize(v.kind, v.value)
		if err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		e := base
		e.Type, e.Value = kind, value
		if err := s.add(e); err != nil {
			return err
		}
		taken++
	}
	if taken > 0 {
		s.report.Taken++
	}
	if len(reasons) > 0 {
		s.report.Refused++
		s.because(reasons[0])
	} else if taken == 0 {
		s.report.Refused++
		s.because("it names no value")
	}
	return nil
}

func (s *sink) refuse(reason string) {
	s.report.Read++
	s.report.Refused++
	s.because(reason)
}

func (s *sink) ignore() { s.report.Ignored++ }

// because counts a reason; beyond the limit all others are one.
func (s *sink) because(reason string) {
	reason = plain(reason, maxName)
	if _, ok := s.report.Reasons[reason]; !ok && len(s.report.Reasons) >= maxReasons {
		reason = "other reasons"
	}
	s.report.Reasons[reason]++
}

// add keeps an entry, merging it with an earlier one of the same value: the longer
// validity, the higher confidence and all labels hold, and it is revoked only when
// every statement of it is.
func (s *sink) add(e Entry) error {
	e.Name = plain(e.Name, maxName)
	if e.Confidence <= 0 || e.Confidence > 100 {
		e.Confidence = s.o.Confidence
	}
	e.Labels = tidyLabels(e.Labels)
	key := e.Type + "\x00" + e.Value
	i, ok := s.at[key]
	if !ok {
		if len(s.entries) >= MaxEntries {
			return errTooMany
		}
		s.at[key] = len(s.entries)
		s.entries = append(s.entries, e)
		return nil
	}
	s.entries[i] = merge(s.entries[i], e)
	return nil
}

func merge(a, b Entry) Entry {
	if a.Revoked != b.Revoked {
		if a.Revoked {
			return b
		}
		return a
	}
	if a.Name == "" {
		a.Name = b.Name
	}
	a.From = min(a.From, b.From)
	if a.Until == 0 || b.Until == 0 {
		a.Until = 0
	} else {
		a.Until = max(a.Until, b.Until)
	}
	a.Confidence = max(a.Confidence, b.Confidence)
	a.Labels = tidyLabels(append(slices.Clone(a.Labels), b.Labels...))
	return a
}

// tidyLabels sorts, cleans and bounds labels.
func tidyLabels(in []string) []string {
	if len(in) == 0 {
		return nil
	}
	set := map[string]bool{}
	for _, l := range in {
		if l = plain(l, maxLabel); l != "" {
			set[l] = true
		}
	}
	out := slices.Sorted(maps.Keys(set))
	return out[:min(len(out), maxLabels)]
}

// plain makes a text of a stranger safe to store and show: valid UTF-8, one line, no
// control characters, bounded.
func plain(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s)
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// guard bounds what is read: in all, and between two marks (so that one object
// cannot fill the memory).
type guard struct {
	r     io.Reader
	left  int64
	since int64
	n     int
	beat  func()
	ctx   context.Context
}

var (
	errObject = fmt.Errorf("one object is larger than %d MiB", maxObject>>20)
	errTotal  = fmt.Errorf("the document is larger than %d MiB", MaxBytes>>20)
)

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, errTotal
	}
	if g.since > maxObject {
		return 0, errObject
	}
	if err := g.ctx.Err(); err != nil {
		return 0, err
	}
	// Readers double their buffers; a small step keeps the bound sharp.
	p = p[:min(int64(len(p)), g.left, 256<<10)]
	n, err := g.r.Read(p)
	g.left -= int64(n)
	g.since += int64(n)
	return n, err
}

// mark says that an object is complete.
func (g *guard) mark() {
	g.since = 0
	if g.n++; g.n%1000 == 0 {
		g.beat()
	}
}

// seconds is a time as entries keep it.
func seconds(t time.Time) int64 {
	if t.IsZero() || t.Unix() <= 0 {
		return 0
	}
	return t.Unix()
}

// beatNow counts work that reads nothing.
func (g *guard) beatNow() {
	if g.n++; g.n%1000 == 0 {
		g.beat()
	}
}
