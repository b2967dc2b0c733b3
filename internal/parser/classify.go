package parser

import (
	"vigil/internal/ocsf"
	"vigil/schema"
)

// classified is a parser whose events carry their OCSF class.
type classified struct{ Parser }

// Parse implements Parser.
func (p *classified) Parse(raw []byte, e *schema.Event) error {
	if err := p.Parser.Parse(raw, e); err != nil {
		return err
	}
	if !e.Has(schema.FOcsfClassUid) {
		if uid := ocsf.ClassOf(e); uid != 0 {
			e.SetInt(schema.FOcsfClassUid, uid)
		}
	}
	return nil
}
