package evtx

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// frame writes the members of one JSON object: those of the record itself, or those
// that Binary XML in a value adds to an element.
type frame struct {
	c       *Chunk
	first   bool     // no member was written yet
	el      *element // whose object it is; nil for the record's
	whole   bool     // a member was written to its end
	dynamic bool     // members come from values: their keys are not known to be unique
	extra   []string // keys that values have added
}

// fragment renders Binary XML between two offsets of the chunk.
func (f *frame) fragment(at, end, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	p := cursor{c: f.c, at: at, end: end}
	for p.at < p.end {
		if err := f.c.step(); err != nil {
			return err
		}
		tok, err := p.u8()
		if err != nil {
			return err
		}
		switch tok &^ more {
		case tEnd:
			return nil
		case tFragment:
			err = p.skip(3)
		case tTemplate:
			err = f.instance(&p, depth)
		case tOpen:
			var el *element
			if el, err = p.element(tok, depth); err == nil {
				err = f.member(el, nil, depth)
			}
		case tPITarget, tPIData:
			err = p.instruction(tok)
		default:
			err = fmt.Errorf("token %#02x at %d is not expected there", tok, p.at-1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// instance renders a template with the values that follow it.
func (f *frame) instance(p *cursor, depth int) error {
	if err := p.skip(5); err != nil { // a byte and the short id
		return err
	}
	off, err := p.u32()
	if err != nil {
		return err
	}
	t, size, err := f.c.templateAt(off)
	if err != nil {
		return err
	}
	if off == p.at {
		if err := p.skip(size); err != nil {
			return err
		}
	}
	mark := len(f.c.values)
	values, err := p.values()
	if err != nil {
		return err
	}
	for _, el := range t.roots {
		if err := f.member(el, values, depth); err != nil {
			return err
		}
	}
	f.c.values = f.c.values[:mark]
	return nil
}

// values reads the substitution array: sizes and types, then the bytes.
func (p *cursor) values() ([]value, error) {
	n, err := p.u32()
	if err != nil {
		return nil, err
	}
	if n > (p.end-p.at)/4 {
		return nil, fmt.Errorf("it announces %d values, more than fit", n)
	}
	if p.c.steps -= n; p.c.steps < 0 {
		return nil, errSteps
	}
	heads := p.c.b[p.at : p.at+4*n]
	p.at += 4 * n
	mark := len(p.c.values)
	for i := range n {
		size := int(binary.LittleEndian.Uint16(heads[4*i:]))
		from := p.at
		if err := p.skip(size); err != nil {
			return nil, fmt.Errorf("value %d of %d bytes runs out of the record", i, size)
		}
		p.c.values = append(p.c.values, value{kind: heads[4*i+2], at: from, b: p.c.b[from:p.at]})
	}
	return p.c.values[mark:len(p.c.values):len(p.c.values)], nil
}

// member writes an element as "key": value.
func (f *frame) member(el *element, values []value, depth int) error {
	key := el.key
	if el.named != nil {
		if key = f.c.plain(el.named.parts, values); key == "" {
			key = el.key
		}
	}
	if f.dynamic || el.named != nil {
		if f.taken(key) {
			key = unique(key, f.taken)
		}
		f.extra = append(f.extra, key)
	}
	f.key(key)
	f.whole = false
	if err := f.c.element(el, values, depth+1); err != nil {
		return err
	}
	f.whole = true
	return nil
}

func (f *frame) key(key string) {
	if !f.first {
		f.c.out = append(f.c.out, ',')
	}
	f.first = false
	f.c.out = append(f.c.out, '"')
	f.c.out = append(f.c.out, key...)
	f.c.out = append(f.c.out, '"', ':')
}

// taken says whether the object has the key already, or will have it.
func (f *frame) taken(key string) bool {
	if f.c.steps -= 1 + len(f.extra); f.c.steps < 0 {
		return false // the record fails at its next step
	}
	if slices.Contains(f.extra, key) {
		return true
	}
	if f.el == nil {
		return false
	}
	for i := range f.el.parts {
		if p := &f.el.parts[i]; p.el != nil && p.el.named == nil && p.el.key == key || p.list != nil && key == "Data" {
			return true
		}
	}
	return key == "#text" || key == "#attributes"
}

// element writes the value of an element: null, a scalar, or an object.
func (c *Chunk) element(el *element, values []value, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	if err := c.step(); err != nil {
		return err
	}
	f := frame{c: c, first: true, el: el}
	mark := len(c.out)
	c.out = append(c.out, '{')
	c.attributes(&f, values)
	if !el.kids && !hasFragment(el.parts, values) {
		return c.leaf(&f, values, mark)
	}
	if c.countText(el.parts, values, false) > 0 {
		f.key("#text")
		c.text(el.parts, values)
	}
	if err := f.children(values, depth); err != nil {
		return err
	}
	c.out = append(c.out, '}')
	return nil
}

// leaf writes an element without children; only attributes make it an object.
func (c *Chunk) leaf(f *frame, values []value, mark int) error {
	n := c.countText(f.el.parts, values, true)
	switch {
	case f.first:
		c.out = c.out[:mark]
		if n == 0 {
			c.out = append(c.out, "null"...)
			return nil
		}
		if f.el.list && n == 1 && isArray(f.el.parts, values) {
			c.out = append(c.out, `{"#text":`...)
			c.text(f.el.parts, values)
			c.out = append(c.out, '}')
			return nil
		}
		c.text(f.el.parts, values)
		return nil
	case n > 0:
		f.key("#text")
		c.text(f.el.parts, values)
	}
	c.out = append(c.out, '}')
	return nil
}

// attributes writes those that have a value.
func (c *Chunk) attributes(f *frame, values []value) {
	for i := range f.el.attrs {
		a := &f.el.attrs[i]
		if c.countText(a.parts, values, true) == 0 {
			continue
		}
		if f.first {
			f.key("#attributes")
			c.out = append(c.out, '{')
		} else {
			c.out = append(c.out, ',')
		}
		c.out = append(c.out, '"')
		c.out = append(c.out, a.key...)
		c.out = append(c.out, '"', ':')
		c.text(a.parts, values)
	}
	if !f.first {
		c.out = append(c.out, '}')
	}
}

func (f *frame) children(values []value, depth int) error {
	for i := range f.el.parts {
		p := &f.el.parts[i]
		switch {
		case p.el != nil:
			if p.el.named == nil { // its key was made unique when it was compiled
				f.key(p.el.key)
				if err := f.c.element(p.el, values, depth+1); err != nil {
					return err
				}
			} else if err := f.member(p.el, values, depth); err != nil {
				return err
			}
		case p.list != nil:
			if err := f.dataList(p.list, values, depth); err != nil {
				return err
			}
		case p.index >= 0 && p.index < len(values) && values[p.index].kind == vBinXML:
			v := values[p.index]
			inner := frame{c: f.c, first: f.first, el: f.el, dynamic: true, extra: f.extra}
			mark := len(f.c.out)
			if err := inner.fragment(v.at, v.at+len(v.b), depth+1); err != nil {
				if !f.c.lenient || f.c.steps < 0 {
					return err
				}
				f.c.out = f.c.out[:mark] // the rest of a torn record still tells what it was
				continue
			}
			f.first, f.extra = inner.first, inner.extra
		}
	}
	return nil
}

// dataList writes nameless Data elements: one as it is, more as a list.
func (f *frame) dataList(list []*element, values []value, depth int) error {
	f.key("Data")
	if len(list) == 1 {
		return f.c.element(list[0], values, depth+1)
	}
	f.c.out = append(f.c.out, `{"#text":[`...)
	for i, el := range list {
		if i > 0 {
			f.c.out = append(f.c.out, ',')
		}
		if err := f.c.step(); err != nil {
			return err
		}
		if f.c.countText(el.parts, values, true) == 0 {
			f.c.out = append(f.c.out, `""`...)
			continue
		}
		f.c.text(el.parts, values)
	}
	f.c.out = append(f.c.out, "]}"...)
	return nil
}

func hasFragment(parts []part, values []value) bool {
	for i := range parts {
		if n := parts[i].index; n >= 0 && n < len(values) && values[n].kind == vBinXML && len(values[n].b) > 0 {
			return true
		}
	}
	return false
}

func isArray(parts []part, values []value) bool {
	for i := range parts {
		if n := parts[i].index; n >= 0 && n < len(values) && values[n].kind&vArray != 0 {
			return true
		}
	}
	return false
}

// isText says whether a part is text now. Between elements, white space is layout.
func (c *Chunk) isText(p *part, values []value, alone bool) bool {
	if p.el != nil || p.list != nil {
		return false
	}
	if p.index < 0 {
		return alone || !p.blank
	}
	if p.index >= len(values) {
		return false
	}
	k := values[p.index].kind
	return k != vNull && k != vBinXML
}

func (c *Chunk) countText(parts []part, values []value, alone bool) int {
	n := 0
	c.steps -= len(parts)
	for i := range parts {
		if c.isText(&parts[i], values, alone) {
			n++
		}
	}
	return n
}

// text writes character data: a single value keeps its type, more are one string.
func (c *Chunk) text(parts []part, values []value) {
	n, only := 0, 0
	for i := range parts {
		if c.isText(&parts[i], values, true) {
			n++
			only = i
		}
	}
	if n == 1 && parts[only].index >= 0 {
		c.out = values[parts[only].index].appendJSON(c.out)
		return
	}
	c.out = append(c.out, '"')
	for i := range parts {
		p := &parts[i]
		if !c.isText(p, values, true) || len(c.out) > min(maxOut, c.room) {
			continue
		}
		if p.index < 0 {
			c.out = append(c.out, p.text...)
			continue
		}
		c.out = values[p.index].appendText(c.out)
	}
	c.out = append(c.out, '"')
}

// plain is character data as escaped text.
func (c *Chunk) plain(parts []part, values []value) string {
	mark := len(c.out)
	for i := range parts {
		if p := &parts[i]; c.isText(p, values, true) && len(c.out) <= min(maxOut, c.room) {
			if p.index < 0 {
				c.out = append(c.out, p.text...)
			} else {
				c.out = values[p.index].appendText(c.out)
			}
		}
	}
	s := string(c.out[mark:])
	c.out = c.out[:mark]
	return s
}
