package playbook

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
	"vigil/schema"
)

// LoadError is one thing wrong with a playbook file, at its place.
type LoadError struct {
	File         string
	Line, Column int // from 1
	Message      string
	Hint         string
}

// Error returns "file:line:column: message (hint)".
func (e *LoadError) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the error as a schema.Error of code Invalid.
func (e *LoadError) Unwrap() error { return schema.E(schema.Invalid, e.Message, e.Hint) }

// maxDocument bounds the text of a playbook, in bytes.
const maxDocument = 256 << 10

// Parse reads and checks one playbook in YAML or JSON. The document is nil when
// there is any error.
func Parse(file string, text []byte, verbs map[string]Verb) (d *Document, errs []error) {
	defer func() {
		if p := recover(); p != nil { // the YAML parser must not take us down
			d, errs = nil, []error{&LoadError{File: file, Line: 1, Column: 1, Message: fmt.Sprintf("not readable as YAML: %v", p)}}
		}
	}()
	if len(text) > maxDocument {
		return nil, []error{&LoadError{File: file, Line: 1, Column: 1, Message: fmt.Sprintf("longer than %d bytes", maxDocument)}}
	}
	f, err := document.Tree(text)
	if err != nil {
		return nil, []error{yamlError(file, err)}
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return nil, []error{&LoadError{File: file, Line: 1, Column: 1, Message: "a file holds one playbook"}}
	}
	if err := plain(file, f.Docs[0].Body); err != nil {
		return nil, []error{err}
	}
	d = &Document{}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(d); err != nil {
		return nil, []error{yamlError(file, err)}
	}
	c := &checker{d: d, verbs: verbs, file: file, at: placer(f.Docs[0].Body)}
	c.run()
	if len(c.errs) > 0 {
		slices.SortStableFunc(c.errs, func(a, b error) int {
			x, y := a.(*LoadError), b.(*LoadError)
			if x.Line != y.Line {
				return x.Line - y.Line
			}
			return x.Column - y.Column
		})
		return nil, c.errs
	}
	return d, nil
}

func yamlError(file string, err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
		p := at.GetToken().Position
		return &LoadError{File: file, Line: p.Line, Column: p.Column, Message: at.GetMessage()}
	}
	return &LoadError{File: file, Line: 1, Column: 1, Message: err.Error()}
}

// plain refuses anchors and aliases, which could make a small text huge.
func plain(file string, n ast.Node) error {
	v := &aliasFinder{}
	ast.Walk(v, n)
	if v.found == nil {
		return nil
	}
	p := v.found.GetToken().Position
	return &LoadError{File: file, Line: p.Line, Column: p.Column, Message: "anchors, aliases and tags are not allowed", Hint: "write the value out"}
}

type aliasFinder struct{ found ast.Node }

// Visit implements the visitor of the YAML library.
func (a *aliasFinder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		if a.found == nil {
			a.found = n
		}
		return nil
	}
	return a
}

// placer returns a function that finds where a path stands: the value of its last
// key, or of the longest part of the path that is there.
func placer(root ast.Node) func(...string) (int, int) {
	return func(path ...string) (int, int) {
		at, value := root, root
		for _, key := range path {
			k, v := child(value, key)
			if v == nil {
				break
			}
			at, value = k, v
			if _, isMap := v.(*ast.MappingNode); !isMap && v.Type() != ast.SequenceType && v.Type() != ast.MappingValueType {
				at = v
			}
		}
		t := at.GetToken()
		if m, ok := at.(*ast.MappingNode); ok && len(m.Values) > 0 {
			t = m.Values[0].Key.GetToken()
		}
		if t == nil || t.Position == nil {
			return 1, 1
		}
		return t.Position.Line, t.Position.Column
	}
}

func child(n ast.Node, key string) (k, v ast.Node) {
	switch x := n.(type) {
	case *ast.MappingNode:
		for _, e := range x.Values {
			if e.Key.String() == key || strings.Trim(e.Key.String(), `"'`) == key {
				return e.Key, e.Value
			}
		}
	case *ast.MappingValueNode:
		if x.Key.String() == key {
			return x.Key, x.Value
		}
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i < len(x.Values) {
			return x.Values[i], x.Values[i]
		}
	}
	return nil, nil
}

//go:embed library/*.yaml
var library embed.FS

// Set is the playbooks that are loaded, by name. It is immutable.
type Set struct {
	byName map[string]*Document
	verbs  map[string]Verb
}

// Load reads the built-in library and every *.yaml, *.yml and *.json of the other
// file systems; a later playbook takes the place of one with the same name. Bad
// files are reported and the others load.
func Load(verbs map[string]Verb, more ...fs.FS) (*Set, []error) {
	s := &Set{byName: map[string]*Document{}, verbs: verbs}
	var errs []error
	for _, sys := range append([]fs.FS{library}, more...) {
		err := fs.WalkDir(sys, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)) {
				return err
			}
			text, err := fs.ReadFile(sys, name)
			if err != nil {
				return err
			}
			d, bad := Parse(name, text, verbs)
			errs = append(errs, bad...)
			if d != nil {
				s.byName[d.Slug()] = d
			}
			return nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("reading playbooks: %w", err))
		}
	}
	return s, append(errs, s.subs()...)
}

// subs drops playbooks whose sub-playbooks are missing or lead back to them.
func (s *Set) subs() (errs []error) {
	for _, name := range s.Names() {
		if err := s.reach(s.byName[name], nil); err != nil {
			errs = append(errs, &LoadError{File: name, Line: 1, Column: 1, Message: err.Error()})
			delete(s.byName, name)
		}
	}
	return errs
}

func (s *Set) reach(d *Document, above []string) error {
	if slices.Contains(above, d.Slug()) {
		return fmt.Errorf("the playbooks call each other in a circle: %s", strings.Join(append(above, d.Slug()), " → "))
	}
	for _, id := range d.StepIDs() {
		if st := d.Workflow[id]; st.Type == SubPlaybook {
			sub, err := s.Get(st.Playbook)
			if err != nil {
				return fmt.Errorf("step %s: %w", id, err)
			}
			if err := s.reach(sub, append(slices.Clone(above), d.Slug())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Get returns a playbook by name, or by its id.
func (s *Set) Get(name string) (*Document, error) {
	d, ok := s.byName[name]
	for _, other := range s.byName {
		if !ok && strings.HasPrefix(name, "playbook--") && other.ID == name {
			d, ok = other, true
		}
	}
	if !ok {
		return nil, schema.E(schema.NotFound, fmt.Sprintf("there is no playbook %q", name), near(name, s.Names()))
	}
	return d, nil
}

// Names returns the names in order.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.byName)) }

// LowRisk says whether the named playbook exists and may run without a person.
func (s *Set) LowRisk(name string) bool {
	d, ok := s.byName[name]
	return ok && d.LowRisk(s.verbs) && !slices.ContainsFunc(d.StepIDs(), func(id string) bool {
		st := d.Workflow[id]
		return st.Type == SubPlaybook && !s.LowRisk(st.Playbook)
	})
}
