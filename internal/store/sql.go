package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// sqlStarts are the statements that people may type: those that read.
var sqlStarts = []string{"SELECT", "WITH", "EXPLAIN", "DESCRIBE", "DESC", "SHOW"}

// sqlForbidden are words that would lift the limits of a statement, or change where its
// answer goes. The engine refuses writes by itself: the analyst is granted reading only.
var sqlForbidden = []string{"SETTINGS", "FORMAT", "INTO"}

// sqlSources are the functions of a FROM that make rows by themselves or of a subquery.
// Others, such as merge() and loop(), would read tables around the filter of rows.
var sqlSources = []string{"NUMBERS", "NUMBERS_MT", "ZEROS", "ZEROS_MT", "VALUES", "GENERATE_SERIES", "GENERATESERIES", "GENERATERANDOM", "VIEW", "FORMAT", "NULL"}

// checkSQL refuses what is no single reading statement.
func checkSQL(text string) error {
	words, err := sqlWords(text)
	if err != nil {
		return schema.E(schema.Invalid, "the SQL cannot be read: "+err.Error(), "")
	}
	if len(words) == 0 || !slices.Contains(sqlStarts, words[0]) {
		return schema.E(schema.Invalid, "only a statement that reads can be run", "start with one of "+strings.Join(sqlStarts, ", "))
	}
	for i, w := range words {
		called := i+1 < len(words) && words[i+1] == "("
		if slices.Contains(sqlForbidden, w) && !called {
			return schema.E(schema.Invalid, "SQL may not use "+w+" here", "limits and the form of the answer are Vigil's; name a column so in backquotes")
		}
		if called && w == sqlQuoted {
			return schema.E(schema.Invalid, "the name of a function cannot be quoted", "")
		}
		if w == ";" && i != len(words)-1 {
			return schema.E(schema.Invalid, "only one statement can be run", "remove what follows the semicolon")
		}
	}
	return nil
}

// sqlQuoted stands for a text or a quoted name.
const sqlQuoted = "''"

// sqlWords cuts SQL into its bare words in capitals, a token for each text or quoted name,
// and signs by themselves. Comments are passed over.
func sqlWords(s string) ([]string, error) {
	var out []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\'' || c == '"' || c == '`':
			end := i + 1
			for end < len(s) && s[end] != c {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(s) {
				return nil, fmt.Errorf("a quote is not closed")
			}
			out = append(out, sqlQuoted)
			i = end + 1
		case strings.HasPrefix(s[i:], "--"), c == '#':
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return out, nil
			}
			i += n
		case strings.HasPrefix(s[i:], "/*"):
			n := strings.Index(s[i+2:], "*/")
			if n < 0 {
				return nil, fmt.Errorf("a comment is not closed")
			}
			i += n + 4
		case c == '$': // a heredoc would hide words from this reading
			return nil, fmt.Errorf("$ is not allowed outside of texts")
		case wordByte(c):
			end := i
			for end < len(s) && wordByte(s[end]) {
				end++
			}
			out = append(out, strings.ToUpper(s[i:end]))
			i = end
		default:
			if c > ' ' {
				out = append(out, string(c))
			}
			i++
		}
	}
	return out, nil
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// sqlLimits are the limits of one statement that a person typed.
var sqlLimits = clickhouse.Settings{
	"max_execution_time": 30, "max_memory_usage": 2_000_000_000, "max_result_rows": maxTableRows + 1, "result_overflow_mode": "break",
	"max_result_bytes": 256 << 20, "max_rows_in_join": 50_000_000, "max_bytes_before_external_group_by": 500_000_000, "max_bytes_before_external_sort": 500_000_000,
}

// searchSQL runs a statement that a person typed: as the analyst of the org, who is granted
// reading of the queryable tables only, within limits, and sees the rows of the org only.
// It may use the parameters org, from and to.
func (s *Store) searchSQL(ctx context.Context, q SearchRequest, text string, res *SearchResult) error {
	if s.o.AnalystUser == "" {
		return schema.E(schema.Denied, "sql: needs a ClickHouse user that may only read", "docs/guides/tenants.md tells how to make one for each org")
	}
	if err := s.checkTyped(ctx, text); err != nil {
		return err
	}
	ctx = searchContext(ctx, q, &res.Stats, maps.Clone(sqlLimits))
	t, err := s.analystTable(ctx, strings.TrimRight(strings.TrimSpace(text), ";"), P{"org": q.Org, "from": q.From, "to": q.To})
	if err != nil {
		return sqlError(err)
	}
	t.Chart = chartOf(t)
	res.Table, res.Total = t, uint64(len(t.Rows))
	return nil
}

// checkTyped refuses SQL that people typed and that does more than read tables.
func (s *Store) checkTyped(ctx context.Context, text string) error {
	if err := checkSQL(text); err != nil {
		return err
	}
	return s.checkSources(ctx, text)
}

// checkSources refuses calls of the engine's table functions.
func (s *Store) checkSources(ctx context.Context, text string) error {
	words, err := sqlWords(text)
	if err != nil {
		return err
	}
	var called []string
	for i := 1; i < len(words); i++ {
		if words[i] == "(" && !slices.Contains(sqlSources, words[i-1]) {
			called = append(called, words[i-1])
		}
	}
	var name string
	found, err := s.row(ctx, "SELECT name FROM system.table_functions WHERE upper(name) IN {called:Array(String)} LIMIT 1", P{"called": called}, &name)
	if err == nil && found {
		return schema.E(schema.Denied, "SQL may not use the function "+name+"() here", "name the table itself")
	}
	return err
}

// sqlError turns the engine's words about a person's SQL into a refusal that shows them.
func sqlError(err error) error {
	if text, ok := strings.CutPrefix(err.Error(), "clickhouse: "); ok {
		return schema.E(schema.Invalid, "ClickHouse refuses the SQL: "+clipTo(text, 600), "tables: events, alerts, detections …; `sql: SHOW TABLES`, `sql: DESCRIBE events`", err)
	}
	return err
}

func clipTo(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// orgFilter is the setting that shows only one org's rows of every table, for where the engine
// has no analysts. It cannot stand beside their row policies: ClickHouse 26.7 then looks for the
// column org after it has dropped it ("Not found column org", code 10).
func (s *Store) orgFilter(ctx context.Context, org string) (string, error) {
	var b strings.Builder
	b.WriteByte('{')
	cond := quoteSQL("org = " + quoteSQL(org))
	err := s.each(ctx, "SELECT table FROM system.columns WHERE database = {db:String} AND name = 'org' ORDER BY table", P{"db": s.o.Database}, func(r driver.Rows) error {
		var table string
		if err := r.Scan(&table); err != nil {
			return err
		}
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(quoteSQL(s.o.Database+"."+table) + ": " + cond)
		return nil
	})
	b.WriteByte('}')
	return b.String(), err
}

func quoteSQL(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// chartOf says how a table of unknown origin is best drawn.
func chartOf(t *Table) string {
	if len(t.Columns) < 2 || len(t.Rows) < 2 {
		return ""
	}
	for _, c := range t.Columns[1:] {
		if c.Kind != numberColumn {
			return ""
		}
	}
	switch t.Columns[0].Kind {
	case timeColumn:
		return "time"
	case textColumn:
		if len(t.Columns) == 2 {
			return "bar"
		}
	}
	return ""
}
