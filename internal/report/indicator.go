package report

import (
	"net/netip"
	"strings"
	"time"
)

// Listed is a value of a published list.
type Listed struct {
	List, Value, Reason string
	Added, Expires      time.Time // Expires zero: it stays
}

// CollectionID is the UUID of a published list as a TAXII collection.
func CollectionID(list string) string { return uuid5("collection:" + list) }

// stixTime is how STIX writes a time.
func stixTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Indicator is the value as a STIX 2.1 indicator; the same listing has the same id.
func Indicator(l Listed) map[string]any {
	o := object{"type": "indicator", "spec_version": "2.1", "id": "indicator--" + uuid5(strings.Join([]string{"listed", l.List, l.Value, stixTime(l.Added)}, "\n")),
		"created": stixTime(l.Added), "modified": stixTime(l.Added), "name": l.Value, "description": l.Reason, "indicator_types": []string{"malicious-activity"},
		"pattern": pattern(l), "pattern_type": "stix", "valid_from": stixTime(l.Added)}
	if l.Expires.After(l.Added) {
		o["valid_until"] = stixTime(l.Expires)
	}
	return o
}

// pattern says what the value of the list is in STIX.
func pattern(l Listed) string {
	path := "domain-name:value"
	if l.List == "accounts" {
		path = "user-account:account_login"
	} else if a, err := netip.ParseAddr(l.Value); err == nil {
		path = map[bool]string{true: "ipv4-addr:value", false: "ipv6-addr:value"}[a.Is4()]
	}
	return "[" + path + " = '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(l.Value) + "']"
}
