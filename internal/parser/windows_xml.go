package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"vigil/schema"
)

// windowsXML reads Windows events as XML, which is how Windows itself shows and exports
// them. It walks the same key tree as the JSON layouts.
type windowsXML struct {
	*windowsParser
	data []string // texts of nameless Data elements
}

func newWindowsXML(o Options) Parser {
	p, _ := newWindows(o).(*windowsParser)
	return &windowsXML{windowsParser: p}
}

func detectWindowsXML(sample []byte, _ string) (int, string) {
	i := bytes.Index(sample, []byte("<Event"))
	if i < 0 || i > 512 {
		return 0, ""
	}
	if bytes.Contains(sample[i:], []byte("<System>")) && bytes.Contains(sample[i:], []byte("<EventID")) {
		return 95, "XML with Event, System and EventID"
	}
	return 0, ""
}

var errXML = errors.New("not valid XML")

// Parse implements Parser. Text before the element, such as a syslog header, is not
// looked at.
func (p *windowsXML) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	i := bytes.Index(raw, []byte("<Event"))
	if i < 0 {
		if wrapping(raw) {
			return ErrSkip
		}
		return fmt.Errorf("%w: there is no Event element", errXML)
	}
	w := &p.w
	w.b, w.i, w.e = raw, i, e
	w.path = append(w.path[:0], w.prefix...)
	p.acct = account{}
	if err := p.element(w.root, 0); err != nil {
		return err
	}
	p.finish(e)
	return nil
}

// wrapping says whether the line is only what stands around the events of an export.
func wrapping(raw []byte) bool {
	s := bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")))
	return bytes.HasPrefix(s, []byte("<?xml")) || bytes.Equal(s, []byte("</Events>")) || bytes.Equal(s, []byte("</Event>"))
}

func (p *windowsXML) failXML(what string) error {
	if p.w.i >= len(p.w.b) {
		return fmt.Errorf("%w: the record ends in the middle (%s)", errXML, what)
	}
	return fmt.Errorf("%w: %s at byte %d", errXML, what, p.w.i)
}

// xmlAttr is an attribute while its element's head is read.
type xmlAttr struct{ name, value []byte }

// element reads one element; w.i is at its <.
func (p *windowsXML) element(n *node, depth int) error {
	w := &p.w
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", errXML, maxDepth)
	}
	w.i++
	name := p.token()
	if len(name) == 0 {
		return p.failXML("an element without a name")
	}
	var attrs [8]xmlAttr
	list, empty, err := p.attributes(attrs[:0])
	if err != nil {
		return err
	}
	key, nameless := name, false
	if string(name) == "Data" || string(name) == "ComplexData" {
		nameless = string(name) == "Data"
		for _, a := range list {
			if string(a.name) == "Name" && len(a.value) > 0 {
				key, nameless = a.value, false
			}
		}
	}
	kid, mark := p.down(n, key)
	for _, a := range list {
		if string(key) != string(name) && string(a.name) == "Name" {
			continue
		}
		p.attribute(kid, a)
	}
	if !empty {
		err = p.content(kid, name, nameless, depth)
	} else if nameless {
		p.data = append(p.data, "")
	}
	w.path = w.path[:mark]
	return err
}

// down goes to a key below a node of the tree.
func (p *windowsXML) down(n *node, key []byte) (kid *node, mark int) {
	w := &p.w
	if n != nil {
		if kid = n.kids[string(key)]; kid == nil {
			kid = n.kids["*"]
		}
	}
	mark = len(w.path)
	w.path = append(append(w.path, '.'), key...)
	return kid, mark
}

func (p *windowsXML) attribute(n *node, a xmlAttr) {
	at, mark := p.down(n, []byte("#attributes"))
	kid, _ := p.down(at, a.name)
	if (at == nil || at.to == nil || !at.to.skip) && (kid == nil || kid.to == nil || !kid.to.skip) && string(a.name) != "xmlns" {
		p.w.put(kid, p.plain(a.value))
	}
	p.w.path = p.w.path[:mark]
}

// token reads a name.
func (p *windowsXML) token() []byte {
	w := &p.w
	from := w.i
	for w.i < len(w.b) {
		switch w.b[w.i] {
		case ' ', '\t', '\r', '\n', '=', '>', '/', '<', '"', '\'':
			return w.b[from:w.i]
		}
		w.i++
	}
	return w.b[from:w.i]
}

