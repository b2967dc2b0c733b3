package parser

import (
	"strings"

	"vigil/schema"
)

// device is what the headers of CEF and LEEF say: who made the product that speaks, and
// what it says in one word.
type device struct{ vendor, product, version, code, name, severity string }

// deviceHeader puts headers on events.
type deviceHeader struct {
	sets map[string]string // data set of a vendor and product
}

// put sets what the header says; what the pairs behind it said goes first.
func (d *deviceHeader) put(h device, e *schema.Event) {
	set := d.dataset(h.vendor, h.product)
	module, _, _ := strings.Cut(set, ".")
	setAll(e, pair{schema.FEventModule, module}, pair{schema.FEventDataset, set}, pair{schema.FEventKind, "event"}, pair{schema.FEventProvider, h.product})
	e.AddExtra("observer.vendor", h.vendor)
	e.AddExtra("observer.product", h.product)
	e.AddExtra("observer.version", h.version)
	for _, weak := range []pair{{schema.FEventCode, h.code}, {schema.FRuleID, h.code}, {schema.FRuleName, h.name}, {schema.FMessage, h.name}} {
		if !e.Has(weak.f) {
			e.SetStr(weak.f, weak.v)
		}
	}
	if n, ok := digits(h.severity); ok {
		e.SetInt(schema.FEventSeverity, int64(n))
	} else if !e.Has(schema.FLogLevel) {
		e.SetStr(schema.FLogLevel, h.severity)
	}
	if !e.Has(schema.FUserName) {
		e.SetStr(schema.FUserName, e.Str(schema.FUserTargetName))
	}
	if !e.Has(schema.FTimestamp) && e.Has(schema.FEventStart) {
		e.SetInt(schema.FTimestamp, e.Int(schema.FEventStart))
	}
	switch module {
	case "fortinet", "check-point", "palo-alto-networks":
		deviceOutcome(e)
	}
}

// dataset is vendor.product in small letters; the names are kept, they are few.
func (d *deviceHeader) dataset(vendor, product string) string {
	key := vendor + "|" + product
	if set, ok := d.sets[key]; ok {
		return set
	}
	set := slug(vendor) + "." + slug(product)
	if vendor == "" {
		set = slug(product) + "." + slug(product)
	}
	if d.sets == nil {
		d.sets = map[string]string{}
	}
	if len(d.sets) < 1000 { // a hostile log may make up names without end
		d.sets[key] = set
	}
	return set
}

// slug is a name in small letters, with what is neither letter nor digit as one dash.
func slug(s string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(s)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 0x80 {
			b.WriteByte(c)
		} else if n := b.Len(); n > 0 && b.String()[n-1] != '-' {
			b.WriteByte('-')
		}
	}
	if out := strings.Trim(b.String(), "-"); out != "" {
		return out
	}
	return "unknown"
}
