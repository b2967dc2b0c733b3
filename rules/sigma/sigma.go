// Package sigma converts Sigma rules into rules of ours. Everything Sigma leaves to
// the reader is settled at conversion: field names go through one table per log
// source (fields.go), log sources to data sets and event codes through another
// (logsource.go), and modifiers are worked out to plain literals, so that a
// converted rule costs at run time what one written by hand does.
//
// One bad document never stops the others: [Convert] returns what is good, and for
// each thing that is not where it stands and why.
package sigma

import (
	"cmp"
	"slices"
	"strings"

	"vigil/internal/document"
	"vigil/rules"
)

// DefaultLicense is the licence of SigmaHQ's rules, the Detection Rule License.
const DefaultLicense = "DRL-1.1"

// File is the text of one file with Sigma documents.
type File struct {
	Name string // as shown in messages
	Text []byte
}

// Options say what the rules themselves leave open.
type Options struct {
	// Lists are the values of placeholders (%Administrators%), by name without
	// percent signs. A rule with another placeholder is refused.
	Lists map[string][]string
	// License is that of rules which name none; DefaultLicense when empty.
	License string
}

// Converted is one document that became a rule.
type Converted struct {
	File string
	Line int // of the document in File
	// Source is the log source, as "windows process_creation".
	Source string
	// Rule is the checked rule; its YAML is the document to keep.
	Rule *rules.Rule
}

// Report is the outcome of a conversion, in the order of files and lines.
type Report struct {
	Converted []Converted
	// Refused are the documents that became no rule: one error for each thing wrong.
	Refused []*document.Error
	// Warnings are differences that people should know, in rules that were converted.
	Warnings []*document.Error
	// Folded are documents that take effect as a part of another rule: rules counted
	// by a correlation, and filters.
	Folded int
	// Documents is how many documents were read.
	Documents int
}

// RefusedDocuments returns how many documents were refused.
func (r *Report) RefusedDocuments() int { return r.Documents - r.Folded - len(r.Converted) }

// Convert converts the Sigma documents of all files. References between documents
// (correlations, filters) are looked up among all of them.
func Convert(files []File, o Options) *Report {
	o.License = cmp.Or(o.License, DefaultLicense)
	c := &converter{options: o, drafts: map[string]*draft{}}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range files {
		c.documents = append(c.documents, documents(f)...)
	}
	c.sort()
	for _, d := range c.rules {
		c.build(d)
	}
	for _, d := range c.filters {
		c.filter(d)
	}
	for _, d := range c.correlations {
		c.correlate(d)
	}
	return c.finish()
}

// converter holds the documents of one conversion.
type converter struct {
	options      Options
	documents    []*paper
	rules        []*paper
	filters      []*paper
	correlations []*paper
	drafts       map[string]*draft // by id and by name
	made         []*draft
	folded       int
}

// sort puts the documents to their kinds.
func (c *converter) sort() {
	for _, d := range c.documents {
		switch {
		case d.root == nil:
		case d.root.kind != mapping:
			d.refuse(d.root, "", "a Sigma document must be a mapping of names to values")
		case d.root.at("action") != nil:
			d.refuse(d.root.at("action"), "write each rule out in full", "collections (action) are not part of Sigma any more")
		case d.root.at("correlation") != nil:
			c.correlations = append(c.correlations, d)
		case d.root.at("filter") != nil:
			c.filters = append(c.filters, d)
		default:
			c.rules = append(c.rules, d)
		}
	}
}

// finish writes and checks the rules.
func (c *converter) finish() *Report {
	r := &Report{Documents: len(c.documents), Folded: c.folded}
	for _, m := range c.made {
		if m.folded || len(m.doc.problems) > 0 {
			continue
		}
		if rule := c.check(m); rule != nil {
			r.Converted = append(r.Converted, Converted{m.doc.file, m.doc.line, m.source.String(), rule})
			r.Warnings = append(r.Warnings, m.doc.warnings...)
		}
	}
	for _, d := range c.documents {
		r.Refused = append(r.Refused, d.problems...)
	}
	slices.SortStableFunc(r.Converted, func(a, b Converted) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	return r
}

// check reads the rule that was written as the loader will. What it refuses (a
// pattern that is too expensive, above all) is refused here, at the detection.
func (c *converter) check(m *draft) *rules.Rule {
	rs, errs := rules.Parse(m.doc.file, []byte(m.yaml()), rules.Options{})
	at := cmp.Or(m.doc.root.at("detection"), m.doc.root.at("correlation"), m.doc.root)
	for _, err := range errs {
		if e, ok := err.(*document.Error); ok {
			m.doc.refuse(at, e.Hint, "%s", e.Message)
		} else {
			m.doc.refuse(at, "", "%v", err)
		}
	}
	if len(errs) > 0 || len(rs) != 1 {
		return nil
	}
	return rs[0]
}
