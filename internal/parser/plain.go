package parser

import (
	"errors"

	"vigil/schema"
)

// Plain reads JSON objects without a mapping: every value becomes an extra under its dotted
// name, an array as the text it is. It is for mappings that are made elsewhere; the extras
// live until the event's next Reset.
type Plain struct{ w walker }

// Read reads one record.
func (p *Plain) Read(raw []byte, e *schema.Event) error { return p.w.walk(raw, e) }

// Envelope takes the header off syslog lines.
type Envelope struct {
	p *syslogParser
	e schema.Event
}

// NewEnvelope makes one.
func NewEnvelope(o Options) *Envelope {
	p, _ := newSyslog(o).(*syslogParser)
	return &Envelope{p: p}
}

// Open sets what the header says (time, host, program, facility, severity) on e, and returns
// the message behind it. Values live until the next Open.
func (x *Envelope) Open(raw []byte, e *schema.Event) (string, error) {
	x.e.Reset(raw, e.Offset)
	if err := x.p.Parse(raw, &x.e); err != nil {
		return "", err
	}
	message := x.e.Str(schema.FMessage)
	if message == "" {
		return "", errors.New("nothing stands behind the syslog header")
	}
	if x.e.Has(schema.FTimestamp) {
		e.SetInt(schema.FTimestamp, x.e.Int(schema.FTimestamp))
	}
	for _, f := range []schema.FieldID{schema.FHostName, schema.FProcessName, schema.FLogSyslogFacilityName, schema.FLogSyslogSeverityName} {
		e.SetStr(f, x.e.Str(f))
	}
	if x.e.Has(schema.FProcessPid) {
		e.SetInt(schema.FProcessPid, x.e.Int(schema.FProcessPid))
	}
	return message, nil
}
