package rules

import "strconv"

// kindKeys are the keys that belong to one kind of rule each.
func kindKeys() map[string]Kind {
	return map[string]Kind{"threshold": Threshold, "sequence": Sequence, "new_terms": NewTerms, "aggregate": Aggregate, "anomaly": Anomaly}
}

func (d *document) readKind(m *mapping, r *Rule) {
	for key, kind := range kindKeys() {
		if n, ok := m.at[key]; ok && r.Kind != kind {
			d.fail(n, "write kind: "+string(kind), "%s belongs to rules of kind %s, this one is %s", key, kind, r.Kind)
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
func kindOf(m *mapping) Kind {
	var kinds []string
	for _, k := range Kinds() {
		kinds = append(kinds, string(k))
	}
	return Kind(m.oneOf("kind", string(Match), kinds...))
}

// block reads the mapping that a kind of rule cannot do without.
func (d *document) block(m *mapping, key, example string, known ...string) (*mapping, bool) {
	n, ok := m.at[key]
	if !ok {
		d.fail(m.node, "write "+key+": "+example, "this kind of rule needs the key %q", key)
		return nil, false
	}
	return d.mapping(n, key, known)
}

func (d *document) readCount(m *mapping, r *Rule) {
	tm, ok := d.block(m, "threshold", "{group_by: [source.ip], count: 10, within: 5m}", "group_by", "count", "distinct", "within")
	if !ok {
		return
	}
	n := m.at["threshold"]
	c := &Count{GroupBy: d.entityList(tm, r, "group_by"), Count: tm.integer("count", 0, 2, 1_000_000),
		Distinct: tm.text("distinct"), Within: tm.duration("within", 0)}
	if len(c.GroupBy) == 0 {
		d.fail(n, "name the entities that make a group", "the threshold has no group_by")
	}
	if c.Count == 0 || c.Within == 0 {
		d.fail(n, "", "the threshold needs count and within")
	}
	if _, ok := r.Entity(c.Distinct); c.Distinct != "" && !ok {
		d.fail(tm.at["distinct"], suggest(c.Distinct, r.entityNames()), "the rule has no entity %q", c.Distinct)
	}
	r.Count = c
}

func (d *document) readDetector(m *mapping, r *Rule) {
	am, ok := d.block(m, "anomaly", "{detector: zeek-conn-iforest}", "detector", "threshold")
	if !ok {
		return
	}
	r.Detector = &Detector{Name: am.need("detector", "the id of a detector")}
	if t, ok := am.at["threshold"]; ok {
		v, err := strconv.ParseFloat(am.text("threshold"), 64)
		if err != nil || !(v > 0) {
			d.fail(t, "leave it out to use the promoted model's own", "threshold must be a number above 0")
		}
		r.Detector.Threshold = &v
	}
	if !idForm.MatchString(r.Detector.Name) {
		d.fail(am.node, "small letters, digits and hyphens", "detector cannot be %q", r.Detector.Name)
	}
}
