package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vigil/internal/document"
	"vigil/rules"
	"vigil/schema"
)

// ruleProblem is one thing wrong with a rule document, at its exact place.
type ruleProblem struct {
	Line    int    `json:"line"` // from 1, in characters
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// ruleTest is an inline test and how it went.
type ruleTest struct {
	Name  string `json:"name"`
	Match bool   `json:"match" doc:"what the test expects"`
	OK    bool   `json:"ok"`
	Line  int    `json:"line"`
}

// ruleCheck is what the editor is told while a rule is being written.
type ruleCheck struct {
	Rule     *ruleRow      `json:"rule,omitempty"`
	Problems []ruleProblem `json:"problems" nullable:"false"`
	Tests    []ruleTest    `json:"tests" nullable:"false"`
	Changes  bool          `json:"changes" doc:"a rule of that id is in use and differs"`
}

type ruleCheckInput struct {
	Body struct {
		YAML string `json:"yaml" maxLength:"262144"`
	}
}

// checkRule reads a rule document, says what is wrong with it and runs its tests. It
// keeps nothing.
func (s *Server) checkRule(ctx context.Context, in *ruleCheckInput) (*body[ruleCheck], error) {
	out := ruleCheck{Problems: []ruleProblem{}, Tests: []ruleTest{}}
	list, errs := rules.Parse("rule", []byte(in.Body.YAML), rules.Options{})
	out.add(errs)
	if len(list) > 1 {
		out.Problems = append(out.Problems, ruleProblem{Line: list[1].Line, Column: 1, Message: fmt.Sprintf("the document holds %d rules", len(list)), Hint: "edit one at a time"})
	}
	if len(list) == 0 && len(errs) == 0 {
		out.Problems = append(out.Problems, ruleProblem{Line: 1, Column: 1, Message: "the document is empty", Hint: "start with id, title, author, severity, dataset and when"})
	}
	if len(list) == 1 {
		out.test(list[0])
		r := row(list[0])
		out.Rule = &r
		if old, ok := s.o.Rules(orgOf(ctx)).Rule(r.ID); ok {
			out.Changes = strings.TrimSpace(old.YAML) != strings.TrimSpace(list[0].YAML)
		}
	}
	return answer(out), nil
}

func (c *ruleCheck) add(errs []error) {
	for _, err := range errs {
		if le, ok := errors.AsType[*document.Error](err); ok {
			c.Problems = append(c.Problems, ruleProblem{le.Line, le.Column, le.Message, le.Hint})
		} else {
			c.Problems = append(c.Problems, ruleProblem{Line: 1, Column: 1, Message: err.Error()})
		}
	}
}

// test runs the inline tests: those that fail are problems too, at their line.
func (c *ruleCheck) test(r *rules.Rule) {
	failed := r.Check()
	c.add(failed)
	for _, t := range r.Tests {
		bad := slices.ContainsFunc(failed, func(err error) bool {
			le, ok := errors.AsType[*document.Error](err)
			return ok && le.Line == t.Line
		})
		c.Tests = append(c.Tests, ruleTest{t.Name, t.Match, !bad, t.Line})
	}
}

// languageRow is a name of the rule language, for completion.
type languageRow struct {
	Name   string `json:"name"`
	Kind   string `json:"kind" enum:"field,function,key"`
	Detail string `json:"detail"`
	Doc    string `json:"doc"`
}

// ruleLanguage lists what may be written in a rule: its keys, the fields of events, and
// the functions of expressions.
func (s *Server) ruleLanguage(context.Context, *struct{}) (*body[list[languageRow]], error) {
	var out []languageRow
	for _, k := range rules.Keys() {
		out = append(out, languageRow{Name: k, Kind: "key"})
	}
	for _, f := range schema.Fields() {
		detail := kindName(f.Kind)
		if f.Multi {
			detail = "list of " + detail
		}
		out = append(out, languageRow{"e." + f.Name, "field", detail, f.Doc})
	}
	for _, f := range rules.Functions() {
		out = append(out, languageRow{f.Name, "function", f.Signature, f.Doc})
	}
	return answerList(out, ""), nil
}
