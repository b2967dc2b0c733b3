package sigma

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/schema"
)

// head is what a rule says about itself.
type head struct {
	id, name, title, description, author, license string
	status, severity                              string
	attack, references, falsePositives            []string
}

// part is a named condition of a rule.
type part struct {
	name string
	expression
}

// draft is a rule of ours being made of a document.
type draft struct {
	doc *paper
	head
	source source
	parts  []part
	when   expression
	count  *count
	order  *order
	folded bool // counts only as a part of another rule
}

// count is the condition of a threshold rule.
type count struct {
	groupBy  [][2]string // entity and field
	least    int
	distinct *[2]string
	within   time.Duration
}

// order is the condition of a sequence rule.
type order struct {
	by     [][2]string // entity and field
	within time.Duration
	any    bool // the steps come in any order
	steps  []expression
}

// build makes the draft of a rule document.
func (c *converter) build(d *paper) {
	m := &draft{doc: d, head: c.head(d)}
	det := d.root.at("detection")
	if det == nil || det.kind != mapping {
		d.refuse(cmpNode(det, d.root), "", "the rule has no detection")
		return
	}
	m.source = readSource(d, d.root)
	if len(d.problems) > 0 {
		return
	}
	agg := c.detection(m, det)
	if agg != nil {
		m.count = oldCount(m, det, agg)
	} else if tf := det.at("timeframe"); tf != nil {
		d.refuse(tf, "write a correlation rule", "a timeframe without a count has no meaning here")
	}
	if len(d.problems) == 0 {
		c.keep(m)
	}
}

func cmpNode(a, b *node) *node {
	if a != nil {
		return a
	}
	return b
}

// keep adds a draft, unless its id is taken.
func (c *converter) keep(m *draft) {
	if before := c.drafts[m.id]; before != nil {
		m.doc.refuse(m.doc.root.at("id"), "", "the id %q is used before, in %s line %d", m.id, before.doc.file, before.doc.line)
		return
	}
	c.drafts[m.id] = m
	if m.name != "" {
		if _, taken := c.drafts[m.name]; !taken {
			c.drafts[m.name] = m
		}
	}
	c.made = append(c.made, m)
}

// detection reads searches and condition into the parts and the condition of a rule.
func (c *converter) detection(m *draft, det *node) *aggregate {
	d := m.doc
	conds := det.at("condition").each()
	if len(conds) == 0 {
		d.refuse(det, "", "the detection has no condition")
		return nil
	}
	var names []string
	for _, k := range det.keys {
		if k.text != "condition" && k.text != "timeframe" {
			names = append(names, k.text)
		}
	}
	var all []*condition
	var agg *aggregate
	for _, n := range conds {
		if n.kind != scalar {
			d.refuse(n, "", "a condition must be text")
			return nil
		}
		cond, a := parseCondition(d, n, names)
		if a != nil && len(conds) > 1 {
			d.refuse(n, "", "a count cannot stand beside other conditions")
			return nil
		}
		agg = a
		if cond != nil {
			all = append(all, cond)
		}
	}
	if len(d.problems) > 0 {
		return nil
	}
	c.parts(m, det, &condition{op: or, kids: all})
	return agg
}

// parts renders the searches that the condition uses, and the condition over their
// names.
func (c *converter) parts(m *draft, det *node, cond *condition) {
	if len(cond.kids) == 1 {
		cond = cond.kids[0]
	}
	r := &reader{m.doc, c.options.Lists}
	out := &renderer{doc: m.doc, fields: m.source.fields}
	var taken []string
	if g := m.source.guard(false); !g.empty() {
		m.parts = append(m.parts, part{"logsource", g})
		taken = append(taken, "logsource")
	}
	called := map[string]string{}
	for _, name := range cond.used(nil) {
		t := r.search(det.at(name))
		if t == nil {
			continue
		}
		called[name] = partName(name, taken)
		taken = append(taken, called[name])
		out.helper = func(x expression) expression {
			n := partName(name+"_list", taken)
			taken = append(taken, n)
			m.parts = append(m.parts, part{n, x})
			return expression{n, atomic}
		}
		m.parts = append(m.parts, part{called[name], out.tree(t)})
	}
	m.when = cond.render(called)
	if len(m.parts) > 0 && m.parts[0].name == "logsource" {
		m.when = allOf([]expression{{"logsource", atomic}, m.when})
	}
}

// render writes a condition over the names of parts.
func (c *condition) render(called map[string]string) expression {
	switch c.op {
	case leaf:
		return expression{called[c.name], atomic}
	case not:
		return negated(c.kids[0].render(called))
	}
	var kids []expression
	for _, k := range c.kids {
		kids = append(kids, k.render(called))
	}
	if c.op == and {
		return allOf(kids)
	}
	return anyOf(kids)
}

// partName makes a name of a part that is none of those taken.
func partName(s string, taken []string) string {
	name := strings.ReplaceAll(strings.ReplaceAll(setName(s), "-", "_"), ".", "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' || name == "e" || reserved[name] {
		name = "search_" + name
	}
	for slices.Contains(taken, name) {
		name += "_"
	}
	return name
}

