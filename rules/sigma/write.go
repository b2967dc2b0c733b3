package sigma

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// yaml writes the draft as a rule document of ours.
func (m *draft) yaml() string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	fmt.Fprintf(&b, "# Converted from Sigma, %s; import again instead of editing.\n", oneLine(m.doc.file))
	line("id", m.id)
	line("title", yamlText(m.title))
	line("description", yamlText(m.description))
	line("author", yamlText(m.author))
	line("license", yamlText(m.license))
	line("status", m.status)
	line("severity", m.severity)
	line("attack", yamlList(m.attack))
	line("references", yamlList(m.references))
	line("falsepositives", yamlList(m.falsePositives))
	switch {
	case m.count != nil:
		line("kind", "threshold")
	case m.order != nil:
		line("kind", "sequence")
	}
	line("dataset", yamlList(m.source.datasets()))
	b.WriteString("detect:\n")
	for _, p := range m.parts {
		b.WriteString("  " + p.name + ": |-\n    " + strings.Join(folded(p.text), "\n    ") + "\n")
	}
	if m.order != nil {
		m.writeOrder(&b)
	} else {
		line("when", whenText(m.when))
	}
	m.writeCount(&b)
	m.writeEntities(&b)
	return b.String()
}

// whenText writes a condition that stands on one line.
func whenText(e expression) string {
	if strings.HasPrefix(e.text, "!") { // would be a tag
		return yamlText(e.text)
	}
	return e.text
}

func (m *draft) writeOrder(b *strings.Builder) {
	var by []string
	for _, e := range m.order.by {
		by = append(by, e[0])
	}
	fmt.Fprintf(b, "sequence:\n  by: %s\n  within: %s\n", yamlList(by), spanText(m.order.within))
	if m.order.any {
		b.WriteString("  order: any\n")
	}
	b.WriteString("  steps:\n")
	for _, s := range m.order.steps {
		fmt.Fprintf(b, "    - when: %s\n", whenText(s))
	}
}

func (m *draft) writeCount(b *strings.Builder) {
	if m.count == nil {
		return
	}
	var by []string
	for _, e := range m.count.groupBy {
		by = append(by, e[0])
	}
	fmt.Fprintf(b, "threshold: {group_by: %s, count: %d, within: %s", yamlList(by), m.count.least, spanText(m.count.within))
	if m.count.distinct != nil {
		fmt.Fprintf(b, ", distinct: %s", m.count.distinct[0])
	}
	b.WriteString("}\n")
}

func (m *draft) writeEntities(b *strings.Builder) {
	entities := append([][2]string{}, m.source.fields.about...)
	add := func(e [2]string) {
		for _, x := range entities {
			if x[0] == e[0] {
				return
			}
		}
		entities = append(entities, e)
	}
	if m.order != nil {
		for _, e := range m.order.by {
			add(e)
		}
	}
	if m.count != nil {
		for _, e := range m.count.groupBy {
			add(e)
		}
		if m.count.distinct != nil {
			add(*m.count.distinct)
		}
	}
	var parts []string
	for _, e := range entities {
		parts = append(parts, yamlText(e[0])+": "+yamlText(e[1]))
	}
	fmt.Fprintf(b, "entities: {%s}\n", strings.Join(parts, ", "))
	if by := m.source.fields.by; len(by) > 0 && m.count == nil && m.order == nil {
		fmt.Fprintf(b, "suppress: {by: %s, for: 1h}\n", yamlList(by))
	}
}

func spanText(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d%u.unit == 0 {
			return fmt.Sprintf("%d%s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// plainYAML are texts that need no quotes anywhere.
var plainYAML = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 _./()-]*[A-Za-z0-9)]$`)

var yamlWords = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|nan|inf)$`)

// yamlText writes a text so that it stands on one line.
func yamlText(s string) string {
	if s == "" {
		return ""
	}
	if plainYAML.MatchString(s) && !yamlWords.MatchString(s) {
		return s
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimRight(b.String(), "\n")
}

func yamlList(values []string) string {
	if len(values) == 0 {
		return ""
	}
	var out []string
	for _, v := range values {
		out = append(out, yamlText(v))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// width is where long expressions are folded, at commas of lists and at operators.
const width = 140

// folded breaks an expression at blanks outside of text literals.
func folded(s string) []string {
	var out []string
	line, lastBlank, inQuotes, raw := 0, -1, false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inQuotes && c == '\\' && !raw:
			i++
		case c == '\'' && inQuotes:
			inQuotes = false
		case c == '\'':
			inQuotes, raw = true, i > 0 && s[i-1] == 'r'
		case c == ' ' && !inQuotes:
			lastBlank = i
		}
		if i-line >= width && lastBlank > line {
			out = append(out, s[line:lastBlank])
			line, lastBlank = lastBlank+1, -1
		}
	}
	return append(out, s[line:])
}
