package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"vigil/internal/expr"
	"vigil/schema"
)

// MaxFile is the largest rule file, in bytes.
const MaxFile = 1 << 20

// keys are the keys of a rule document, in the order people write them.
var keys = []string{"id", "title", "description", "author", "license", "status", "severity", "risk", "attack", "references",
	"owner", "runbook", "falsepositives", "kind", "dataset", "detect", "when", "threshold", "sequence", "new_terms", "aggregate", "anomaly", "entities", "suppress", "respond", "tests"}

// Keys are the keys of a rule document, in the order people write them.
func Keys() []string { return slices.Clone(keys) }

// Functions are the functions that expressions have beside those of CEL.
func Functions() []expr.Function { return expr.Functions() }

// defaultWindow is the event-time window of one alert when a rule names none.
const defaultWindow = time.Hour

var (
	idForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{2,63}$`)
	attackForm = regexp.MustCompile(`^(T\d{4}(\.\d{3})?|TA\d{4})$`)
	nameForm   = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
	entityForm = regexp.MustCompile(`^[a-z_][a-z0-9_.]*$`)
	setForm    = regexp.MustCompile(`^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$`)
)

// Load reads every .yaml and .yml file below the root of each file system, in
// name order, and returns the set of good rules and one error per problem. The
// set is never nil. Errors about a rule's content are *LoadError.
func Load(systems ...fs.FS) (*Set, []error) { return LoadWith(Options{}, systems...) }

// Options configure a load.
type Options struct {
	// Lists are the named lists for inList.
	Lists map[string][]string
}

// LoadWith is Load with named lists.
func LoadWith(o Options, systems ...fs.FS) (*Set, []error) {
	var files []File
	var errs []error
	for _, sys := range systems {
		read, failed := readFiles(sys)
		files, errs = append(files, read...), append(errs, failed...)
	}
	set, more := LoadFiles(o, files...)
	return set, append(errs, more...)
}

// File is the text of one rule file.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// LoadFiles is Load of files in memory.
func LoadFiles(o Options, files ...File) (*Set, []error) {
	rs, errs := compileFiles(o, files)
	return newSet(rs, o.Lists), errs
}

// Parse reads the rules of one file's text.
func Parse(name string, text []byte, o Options) ([]*Rule, []error) {
	return compileFiles(o, []File{{Name: name, Text: string(text)}})
}

// compileFiles compiles files side by side, for compiling is what takes long, and puts the rules
// together in the order of the files.
func compileFiles(o Options, files []File) (rs []*Rule, errs []error) {
	env, err := expr.NewEnv(expr.Options{Lists: o.Lists})
	if err != nil {
		return nil, []error{err}
	}
	l, docs := &loader{env: env}, make([][]*document, len(files))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(files)); i = next.Add(1) - 1 {
				docs[i] = l.file(files[i].Name, files[i].Text)
			}
		})
	}
	wg.Wait()
	seen := map[string]*Rule{}
	for _, d := range slices.Concat(docs...) {
		if d.good != nil {
			if before := seen[d.good.ID]; before != nil {
				d.failAt(d.id.line, d.id.column, "", "the id %q is used before, in %s line %d", d.good.ID, before.File, before.Line)
			} else {
				seen[d.good.ID] = d.good
				rs = append(rs, d.good)
			}
		}
		errs = append(errs, d.errs...)
	}
	return rs, errs
}

// loader compiles documents. It is safe for concurrent use.
type loader struct{ env *expr.Env }

// readFiles reads the rule files of a file system, in name order.
func readFiles(sys fs.FS) (files []File, errs []error) {
	err := fs.WalkDir(sys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			errs = append(errs, fmt.Errorf("reading rules: %w", err))
			return nil
		}
		if ext := path.Ext(p); d.IsDir() || ext != ".yaml" && ext != ".yml" {
			return nil
		}
		text, err := fs.ReadFile(sys, p)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading rule file %s: %w", p, err))
			return nil
		}
		files = append(files, File{Name: p, Text: string(text)})
		return nil
	})
	if err != nil {
		errs = append(errs, fmt.Errorf("reading rules: %w", err))
	}
	return files, errs
}

// file reads the documents of one file; each stands on its own, so that one that
// is not even YAML leaves the others alone.
func (l *loader) file(name, text string) []*document {
	if len(text) > MaxFile {
		return []*document{{file: name, errs: []error{&LoadError{File: name, Line: 1, Column: 1,
			Message: fmt.Sprintf("the file has %d bytes, the limit is %d", len(text), MaxFile), Hint: "split it"}}}}
	}
	var docs []*document
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	start := 0
	for i := 0; i <= len(lines); i++ {
		if i < len(lines) && strings.TrimRight(lines[i], " \t") != "---" {
			continue
		}
		if d := (&document{file: name, line: start + 1, lines: lines[start:i]}); !blank(d.lines) {
			l.document(d)
			docs = append(docs, d)
		}
		start = i + 1
	}
	return docs
}

// document compiles one; a rule without mistakes is good.
func (l *loader) document(d *document) {
	text := strings.Join(d.lines, "\n") + "\n"
	node, ok := d.parse(text)
	if !ok {
		return
	}
	if r := l.rule(d, node); r != nil && len(d.errs) == 0 {
		r.YAML = text
		r.Version = schema.HashID("rule", strings.TrimSpace(text))
		d.good = r
	}
}

func blank(lines []string) bool {
	for _, s := range lines {
		if s = strings.TrimSpace(s); s != "" && s[0] != '#' {
			return false
		}
	}
	return true
}

// parse reads the document's YAML; anchors, aliases, tags and merge keys are
// refused: rules are plain, and nothing may expand while loading.
func (d *document) parse(text string) (node ast.Node, ok bool) {
	defer func() {
		if p := recover(); p != nil { // the YAML parser must not take the loader down
			d.failAt(1, 1, "", "not readable as YAML: %v", p)
			ok = false
		}
	}()
	f, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			p := at.GetToken().Position
			d.failAt(p.Line, p.Column, "", "not YAML: %s", at.GetMessage())
		} else {
			d.failAt(1, 1, "", "not YAML: %v", err)
		}
		return nil, false
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return nil, false
	}
	plain := &plainCheck{doc: d}
	ast.Walk(plain, f.Docs[0].Body)
	return f.Docs[0].Body, !plain.bad
}

type plainCheck struct {
	doc *document
	bad bool
}

// Visit implements the visitor of the YAML library.
func (c *plainCheck) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		c.doc.fail(n, "write the value out", "anchors, aliases and tags are not allowed in rules")
		c.bad = true
		return nil
	}
	return c
}

// rule reads one document; problems are collected in d.
func (l *loader) rule(d *document, node ast.Node) *Rule {
	m, ok := d.mapping(node, "a rule", keys)
	if !ok {
		return nil
	}
	d.rule = m.text("id")
	r := &Rule{File: d.file, Line: d.line}
	d.readHead(m, r)
	if r.ID != "" {
		d.id = spotOf(m.at["id"])
	}
	r.Kind = kindOf(m)
	d.readDatasets(m, r)
	d.readEntities(m, r)
	d.readSuppress(m, r)
	d.readRespond(m, r)
	d.readKind(m, r)
	l.compile(d, m, r)
	d.readTests(m, r)
	return r
}

func (d *document) readHead(m *mapping, r *Rule) {
	r.ID = m.need("id", "a stable name like encoded-powershell; alert ids are derived from it")
	if r.ID != "" && !idForm.MatchString(r.ID) {
		d.fail(m.at["id"], "small letters, digits and hyphens, 3 to 64 characters", "id cannot be %q", r.ID)
	}
	r.Title = m.need("title", "one line that an analyst reads first")
	r.Description = m.text("description")
	r.Author = m.need("author", "shown with every alert of the rule")
	r.License = m.text("license")
	r.Status = Status(m.oneOf("status", string(Test), string(Draft), string(Test), string(Stable)))
	var severities []string
	for _, s := range schema.Severities() {
		severities = append(severities, string(s))
	}
	if _, ok := m.at["severity"]; !ok {
		d.fail(m.node, "one of "+strings.Join(severities, ", "), "the key %q is missing", "severity")
	}
	r.Severity = schema.Severity(m.oneOf("severity", string(schema.Medium), severities...))
	r.Risk = m.integer("risk", 20+20*max(r.Severity.Rank(), 0), 0, 100)
	r.References, r.Owner, r.Runbook = m.list("references"), m.text("owner"), m.text("runbook")
	r.FalsePositives = m.list("falsepositives")
	attack, nodes := m.listNodes("attack")
	for i, a := range attack {
		if !attackForm.MatchString(a) {
			d.fail(nodes[i], "write T1059 or T1059.001", "attack cannot be %q", a)
		}
	}
	r.Attack = attack
}

func (d *document) readDatasets(m *mapping, r *Rule) {
	sets, nodes := m.listNodes("dataset")
	if len(sets) == 0 {
		d.fail(m.node, "the event.dataset values the rule is for: windows.sysmon, zeek.conn, zeek.*", "the key %q is missing", "dataset")
	}
	for i, s := range sets {
		if !setForm.MatchString(s) {
			d.fail(nodes[i], "write zeek.conn, or zeek.* for a whole module", "dataset cannot be %q", s)
		}
	}
	r.Datasets = sets
}

func (d *document) readEntities(m *mapping, r *Rule) {
	n, ok := m.at["entities"]
	if !ok {
		return
	}
	em, ok := d.mapping(n, "entities", nil)
	if !ok {
		return
	}
	for _, name := range em.keys {
		if !entityForm.MatchString(name) {
			d.fail(em.key[name], "small letters, digits, _ and .", "no entity can be named %q", name)
			continue
		}
		field := strings.TrimPrefix(em.text(name), "e.")
		if r.Kind == Aggregate { // a column of its query
			if !nameForm.MatchString(field) {
				d.fail(em.at[name], "small letters, digits and _", "no column can be named %q", field)
			}
			r.Entities = append(r.Entities, Entity{Name: name, Field: field})
			continue
		}
		ref, ok := expr.ParseRef(field)
		if !ok {
			d.fail(em.at[name], suggest(field, fieldNames()), "no field %q", field)
			continue
		}
		r.Entities = append(r.Entities, Entity{Name: name, Field: field, ref: ref})
	}
}

func fieldNames() []string {
	out := make([]string, 0, schema.NumFields)
	for _, f := range schema.Fields() {
		out = append(out, f.Name)
	}
	return out
}

func (r *Rule) entityNames() []string {
	var out []string
	for _, e := range r.Entities {
		out = append(out, e.Name)
	}
	return out
}

// entityList reads a list of entity names of the rule.
func (d *document) entityList(m *mapping, r *Rule, key string) []string {
	names, nodes := m.listNodes(key)
	for i, n := range names {
		if _, ok := r.Entity(n); !ok {
			d.fail(nodes[i], suggest(n, r.entityNames()), "the rule has no entity %q", n)
		}
	}
	return names
}

func (d *document) readSuppress(m *mapping, r *Rule) {
	r.Suppress.For = defaultWindow
	n, ok := m.at["suppress"]
	if !ok {
		return
	}
	if sm, ok := d.mapping(n, "suppress", []string{"by", "for"}); ok {
		r.Suppress.By = d.entityList(sm, r, "by")
		r.Suppress.For = sm.duration("for", defaultWindow)
	}
}

func (d *document) readRespond(m *mapping, r *Rule) {
	n, ok := m.at["respond"]
	if !ok {
		return
	}
	if rm, ok := d.mapping(n, "respond", []string{"playbook"}); ok {
		r.Playbook = rm.need("playbook", "the id of a playbook")
	}
}

// sortRules orders rules by id, so that the set does not depend on file names.
func sortRules(rs []*Rule) {
	slices.SortFunc(rs, func(a, b *Rule) int { return strings.Compare(a.ID, b.ID) })
}
