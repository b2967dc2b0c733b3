package custom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"vigil/internal/parser"
	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// format is a checked document.
type format struct {
	id, doc, module, dataset string
	confidence               int
	contains                 []string
	matches                  *regexp.Regexp
	name                     string // glob
	shape                    *shape
	keys                     map[string][]mapping.Row
	rows                     []mapping.Row
	programs                 bool // some row has an expression over the values of a record
	samples                  []sampleDoc
	reader                   *reader
}

// defaultConfidence is below what formats that are sure claim, and above the generic ones.
const defaultConfidence = 90

// read checks a document's text.
func read(file string, text []byte) (*format, []error) {
	r := &reader{file: file}
	if !r.decode(text) {
		return nil, r.problems
	}
	d := &r.doc
	r.head()
	f := &format{id: d.ID, doc: d.Description, module: d.Module, dataset: d.Dataset, confidence: d.Detect.Confidence, contains: d.Detect.Contains, name: d.Detect.Name,
		samples: d.Samples, reader: r}
	if f.module == "" {
		f.module = d.ID
	}
	if f.dataset == "" {
		f.dataset = d.ID
	}
	f.matches = r.pattern("$.detect.matches", d.Detect.Matches)
	r.detect(f)
	f.shape = r.shape()
	r.rows(f)
	f.programs = mapping.Asks(f.rows)
	return f, r.problems
}

func (r *reader) detect(f *format) {
	if f.confidence == 0 {
		f.confidence = defaultConfidence
	}
	if f.confidence < 1 || f.confidence > 100 {
		r.fail("$.detect.confidence", "confidence is %d: want 1 to 100", f.confidence)
	}
	if _, err := path.Match(f.name, ""); err != nil {
		r.fail("$.detect.name", "%q is no pattern of file names: %v", f.name, err)
	}
	if len(f.contains) == 0 && r.doc.Detect.Matches == "" && f.name == "" {
		r.fail("$.detect", "detect needs one of contains, matches and name")
	}
}

// Format is the row of the format table.
func (f *format) Format() parser.Format {
	return parser.Format{Name: f.id, Doc: f.doc, Detect: f.detects, New: f.parser}
}

// detects says whether the first record, or of what is contained the whole sample, is ours.
func (f *format) detects(sample []byte, object string) (int, string) {
	var why []string
	if f.name != "" {
		if ok, _ := path.Match(f.name, path.Base(strings.ReplaceAll(object, `\`, "/"))); !ok {
			return 0, ""
		}
		why = append(why, "the name fits "+f.name)
	}
	for _, c := range f.contains {
		if !bytes.Contains(sample, []byte(c)) {
			return 0, ""
		}
		why = append(why, fmt.Sprintf("it contains %q", c))
	}
	if f.matches != nil {
		if !f.matches.Match(firstLine(sample)) {
			return 0, ""
		}
		why = append(why, "the first record matches "+f.matches.String())
	}
	return f.confidence, strings.Join(why, ", ")
}

func firstLine(sample []byte) []byte {
	for line := range bytes.Lines(sample) {
		if line = bytes.TrimRight(line, "\r\n"); len(bytes.TrimSpace(line)) > 0 {
			return line
		}
	}
	return nil
}

// File is one document as it is stored.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Set is the custom formats that are in use together.
type Set struct {
	files   []File
	formats parser.Set
}

// Load checks documents and returns the set of the good ones, with one error per problem: of
// their text and of their samples. The order of the files does not matter.
func Load(files []File) (*Set, []error) { return load(files, check) }

func load(files []File, check func(File) (*format, []error)) (*Set, []error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	s := &Set{}
	var errs []error
	seen := map[string]string{}
	for _, file := range files {
		f, problems := check(file)
		if len(problems) == 0 && seen[f.id] != "" {
			problems = append(problems, &Problem{File: file.Name, Line: 1, Column: 1, Message: "the format " + f.id + " is already in " + seen[f.id]})
		}
		if len(problems) > 0 {
			errs = append(errs, problems...)
			continue
		}
		seen[f.id] = file.Name
		s.files = append(s.files, file)
		s.formats = append(s.formats, f.Format())
	}
	return s, errs
}

// check reads a document and runs its samples.
func check(file File) (*format, []error) {
	f, problems := read(file.Name, []byte(file.Text))
	if len(problems) > 0 {
		return nil, problems
	}
	f.try()
	return f, f.reader.problems
}

// Text is the document of a format; "" when the set has none of that name.
func (s *Set) Text(format string) string {
	for i, f := range s.formats {
		if f.Name == format {
			return s.files[i].Text
		}
	}
	return ""
}

// Formats are the formats of the set; nil of a nil set.
func (s *Set) Formats() parser.Set {
	if s == nil {
		return nil
	}
	return s.formats
}

// All are the formats of the set before the built-in ones: of two that are equally sure, the
// custom one is taken.
func (s *Set) All() parser.Set { return append(slices.Clone(s.Formats()), parser.Formats()...) }

// Encode is the set as bytes, which Decode reads; nil of a set without formats. The same
// documents are the same bytes.
func (s *Set) Encode() ([]byte, error) {
	if len(s.files) == 0 {
		return nil, nil
	}
	return json.Marshal(s.files)
}

// Decode makes a set of the bytes of Encode. The samples were run when the set was made.
func Decode(body []byte) (*Set, error) {
	var files []File
	if err := json.Unmarshal(body, &files); err != nil {
		return nil, schema.E(schema.Internal, "the stored set of formats is damaged", "", err)
	}
	s, errs := load(files, func(f File) (*format, []error) { return read(f.Name, []byte(f.Text)) })
	return s, errors.Join(errs...)
}
