// Package mail writes the answers of a dashboard's panels as an e-mail: HTML, the same as
// text, and a CSV file for each answer. Values come from attackers: nothing of them is a
// link, a formula or markup where the mail is read. It is pure.
package mail

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"

	"vigil/internal/export"
	"vigil/schema"
)

// The limits of a mail. What does not fit is in the files, and what does not fit there is
// told.
const (
	maxRows  = 20 // of a table that is shown
	maxCells = 8  // of a row
	maxText  = 160
	maxFiles = 5 << 20 // bytes of all files
)

// Mail is what a report shows.
type Mail struct {
	Title       string
	Description string
	Link        string // to the dashboard or search; "" for none
	From, To    time.Time
	Zone        *time.Location
	Sender      string // who set the report up
	Report      string // its id
	Panels      []Panel
}

// Panel is a query and its answer.
type Panel struct {
	Title   string
	Query   string
	Show    string // as in the dashboard: table, bar, line, area, number; "" is what fits best
	Columns []export.Column
	Rows    [][]any // string, float64, int64, bool, time.Time or nil
	More    bool    // there are more rows than these
	Problem string  // why there is no answer
}

// File is a file of the mail.
type File struct {
	Name, Media string
	Body        []byte
}

// Files writes the answers as CSV files, and says which titles were left out because all
// would be too large.
func (m Mail) Files() (files []File, left []string, err error) {
	size := 0
	for i, p := range m.Panels {
		if p.Problem != "" {
			continue
		}
		var b bytes.Buffer
		w, media, err := export.New("csv", &b, p.Columns)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range p.Rows {
			if err := w.Write(r); err != nil {
				return nil, nil, fmt.Errorf("writing the file of panel %s: %w", p.Title, err)
			}
		}
		if err := w.Close(); err != nil {
			return nil, nil, fmt.Errorf("writing the file of panel %s: %w", p.Title, err)
		}
		if size+b.Len() > maxFiles {
			left = append(left, p.Title)
			continue
		}
		size += b.Len()
		files = append(files, File{fmt.Sprintf("%02d-%s.csv", i+1, slug(p.Title)), media, b.Bytes()})
	}
	return files, left, nil
}

// slug is a title as part of a file's name.
func slug(title string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		default:
			return '-'
		}
	}, title)
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '-' }), "-")
	if len(s) > 50 {
		s = s[:50]
	}
	if s == "" {
		return "panel"
	}
	return s
}

// inert is a text that no reader obeys: controls and what changes the direction of writing
// are made visible, and programs that turn addresses into links find none.
func inert(s string) string { return strings.TrimSpace(visible(s, maxText)) }

func visible(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "…"
	}
	return noLinks.Replace(s)
}

var noLinks = strings.NewReplacer("://", "[:]//", "www.", "www[.]", "WWW.", "WWW[.]", "mailto:", "mailto[:]")

// cell is a value as people read it.
func (m Mail) cell(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return inert(x)
	case time.Time:
		return m.time(x)
	case float64:
		return number(x)
	case int64:
		return number(float64(x))
	default:
		return inert(fmt.Sprint(x))
	}
}

func (m Mail) time(t time.Time) string { return t.In(m.Zone).Format("2006-01-02 15:04:05") }

// number writes whole numbers with thousands apart, and others with three digits behind the
// point at most.
func number(f float64) string {
	if f != float64(int64(f)) {
		return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", f), "0"), ".")
	}
	digits := fmt.Sprintf("%d", int64(f))
	sign, digits := digits[:len(digits)-len(strings.TrimPrefix(digits, "-"))], strings.TrimPrefix(digits, "-")
	var parts []string
	for ; len(digits) > 3; digits = digits[:len(digits)-3] {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
	}
	return sign + strings.Join(append([]string{digits}, parts...), ",")
}

func numeric(k schema.Kind) bool { return k == schema.Double || k == schema.Long }

// valueOf is a cell as a number; 0 when it is none.
func valueOf(v any) float64 {
	switch x := v.(type) {
	case float64:
		return x
	case int64:
		return float64(x)
	}
	return 0
}
