// Package dashboard reads and checks dashboards: YAML files of panels, each a query of the
// search language and how its answer is drawn. It is pure; asking the queries is the store's.
package dashboard

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"vigil/internal/document"
	"vigil/schema"
)

// The limits of a dashboard.
const (
	MaxDocument = 64 << 10 // bytes
	maxPanels   = 40
	maxWidth    = 4
)

// Dashboard is a checked document.
type Dashboard struct {
	ID          string  `json:"id" yaml:"id"`
	Title       string  `json:"title" yaml:"title"`
	Description string  `json:"description,omitempty" yaml:"description,omitempty"`
	Range       string  `json:"range,omitempty" yaml:"range,omitempty"` // 15m, 1h, 24h, 7d, 30d, all; what the page opens with
	Panels      []Panel `json:"panels" nullable:"false" yaml:"panels"`
}

// Panel is one query and its picture.
type Panel struct {
	Title string `json:"title" yaml:"title"`
	Query string `json:"query" yaml:"query"`
	Show  string `json:"show,omitempty" yaml:"show,omitempty"`   // one of Shows; "" is what fits the answer best
	Width int    `json:"width,omitempty" yaml:"width,omitempty"` // columns of four; 0 is 2
}

var (
	idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,63}$`)
	ranges = []string{"", "15m", "1h", "24h", "7d", "30d", "all"}
)

// Shows are the ways a panel is drawn.
func Shows() []string { return []string{"table", "bar", "line", "area", "number"} }

// Parse reads and checks one document. query judges the text of a panel's query; its
// error is told with the panel's name.
func Parse(text []byte, query func(string) error) (d Dashboard, err error) {
	defer func() {
		if p := recover(); p != nil { // the YAML parser must not take us down
			err = schema.E(schema.Invalid, fmt.Sprintf("not readable as YAML: %v", p), "")
		}
	}()
	if len(text) > MaxDocument {
		return d, schema.E(schema.Invalid, fmt.Sprintf("the dashboard has %d bytes, the limit is %d", len(text), MaxDocument), "")
	}
	if _, err := document.Tree(text); err != nil {
		return d, schema.E(schema.Invalid, "the dashboard cannot be read: "+yaml.FormatError(err, false, false), "")
	}
	if err := yaml.UnmarshalWithOptions(text, &d, yaml.DisallowUnknownField(), yaml.Strict()); err != nil {
		return d, schema.E(schema.Invalid, "the dashboard cannot be read: "+yaml.FormatError(err, false, false), "keys: id, title, description, range, panels (title, query, show, width)")
	}
	return d, d.check(query)
}

func (d Dashboard) check(query func(string) error) error {
	bad := func(format string, args ...any) error {
		return schema.E(schema.Invalid, fmt.Sprintf(format, args...), "")
	}
	switch {
	case !idForm.MatchString(d.ID):
		return bad("the id %q is not one: small letters, digits and hyphens, 2 to 64 characters", clip(d.ID))
	case strings.TrimSpace(d.Title) == "" || len(d.Title) > 200:
		return bad("the dashboard %s needs a title of at most 200 characters", d.ID)
	case !slices.Contains(ranges, d.Range):
		return bad("the range %q is none of %s", clip(d.Range), strings.Join(ranges[1:], ", "))
	case len(d.Panels) == 0 || len(d.Panels) > maxPanels:
		return bad("the dashboard %s has %d panels; it needs 1 to %d", d.ID, len(d.Panels), maxPanels)
	}
	for i, p := range d.Panels {
		name := fmt.Sprintf("panel %d (%s)", i+1, clip(p.Title))
		switch {
		case strings.TrimSpace(p.Title) == "" || len(p.Title) > 200:
			return bad("panel %d needs a title of at most 200 characters", i+1)
		case strings.TrimSpace(p.Query) == "":
			return bad("%s has no query", name)
		case p.Show != "" && !slices.Contains(Shows(), p.Show):
			return bad("%s: show %q is none of %s", name, clip(p.Show), strings.Join(Shows(), ", "))
		case p.Width < 0 || p.Width > maxWidth:
			return bad("%s: width %d is not 1 to %d", name, p.Width, maxWidth)
		}
		if err := query(p.Query); err != nil {
			if se, ok := errors.AsType[*schema.Error](err); ok {
				return schema.E(schema.Invalid, name+": "+se.Message, se.Hint)
			}
			return bad("%s: %v", name, err)
		}
	}
	return nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// File is a dashboard as found in a folder.
type File struct {
	Dashboard
	Text string
}

// Load reads every .yaml and .yml file of the file systems, in name order, and returns the
// good ones and an error for each that is not. Of two with one id the later holds.
func Load(query func(string) error, systems ...fs.FS) ([]File, []error) {
	var errs []error
	byID := map[string]File{}
	for _, sys := range systems {
		names, err := fs.Glob(sys, "*")
		if err != nil {
			errs = append(errs, err)
		}
		for _, name := range names {
			if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
				continue
			}
			text, err := fs.ReadFile(sys, name)
			if err != nil {
				errs = append(errs, fmt.Errorf("reading dashboard %s: %w", name, err))
				continue
			}
			d, err := Parse(text, query)
			if err != nil {
				errs = append(errs, fmt.Errorf("dashboard file %s: %w", name, err))
				continue
			}
			byID[d.ID] = File{d, string(text)}
		}
	}
	out := make([]File, 0, len(byID))
	for _, f := range byID {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Title+a.ID, b.Title+b.ID) })
	return out, errs
}