// attributes reads to the end of an element's head.
func (p *windowsXML) attributes(list []xmlAttr) (_ []xmlAttr, empty bool, err error) {
	w := &p.w
	for {
		w.blank()
		if w.i >= len(w.b) {
			return nil, false, p.failXML("head of an element")
		}
		switch w.b[w.i] {
		case '>':
			w.i++
			return list, false, nil
		case '/':
			if w.i+1 >= len(w.b) || w.b[w.i+1] != '>' {
				return nil, false, p.failXML("expected />")
			}
			w.i += 2
			return list, true, nil
		}
		name := p.token()
		w.blank()
		if len(name) == 0 || w.i >= len(w.b) || w.b[w.i] != '=' {
			return nil, false, p.failXML("expected an attribute")
		}
		w.i++
		w.blank()
		if w.i >= len(w.b) || w.b[w.i] != '"' && w.b[w.i] != '\'' {
			return nil, false, p.failXML("expected a quote")
		}
		end := bytes.IndexByte(w.b[w.i+1:], w.b[w.i])
		if end < 0 {
			w.i = len(w.b)
			return nil, false, p.failXML("value of an attribute")
		}
		list = append(list, xmlAttr{name, w.b[w.i+1 : w.i+1+end]})
		w.i += end + 2
	}
}

// content reads to the element's end tag and puts its text.
func (p *windowsXML) content(n *node, name []byte, nameless bool, depth int) error {
	w := &p.w
	text, kids, whole, mark := []byte(nil), false, false, len(p.data)
	for {
		i := bytes.IndexByte(w.b[w.i:], '<')
		if i < 0 {
			w.i = len(w.b)
			return p.failXML("element " + string(name))
		}
		if piece := w.b[w.i : w.i+i]; len(piece) > 0 {
			if text == nil {
				text = piece
			} else { // text in pieces, around a comment or CDATA
				text, whole = append(bytes.Clone(text), piece...), false
			}
		}
		w.i += i
		rest := w.b[w.i:]
		switch {
		case bytes.HasPrefix(rest, []byte("</")):
			w.i += 2
			if end := p.token(); !bytes.Equal(end, name) {
				return p.failXML("the end of " + string(end) + " inside " + string(name))
			}
			w.blank()
			if w.i >= len(w.b) || w.b[w.i] != '>' {
				return p.failXML("expected >")
			}
			w.i++
			p.leave(n, text, kids, nameless, whole, mark)
			return nil
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			end := bytes.Index(rest, []byte("]]>"))
			if end < 0 {
				w.i = len(w.b)
				return p.failXML("CDATA")
			}
			whole = text == nil
			text = append(bytes.Clone(text), rest[9:end]...)
			w.i += end + 3
		case bytes.HasPrefix(rest, []byte("<!--")), bytes.HasPrefix(rest, []byte("<?")):
			end := bytes.IndexByte(rest, '>')
			if bytes.HasPrefix(rest, []byte("<!--")) {
				end = bytes.Index(rest, []byte("-->")) + 2
			}
			if end < 2 {
				w.i = len(w.b)
				return p.failXML("comment")
			}
			w.i += end + 1
		default:
			kids = true
			if err := p.element(n, depth+1); err != nil {
				return err
			}
		}
	}
}

// leave puts the text of an element that ends; a CDATA section alone is taken whole.
// Nameless Data elements below it become one value.
func (p *windowsXML) leave(n *node, text []byte, kids, nameless, whole bool, mark int) {
	skip := n != nil && n.to != nil && n.to.skip
	value := ""
	if whole {
		value = schema.View(text)
	} else {
		value = p.plain(text)
	}
	switch {
	case nameless:
		p.data = append(p.data, value)
	case !kids && !skip:
		p.w.put(n, value)
	}
	if !nameless && len(p.data) > mark {
		kid, at := p.down(n, []byte("Data"))
		p.w.put(kid, p.list(p.data[mark:]))
		p.w.path = p.w.path[:at]
		p.data = p.data[:mark]
	}
}

// list is one value as it is, and more as a JSON array, as in the JSON layout.
func (p *windowsXML) list(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	out := []byte{'['}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendJSONString(out, v)
	}
	return p.w.e.Copy(append(out, ']'))
}

// appendJSONString writes v as a JSON string.
func appendJSONString(out []byte, v string) []byte {
	out = append(out, '"')
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c < 0x20:
			out = fmt.Appendf(out, "\\u%04x", c)
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

var xmlEntities = map[string]byte{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// plain is text without its references; what is no reference stays as it is.
func (p *windowsXML) plain(b []byte) string {
	if bytes.IndexByte(b, '&') < 0 {
		return schema.View(b)
	}
	out := p.w.e.Buffer(len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '&')
		if i < 0 {
			out = append(out, b...)
			break
		}
		out = append(out, b[:i]...)
		b = b[i:]
		end := bytes.IndexByte(b[:min(len(b), 12)], ';')
		if end < 0 {
			out, b = append(out, '&'), b[1:]
			continue
		}
		ref := b[1:end]
		if c, ok := xmlEntities[string(ref)]; ok {
			out, b = append(out, c), b[end+1:]
			continue
		}
		if r, ok := charRef(ref); ok {
			out, b = utf8.AppendRune(out, r), b[end+1:]
			continue
		}
		out, b = append(out, '&'), b[1:]
	}
	return p.w.e.Commit(out)
}

// charRef reads #13 or #xD.
func charRef(ref []byte) (rune, bool) {
	if len(ref) < 2 || ref[0] != '#' {
		return 0, false
	}
	digits, base := schema.View(ref[1:]), 10
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	return rune(n), err == nil
}
