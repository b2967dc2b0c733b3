package parser

import (
	"errors"
	"fmt"
	"strings"

	"vigil/schema"
)

// maxDepth bounds the nesting of a JSON record.
const maxDepth = 32

// setter puts a value of one source key on the event. A nil setter means: by the
// field's kind.
type setter func(e *schema.Event, v string)

// target is what a table says about one source key.
type target struct {
	field schema.FieldID
	set   setter
	skip  bool
	list  bool // each element of an array is a value
}

// node is a level of the key tree made from a mapping table.
type node struct {
	kids map[string]*node
	to   *target
}

// table maps dotted source keys to targets. A key that contains dots itself is found
// too: keys are matched whole before they are split. A part "*" stands for any key
// that has no row of its own.
type table map[string]target

// tree builds the key tree of a table.
func (t table) tree() *node {
	root := &node{}
	for key, to := range t {
		root.put(key, &to)
	}
	return root
}

func (n *node) put(key string, to *target) {
	n.down(key).to = to
	for i := 0; i < len(key); i++ {
		if key[i] == '.' {
			n.down(key[:i]).put(key[i+1:], to)
			return
		}
	}
}

// down is the node of a key below n, made if it is not there.
func (n *node) down(key string) *node {
	kid := n.kids[key]
	if kid == nil {
		kid = &node{}
		if n.kids == nil {
			n.kids = map[string]*node{}
		}
		n.kids[key] = kid
	}
	return kid
}

// field is the plain target of a field.
func field(f schema.FieldID) target { return target{field: f, list: f.Def().Multi} }

// by is a target with its own setter.
func by(s setter) target { return target{set: s} }

// skipped drops a key.
var skipped = target{skip: true}

// walker reads one JSON object and hands its values to a key tree. Values without a
// target become extras named prefix.path.
type walker struct {
	root   *node
	prefix string // namespace of unmapped keys
	rename func(path []byte) []byte
	names  interner

	top  *step // of the root in hand
	tops map[topKey]*step
	kept int // steps kept

	b    []byte
	i    int
	e    *schema.Event
	path []byte // of the element in hand, of records in XML
}

// step is a key at its place in records, with what the table says about it. Records of
// a source have the same keys in the same order over and over, so a step remembers what
// came behind it: a key that comes as expected is compared once and not looked up.
type step struct {
	key  string
	path string // with the prefix, dots between
	node *node  // nil where the table says nothing
	name string // of the extra, once there was one
	kids map[string]*step
	// What came first inside, and next behind it, the last times: the latest first.
	first, next guess
}

type guess [2]*step

type topKey struct {
	root   *node
	prefix string
}

// maxSteps bounds the steps that a walker keeps. Those of further keys are made anew
// each time.
const maxSteps = maxNames

// start is the step of the record itself.
func (w *walker) start() *step {
	if w.top != nil && w.top.node == w.root && w.top.path == w.prefix {
		return w.top
	}
	k := topKey{w.root, w.prefix}
	if w.top = w.tops[k]; w.top == nil {
		if w.tops == nil {
			w.tops = map[topKey]*step{}
		}
		w.top = &step{path: w.prefix, node: w.root}
		w.tops[k] = w.top
	}
	return w.top
}

// below is the step of a key inside of one.
func (w *walker) below(in *step, key string) *step {
	if s := in.kids[key]; s != nil {
		return s
	}
	s := &step{key: strings.Clone(key)}
	if s.path = s.key; in.path != "" {
		s.path = in.path + "." + s.key
	}
	if in.node != nil {
		if s.node = in.node.kids[key]; s.node == nil {
			s.node = in.node.kids["*"]
		}
	}
	if w.kept < maxSteps {
		w.kept++
		if in.kids == nil {
			in.kids = map[string]*step{}
		}
		in.kids[s.key] = s
	}
	return s
}

// stands says whether the key stands at i, which is behind its first quote. It must be
// one that is written without escapes.
func (s *step) stands(b []byte, i int) bool {
	end := i + len(s.key)
	return end < len(b) && b[end] == '"' && string(b[i:end]) == s.key
}

var errJSON = errors.New("not valid JSON")

// walk reads the record. After an error the event holds what came before it.
func (w *walker) walk(raw []byte, e *schema.Event) error {
	w.b, w.i, w.e = raw, 0, e
	w.blank()
	if w.i >= len(w.b) || w.b[w.i] != '{' {
		return fmt.Errorf("%w: the record does not start with {", errJSON)
	}
	if err := w.object(w.start(), 0); err != nil {
		return err
	}
	w.blank()
	if w.i != len(w.b) {
		return fmt.Errorf("%w: text behind the object at byte %d", errJSON, w.i)
	}
	return nil
}

func (w *walker) blank() {
	if w.i < len(w.b) && w.b[w.i] <= ' ' {
		w.blanks()
	}
}

func (w *walker) blanks() {
	for w.i < len(w.b) {
		switch w.b[w.i] {
		case ' ', '\t', '\n', '\r':
			w.i++
		default:
			return
		}
	}
}

