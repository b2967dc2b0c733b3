package parser

import (
	"bytes"
	"time"

	"vigil/schema"
)

// hecTree maps the envelope of Splunk's HTTP Event Collector, and below "event" and
// "fields" whatever any JSON log says.
func hecTree(zone *time.Location) *node {
	inner := genericTable(zone)
	t := table{}
	for key, to := range inner {
		t["event."+key] = to
		t["fields."+key] = to
	}
	m := mapperOf("hec", Options{Zone: zone}, nil)
	t = m.section(t, m.Section)
	return t.tree()
}

var hecTrees shared[*node]

// hecParser reads events in the envelope of Splunk's HTTP Event Collector.
type hecParser struct{ w walker }

func newHEC(o Options) Parser {
	return &hecParser{w: walker{root: hecTrees.of(o.zone(), hecTree), prefix: "labels", rename: hecName}}
}

// hecName takes the envelope out of the names of unmapped keys.
func hecName(path []byte) []byte {
	for _, p := range []string{"labels.event.", "labels.fields."} {
		if bytes.HasPrefix(path, []byte(p)) {
			return append(path[:len("labels."):len("labels.")], path[len(p):]...)
		}
	}
	return path
}

func detectHEC(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if startsObject(sample) && bytes.Contains(line, []byte(`"event":`)) && bytes.Contains(line, []byte(`"sourcetype":`)) {
		return 60, "JSON objects with event and sourcetype, as sent to Splunk's collector"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *hecParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	generic(e, "generic.hec")
	return nil
}
