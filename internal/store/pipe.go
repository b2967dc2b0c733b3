package store

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/schema"
)

// maxStages bounds what a person pipes one behind the other.
const maxStages = 20

// splitPipe cuts a query at its pipes: those outside of quotes and of CEL's ||.
func splitPipe(q string) []string {
	var parts []string
	quotes := `"`
	if strings.HasPrefix(strings.TrimSpace(q), "cel:") {
		quotes = `"'`
	}
	start, quote := 0, byte(0)
	for i := 0; i < len(q); i++ {
		switch c := q[i]; {
		case quote != 0 && c == '\\' && len(quotes) > 1:
			i++ // an escape, which only CEL has
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case strings.IndexByte(quotes, c) >= 0:
			quote = c
		case c == '|' && i+1 < len(q) && q[i+1] == '|':
			i++
		case c == '|':
			parts = append(parts, strings.TrimSpace(q[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(q[start:]))
}

// TableColumn is a column of a statistic: text, number or time.
type TableColumn struct {
	Name string `json:"name"`
	Kind string `json:"kind" enum:"text,number,time"`
}

// The kinds of TableColumn.
const (
	textColumn   = "text"
	numberColumn = "number"
	timeColumn   = "time"
)

// pipe compiles the stages of a query to one statement. Column i is named ci.
type pipe struct {
	c       *queryCompiler
	where   string
	from    time.Time
	to      time.Time
	columns []TableColumn
	sql     string
	chart   string // "", "bar" or "time"
	span    int64  // seconds of a bucket of a timechart
	series  bool   // rows are time, series, value and become one column per series
}

// stage is one row of what may stand behind a pipe.
type stage struct {
	name, usage string
	first       bool // takes events, not rows
	run         func(*pipe, []string) error
}

var stages = []stage{
	{"stats", "stats count(), avg(network.bytes) by user.name", true, (*pipe).stats},
	{"timechart", "timechart span=5m count() by event.outcome", true, (*pipe).timechart},
	{"patterns", "patterns", true, (*pipe).patterns},
	{"top", "top 10, or top 10 user.name", false, (*pipe).top},
	{"rare", "rare 10 process.name", false, (*pipe).rare},
	{"sort", "sort -count", false, (*pipe).sort},
	{"head", "head 100", false, (*pipe).head},
	{"where", "where count > 5", false, (*pipe).whereRow},
}

// stageNames lists the stages for messages.
func stageNames() string {
	names := make([]string, len(stages))
	for i, s := range stages {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}

func compilePipe(c *queryCompiler, where string, texts []string, from, to time.Time) (*pipe, error) {
	if len(texts) > maxStages {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("the query has more than %d stages", maxStages), "")
	}
	p := &pipe{c: c, where: where, from: from, to: to}
	for _, text := range texts {
		words := strings.Fields(text)
		if len(words) == 0 {
			return nil, schema.E(schema.Invalid, "nothing stands behind a pipe", "one of "+stageNames())
		}
		i := slices.IndexFunc(stages, func(s stage) bool { return s.name == words[0] })
		if i < 0 {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("there is no stage %q", clipped(words[0])), "one of "+stageNames()+`; put a pipe that is text in quotes: "a|b"`)
		}
		err := p.check(stages[i].first)
		if err == nil {
			err = stages[i].run(p, words[1:])
		}
		if err != nil {
			return nil, schema.E(schema.Invalid, "the stage "+words[0]+" cannot be read: "+err.Error(), "example: | "+stages[i].usage)
		}
	}
	return p, nil
}

func clipped(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

func (p *pipe) check(first bool) error {
	if first && p.sql != "" {
		return fmt.Errorf("it takes events and must come first")
	}
	if p.series {
		return fmt.Errorf("nothing may follow a timechart by a field")
	}
	return nil
}

// column gives a field as text for grouping; lists count once for each of their values.
func (p *pipe) column(name string) (string, error) {
	name = strings.TrimPrefix(name, "e.")
	switch name {
	case "source", "chunk":
		return "toString(" + name + ")", nil
	}
	if f, ok := schema.Lookup(name); ok {
		if f.Multi {
			return "arrayJoin(" + f.Column + ")", nil
		}
		return textOf(&f), nil
	}
	if !fieldName(name) {
		return "", fmt.Errorf("there is no field %q", clipped(name))
	}
	return "attrs[" + p.c.bind(name) + "]", nil
}

// figure gives a field as a number; absent ones are null and do not count.
func (p *pipe) figure(name string) (string, error) {
	if f, ok := schema.Lookup(name); ok && !f.Multi && (f.Kind == schema.Long || f.Kind == schema.Double) {
		return "nullIf(toFloat64(" + f.Column + "), 0)", nil
	}
	col, err := p.column(name)
	return "toFloat64OrNull(" + col + ")", err
}

var aggregate = regexp.MustCompile(`^(count|dc|sum|avg|min|max|p50|p90|p95|p99|values)(?:\(([^()]*)\))?(?:\s+as\s+([A-Za-z_][\w.]*))?$`)

// aggregation reads one of count(), dc(f), sum(f) … [as name].
func (p *pipe) aggregation(text string) (sql string, c TableColumn, err error) {
	m := aggregate.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return "", c, fmt.Errorf("%q is no count(), dc(f), sum(f), avg(f), min(f), max(f), p50(f), p90(f), p95(f), p99(f) or values(f)", clipped(text))
	}
	fn, arg := m[1], strings.TrimSpace(m[2])
	c = TableColumn{Name: fn, Kind: numberColumn}
	if arg != "" {
		c.Name = fn + "(" + arg + ")"
	}
	if m[3] != "" {
		c.Name = m[3]
	}
	if fn == "count" && arg == "" {
		return "toInt64(count())", c, nil
	}
	if arg == "" {
		return "", c, fmt.Errorf("%s needs a field: %s(network.bytes)", fn, fn)
	}
	switch fn {
	case "count", "dc", "values":
		col, err := p.column(arg)
		if err != nil {
			return "", c, err
		}
		switch fn {
		case "count":
			return "toInt64(countIf(" + col + " != ''))", c, nil
		case "dc":
			return "toInt64(uniqIf(" + col + ", " + col + " != ''))", c, nil
		}
		c.Kind = textColumn
		return "arrayStringConcat(arraySort(groupUniqArrayIf(20)(" + col + ", " + col + " != '')), ', ')", c, nil
	}
	num, err := p.figure(arg)
	if err != nil {
		return "", c, err
	}
	if q, ok := strings.CutPrefix(fn, "p"); ok {
		return "ifNotFinite(toFloat64(ifNull(quantile(0." + q + ")(" + num + "), 0)), 0)", c, nil
	}
	return "ifNotFinite(toFloat64(ifNull(" + fn + "(" + num + "), 0)), 0)", c, nil
}

// splitBy cuts "a, b by c, d" in two lists. Commas within parentheses do not count.
func splitBy(words []string) (aggs, by []string) {
	text := strings.Join(words, " ")
	if i := slices.Index(words, "by"); i >= 0 {
		text = strings.Join(words[:i], " ")
		by = strings.FieldsFunc(strings.Join(words[i+1:], " "), func(r rune) bool { return r == ',' || r == ' ' })
	}
	for a := range strings.SplitSeq(text, ",") {
		if a = strings.TrimSpace(a); a != "" {
			aggs = append(aggs, a)
		}
	}
	return aggs, by
}

func (p *pipe) stats(words []string) error {
	aggs, by := splitBy(words)
	if len(aggs) == 0 {
		aggs = []string{"count()"}
	}
	if len(aggs) > 10 || len(by) > 5 {
		return fmt.Errorf("at most 10 figures by 5 fields")
	}
	var cols, groups, have []string
	for _, f := range by {
		col, err := p.column(f)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("c%d", len(p.columns))
		cols, groups, have = append(cols, col+" AS "+name), append(groups, name), append(have, name+" != ''")
		p.columns = append(p.columns, TableColumn{f, textColumn})
	}
	for _, a := range aggs {
		sql, c, err := p.aggregation(a)
		if err != nil {
			return err
		}
		cols = append(cols, fmt.Sprintf("%s AS c%d", sql, len(p.columns)))
		p.columns = append(p.columns, c)
	}
	p.sql = "SELECT " + strings.Join(cols, ", ") + " FROM events WHERE " + p.where
	if len(groups) > 0 {
		// Around it, because a list is unfolded only after WHERE.
		p.sql += " GROUP BY " + strings.Join(groups, ", ") + " HAVING " + strings.Join(have, " AND ")
		p.sql += fmt.Sprintf(" ORDER BY c%d DESC, c0", len(groups))
	}
	if len(groups) == 1 {
		p.chart = "bar"
	}
	return nil
}

var spanForm = regexp.MustCompile(`^span=(\d+)(s|m|h|d)$`)

func (p *pipe) timechart(words []string) error {
	p.span = bucketSeconds(p.to.Sub(p.from))
	if len(words) > 0 && strings.HasPrefix(words[0], "span=") {
		m := spanForm.FindStringSubmatch(words[0])
		if m == nil {
			return fmt.Errorf("%q is no span such as span=5m", clipped(words[0]))
		}
		n, err := strconv.ParseInt(m[1], 10, 32)
		if p.span = n * map[string]int64{"s": 1, "m": 60, "h": 3600, "d": 86400}[m[2]]; err != nil || n == 0 {
			return fmt.Errorf("%q is no span such as span=5m", clipped(words[0]))
		}
		if least := int64(p.to.Sub(p.from).Seconds()) / 5000; p.span < least {
			return fmt.Errorf("span=%s makes more than 5,000 buckets of this time range", m[1]+m[2])
		}
		words = words[1:]
	}
	aggs, by := splitBy(words)
	if len(aggs) == 0 {
		aggs = []string{"count()"}
	}
	if len(by) > 1 || len(by) == 1 && len(aggs) > 1 {
		return fmt.Errorf("one field, and of it one figure")
	}
	p.chart = "time"
	p.columns = []TableColumn{{"time", timeColumn}}
	cols := []string{fmt.Sprintf("toInt64(intDiv(toUnixTimestamp64Micro(timestamp), %d)) * %d AS c0", p.span*1e6, p.span)}
	group := "c0"
	if len(by) == 1 {
		col, err := p.column(by[0])
		if err != nil {
			return err
		}
		p.series = true
		p.columns = append(p.columns, TableColumn{by[0], textColumn})
		// The busiest series have a colour of their own, the rest is "other".
		cols = append(cols, fmt.Sprintf("if(%s IN (SELECT v FROM (SELECT %s AS v, count() AS n FROM events WHERE %s GROUP BY v HAVING v != '' ORDER BY n DESC, v LIMIT 8)), %s, 'other') AS c1", col, col, p.where, col))
		group = "c0, c1"
	}
	for _, a := range aggs {
		sql, c, err := p.aggregation(a)
		if err != nil {
			return err
		}
		cols = append(cols, fmt.Sprintf("%s AS c%d", sql, len(p.columns)))
		p.columns = append(p.columns, c)
	}
	p.sql = "SELECT " + strings.Join(cols, ", ") + " FROM events WHERE " + p.where + " GROUP BY " + group + " ORDER BY " + group
	return nil
}

// patternText is the text whose shape counts: the message, else the record.
const patternText = "substring(if(message != '', message, if(process_command_line != '', process_command_line, raw)), 1, 2000)"

// patterns groups events by the shape of their text: what varies becomes <*>.
func (p *pipe) patterns(words []string) error {
	if len(words) > 0 {
		return fmt.Errorf("it takes nothing")
	}
	shape := "replaceRegexpAll(replaceRegexpAll(" + patternText + `, '\\b[0-9a-fA-F]{8,}\\b|\\b0x[0-9a-fA-F]+\\b|\\{?[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\\}?', '<*>'), '[0-9]+([.:,/-][0-9]+)*', '<*>')`
	p.columns = []TableColumn{{"pattern", textColumn}, {"count", numberColumn}, {"example", textColumn}, {"data sets", textColumn}}
	p.sql = "SELECT " + shape + " AS c0, toInt64(count()) AS c1, any(" + patternText + ") AS c2, arrayStringConcat(arraySort(groupUniqArray(5)(toString(event_dataset))), ', ') AS c3 FROM events WHERE " + p.where +
		" GROUP BY c0 ORDER BY c1 DESC, c0 LIMIT 200"
	return nil
}

func (p *pipe) top(words []string) error  { return p.extreme(words, "DESC") }
func (p *pipe) rare(words []string) error { return p.extreme(words, "ASC") }

// extreme keeps the rows with the largest or smallest first figure; given a field, it counts its values.
func (p *pipe) extreme(words []string, order string) error {
	n := 10
	if len(words) > 0 {
		if v, err := strconv.Atoi(words[0]); err == nil {
			n, words = v, words[1:]
		}
	}
	if p.sql == "" {
		if len(words) == 0 {
			return fmt.Errorf("name a field, or put stats before it")
		}
		if err := p.stats(append([]string{"count()", "by"}, words...)); err != nil {
			return err
		}
	} else if len(words) > 0 {
		return fmt.Errorf("%q is not expected", clipped(words[0]))
	}
	i := slices.IndexFunc(p.columns, func(c TableColumn) bool { return c.Kind == numberColumn })
	if i < 0 {
		return fmt.Errorf("there is no figure to order by")
	}
	return p.order(fmt.Sprintf("c%d %s, c0", i, order), n)
}

func (p *pipe) order(by string, n int) error {
	if n < 1 || n > 10_000 {
		return fmt.Errorf("from 1 to 10,000 rows")
	}
	p.sql = fmt.Sprintf("SELECT * FROM (%s) ORDER BY %s LIMIT %d", p.sql, by, n)
	return nil
}

func (p *pipe) named(name string) (int, error) {
	i := slices.IndexFunc(p.columns, func(c TableColumn) bool { return c.Name == name || strings.TrimSuffix(name, "()") == c.Name })
	if i < 0 {
		names := make([]string, len(p.columns))
		for i, c := range p.columns {
			names[i] = c.Name
		}
		return 0, fmt.Errorf("there is no column %q; there are %s", clipped(name), strings.Join(names, ", "))
	}
	return i, nil
}

func (p *pipe) rows() error {
	if p.sql == "" {
		return fmt.Errorf("put stats, timechart, top or patterns before it")
	}
	return nil
}

func (p *pipe) sort(words []string) error {
	if err := p.rows(); err != nil {
		return err
	}
	if len(words) != 1 {
		return fmt.Errorf("name one column, with - before it for the largest first")
	}
	name, down := strings.CutPrefix(words[0], "-")
	i, err := p.named(name)
	if err != nil {
		return err
	}
	order := "ASC"
	if down {
		order = "DESC"
	}
	return p.order(fmt.Sprintf("c%d %s, c0", i, order), 10_000)
}

func (p *pipe) head(words []string) error {
	if err := p.rows(); err != nil {
		return err
	}
	n := 10
	if len(words) > 0 {
		var err error
		if n, err = strconv.Atoi(words[0]); err != nil || len(words) > 1 {
			return fmt.Errorf("give one number")
		}
	}
	if n < 1 || n > 10_000 {
		return fmt.Errorf("from 1 to 10,000 rows")
	}
	p.sql = fmt.Sprintf("SELECT * FROM (%s) LIMIT %d", p.sql, n)
	return nil
}

// whereRow keeps rows by one comparison of a column with a number or a text.
func (p *pipe) whereRow(words []string) error {
	if err := p.rows(); err != nil {
		return err
	}
	if len(words) < 3 {
		return fmt.Errorf("write a column, one of = != > >= < <=, and a value")
	}
	i, err := p.named(words[0])
	if err != nil {
		return err
	}
	op, value := words[1], strings.Trim(strings.Join(words[2:], " "), `"`)
	if !slices.Contains([]string{"=", "!=", ">", ">=", "<", "<="}, op) {
		return fmt.Errorf("%q is none of = != > >= < <=", clipped(op))
	}
	with := p.c.bind(value)
	if p.columns[i].Kind == numberColumn {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("%q is no number", clipped(value))
		}
		with = strconv.FormatFloat(n, 'f', -1, 64)
	}
	p.sql = fmt.Sprintf("SELECT * FROM (%s) WHERE c%d %s %s", p.sql, i, op, with)
	return nil
}

// HasStages says whether a query pipes its events into a statistic.
func HasStages(q string) bool { return len(splitPipe(q)) > 1 }
