package mail

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"text/tabwriter"
	"time"

	"vigil/schema"
)

//go:embed mail.html
var page string

// view is a mail with every value as it is read: text and HTML show the same.
type view struct {
	Title, Description, Link, Range, Sender, Report string
	Panels                                          []panelView
	Left                                            []string // titles whose files were too large
}

// panelView is a panel with its picture.
type panelView struct {
	Title, Query, Problem string
	Empty                 bool
	Number, Unit          string // of a single number
	Strip                 *strip // of a chart over time
	Head                  []head
	Bars                  bool // behind the cells
	Rows                  []row
	Note                  string // what the table leaves out
}

type head struct {
	Name  string
	Right bool
}

type row struct {
	Cells []string
	Bar   int // pixels; -1 for tables without bars
}

// strip is a chart over time: a bar for each stretch.
type strip struct {
	Bars     []int // pixels
	From, To string
	Top      string // what the highest bar stands for
	Series   []seriesView
	Sparks   string
}

type seriesView struct{ Name, Total string }

const (
	barWidth    = 160
	stripHeight = 60
	stripBars   = 60
)

func (m Mail) view(left []string) view {
	v := view{Title: inert(m.Title), Description: inert(m.Description), Link: m.Link, Sender: inert(m.Sender), Report: inert(m.Report),
		Range: m.time(m.From) + " to " + m.time(m.To) + " (" + m.Zone.String() + ")"}
	for _, l := range left {
		v.Left = append(v.Left, inert(l))
	}
	for _, p := range m.Panels {
		v.Panels = append(v.Panels, m.panel(p))
	}
	return v
}

// panel lays out a panel: what cannot be drawn is a table.
func (m Mail) panel(p Panel) panelView {
	v := panelView{Title: inert(p.Title), Query: visible(p.Query, 400), Problem: inert(p.Problem), Empty: len(p.Rows) == 0}
	if v.Problem != "" || v.Empty {
		return v
	}
	show := p.show()
	switch {
	case show == "number":
		i := max(p.firstNumber(), 0)
		v.Number, v.Unit = m.cell(p.Rows[0][i]), inert(p.Columns[i].Name)
	case (show == "line" || show == "area") && p.Columns[0].Kind == schema.Date && len(p.Columns) > 1:
		v.Strip = m.strip(p)
	default:
		m.table(p, show == "bar", &v)
	}
	return v
}

// show is how the panel is drawn.
func (p Panel) show() string {
	switch {
	case p.Show != "":
		return p.Show
	case len(p.Columns) > 1 && p.Columns[0].Kind == schema.Date && numeric(p.Columns[1].Kind):
		return "area"
	case len(p.Rows) == 1 && len(p.Columns) == 1 && numeric(p.Columns[0].Kind):
		return "number"
	case len(p.Columns) == 2 && p.firstNumber() == 1:
		return "bar"
	default:
		return "table"
	}
}

func (p Panel) firstNumber() int {
	for i, c := range p.Columns {
		if numeric(c.Kind) {
			return i
		}
	}
	return -1
}

func (m Mail) table(p Panel, bars bool, v *panelView) {
	width := min(len(p.Columns), maxCells)
	for _, c := range p.Columns[:width] {
		v.Head = append(v.Head, head{inert(c.Name), numeric(c.Kind)})
	}
	by, top := p.firstNumber(), 0.0
	if by < 0 {
		bars = false
	}
	v.Bars = bars
	rows := p.Rows[:min(len(p.Rows), maxRows)]
	for _, r := range rows {
		if bars {
			top = max(top, valueOf(r[by]))
		}
	}
	for _, r := range rows {
		out := row{Bar: -1}
		for _, c := range r[:width] {
			out.Cells = append(out.Cells, m.cell(c))
		}
		if bars {
			out.Bar = scaled(valueOf(r[by]), top, barWidth)
		}
		v.Rows = append(v.Rows, out)
	}
	v.Note = p.note(len(rows), width)
}