// readSource reads the log source of a rule or filter.
func readSource(d *paper, root *node) source {
	n := root.at("logsource")
	if n == nil || n.kind != mapping {
		d.refuse(cmpNode(n, root), "", "the rule has no log source")
		return source{}
	}
	l := logSource{strings.ToLower(d.text(n, "product")), strings.ToLower(d.text(n, "category")), strings.ToLower(d.text(n, "service"))}
	s, known, err := lookup(l)
	if err != nil {
		d.refuse(n, "it needs a product, category or service that logsource.go maps", "%v", err)
		return source{}
	}
	if !known {
		d.warn(n, "the log source %q is not known; its events are expected in the data set %s", l, s.streams[0].dataset)
	}
	return s
}

// statuses maps how far a Sigma rule has come to ours. Deprecated rules are checked
// but not run.
var statuses = map[string]string{"stable": "stable", "test": "test", "experimental": "test", "deprecated": "draft", "unsupported": "draft", "": "test"}

// tactics maps the names of ATT&CK tactics in tags to their ids.
var tactics = map[string]string{"reconnaissance": "TA0043", "resource-development": "TA0042", "initial-access": "TA0001", "execution": "TA0002", "persistence": "TA0003",
	"privilege-escalation": "TA0004", "defense-evasion": "TA0005", "stealth": "TA0005", "credential-access": "TA0006", "discovery": "TA0007", "lateral-movement": "TA0008", "collection": "TA0009",
	"command-and-control": "TA0011", "exfiltration": "TA0010", "impact": "TA0040"}

var techniqueForm = regexp.MustCompile(`^(t\d{4}(\.\d{3})?|ta\d{4})$`)

// head reads what a document says about itself.
func (c *converter) head(d *paper) head {
	h := head{name: d.text(d.root, "name"), title: oneLine(d.text(d.root, "title")), description: d.text(d.root, "description"),
		author: oneLine(strings.Join(d.texts(d.root, "author"), ", ")), license: d.text(d.root, "license"),
		references: d.texts(d.root, "references"), falsePositives: d.texts(d.root, "falsepositives")}
	if h.title == "" {
		d.refuse(cmpNode(d.root.at("title"), d.root), "", "the rule has no title")
	}
	h.id = c.id(d, h.title)
	if h.author == "" {
		h.author = "unknown"
		d.warn(d.root, "the rule names no author, who must be shown with its alerts")
	}
	if h.license == "" {
		h.license = c.options.License
	}
	h.status = d.choose("status", statuses, "test")
	h.severity = d.text(d.root, "level")
	if !slices.Contains(schema.Severities(), schema.Severity(h.severity)) {
		if n := d.root.at("level"); n != nil && h.severity != "" {
			d.refuse(n, "one of informational, low, medium, high, critical", "level cannot be %q", h.severity)
		} else {
			d.warn(d.root, "the rule has no level; medium is taken")
		}
		h.severity = string(schema.Medium)
	}
	h.attack = attack(d.texts(d.root, "tags"))
	return h
}

func (d *paper) choose(key string, among map[string]string, def string) string {
	s := strings.ToLower(d.text(d.root, key))
	if v, ok := among[s]; ok {
		return v
	}
	d.warn(d.root.at(key), "the %s %q is not known; %s is taken", key, s, def)
	return def
}

func attack(tags []string) []string {
	var out []string
	for _, t := range tags {
		name, ok := strings.CutPrefix(strings.ToLower(t), "attack.")
		name = strings.ReplaceAll(name, "_", "-")
		if !ok {
			continue
		}
		id := tactics[name]
		if techniqueForm.MatchString(name) {
			id = strings.ToUpper(name)
		}
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{2,63}$`)

// id reads the id of a rule, or makes one of its title.
func (c *converter) id(d *paper, title string) string {
	id := strings.ToLower(d.text(d.root, "id"))
	if idForm.MatchString(id) {
		d.rule = id
		return id
	}
	if id != "" {
		d.refuse(d.root.at("id"), "Sigma ids are UUIDs", "id cannot be %q", id)
	}
	made := "sigma-" + strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(title), "-"), "-")
	made = strings.TrimRight(made[:min(len(made), 64)], "-")
	d.warn(d.root, "the rule has no id; %s is made of its title", made)
	d.rule = made
	return made
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

var spanForm = regexp.MustCompile(`^(\d{1,6})\s*([smhdwM])$`)

var spanUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "M": 30 * 24 * time.Hour}

// span reads a time like 15m.
func span(d *paper, n *node) time.Duration {
	if n == nil || n.kind != scalar {
		return 0
	}
	m := spanForm.FindStringSubmatch(strings.TrimSpace(n.text))
	if m == nil {
		d.refuse(n, "write a time like 90s, 5m, 1h, 7d", "%q is no time", n.text)
		return 0
	}
	v, _ := strconv.Atoi(m[1])
	out := time.Duration(v) * spanUnits[m[2]]
	if v == 0 || out > 366*24*time.Hour {
		d.refuse(n, "", "a time must be above 0 and at most a year")
		return 0
	}
	return out
}
