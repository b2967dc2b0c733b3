package normalise

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"strings"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/schema"
)

// twinsFile has event logs, each with a twin that another tool has written as JSON.
const twinsFile = "windows/sigma-regression/events.zip"

// scoreTwins compares each event of the binary logs with that of the JSON twin.
func scoreTwins(ctx context.Context, data string) (Row, error) {
	row := Row{Set: "windows", Format: "event logs and JSON twins", Claimed: true, misses: map[string]*Miss{}}
	events := map[string][]*schema.Event{}
	for o, err := range source.Objects(ctx, []string{filepath.Join(data, twinsFile)}) {
		if err != nil {
			return row, err
		}
		list, _, err := eventsOf(o, math.MaxInt)
		if err != nil {
			return row, err
		}
		events[o.Member] = list
	}
	for name, logs := range events {
		base, ok := strings.CutSuffix(name, ".evtx")
		if !ok {
			continue
		}
		for i, twin := range events[base+".json"] {
			got := parsed{format: "windows"}
			if i < len(logs) {
				got.event = logs[i]
			}
			row.Records++
			row.Recognised++
			row.compare(pair{set: row.Set, format: row.Format, want: documentOf(twin)}, got)
		}
	}
	return row, nil
}

// documentOf is an event as an expected document. The twins' tool drops white space at
// the end of values.
func documentOf(e *schema.Event) document {
	d := document{}
	for _, f := range e.Fields() {
		name := f.String()
		if f == schema.FTimestamp {
			name = "@timestamp"
		}
		if list := e.List(f); len(list) > 0 {
			d[name] = list
		} else {
			d[name] = []string{e.Str(f)}
		}
	}
	for _, x := range e.Extras() {
		d[x.Name] = []string{x.Value}
	}
	return d
}

// eventsOf parses an object up to a number of events, and tells its format.
func eventsOf(o source.Object, most int) (out []*schema.Event, format string, err error) {
	r, err := o.Reader(0)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = r.Close() }()
	sample, err := r.Sample()
	if err != nil {
		return nil, "", err
	}
	f, _, err := parser.Detect(sample, o.Name())
	if err != nil {
		return nil, "", err
	}
	p := f.New(parser.Options{Object: o.Name(), BaseYear: 2024})
	for {
		rec, err := r.Next()
		if err != nil || len(out) == most {
			return out, f.Name, nil //nolint:nilerr // the end, or damage behind what was read
		}
		raw := bytes.Clone(rec.Data)
		e := &schema.Event{}
		e.Reset(raw, rec.Offset)
		if p.Parse(raw, e) == nil {
			out = append(out, e)
		}
	}
}
