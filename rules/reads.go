package rules

import (
	"slices"

	"vigil/internal/expr"
	"vigil/schema"
)

// AnyCode stands for all event codes in [Set.Reads].
const AnyCode = anyCode

// Reads returns the values of an event of a data set and code that the set reads to
// evaluate it and to make detections of what fires, once each, and the rules that may
// fire. An event with nothing but these values has the same hits and detections as the
// whole one. Where no rule may fire no value is read.
func (s *Set) Reads(dataset, code string) (refs []expr.Ref, of []*Rule) {
	v := Evaluator{set: s, routes: map[string]*route{}}
	all := s.index(dataset, code, v.route(dataset).programs).all
	if len(all) == 0 {
		return nil, nil
	}
	for _, c := range all {
		of = append(of, c.rule)
	}
	return s.readBy(of), of
}

// ReadsAll is [Set.Reads] for events of any kind and all rules.
func (s *Set) ReadsAll() []expr.Ref { return s.readBy(s.rules) }

func (s *Set) readBy(list []*Rule) []expr.Ref {
	var refs []expr.Ref
	seen := map[expr.Ref]bool{}
	add := func(more []expr.Ref) {
		for _, r := range more {
			if !seen[r] {
				seen[r] = true
				refs = append(refs, r)
			}
		}
	}
	add([]expr.Ref{{Field: schema.FTimestamp}, {Field: schema.FEventDataset}, {Field: schema.FEventCode}})
	for _, x := range s.exceptions[AnyRule] {
		add(reads(x.program))
	}
	for _, r := range list {
		add(r.reads())
		for _, x := range s.exceptions[r.ID] {
			add(reads(x.program))
		}
	}
	return refs
}

// ReadsRecord says whether the rule looks at the record itself, not only at values of it.
func (r *Rule) ReadsRecord() bool {
	return slices.ContainsFunc(r.reads(), func(x expr.Ref) bool { return x.Raw })
}

// minRecordText is the shortest text that few enough records hold to look for it alone.
const minRecordText = 4

// RecordTexts are lower-case texts one of which is, in any case of its ASCII letters, in the
// record of every event that the rule fires on; nil when the rule implies none, or too short
// ones.
func (r *Rule) RecordTexts() []string {
	if r.terms == nil {
		return nil
	}
	var out []string
	for _, t := range r.terms.any {
		if !t.ref.Raw || len(t.text) < minRecordText || !expr.IsASCII(t.text) {
			return nil
		}
		out = append(out, t.text)
	}
	return out
}

// reads are the values that the rule and its detections are made of.
func (r *Rule) reads() []expr.Ref {
	var out []expr.Ref
	for _, c := range r.conditions {
		out = append(out, reads(c)...)
	}
	for _, p := range r.Detect {
		out = append(out, reads(p.program)...)
	}
	if r.Order != nil {
		for _, s := range r.Order.Steps {
			out = append(out, reads(s.program)...)
		}
	}
	for _, e := range r.Entities {
		out = append(out, e.ref)
	}
	return out
}

// reads are the values that a program reads; what functions read beside their arguments
// counts too.
func reads(p *expr.EventProgram) []expr.Ref { return functionReads(p.Node(), slices.Clone(p.Refs())) }

func functionReads(n *expr.Node, refs []expr.Ref) []expr.Ref {
	if n.Op == expr.OpCall {
		switch n.Name {
		case "intel":
			refs = append(refs, expr.Ref{Field: schema.FThreatIndicatorValue})
		case "score", "threshold":
			if name, ok := n.Args[0].Strings(); ok {
				refs = append(refs, expr.Ref{Extra: expr.ScorePrefix + name[0]}, expr.Ref{Extra: expr.ThresholdPrefix + name[0]})
			}
		}
	}
	for _, a := range n.Args {
		refs = functionReads(a, refs)
	}
	return refs
}
