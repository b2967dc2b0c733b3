package sigma

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/internal/expr"
)

// refusedKinds are the correlations that no kind of rule of ours says yet.
var refusedKinds = map[string]string{
	"extended_temporal": "several rules within a time", "extended_temporal_ordered": "several rules in order",
	"value_sum": "a sum of values", "value_avg": "an average of values", "value_median": "a median of values", "value_percentile": "a percentile of values",
}

// correlate makes a threshold or sequence rule of a correlation document.
func (c *converter) correlate(d *paper) {
	m := &draft{doc: d, head: c.head(d)}
	n := d.root.at("correlation")
	if n.kind != mapping {
		d.refuse(n, "", "a correlation must be a mapping")
		return
	}
	kind := d.text(n, "type")
	if what, ok := refusedKinds[kind]; ok {
		d.refuse(n.at("type"), "", "Vigil has no rule kind for %s: %s", kind, what)
		return
	}
	inTime := kind == "temporal" || kind == "temporal_ordered"
	if kind != "event_count" && kind != "value_count" && !inTime {
		d.refuse(cmpNode(n.at("type"), n), "event_count, value_count, temporal and temporal_ordered are converted", "the correlation type %q is not known", kind)
		return
	}
	bases := c.bases(d, n)
	if len(bases) == 0 {
		return
	}
	steps := m.combine(bases)
	if inTime {
		m.order = c.ordered(d, n, kind, bases, steps)
	} else {
		m.count = c.counted(d, n, kind, bases)
	}
	if len(d.problems) > 0 {
		return
	}
	c.keep(m)
	if generate := strings.ToLower(d.text(n, "generate")); generate != "true" {
		for _, b := range bases {
			if !b.folded {
				b.folded = true
				c.folded++
			}
		}
	}
}

// bases finds the rules that a correlation names.
func (c *converter) bases(d *paper, n *node) []*draft {
	var out []*draft
	for _, ref := range n.at("rules").each() {
		b := c.drafts[strings.TrimSpace(ref.text)]
		switch {
		case ref.kind != scalar || b == nil:
			d.refuse(ref, "import it together with this document", "there is no rule %q among the good ones", ref.text)
		case b.count != nil || b.order != nil:
			d.refuse(ref, "", "%q counts itself; counting counts is not supported", ref.text)
		case !slices.Contains(out, b):
			out = append(out, b)
		}
	}
	if len(out) == 0 && len(d.problems) == 0 {
		d.refuse(n, "", "the correlation names no rules")
	}
	if len(d.problems) > 0 {
		return nil
	}
	return out
}

// combine makes the condition that any of the bases holds, and returns that of each.
func (m *draft) combine(bases []*draft) []expression {
	if len(bases) == 1 {
		b := bases[0]
		m.source, m.parts, m.when = b.source, b.parts, b.when
		return []expression{b.when}
	}
	m.source.logSource, m.source.fields = bases[0].source.logSource, bases[0].source.fields
	var any []expression
	for i, b := range bases {
		prefix := "r" + strconv.Itoa(i+1) + "_"
		called := map[string]string{}
		for _, p := range b.parts {
			called[p.name] = prefix + p.name
			m.parts = append(m.parts, part{prefix + p.name, p.expression})
		}
		for _, s := range b.source.streams {
			if !slices.ContainsFunc(m.source.streams, func(x stream) bool { return x.dataset == s.dataset }) {
				m.source.streams = append(m.source.streams, stream{dataset: s.dataset})
			}
		}
		when := expression{word.ReplaceAllStringFunc(b.when.text, func(w string) string {
			if n, ok := called[w]; ok {
				return n
			}
			return w
		}), b.when.binds}
		any = append(any, allOf([]expression{b.source.guard(true), when}))
	}
	m.when = anyOf(any)
	return any
}

