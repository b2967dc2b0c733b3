package rules

import (
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
)

// Limits of stateful rules: what one window may have to remember.
const (
	maxSteps     = 10
	maxStepCount = 100
	maxTermDays  = 90
	maxQuery     = 16 << 10 // bytes of SQL
)

func (d *reader) readSteps(m *document.Mapping, r *Rule) {
	sm, ok := d.block(m, "sequence", "{by: [source.ip], within: 10m, steps: [{when: failed, count: 5}, {when: accepted}]}", "by", "within", "order", "steps")
	if !ok {
		return
	}
	if n, ok := m.At["when"]; ok {
		d.Fail(n, "put it into the steps", "a sequence has its conditions in its steps")
	}
	s := &Steps{By: d.entityList(sm, r, "by"), Within: span(sm, "within", 0), AnyOrder: sm.OneOf("order", "strict", []string{"strict", "any"}) == "any"}
	switch n := m.At["sequence"]; {
	case len(s.By) == 0:
		d.Fail(n, "name the entities that all steps share", "the sequence has no by")
	case s.Within == 0:
		d.Fail(n, "write within: 10m", "the sequence has no within")
	}
	r.Order = s
	list, ok := sm.At["steps"].(*ast.SequenceNode)
	if !ok {
		d.Fail(sm.Node, "write steps: [{when: failed, count: 5}, {when: accepted}]", "the sequence has no list of steps")
		return
	}
	for _, n := range list.Values {
		d.readStep(n, s)
	}
	d.checkSteps(list, s)
}

func (d *reader) readStep(n ast.Node, s *Steps) {
	tm, ok := d.Mapping(n, "a step", []string{"when", "count", "absent"})
	if !ok {
		return
	}
	when, absent := tm.Text("when"), tm.Text("absent")
	if (when == "") == (absent == "") {
		d.Fail(n, "write {when: EXPRESSION} or {absent: EXPRESSION}", "a step says what happens, or what does not")
		return
	}
	if c, ok := tm.At["count"]; ok && absent != "" {
		d.Fail(c, "", "what does not happen has no count")
	}
	s.Steps = append(s.Steps, Step{When: when + absent, Absent: absent != "", Count: tm.Int("count", 1, 1, maxStepCount)})
}

func (d *reader) checkSteps(list *ast.SequenceNode, s *Steps) {
	happen := 0
	for i, x := range s.Steps {
		switch {
		case !x.Absent:
			happen++
		case s.AnyOrder:
			d.Fail(list.Values[i], "leave out order: any", "absence needs an order")
		case i == 0:
			d.Fail(list.Values[i], "put what happens first", "a sequence cannot start with what does not happen")
		case s.Steps[i-1].Absent:
			d.Fail(list.Values[i], "join them with ||", "two absences follow each other")
		}
	}
	switch {
	case len(s.Steps) > maxSteps:
		d.Fail(list, "", "a sequence has at most %d steps, this one has %d", maxSteps, len(s.Steps))
	case len(s.Steps) < 2 || happen == 0:
		d.Fail(list, "use kind threshold to count one thing", "a sequence has at least two steps")
	}
}

func (d *reader) readTerms(m *document.Mapping, r *Rule) {
	tm, ok := d.block(m, "new_terms", "{of: [source.ip], by: [user], days: 14}", "of", "by", "days")
	if !ok {
		return
	}
	t := &Terms{Of: d.entityList(tm, r, "of"), By: d.entityList(tm, r, "by"), Days: tm.Int("days", 0, 1, maxTermDays)}
	switch n := m.At["new_terms"]; {
	case len(t.Of) == 0:
		d.Fail(n, "name the entities whose values are watched", "new_terms has no of")
	case t.Days == 0:
		d.Fail(n, "write days: 14", "new_terms has no days")
	}
	r.Terms = t
}

var (
	queryForm  = regexp.MustCompile(`(?i)^(select|with)\s`)
	foreign    = regexp.MustCompile("(?i)[`\"]?\\b(vigil|vigil_private|system|information_schema|default)\\b[`\"]?\\s*\\.")
	outOfQuery = regexp.MustCompile(`(?i)\b(settings|format\s+\w+|into\s+outfile|insert\s+into)\b`)
	overEvents = regexp.MustCompile(`(?i)\bfrom\s+events\b`)
	quotedText = regexp.MustCompile(`'(?:[^'\\]|\\.|'')*'`)
)

func (d *reader) readQuery(m *document.Mapping, r *Rule) {
	qm, ok := d.block(m, "aggregate", "{sql: 'SELECT … FROM events …', window: 1h}", "sql", "window", "every")
	if !ok {
		return
	}
	for _, key := range []string{"when", "detect"} {
		if n, ok := m.At[key]; ok {
			d.Fail(n, "put it into the WHERE of the query", "an aggregate rule has no %s", key)
		}
	}
	q := &Query{SQL: qm.Need("sql", "one SELECT over events"), Window: span(qm, "window", 0), Every: span(qm, "every", time.Minute)}
	if q.Window < time.Minute || q.Window%time.Minute != 0 || q.Window > 31*24*time.Hour {
		d.Fail(qm.Node, "write window: 1h", "the window must be whole minutes, up to 31 days")
	}
	if n := qm.At["sql"]; n != nil {
		d.checkQuery(n, q.SQL)
	}
	r.Query = q
}

// checkQuery refuses what is not one SELECT over the events in hand. The engine runs
// it as a user who may only read, within limits; this is for a clear message early.
func (d *reader) checkQuery(n ast.Node, sql string) {
	plain := quotedText.ReplaceAllString(sql, "''")
	switch {
	case len(sql) > maxQuery:
		d.Fail(n, "", "the query has %d bytes, the limit is %d", len(sql), maxQuery)
	case !queryForm.MatchString(sql):
		d.Fail(n, "write SELECT … FROM events …", "the query must be one SELECT")
	case strings.ContainsAny(plain, ";"):
		d.Fail(n, "", "the query must be one statement, without a semicolon")
	case outOfQuery.MatchString(plain):
		d.Fail(n, "", "the query may only read, but says %s", strings.ToUpper(outOfQuery.FindString(plain)))
	case foreign.MatchString(plain):
		d.Fail(n, "write FROM events: it is the window's events", "the query may not name another database")
	case !overEvents.MatchString(plain):
		d.Fail(n, "write FROM events", "the query does not read events")
	}
}
