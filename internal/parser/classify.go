package parser

import (
	"vigil/internal/ocsf"
	"vigil/schema"
)

// Classified is a parser whose events carry their class of the Open Cybersecurity Schema
// Framework.
func Classified(p Parser) Parser { return &classified{Parser: p} }

type classified struct {
	Parser
	classes ocsf.Classifier
}

// Parse implements Parser.
func (p *classified) Parse(raw []byte, e *schema.Event) error {
	if err := p.Parser.Parse(raw, e); err != nil {
		return err
	}
	if !e.Has(schema.FOcsfClassUid) {
		if uid := p.classes.Of(e); uid != 0 {
			e.SetInt(schema.FOcsfClassUid, uid)
		}
	}
	return nil
}
