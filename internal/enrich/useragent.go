package enrich

import (
	"strings"

	"github.com/mileusna/useragent"

	"vigil/schema"
)

// agent is what a user agent says of itself.
type agent struct{ name, version, os, device string }

// userAgents takes user agents apart and remembers those it has seen: there are few.
type userAgents struct{ seen map[string]agent }

// UserAgents returns the part that sets name, version, operating system and device of
// user_agent.original, where the record does not tell them. One part serves one goroutine.
func UserAgents() Part { return &userAgents{seen: map[string]agent{}} }

// Bounds of what is remembered: random user agents must not fill the memory.
const (
	maxAgents = 4096
	maxAgent  = 1024 // bytes
)

// Enrich implements Part.
func (u *userAgents) Enrich(e *schema.Event) {
	text := e.Str(schema.FUserAgentOriginal)
	if text == "" || text == "-" || len(text) > maxAgent {
		return
	}
	a, ok := u.seen[text]
	if !ok {
		if len(u.seen) == maxAgents {
			clear(u.seen)
		}
		text = strings.Clone(text)
		p := useragent.Parse(text)
		a = agent{p.Name, p.Version, p.OS, p.Device}
		u.seen[text] = a
	}
	fill(e, schema.FUserAgentName, a.name)
	fill(e, schema.FUserAgentVersion, a.version)
	fill(e, schema.FUserAgentOsName, a.os)
	fill(e, schema.FUserAgentDeviceName, a.device)
}

// fill sets a text field that the record has left open.
func fill(e *schema.Event, f schema.FieldID, v string) {
	if !e.Has(f) {
		e.SetStr(f, v)
	}
}