func (w *walker) fail(what string) error {
	if w.i >= len(w.b) {
		return fmt.Errorf("%w: the record ends in the middle (%s)", errJSON, what)
	}
	return fmt.Errorf("%w: %s at byte %d", errJSON, what, w.i)
}

// object reads {…}.
func (w *walker) object(in *step, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", errJSON, maxDepth)
	}
	w.i++ // {
	w.blank()
	if w.i < len(w.b) && w.b[w.i] == '}' {
		w.i++
		return nil
	}
	for likely := &in.first; ; {
		s, err := w.member(in, likely, depth)
		if err != nil {
			return err
		}
		likely = &s.next
		w.blank()
		if w.i >= len(w.b) {
			return w.fail("object")
		}
		switch w.b[w.i] {
		case ',':
			w.i++
			w.blank()
		case '}':
			w.i++
			return nil
		default:
			return w.fail("expected , or }")
		}
	}
}

// member reads a key and its value.
func (w *walker) member(in *step, likely *guess, depth int) (*step, error) {
	if w.i >= len(w.b) || w.b[w.i] != '"' {
		return nil, w.fail("expected a key")
	}
	s, err := w.key(in, likely)
	if err != nil {
		return nil, err
	}
	w.blank()
	if w.i >= len(w.b) || w.b[w.i] != ':' {
		return nil, w.fail("expected :")
	}
	w.i++
	w.blank()
	return s, w.value(s, depth)
}

// key reads a key.
func (w *walker) key(in *step, likely *guess) (*step, error) {
	if s := likely[0]; s != nil && s.stands(w.b, w.i+1) {
		w.i += len(s.key) + 2
		return s, nil
	}
	if s := likely[1]; s != nil && s.stands(w.b, w.i+1) {
		w.i += len(s.key) + 2
		likely[0], likely[1] = s, likely[0]
		return s, nil
	}
	key, escaped, err := w.text()
	if err != nil {
		return nil, err
	}
	s := w.below(in, key)
	if !escaped {
		likely[0], likely[1] = s, likely[0]
	}
	return s, nil
}

func (w *walker) value(s *step, depth int) error {
	if w.i >= len(w.b) {
		return w.fail("value")
	}
	skip := s.node != nil && s.node.to != nil && s.node.to.skip
	switch w.b[w.i] {
	case '{':
		if skip {
			return w.pass(depth)
		}
		return w.object(s, depth+1)
	case '[':
		if s.node != nil && s.node.to != nil && s.node.to.list {
			return w.array(s, depth+1)
		}
		start := w.i
		if err := w.pass(depth); err != nil {
			return err
		}
		if !skip && w.i-start > 2 {
			w.keep(s, schema.View(w.b[start:w.i]))
		}
		return nil
	case '"':
		if skip {
			return w.passText()
		}
		v, _, err := w.text()
		if err == nil {
			w.keep(s, v)
		}
		return err
	default:
		v, err := w.scalar()
		if err == nil && !skip && v != "null" {
			w.keep(s, v)
		}
		return err
	}
}

// keep hands a value to the target of its key, or keeps it as an extra.
func (w *walker) keep(s *step, v string) {
	switch {
	case v == "":
	case s.node != nil && s.node.to != nil:
		s.node.to.take(w.e, v)
	default:
		if s.name == "" {
			s.name = w.extra([]byte(s.path))
		}
		w.e.AddExtra(s.name, v)
	}
}

// extra is the name of the extra at a path.
func (w *walker) extra(path []byte) string {
	if w.rename != nil {
		path = w.rename(path)
	}
	return w.names.name(path)
}

func (t *target) take(e *schema.Event, v string) {
	if t.set != nil {
		t.set(e, v)
		return
	}
	e.Set(t.field, v)
}

// put is keep for the element at path.
func (w *walker) put(n *node, v string) {
	switch {
	case v == "":
	case n != nil && n.to != nil:
		n.to.take(w.e, v)
	default:
		w.e.AddExtra(w.extra(w.path), v)
	}
}

// array reads the elements of a list field.
func (w *walker) array(s *step, depth int) error {
	w.i++ // [
	w.blank()
	if w.i < len(w.b) && w.b[w.i] == ']' {
		w.i++
		return nil
	}
	for {
		if err := w.value(s, depth); err != nil {
			return err
		}
		w.blank()
		if w.i >= len(w.b) {
			return w.fail("array")
		}
		switch w.b[w.i] {
		case ',':
			w.i++
			w.blank()
		case ']':
			w.i++
			return nil
		default:
			return w.fail("expected , or ]")
		}
	}
}

// interner keeps one copy of each name of an unmapped key. Hostile input can make up
// names without end, so the number kept is bounded; beyond it names are copied.
type interner struct{ names map[string]string }

const maxNames = 20000

func (n *interner) name(path []byte) string {
	if s, ok := n.names[string(path)]; ok {
		return s
	}
	s := string(path)
	if n.names == nil {
		n.names = make(map[string]string)
	}
	if len(n.names) < maxNames {
		n.names[s] = s
	}
	return s
}
