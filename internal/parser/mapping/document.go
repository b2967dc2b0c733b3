package mapping

import (
	"embed"
	"errors"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"vigil/internal/document"
)

// files are the mappings of the built-in formats.
//
//go:embed *.yaml
var files embed.FS

// maxFile is the largest document, in bytes.
const maxFile = 256 << 10

// Document is the mapping of one product or of formats that share one.
type Document struct {
	Name        string // of its file, without .yaml
	Formats     []string
	Description string
	Module      string // event.module and event.dataset, where the code does not say them
	Dataset     string
	Holds       []string // values that the format's code takes
	Section
	Tables  map[string]Section           // of other objects: below names, or inside of values
	Kinds   map[string]Section           // of what a record is: a log, a type, an event id
	Lookups map[string]map[string]string // values that the format's code looks up
	Aliases []Row                        // From are names as words, for every way to write them
}

// Section is a mapping of keys with what follows.
type Section struct {
	Below  []string // what stands before the keys; none: they stand alone
	Keys   map[string][]Row
	Set    []Constant // what every event gets
	Fields []Row      // rows for events whose values are all there
	// Sentences are what a text means; the first that fits counts.
	Sentences []Sentence
}

// Names are the documents there are.
func Names() []string {
	list, err := files.ReadDir(".")
	if err != nil {
		return nil // cannot be: the folder is embedded
	}
	var out []string
	for _, f := range list {
		out = append(out, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	return out
}

// Text is a document as it is written.
func Text(name string) (string, error) {
	text, err := files.ReadFile(name + ".yaml")
	return string(text), err
}

// Load reads one of the embedded documents.
func Load(name string, lang Language) (*Document, error) {
	text, err := Text(name)
	if err != nil {
		return nil, err
	}
	d, errs := Read(name+".yaml", []byte(text), lang)
	return d, errors.Join(errs...)
}

// Read checks the text of a document; the document is what could be read of it.
func Read(file string, text []byte, lang Language) (*Document, []error) {
	d := &Document{Name: strings.TrimSuffix(file, ".yaml")}
	errs := document.Read(file, text, maxFile, func(r *document.Reader, n ast.Node) { d.read(r, n, lang) })
	return d, errs
}

// sectionKeys are the keys of sections.
var sectionKeys = []string{"below", "keys", "drop", "set", "fields", "sentences"}

func (d *Document) read(r *document.Reader, n ast.Node, lang Language) {
	m, ok := r.Mapping(n, "the document", append([]string{"formats", "description", "module", "dataset", "zone", "holds", "tables", "kinds", "lookups", "aliases"}, sectionKeys...))
	if !ok {
		return
	}
	d.Description = m.Need("description", "one sentence for people")
	d.Formats, _ = m.List("formats")
	if len(d.Formats) == 0 {
		r.Fail(n, "the formats that it is for", "the key %q is missing", "formats")
	}
	d.Module, d.Dataset = m.Text("module"), m.Text("dataset")
	lang.Zone = m.Text("zone")
	lang.Holds, _ = m.List("holds")
	d.Holds = lang.Holds
	tables := nodes(r, m, "tables")
	lang.Tables = slices.Clone(tables.Keys)
	d.Section = section(m, lang)
	d.Tables, d.Kinds = sections(r, tables, lang), sections(r, nodes(r, m, "kinds"), lang)
	lookups := nodes(r, m, "lookups")
	d.Lookups = map[string]map[string]string{}
	for _, name := range lookups.Keys {
		d.Lookups[name] = Texts(r, lookups.At[name], "the lookup")
	}
	if at, ok := m.At["aliases"]; ok {
		lang.Record = true
		d.Aliases = Fields(r, at, lang)
	}
}

// nodes is the mapping behind a key; an empty one when it is absent.
func nodes(r *document.Reader, m *document.Mapping, key string) *document.Mapping {
	if n, ok := m.At[key]; ok {
		if inner, ok := r.Mapping(n, key, nil); ok {
			return inner
		}
	}
	return &document.Mapping{Reader: r}
}

func sections(r *document.Reader, from *document.Mapping, lang Language) map[string]Section {
	out := make(map[string]Section, len(from.Keys))
	for _, name := range from.Keys {
		if m, ok := r.Mapping(from.At[name], "the section", sectionKeys); ok {
			out[name] = section(m, lang)
		}
	}
	return out
}

// section reads the keys that sections have.
func section(m *document.Mapping, lang Language) Section {
	s := Section{Keys: map[string][]Row{}}
	if n, ok := m.At["below"]; ok {
		for i, b := range list(m.Reader, n) {
			if b != "" && !strings.HasSuffix(b, ".") {
				m.Fail(n, "a name with a dot behind it, or nothing", "element %d of below cannot be %q", i+1, b)
			}
			s.Below = append(s.Below, b)
		}
	}
	if n, ok := m.At["keys"]; ok {
		s.Keys = Keys(m.Reader, n, lang)
	}
	names, at := m.List("drop")
	for i, name := range names {
		if s.Keys[name] != nil {
			m.Fail(at[i], "", "%q is dropped and has a row", name)
			continue
		}
		s.Keys[name] = []Row{{Drop: true}}
	}
	if n, ok := m.At["set"]; ok {
		s.Set = Constants(m.Reader, n, lang)
	}
	if n, ok := m.At["fields"]; ok {
		s.Fields = Fields(m.Reader, n, lang)
	}
	if n, ok := m.At["sentences"]; ok {
		s.Sentences = readSentences(m.Reader, n, lang, 1)
	}
	return s
}

// list reads a list whose elements may be empty.
func list(r *document.Reader, n ast.Node) (out []string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.Fail(n, "", "want a list of texts")
		return nil
	}
	for _, v := range seq.Values {
		s, ok := document.Scalar(v)
		if !ok {
			r.Fail(v, "", "want a text")
		}
		out = append(out, s)
	}
	return out
}
