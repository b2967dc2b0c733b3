package parser

import (
	"bytes"
	"strings"

	"vigil/schema"
)

type cloudTrailParser struct {
	w     walker
	close func(e *schema.Event)
}

func newCloudTrail(o Options) Parser {
	m := mapperOf("cloudtrail", o, nil)
	return &cloudTrailParser{w: walker{root: m.table().tree(), prefix: m.Dataset}, close: m.closing(m.Section)}
}

func detectCloudTrail(sample []byte, _ string) (int, string) {
	if startsObject(sample) && bytes.Contains(sample, []byte(`"eventSource"`)) && bytes.Contains(sample, []byte(`"eventName"`)) && bytes.Contains(sample, []byte(`"awsRegion"`)) {
		return 95, "JSON with eventSource, eventName and awsRegion"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *cloudTrailParser) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	service, _, _ := strings.Cut(e.Str(schema.FEventProvider), ".")
	e.SetStr(schema.FCloudServiceName, service)
	p.close(e)
	e.Add(schema.FRelatedUser, e.Str(schema.FUserName))
	if e.Has(schema.FSourceIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FSourceIP))
	}
	return nil
}
