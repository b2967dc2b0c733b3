package parser

import (
	"bytes"

	"vigil/internal/parser/mapping"
	"vigil/schema"
)

type suricataParser struct {
	w     walker
	close func(e *schema.Event)
}

func newSuricata(o Options) Parser {
	m := mapperOf("suricata", o, nil)
	kinds := map[string][]mapping.Constant{}
	for name, k := range m.Kinds {
		kinds[name] = k.Set
	}
	m.holds = holds{"type": func(e *schema.Event, v string) { suricataType(kinds, v, e) }}
	return &suricataParser{w: walker{root: m.table().tree(), prefix: "suricata"}, close: m.closing(m.Section)}
}

func detectSuricata(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	if startsObject(sample) && bytes.Contains(line, []byte(`"event_type"`)) && (bytes.Contains(line, []byte(`"src_ip"`)) || bytes.Contains(line, []byte(`"flow_id"`)) || bytes.Contains(line, []byte(`"stats"`))) {
		return 92, "JSON with event_type and src_ip"
	}
	return 0, ""
}

// suricataType says what an event_type is in ECS.
func suricataType(kinds map[string][]mapping.Constant, v string, e *schema.Event) {
	set, ok := kinds[v]
	if !ok {
		set = kinds["other"]
		e.AddExtra("suricata.event_type", v)
	}
	constants(e, set)
}

// Parse implements Parser.
func (p *suricataParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	p.close(e)
	if e.Has(schema.FSourceIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FSourceIP))
	}
	if e.Has(schema.FDestinationIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FDestinationIP))
	}
	return nil
}
