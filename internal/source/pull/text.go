package pull

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/internal/document"
)

// text is a template: plain parts and variables in turn. It is deliberately no language.
type text []part

type part struct {
	plain  string
	name   string // of a variable, "" for plain text
	format string // of a time
}

// values are what a request is made with.
type values struct {
	from, to time.Time
	cursor   string
	page     int
	offset   int
	size     int
	vars     map[string]string
}

// known are the variables that every request has.
func known() []string { return []string{"from", "to", "cursor", "page", "offset", "size"} }

// formats are the ways to write a time.
func formats() []string { return []string{"rfc3339", "seconds", "millis", "date"} }

// parseText reads "…{{name}}…{{from | seconds}}…"; message says what is wrong.
func parseText(s string, vars map[string]string) (t text, message, hint string) {
	for s != "" {
		plain, rest, open := strings.Cut(s, "{{")
		if plain != "" {
			t = append(t, part{plain: plain})
		}
		if !open {
			break
		}
		inner, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return t, "{{ is not closed", "write {{name}}"
		}
		name, format, piped := strings.Cut(inner, "|")
		p := part{name: strings.TrimSpace(name), format: strings.TrimSpace(format)}
		if _, own := vars[p.name]; !own && !slices.Contains(known(), p.name) {
			all := known()
			for v := range vars {
				all = append(all, v)
			}
			slices.Sort(all)
			return t, fmt.Sprintf("there is no variable %q", p.name), document.Suggest(p.name, all)
		}
		if piped && (p.name != "from" && p.name != "to" || !slices.Contains(formats(), p.format)) {
			return t, fmt.Sprintf("%s cannot be written as %q", p.name, p.format), "times are: " + strings.Join(formats(), ", ")
		}
		t = append(t, p)
		s = after
	}
	return t, "", ""
}

func (t text) uses(name string) bool {
	return slices.ContainsFunc(t, func(p part) bool { return p.name == name })
}

func (t text) render(v values) string {
	var b strings.Builder
	for _, p := range t {
		switch p.name {
		case "":
			b.WriteString(p.plain)
		case "from":
			b.WriteString(moment(v.from, p.format))
		case "to":
			b.WriteString(moment(v.to, p.format))
		case "cursor":
			b.WriteString(v.cursor)
		case "page":
			b.WriteString(strconv.Itoa(v.page))
		case "offset":
			b.WriteString(strconv.Itoa(v.offset))
		case "size":
			b.WriteString(strconv.Itoa(v.size))
		default:
			b.WriteString(v.vars[p.name])
		}
	}
	return b.String()
}

// moment writes a time; the zero time is nothing.
func moment(t time.Time, format string) string {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	switch format {
	case "seconds":
		return strconv.FormatInt(t.Unix(), 10)
	case "millis":
		return strconv.FormatInt(t.UnixMilli(), 10)
	case "date":
		return t.Format(time.DateOnly)
	default:
		return t.Format("2006-01-02T15:04:05.000Z")
	}
}
