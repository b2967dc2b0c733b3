package parser

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

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

	b    []byte
	i    int
	e    *schema.Event
	path []byte
}

var errJSON = errors.New("not valid JSON")

// walk reads the record. After an error the event holds what came before it.
func (w *walker) walk(raw []byte, e *schema.Event) error {
	w.b, w.i, w.e = raw, 0, e
	w.path = append(w.path[:0], w.prefix...)
	w.blank()
	if w.i >= len(w.b) || w.b[w.i] != '{' {
		return fmt.Errorf("%w: the record does not start with {", errJSON)
	}
	if err := w.object(w.root, 0); err != nil {
		return err
	}
	w.blank()
	if w.i != len(w.b) {
		return fmt.Errorf("%w: text behind the object at byte %d", errJSON, w.i)
	}
	return nil
}

func (w *walker) blank() {
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

// object reads {…}; n is nil below unmapped keys.
func (w *walker) object(n *node, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", errJSON, maxDepth)
	}
	w.i++ // {
	w.blank()
	if w.i < len(w.b) && w.b[w.i] == '}' {
		w.i++
		return nil
	}
	for {
		if err := w.member(n, depth); err != nil {
			return err
		}
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

func (w *walker) member(n *node, depth int) error {
	if w.i >= len(w.b) || w.b[w.i] != '"' {
		return w.fail("expected a key")
	}
	key, _, err := w.text()
	if err != nil {
		return err
	}
	w.blank()
	if w.i >= len(w.b) || w.b[w.i] != ':' {
		return w.fail("expected :")
	}
	w.i++
	w.blank()
	var kid *node
	if n != nil {
		if kid = n.kids[key]; kid == nil {
			kid = n.kids["*"]
		}
	}
	mark := len(w.path)
	if mark > 0 {
		w.path = append(w.path, '.')
	}
	w.path = append(w.path, key...)
	err = w.value(kid, depth)
	w.path = w.path[:mark]
	return err
}

func (w *walker) value(n *node, depth int) error {
	if w.i >= len(w.b) {
		return w.fail("value")
	}
	skip := n != nil && n.to != nil && n.to.skip
	switch w.b[w.i] {
	case '{':
		if skip {
			return w.pass(depth)
		}
		return w.object(n, depth+1)
	case '[':
		if n != nil && n.to != nil && n.to.list {
			return w.array(n, depth+1)
		}
		start := w.i
		if err := w.pass(depth); err != nil {
			return err
		}
		if !skip && w.i-start > 2 {
			w.put(n, schema.View(w.b[start:w.i]))
		}
		return nil
	case '"':
		v, _, err := w.text()
		if err == nil && !skip {
			w.put(n, v)
		}
		return err
	default:
		v, err := w.scalar()
		if err == nil && !skip && v != "null" {
			w.put(n, v)
		}
		return err
	}
}

// put hands a value to its target, or keeps it as an extra.
func (w *walker) put(n *node, v string) {
	if v == "" {
		return
	}
	if n == nil || n.to == nil {
		path := w.path
		if w.rename != nil {
			path = w.rename(path)
		}
		w.e.AddExtra(w.names.name(path), v)
		return
	}
	if n.to.set != nil {
		n.to.set(w.e, v)
		return
	}
	w.e.Set(n.to.field, v)
}

// array reads the elements of a list field.
func (w *walker) array(n *node, depth int) error {
	w.i++ // [
	w.blank()
	if w.i < len(w.b) && w.b[w.i] == ']' {
		w.i++
		return nil
	}
	for {
		if err := w.value(n, depth); err != nil {
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

// scalar reads a number, true, false or null.
func (w *walker) scalar() (string, error) {
	start := w.i
	for w.i < len(w.b) {
		switch c := w.b[w.i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == '-', c == '+', c == '.', c == 'E':
			w.i++
			continue
		}
		break
	}
	v := schema.View(w.b[start:w.i])
	if v == "" || !plainScalar(v) {
		w.i = start
		return "", w.fail("expected a value")
	}
	return v, nil
}

func plainScalar(v string) bool {
	switch v {
	case "true", "false", "null":
		return true
	}
	c := v[0]
	return c == '-' && len(v) > 1 || c >= '0' && c <= '9'
}

// text reads a string. Without escapes it is a view of the record, else a copy.
func (w *walker) text() (v string, escaped bool, err error) {
	w.i++ // "
	start := w.i
	for {
		j := bytes.IndexByte(w.b[w.i:], '"')
		if j < 0 {
			w.i = len(w.b)
			return "", false, w.fail("string")
		}
		if bytes.IndexByte(w.b[w.i:w.i+j], '\\') < 0 && !escaped {
			w.i += j + 1
			return schema.View(w.b[start : w.i-1]), false, nil
		}
		escaped = true
		w.i += j
		back := 0
		for k := w.i - 1; k >= start && w.b[k] == '\\'; k-- {
			back++
		}
		w.i++
		if back%2 == 0 {
			break
		}
	}
	v, err = w.unescape(w.b[start : w.i-1])
	return v, true, err
}

// unescape writes the plain text of b into the event's arena.
func (w *walker) unescape(b []byte) (string, error) {
	out := w.e.Buffer(len(b))
	for len(b) > 0 {
		j := bytes.IndexByte(b, '\\')
		if j < 0 {
			out = append(out, b...)
			break
		}
		out = append(out, b[:j]...)
		b = b[j+1:]
		if len(b) == 0 {
			return "", fmt.Errorf("%w: a string ends in a backslash", errJSON)
		}
		c := b[0]
		b = b[1:]
		switch c {
		case 'n':
			c = '\n'
		case 't':
			c = '\t'
		case 'r':
			c = '\r'
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case '"', '\\', '/':
		case 'u':
			r, n, err := runeOf(b)
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			b = b[n:]
			continue
		default:
			return "", fmt.Errorf("%w: unknown escape \\%c", errJSON, c)
		}
		out = append(out, c)
	}
	return w.e.Commit(out), nil
}

// runeOf reads the hex digits of \uXXXX, and of the second half of a surrogate pair.
func runeOf(b []byte) (rune, int, error) {
	r, err := hex4(b)
	if err != nil {
		return 0, 0, err
	}
	if utf16.IsSurrogate(r) && len(b) >= 10 && b[4] == '\\' && b[5] == 'u' {
		if low, err := hex4(b[6:]); err == nil {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				return both, 10, nil
			}
		}
	}
	return r, 4, nil
}

func hex4(b []byte) (rune, error) {
	if len(b) < 4 {
		return 0, fmt.Errorf("%w: a \\u escape is cut off", errJSON)
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, fmt.Errorf("%w: a \\u escape has no hex digits", errJSON)
		}
		r = r<<4 | rune(c)
	}
	return r, nil
}

// pass reads a value without looking into it.
func (w *walker) pass(depth int) error {
	for {
		if w.i >= len(w.b) {
			return w.fail("value")
		}
		switch w.b[w.i] {
		case '{', '[':
			if depth++; depth > maxDepth+1 {
				return fmt.Errorf("%w: nested deeper than %d", errJSON, maxDepth)
			}
			w.i++
			if err := w.passInside(depth); err != nil {
				return err
			}
			return nil
		case '"':
			return w.passText()
		default:
			_, err := w.scalar()
			return err
		}
	}
}

// passInside reads to the end of the array or object that was just opened.
func (w *walker) passInside(depth int) error {
	for open := 1; open > 0; {
		if w.i >= len(w.b) {
			return w.fail("value")
		}
		switch w.b[w.i] {
		case '"':
			if err := w.passText(); err != nil {
				return err
			}
			continue
		case '{', '[':
			if open++; open+depth > 2*maxDepth {
				return fmt.Errorf("%w: nested deeper than %d", errJSON, maxDepth)
			}
		case '}', ']':
			open--
		}
		w.i++
	}
	return nil
}

func (w *walker) passText() error {
	start := w.i + 1
	w.i++
	for {
		j := bytes.IndexByte(w.b[w.i:], '"')
		if j < 0 {
			w.i = len(w.b)
			return w.fail("string")
		}
		w.i += j + 1
		back := 0
		for k := w.i - 2; k >= start && w.b[k] == '\\'; k-- {
			back++
		}
		if back%2 == 0 {
			return nil
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
