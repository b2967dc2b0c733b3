package report

import (
	"crypto/sha1" // UUIDs of version 5 are made of it
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// stixSpace is the name space of the ids of cyber observables, which STIX 2.1 sets (§2.9).
var stixSpace = [16]byte{0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7}

// uuid5 is the UUID of a name within the name space: the same object has the same id.
func uuid5(name string) string {
	h := sha1.New()
	h.Write(stixSpace[:])
	h.Write([]byte(name))
	u := h.Sum(nil)[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

type object map[string]any

// stix writes a bundle: a report on the incident, its observables and its techniques.
func stix(c Case) ([]byte, error) {
	i := c.Incident
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	domain := func(kind, name string, more object) object {
		o := object{"type": kind, "spec_version": "2.1", "id": kind + "--" + uuid5(kind+":"+name), "created": stamp(i.Opened), "modified": stamp(i.LastSeen)}
		maps.Copy(o, more)
		return o
	}
	author := domain("identity", "vigil", object{"name": "Vigil", "identity_class": "system", "modified": stamp(i.Opened)})
	objects := []object{author}
	all := entities(c)
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		for _, v := range all[kind] {
			if o := observable(kind, v); o != nil {
				objects = append(objects, o)
			}
		}
	}
	for _, t := range techniques(c) {
		objects = append(objects, domain("attack-pattern", t, object{"name": t, "created_by_ref": author["id"],
			"external_references": []object{{"source_name": "mitre-attack", "external_id": t, "url": "https://attack.mitre.org/techniques/" + strings.ReplaceAll(t, ".", "/")}}}))
	}
	refs := []string{}
	for _, o := range objects {
		if id := o["id"].(string); !slices.Contains(refs, id) {
			refs = append(refs, id)
		}
	}
	text, err := markdown(c)
	if err != nil {
		return nil, err
	}
	objects = append(objects, domain("report", i.ID, object{"name": i.Title, "description": string(text), "report_types": []string{"incident"}, "published": stamp(i.Opened),
		"created_by_ref": author["id"], "labels": []string{"severity:" + string(i.Severity), "status:" + string(i.Status)}, "object_refs": refs}))
	seen := map[string]bool{}
	objects = slices.DeleteFunc(objects, func(o object) bool {
		id := o["id"].(string)
		defer func() { seen[id] = true }()
		return seen[id]
	})
	return json.MarshalIndent(object{"type": "bundle", "id": "bundle--" + uuid5("bundle:"+i.ID), "objects": objects}, "", "  ")
}

// observable is an entity as a cyber observable, nil when STIX has none for it.
func observable(kind, v string) object {
	name, key := "", ""
	switch {
	case strings.HasSuffix(kind, "ip") || kind == "source" || kind == "destination":
		a, err := netip.ParseAddr(v)
		if err != nil {
			return nil
		}
		name, key = "ipv6-addr", "value"
		if a = a.Unmap(); a.Is4() {
			name = "ipv4-addr"
		}
		v = a.String()
	case strings.HasPrefix(kind, "user"):
		name, key = "user-account", "account_login"
	case strings.HasPrefix(kind, "domain"), strings.HasPrefix(kind, "dns"):
		name, key = "domain-name", "value"
	case strings.HasPrefix(kind, "url"):
		name, key = "url", "value"
	case strings.HasPrefix(kind, "file"), strings.HasPrefix(kind, "process"):
		name, key = "file", "name"
	default:
		return nil
	}
	canonical, err := json.Marshal(map[string]string{key: v})
	if err != nil {
		return nil
	}
	return object{"type": name, "spec_version": "2.1", "id": name + "--" + uuid5(string(canonical)), key: v}
}

// techniques are the techniques of the incident and its alerts.
func techniques(c Case) []string {
	out := slices.Clone(c.Incident.Attack)
	for _, a := range c.Alerts {
		out = append(out, a.Attack...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