// ordered reads how the rules of a temporal correlation follow each other.
func (c *converter) ordered(d *paper, n *node, kind string, bases []*draft, steps []expression) *order {
	out := &order{any: kind == "temporal", steps: steps, within: within(d, n)}
	if len(bases) < 2 || len(bases) > maxSteps {
		d.refuse(cmpNode(n.at("rules"), n), "", "%s takes 2 to %d rules, these are %d", kind, maxSteps, len(bases))
	}
	if cond := n.at("condition"); cond != nil {
		d.refuse(cond, "all rules must match", "a condition on %s is not supported", kind)
	}
	sets := map[string]bool{}
	for _, b := range bases {
		for _, s := range b.source.streams {
			sets[s.dataset] = true
		}
	}
	out.by = groupBy(d, n, bases)
	if n.at("group-by") == nil && len(sets) > 1 {
		d.refuse(n, "name the fields that the events share", "the rules are for different logs and the correlation has no group-by")
	}
	return out
}

// maxSteps is how many steps a sequence may have.
const maxSteps = 10

// within reads the time of a correlation.
func within(d *paper, n *node) time.Duration {
	t := span(d, cmpNode(n.at("timespan"), n.at("timeframe")))
	if t == 0 && len(d.problems) == 0 {
		d.refuse(n, "", "the correlation has no timespan")
	}
	return t
}

