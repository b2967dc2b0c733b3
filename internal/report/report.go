// Package report writes an incident for people and programs that have no Vigil: Markdown,
// JSON and STIX 2.1. It is pure, and the same incident gives the same bytes.
package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"vigil/schema"
)

// Case is what a report tells of.
type Case struct {
	Incident  schema.Incident   `json:"incident"`
	Alerts    []schema.Alert    `json:"alerts"`
	Runs      []schema.Run      `json:"runs"`
	Approvals []schema.Approval `json:"approvals"`
}

// form is one row of the table of formats.
type form struct {
	name, contentType, ending string
	write                     func(Case) ([]byte, error)
}

func forms() []form {
	return []form{
		{"markdown", "text/markdown; charset=utf-8", "md", markdown},
		{"json", "application/json", "json", asJSON},
		{"stix", "application/stix+json;version=2.1", "stix.json", stix},
	}
}

// Formats returns the names of the formats.
func Formats() []string {
	var out []string
	for _, f := range forms() {
		out = append(out, f.name)
	}
	return out
}

// Write writes the case; contentType and ending name what it wrote.
func Write(c Case, format string) (text []byte, contentType, ending string, err error) {
	for _, f := range forms() {
		if f.name == format {
			text, err = f.write(c)
			return text, f.contentType, f.ending, err
		}
	}
	return nil, "", "", schema.E(schema.Invalid, fmt.Sprintf("there is no report format %q", format), "one of "+strings.Join(Formats(), ", "))
}

func asJSON(c Case) ([]byte, error) { return json.MarshalIndent(c, "", "  ") }

// plain makes text safe within Markdown: values come from attackers, who would write links,
// images and headings, or hide text by control characters.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return '·'
		}
		return r
	}, s)
	return strings.NewReplacer("\\", `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "(", `\(`, "<", "&lt;", ">", "&gt;", "|", `\|`, "#", `\#`, "!", `\!`, "~", `\~`, "&", "&amp;", "://", "[:]//").Replace(s)
}

func at(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func markdown(c Case) ([]byte, error) {
	var b strings.Builder
	i := c.Incident
	fmt.Fprintf(&b, "# %s\n\n", plain(i.Title))
	for _, f := range [][2]string{{"Incident", i.ID}, {"Severity", string(i.Severity)}, {"Risk", fmt.Sprint(i.Risk)}, {"Status", string(i.Status)}, {"Verdict", i.Verdict}, {"Reason", i.Reason}, {"Assignee", i.Assignee},
		{"Grouped by", i.Key}, {"First seen (UTC)", at(i.FirstSeen)}, {"Last seen (UTC)", at(i.LastSeen)}, {"Opened (UTC)", at(i.Opened)}, {"Closed (UTC)", at(i.Closed)}, {"ATT&CK", strings.Join(i.Attack, ", ")}} {
		if f[1] != "" && f[1] != "–" {
			fmt.Fprintf(&b, "- **%s:** %s\n", plain(f[0]), plain(f[1]))
		}
	}
	section(&b, "Entities", []string{"Kind", "Value"}, entityRows(c))
	section(&b, "Alerts", []string{"First seen (UTC)", "Severity", "Rule", "Title", "Events", "Why in this incident"}, alertRows(c.Alerts))
	section(&b, "Approvals", []string{"Action", "Target", "Status", "Decided by"}, approvalRows(c.Approvals))
	section(&b, "Tasks", []string{"Task", "Owner", "Due (UTC)", "State"}, taskRows(i.Tasks))
	section(&b, "Files", []string{"Name", "Bytes", "SHA-256"}, fileRows(i.Attachments))
	section(&b, "Deadlines", []string{"Clock", "Due (UTC)", "Met (UTC)", "Missed (UTC)"}, clockRows(i.Clocks))
	section(&b, "Linked incidents", []string{"How", "Incident"}, linkRows(i.Links))
	section(&b, "Timeline", []string{"Time (UTC)", "Kind", "By", "What"}, timelineRows(i.Timeline))
	return []byte(b.String()), nil
}

// section writes a table under a heading, nothing without rows.
func section(b *strings.Builder, title string, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| %s |\n|%s\n", title, strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, r := range rows {
		for i := range r {
			r[i] = plain(r[i])
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(r, " | "))
	}
}

// entities are the entities of the incident and its alerts, by kind.
func entities(c Case) map[string][]string {
	out := map[string][]string{}
	add := func(m map[string]string) {
		for kind, v := range m {
			if v != "" && !slices.Contains(out[kind], v) {
				out[kind] = append(out[kind], v)
			}
		}
	}
	add(c.Incident.Entities)
	for _, a := range c.Alerts {
		add(a.Entities)
	}
	for _, values := range out {
		slices.Sort(values)
	}
	return out
}

func entityRows(c Case) (rows [][]string) {
	all := entities(c)
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		for _, v := range all[kind] {
			rows = append(rows, []string{kind, v})
		}
	}
	return rows
}

func alertRows(list []schema.Alert) (rows [][]string) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b schema.Alert) int { return a.FirstSeen.Compare(b.FirstSeen) })
	for _, a := range list {
		rows = append(rows, []string{at(a.FirstSeen), string(a.Severity), a.Rule, a.Title, fmt.Sprint(a.Count), a.IncidentWhy})
	}
	return rows
}

func approvalRows(list []schema.Approval) (rows [][]string) {
	for _, a := range list {
		var by []string
		for _, d := range a.Decisions {
			by = append(by, d.Verdict+" by "+d.User)
		}
		rows = append(rows, []string{a.Action, a.Target, string(a.Status), strings.Join(by, ", ")})
	}
	return rows
}

func taskRows(list []schema.Task) (rows [][]string) {
	for _, t := range list {
		rows = append(rows, []string{t.Title, t.Owner, at(t.Due), t.State})
	}
	return rows
}

func fileRows(list []schema.Attachment) (rows [][]string) {
	for _, f := range list {
		rows = append(rows, []string{f.Name, fmt.Sprint(f.Size), f.Hash})
	}
	return rows
}

func clockRows(list []schema.Clock) (rows [][]string) {
	for _, c := range list {
		rows = append(rows, []string{c.Name, at(c.Due), at(c.Met), at(c.Breached)})
	}
	return rows
}

func linkRows(list []schema.IncidentLink) (rows [][]string) {
	for _, l := range list {
		rows = append(rows, []string{l.Kind, l.ID})
	}
	return rows
}

func timelineRows(list []schema.TimelineEntry) (rows [][]string) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b schema.TimelineEntry) int { return a.Time.Compare(b.Time) })
	for _, t := range list {
		rows = append(rows, []string{at(t.Time), t.Kind, t.By, t.Text})
	}
	return rows
}