// note says what a table does not show.
func (p Panel) note(rows, width int) string {
	var parts []string
	if p.More {
		parts = append(parts, fmt.Sprintf("the first %d rows of more than %s; the file has %s", rows, number(float64(len(p.Rows))), number(float64(len(p.Rows)))))
	} else if rows < len(p.Rows) {
		parts = append(parts, fmt.Sprintf("the first %d rows of %s", rows, number(float64(len(p.Rows)))))
	}
	if width < len(p.Columns) {
		parts = append(parts, fmt.Sprintf("%d of %d columns", width, len(p.Columns)))
	}
	return strings.Join(parts, ", ")
}

func scaled(v, top float64, pixels int) int {
	if top <= 0 || v <= 0 {
		return 0
	}
	return max(1, int(v/top*float64(pixels)))
}

// strip draws the sum of all series over time, in as many bars as a mail has room for.
func (m Mail) strip(p Panel) *strip {
	per := (len(p.Rows) + stripBars - 1) / stripBars
	sums, totals := make([]float64, (len(p.Rows)+per-1)/per), make([]float64, len(p.Columns))
	for i, r := range p.Rows {
		for c := 1; c < len(p.Columns); c++ {
			sums[i/per] += valueOf(r[c])
			totals[c] += valueOf(r[c])
		}
	}
	top := 0.0
	for _, s := range sums {
		top = max(top, s)
	}
	s := &strip{Top: number(top)}
	for _, x := range sums {
		s.Bars = append(s.Bars, scaled(x, top, stripHeight))
		s.Sparks += string([]rune("·▁▂▃▄▅▆▇█")[scaled(x, top, 8)])
	}
	if t, ok := p.Rows[0][0].(time.Time); ok {
		s.From = m.time(t)
	}
	if t, ok := p.Rows[len(p.Rows)-1][0].(time.Time); ok {
		s.To = m.time(t)
	}
	for c := 1; c < min(len(p.Columns), maxRows); c++ {
		s.Series = append(s.Series, seriesView{inert(p.Columns[c].Name), number(totals[c])})
	}
	return s
}

// HTML writes the mail as HTML: tables and attributes that mail programs know.
func (m Mail) HTML(left []string) (string, error) {
	t, err := template.New("mail").Parse(page)
	if err != nil {
		return "", fmt.Errorf("reading the template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, m.view(left)); err != nil {
		return "", fmt.Errorf("writing the mail: %w", err)
	}
	return b.String(), nil
}

// Text writes the mail as plain text.
func (m Mail) Text(left []string) string {
	v := m.view(left)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", v.Title, v.Range)
	if v.Description != "" {
		fmt.Fprintf(&b, "%s\n", v.Description)
	}
	if v.Link != "" {
		fmt.Fprintf(&b, "%s\n", v.Link)
	}
	for _, p := range v.Panels {
		fmt.Fprintf(&b, "\n== %s ==\n", p.Title)
		p.text(&b)
	}
	b.WriteString("\n-- \n")
	if len(v.Left) > 0 {
		fmt.Fprintf(&b, "Too large to go along: %s.\n", strings.Join(v.Left, ", "))
	}
	fmt.Fprintf(&b, "Report %s of Vigil, set up by %s. Addresses in values are broken on purpose; the attached files have them as they are.\n", v.Report, v.Sender)
	return b.String()
}

func (p panelView) text(b *strings.Builder) {
	switch {
	case p.Problem != "":
		fmt.Fprintf(b, "No answer: %s\n", p.Problem)
	case p.Empty:
		b.WriteString("The query ran to its end and found nothing.\n")
	case p.Number != "":
		fmt.Fprintf(b, "%s %s\n", p.Number, p.Unit)
	case p.Strip != nil:
		fmt.Fprintf(b, "%s\n%s to %s, at most %s\n", p.Strip.Sparks, p.Strip.From, p.Strip.To, p.Strip.Top)
		for _, s := range p.Strip.Series {
			fmt.Fprintf(b, "  %s: %s\n", s.Name, s.Total)
		}
	default:
		w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		var names []string
		for _, h := range p.Head {
			names = append(names, h.Name)
		}
		fmt.Fprintln(w, strings.Join(names, "\t"))
		for _, r := range p.Rows {
			fmt.Fprintln(w, strings.Join(r.Cells, "\t"))
		}
		_ = w.Flush() // into memory
	}
	if p.Note != "" {
		fmt.Fprintf(b, "(%s)\n", p.Note)
	}
}