// groupBy reads the fields that events must share; none is one group for each data set.
func groupBy(d *paper, n *node, bases []*draft) [][2]string {
	var out [][2]string
	for _, g := range n.at("group-by").each() {
		if e, ok := entityOf(d, n, g, strings.TrimSpace(g.text), bases); ok {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return everyGroup
	}
	return out
}

var word = regexp.MustCompile(`[a-z_][a-z0-9_]*`)

// counted reads what a correlation counts.
func (c *converter) counted(d *paper, n *node, kind string, bases []*draft) *count {
	out := &count{within: within(d, n), groupBy: groupBy(d, n, bases)}
	cond := n.at("condition")
	if cond == nil || cond.kind != mapping {
		d.refuse(cmpNode(cond, n), "write gte: 10", "the correlation has no condition that is a mapping")
		return out
	}
	for i, k := range cond.keys {
		if k.text == "field" {
			continue
		}
		v, err := strconv.Atoi(strings.TrimSpace(cond.items[i].text))
		if err != nil || k.text != "gt" && k.text != "gte" || out.least != 0 {
			d.refuse(k, "Vigil counts up to a threshold: use gt or gte", "the condition %s %s is not supported", k.text, cond.items[i].text)
			return out
		}
		if out.least = v; k.text == "gt" {
			out.least++
		}
	}
	if out.least < 2 {
		d.refuse(cond, "", "a threshold must be at least 2")
	}
	if field := cond.at("field"); kind == "value_count" {
		if field == nil || field.kind != scalar {
			d.refuse(cond, "write field: NAME", "value_count needs the field whose values count")
		} else if e, ok := entityOf(d, n, field, strings.TrimSpace(field.text), bases); ok {
			out.distinct = &e
		}
	}
	return out
}

// everyGroup groups by the data set: what a count without group means.
var everyGroup = [][2]string{{"dataset", "event.dataset"}}

// entityOf resolves a field that a correlation names to one field of ours that all
// bases share; aliases name it by rule.
func entityOf(d *paper, n, from *node, name string, bases []*draft) ([2]string, bool) {
	ref := ""
	for _, b := range bases {
		own := name
		if alias := n.at("aliases").at(name); alias != nil {
			if x := cmpNode(alias.at(b.id), alias.at(b.name)); x != nil {
				own = strings.TrimSpace(x.text)
			}
		}
		t := b.source.fields.find(own)
		if len(t.places) == 0 {
			d.refuse(from, "", "%s is not one value, so nothing can be counted by it", own)
			return [2]string{}, false
		}
		r := t.places[len(t.places)-1].ref // the last place is where most events have it
		if len(t.places) > 1 && t.places[0].when == "" {
			r = t.places[0].ref
		}
		if ref != "" && ref != r {
			d.refuse(from, "", "%s is %s in one rule and %s in another", name, ref, r)
			return [2]string{}, false
		}
		ref = r
	}
	if _, ok := expr.ParseRef(ref); !ok {
		d.refuse(from, "", "the field %q has no place in an event", name)
		return [2]string{}, false
	}
	return [2]string{entityName(ref), ref}, true
}

var entityNames = map[string]string{"host.name": "host", "user.name": "user", "cloud.account.id": "account", "process.entity_id": "process"}

// entityName names the entity of a field.
func entityName(ref string) string {
	if n, ok := entityNames[ref]; ok {
		return n
	}
	return strings.ReplaceAll(strings.ToLower(setName(ref)), "-", "_")
}

// oldCount reads "count(field) by group > n" with its timeframe.
func oldCount(m *draft, det *node, a *aggregate) *count {
	d := m.doc
	out := &count{least: a.least, within: span(d, det.at("timeframe")), groupBy: everyGroup}
	if out.within == 0 && len(d.problems) == 0 {
		d.refuse(a.from, "", "the count needs a timeframe")
	}
	if out.least < 2 {
		d.refuse(a.from, "", "a threshold must be at least 2")
	}
	if a.group != "" {
		if e, ok := entityOf(d, nil, a.from, a.group, []*draft{m}); ok {
			out.groupBy = [][2]string{e}
		}
	}
	if a.field != "" {
		if e, ok := entityOf(d, nil, a.from, a.field, []*draft{m}); ok {
			out.distinct = &e
		}
	}
	return out
}

// filter adds the condition of a filter document to the rules that it names.
func (c *converter) filter(d *paper) {
	n := d.root.at("filter")
	if n.kind != mapping {
		d.refuse(n, "", "a filter must be a mapping")
		return
	}
	title := oneLine(d.text(d.root, "title"))
	c.id(d, title)
	own := readSource(d, d.root)
	names := n.at("rules")
	if names == nil {
		d.refuse(n, "write the ids of rules, or any", "the filter names no rules")
	}
	if len(d.problems) > 0 {
		return
	}
	body := &node{kind: mapping, line: n.line, column: n.column}
	for i, k := range n.keys {
		if k.text != "rules" {
			body.keys, body.items = append(body.keys, k), append(body.items, n.items[i])
		}
	}
	for _, m := range c.filtered(d, names, own) {
		c.exclude(d, m, body)
	}
	if len(d.problems) == 0 {
		c.folded++
	}
}

// filtered lists the rules that a filter is for.
func (c *converter) filtered(d *paper, names *node, own source) []*draft {
	var out []*draft
	for _, ref := range names.each() {
		name := strings.TrimSpace(ref.text)
		if name == "any" {
			for _, m := range c.made {
				if m.source.logSource == own.logSource {
					out = append(out, m)
				}
			}
			continue
		}
		m := c.drafts[name]
		switch {
		case m == nil:
			d.refuse(ref, "import it together with this filter", "there is no rule %q among the good ones", ref.text)
		case m.source.logSource != own.logSource:
			d.refuse(ref, "", "the filter is for %s, the rule %s for %s", own.logSource, name, m.source.logSource)
		default:
			out = append(out, m)
		}
	}
	return out
}

// exclude joins the condition of a filter to that of a rule.
func (c *converter) exclude(d *paper, m *draft, body *node) {
	f := &draft{doc: d, source: source{fields: m.source.fields}}
	if agg := c.detection(f, body); agg != nil {
		d.refuse(agg.from, "", "a filter cannot count")
	}
	if len(d.problems) > 0 {
		return
	}
	var taken []string
	for _, p := range m.parts {
		taken = append(taken, p.name)
	}
	called := map[string]string{}
	for _, p := range f.parts {
		called[p.name] = partName("filter_"+p.name, taken)
		taken = append(taken, called[p.name])
		m.parts = append(m.parts, part{called[p.name], p.expression})
	}
	when := word.ReplaceAllStringFunc(f.when.text, func(w string) string {
		if n, ok := called[w]; ok {
			return n
		}
		return w
	})
	m.when = allOf([]expression{m.when, {when, f.when.binds}})
}
