package rules

import (
	"strconv"

	"vigil/internal/document"
)

// kindKeys are the keys that belong to one kind of rule each.
func kindKeys() map[string]Kind {
	return map[string]Kind{"threshold": Threshold, "sequence": Sequence, "new_terms": NewTerms, "aggregate": Aggregate, "anomaly": Anomaly}
}

func (d *reader) readKind(m *document.Mapping, r *Rule) {
	for key, kind := range kindKeys() {
		if n, ok := m.At[key]; ok && r.Kind != kind {
			d.Fail(n, "write kind: "+string(kind), "%s belongs to rules of kind %s, this one is %s", key, kind, r.Kind)
		}
	}
	switch r.Kind {
	case Threshold:
		d.readCount(m, r)
	case Sequence:
		d.readSteps(m, r)
	case NewTerms:
		d.readTerms(m, r)
	case Aggregate:
		d.readQuery(m, r)
	case Anomaly:
		d.readDetector(m, r)
	}
}

// kindOf reads the kind alone: what entities are depends on it.
func kindOf(m *document.Mapping) Kind {
	var kinds []string
	for _, k := range Kinds() {
		kinds = append(kinds, string(k))
	}
	return Kind(m.OneOf("kind", string(Match), kinds))
}

// block reads the mapping that a kind of rule cannot do without.
func (d *reader) block(m *document.Mapping, key, example string, known ...string) (*document.Mapping, bool) {
	n, ok := m.At[key]
	if !ok {
		d.Fail(m.Node, "write "+key+": "+example, "this kind of rule needs the key %q", key)
		return nil, false
	}
	return d.Mapping(n, key, known)
}

func (d *reader) readCount(m *document.Mapping, r *Rule) {
	tm, ok := d.block(m, "threshold", "{group_by: [source.ip], count: 10, within: 5m}", "group_by", "count", "distinct", "within")
	if !ok {
		return
	}
	n := m.At["threshold"]
	c := &Count{GroupBy: d.entityList(tm, r, "group_by"), Count: tm.Int("count", 0, 2, 1_000_000),
		Distinct: tm.Text("distinct"), Within: span(tm, "within", 0)}
	if len(c.GroupBy) == 0 {
		d.Fail(n, "name the entities that make a group", "the threshold has no group_by")
	}
	if c.Count == 0 || c.Within == 0 {
		d.Fail(n, "", "the threshold needs count and within")
	}
	if _, ok := r.Entity(c.Distinct); c.Distinct != "" && !ok {
		d.Fail(tm.At["distinct"], document.Suggest(c.Distinct, r.entityNames()), "the rule has no entity %q", c.Distinct)
	}
	r.Count = c
}

func (d *reader) readDetector(m *document.Mapping, r *Rule) {
	am, ok := d.block(m, "anomaly", "{detector: zeek-conn-iforest}", "detector", "threshold")
	if !ok {
		return
	}
	r.Detector = &Detector{Name: am.Need("detector", "the id of a detector")}
	if t, ok := am.At["threshold"]; ok {
		v, err := strconv.ParseFloat(am.Text("threshold"), 64)
		if err != nil || !(v > 0) {
			d.Fail(t, "leave it out to use the promoted model's own", "threshold must be a number above 0")
		}
		r.Detector.Threshold = &v
	}
	if !idForm.MatchString(r.Detector.Name) {
		d.Fail(am.Node, "small letters, digits and hyphens", "detector cannot be %q", r.Detector.Name)
	}
}
