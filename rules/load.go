package rules

import (
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

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
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
// set is never nil. Errors about a rule's content are *document.Error.
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
	l, docs := &loader{env: env}, make([][]*reader, len(files))
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
				d.Fail(d.id, "", "the id %q is used before, in %s line %d", d.good.ID, before.File, before.Line)
			} else {
				seen[d.good.ID] = d.good
				rs = append(rs, d.good)
			}
		}
		errs = append(errs, d.Errs...)
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
func (l *loader) file(name, text string) []*reader {
	if len(text) > MaxFile {
		d := &reader{Reader: &document.Reader{File: name}}
		d.FailAt(1, 1, "split it", "the file has %d bytes, the limit is %d", len(text), MaxFile)
		return []*reader{d}
	}
	var docs []*reader
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	start := 0
	for i := 0; i <= len(lines); i++ {
		if i < len(lines) && strings.TrimRight(lines[i], " \t") != "---" {
			continue
		}
		if d := (&reader{lines: lines[start:i], Reader: &document.Reader{File: name, First: start + 1, Lines: i - start}}); !blank(d.lines) {
			l.document(d)
			docs = append(docs, d)
		}
		start = i + 1
	}
	return docs
}

// document compiles one; a rule without mistakes is good.
func (l *loader) document(d *reader) {
	text := strings.Join(d.lines, "\n") + "\n"
	node, ok := d.parse(text)
	if !ok {
		return
	}
	if r := l.rule(d, node); r != nil && len(d.Errs) == 0 {
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
func (d *reader) parse(text string) (node ast.Node, ok bool) {
	if node, ok = d.Parse([]byte(text)); !ok {
		return nil, false
	}
	plain := &plainCheck{doc: d}
	ast.Walk(plain, node)
	return node, !plain.bad
}

type plainCheck struct {
	doc *reader
	bad bool
}

// Visit implements the visitor of the YAML library.
func (c *plainCheck) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		c.doc.Fail(n, "write the value out", "anchors, aliases and tags are not allowed in rules")
		c.bad = true
		return nil
	}
	return c
}

// rule reads one document; problems are collected in d.
func (l *loader) rule(d *reader, node ast.Node) *Rule {
	m, ok := d.Mapping(node, "a rule", keys)
	if !ok {
		return nil
	}
	d.ID = m.Text("id")
	r := &Rule{File: d.File, Line: d.First}
	d.readHead(m, r)
	d.id = m.At["id"]
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

func (d *reader) readHead(m *document.Mapping, r *Rule) {
	r.ID = m.Need("id", "a stable name like encoded-powershell; alert ids are derived from it")
	if r.ID != "" && !idForm.MatchString(r.ID) {
		d.Fail(m.At["id"], "small letters, digits and hyphens, 3 to 64 characters", "id cannot be %q", r.ID)
	}
	r.Title = m.Need("title", "one line that an analyst reads first")
	r.Description = m.Text("description")
	r.Author = m.Need("author", "shown with every alert of the rule")
	r.License = m.Text("license")
	r.Status = Status(m.OneOf("status", string(Test), []string{string(Draft), string(Test), string(Stable)}))
	var severities []string
	for _, s := range schema.Severities() {
		severities = append(severities, string(s))
	}
	if _, ok := m.At["severity"]; !ok {
		d.Fail(m.Node, "one of "+strings.Join(severities, ", "), "the key %q is missing", "severity")
	}
	r.Severity = schema.Severity(m.OneOf("severity", string(schema.Medium), severities))
	r.Risk = m.Int("risk", 20+20*max(r.Severity.Rank(), 0), 0, 100)
	r.Owner, r.Runbook = m.Text("owner"), m.Text("runbook")
	r.References, _ = m.List("references")
	r.FalsePositives, _ = m.List("falsepositives")
	attack, nodes := m.List("attack")
	for i, a := range attack {
		if !attackForm.MatchString(a) {
			d.Fail(nodes[i], "write T1059 or T1059.001", "attack cannot be %q", a)
		}
	}
	r.Attack = attack
}

func (d *reader) readDatasets(m *document.Mapping, r *Rule) {
	sets, nodes := m.List("dataset")
	if len(sets) == 0 {
		d.Fail(m.Node, "the event.dataset values the rule is for: windows.sysmon, zeek.conn, zeek.*", "the key %q is missing", "dataset")
	}
	for i, s := range sets {
		if !setForm.MatchString(s) {
			d.Fail(nodes[i], "write zeek.conn, or zeek.* for a whole module", "dataset cannot be %q", s)
		}
	}
	r.Datasets = sets
}

func (d *reader) readEntities(m *document.Mapping, r *Rule) {
	n, ok := m.At["entities"]
	if !ok {
		return
	}
	em, ok := d.Mapping(n, "entities", nil)
	if !ok {
		return
	}
	for _, name := range em.Keys {
		if !entityForm.MatchString(name) {
			d.Fail(em.Key[name], "small letters, digits, _ and .", "no entity can be named %q", name)
			continue
		}
		field := strings.TrimPrefix(em.Text(name), "e.")
		if r.Kind == Aggregate { // a column of its query
			if !nameForm.MatchString(field) {
				d.Fail(em.At[name], "small letters, digits and _", "no column can be named %q", field)
			}
			r.Entities = append(r.Entities, Entity{Name: name, Field: field})
			continue
		}
		ref, ok := expr.ParseRef(field)
		if !ok {
			d.Fail(em.At[name], document.Suggest(field, fieldNames()), "no field %q", field)
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
func (d *reader) entityList(m *document.Mapping, r *Rule, key string) []string {
	names, nodes := m.List(key)
	for i, n := range names {
		if _, ok := r.Entity(n); !ok {
			d.Fail(nodes[i], document.Suggest(n, r.entityNames()), "the rule has no entity %q", n)
		}
	}
	return names
}

func (d *reader) readSuppress(m *document.Mapping, r *Rule) {
	r.Suppress.For = defaultWindow
	n, ok := m.At["suppress"]
	if !ok {
		return
	}
	if sm, ok := d.Mapping(n, "suppress", []string{"by", "for"}); ok {
		r.Suppress.By = d.entityList(sm, r, "by")
		r.Suppress.For = span(sm, "for", defaultWindow)
	}
}

func (d *reader) readRespond(m *document.Mapping, r *Rule) {
	n, ok := m.At["respond"]
	if !ok {
		return
	}
	if rm, ok := d.Mapping(n, "respond", []string{"playbook"}); ok {
		r.Playbook = rm.Need("playbook", "the id of a playbook")
	}
}

// sortRules orders rules by id, so that the set does not depend on file names.
func sortRules(rs []*Rule) {
	slices.SortFunc(rs, func(a, b *Rule) int { return strings.Compare(a.ID, b.ID) })
}
