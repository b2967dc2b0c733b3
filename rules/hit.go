package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"vigil/internal/expr"
	"vigil/schema"
)

// Explainer is [Scores] that can say which features made the event in hand stand out.
type Explainer interface {
	Explain(detector string) string
}

// Hit is the fact that a rule fires on the event in hand. What it says is worked
// out on demand and only while the event is unchanged.
type Hit struct {
	Rule      *Rule
	Exception string // that hides it, "" for none
	in        *expr.Input
}

// maxValue bounds the values kept in a reason, in bytes.
const maxValue = 512

// Why returns the named parts of the rule that are true of the event, each with
// the values it read. A rule without parts gives its condition as one reason.
func (h Hit) Why() []schema.Why {
	var out []schema.Why
	if h.Rule.Order != nil {
		for _, i := range h.steps() {
			s := h.Rule.Order.Steps[i]
			out = append(out, schema.Why{Part: fmt.Sprintf("step %d", i+1), Expr: s.When, Values: h.values(s.program)})
		}
		return out
	}
	for _, p := range h.Rule.Detect {
		if ok, err := p.program.Eval(h.in); ok && err == nil {
			out = append(out, schema.Why{Part: p.Name, Expr: p.Expr, Values: h.values(p.program)})
		}
	}
	if len(h.Rule.Detect) > 0 && h.Rule.Kind != Indicator && h.Rule.Kind != Anomaly {
		return out
	}
	for i, c := range h.Rule.conditions {
		part := "when"
		if i == 0 && (h.Rule.Kind == Indicator || h.Rule.Kind == Anomaly) {
			part = string(h.Rule.Kind)
		}
		out = append(out, schema.Why{Part: part, Expr: c.Source(), Values: h.values(c)})
	}
	return out
}

func (h Hit) values(p *expr.EventProgram) map[string]string {
	out := map[string]string{}
	for _, ref := range p.Refs() {
		if v := ref.Text(h.in.Event); v != "" {
			out[ref.Name()] = clip(v)
		}
	}
	for _, name := range detectors(p.Node(), nil) {
		out[expr.ScorePrefix+name] = h.in.ScoreText(name)
		if x, ok := h.in.Scores.(Explainer); ok {
			out["explanation"] = clip(x.Explain(name))
		}
	}
	return out
}

// detectors lists the detectors whose score an expression reads.
func detectors(n *expr.Node, out []string) []string {
	if n.Op == expr.OpCall && n.Name == "score" {
		if s, ok := n.Args[0].Strings(); ok && !slices.Contains(out, s[0]) {
			out = append(out, s[0])
		}
	}
	for _, a := range n.Args {
		out = detectors(a, out)
	}
	return out
}

// clip copies a value and cuts it at a character boundary.
func clip(v string) string {
	if len(v) <= maxValue {
		return strings.Clone(v)
	}
	cut := maxValue
	for cut > 0 && !utf8.RuneStart(v[cut]) {
		cut--
	}
	return v[:cut] + "…"
}

// Origin says where the event of a detection is stored.
type Origin struct {
	Org, Source, Chunk string
	Ingested           time.Time
}

// Detection makes the detection of the hit, with copies of all values. The event
// must have its id. A stateful rule makes a detection of kind [Base].
func (h Hit) Detection(o Origin) schema.Detection {
	r, e := h.Rule, h.in.Event
	kind := r.Kind
	if r.Stateful() {
		kind = Base
	}
	if h.Exception != "" {
		kind = Hidden
	}
	id := e.ID.String()
	d := schema.Detection{
		ID:  schema.DetectionID(o.Org, r.ID, r.Version, id),
		Org: o.Org, Source: o.Source, Chunk: o.Chunk,
		Rule: r.ID, RuleVersion: r.Version, RuleTitle: r.Title, RuleAuthor: r.Author, RuleLicense: r.License,
		Kind: string(kind), Severity: r.Severity, Risk: r.Risk, Attack: r.Attack,
		EventID: id, Dataset: strings.Clone(e.Str(schema.FEventDataset)),
		Time: e.Time(), Ingested: o.Ingested, Entities: h.entities(), Why: h.Why(), Steps: h.steps(), Exception: h.Exception,
	}
	d.DedupKey = r.DedupKey(d.Entities)
	return d
}

// steps numbers the steps of a sequence rule that the event meets, from 0.
func (h Hit) steps() []int {
	if h.Rule.Order == nil {
		return nil
	}
	var out []int
	for i, s := range h.Rule.Order.Steps {
		if ok, err := s.program.Eval(h.in); ok && err == nil {
			out = append(out, i)
		}
	}
	return out
}

func (h Hit) entities() map[string]string {
	out := make(map[string]string, len(h.Rule.Entities))
	for _, en := range h.Rule.Entities {
		if v := en.ref.Text(h.in.Event); v != "" {
			out[en.Name] = clip(v)
		}
	}
	return out
}

// DedupKey is what detections of the rule must have in common to be one alert:
// the values of suppress.by; when the rule names none, of the group of a stateful
// rule, or of all entities.
func (r *Rule) DedupKey(entities map[string]string) string {
	by := r.Suppress.By
	if len(by) == 0 {
		by = r.Groups()
	}
	if len(by) == 0 {
		by = r.entityNames()
	}
	var b strings.Builder
	for i, name := range by {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(strings.ToLower(entities[name]))
	}
	return b.String()
}
