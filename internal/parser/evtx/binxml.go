package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits on what hostile bytes may ask for. Real records stay far below each.
const (
	maxDepth      = 24            // nested elements and nested Binary XML
	maxSteps      = 1 << 17       // tokens and values of one record
	maxOut        = 4 << 20       // bytes of one rendered record
	maxChunkSteps = 1 << 21       // the same for the records of one chunk
	maxChunkOut   = 32 << 20      //
	maxCompiled   = 2 * ChunkSize // template bytes compiled in one chunk; real templates do not overlap
)

// Tokens of Binary XML; 0x40 marks that more of the kind follows.
const (
	tEnd        = 0x00
	tOpen       = 0x01
	tCloseStart = 0x02
	tCloseEmpty = 0x03
	tEndElement = 0x04
	tValue      = 0x05
	tAttribute  = 0x06
	tCData      = 0x07
	tCharRef    = 0x08
	tEntityRef  = 0x09
	tPITarget   = 0x0a
	tPIData     = 0x0b
	tTemplate   = 0x0c
	tSubst      = 0x0d
	tOptSubst   = 0x0e
	tFragment   = 0x0f
	more        = 0x40
)

var (
	errShort = errors.New("it is cut off")
	errSteps = errors.New("it expands to more than a record can be")
	errDeep  = fmt.Errorf("it is nested deeper than %d", maxDepth)
)

// template is a compiled template definition.
type template struct {
	roots []*element
	err   error
}

// element is a compiled element: everything that does not depend on values is ready
// to be written.
type element struct {
	key   string // of the JSON member, escaped
	named *attr  // a Name that is substituted and becomes the key
	list  bool   // <Data> without a name: one of a list
	attrs []attr
	parts []part
	kids  bool // some part is an element
}

type attr struct {
	key   string // escaped
	parts []part
}

// part is a piece of the content of an element or attribute: escaped text, a
// substitution, an element, or a run of nameless Data elements.
type part struct {
	text  string
	blank bool // the text is white space
	index int  // of the substitution, -1 for other parts
	el    *element
	list  []*element
}

// cursor reads tokens of the chunk.
type cursor struct {
	c       *Chunk
	at, end int
	depends bool // elements carry a dependency id: so in template definitions
}

func (p *cursor) u8() (byte, error) {
	if p.at >= p.end {
		return 0, errShort
	}
	p.at++
	return p.c.b[p.at-1], nil
}

func (p *cursor) u16() (int, error) {
	if p.end-p.at < 2 {
		return 0, errShort
	}
	p.at += 2
	return int(binary.LittleEndian.Uint16(p.c.b[p.at-2:])), nil
}

func (p *cursor) u32() (int, error) {
	if p.end-p.at < 4 {
		return 0, errShort
	}
	p.at += 4
	return int(binary.LittleEndian.Uint32(p.c.b[p.at-4:])), nil
}

func (p *cursor) skip(n int) error {
	if n < 0 || n > p.end-p.at {
		return errShort
	}
	p.at += n
	return nil
}

// step counts work, so that no record can cost more than a bounded amount.
func (c *Chunk) step() error {
	if c.steps--; c.steps < 0 || len(c.out) > min(maxOut, c.room) {
		return errSteps
	}
	return nil
}

// name reads a reference to a name; the name itself stands right behind its first use.
func (p *cursor) name() (string, error) {
	off, err := p.u32()
	if err != nil {
		return "", err
	}
	n, err := p.c.nameAt(off)
	if err != nil {
		return "", err
	}
	if off == p.at {
		return n.text, p.skip(n.size)
	}
	return n.text, nil
}

type nameRef struct {
	text string // escaped
	size int    // bytes it takes where it is defined
}

// nameAt reads the name defined at an offset of the chunk: link, hash, length, text.
func (c *Chunk) nameAt(off int) (nameRef, error) {
	if off < chunkHeader/4 || off+8 > len(c.b) {
		return nameRef{}, fmt.Errorf("a name lies outside the chunk, at %d", off)
	}
	units := int(binary.LittleEndian.Uint16(c.b[off+6:]))
	size := 8 + 2*units + 2
	if off+size > len(c.b) {
		return nameRef{}, fmt.Errorf("the name at %d runs out of the chunk", off)
	}
	if s, ok := c.names[off]; ok {
		return nameRef{s, size}, nil
	}
	s := string(appendUTF16(nil, c.b[off+8:off+8+2*units]))
	c.names[off] = s
	return nameRef{s, size}, nil
}

// templateAt compiles the definition at an offset of the chunk, once.
func (c *Chunk) templateAt(off int) (*template, int, error) {
	if off < chunkHeader/4 || off+24 > len(c.b) {
		return nil, 0, fmt.Errorf("its template lies outside the chunk, at %d", off)
	}
	size := int(binary.LittleEndian.Uint32(c.b[off+20:]))
	if size > len(c.b)-off-24 {
		return nil, 0, fmt.Errorf("its template at %d runs out of the chunk", off)
	}
	t := c.templates[off]
	if t == nil {
		t = &template{}
		c.templates[off] = t
		if c.compiled += size; c.compiled > maxCompiled {
			t.err = errors.New("the templates of its chunk overlap")
		} else {
			p := cursor{c: c, at: off + 24, end: off + 24 + size, depends: true}
			t.roots, t.err = p.roots()
		}
	}
	if t.err != nil {
		return nil, 0, fmt.Errorf("in its template at %d: %w", off, t.err)
	}
	return t, 24 + size, nil
}

// roots compiles a fragment that holds elements only.
func (p *cursor) roots() ([]*element, error) {
	var out []*element
	for p.at < p.end {
		tok, err := p.u8()
		if err != nil {
			return nil, err
		}
		switch tok &^ more {
		case tEnd:
			return out, nil
		case tFragment:
			err = p.skip(3)
		case tOpen:
			var el *element
			if el, err = p.element(tok, 0); err == nil {
				out = append(out, el)
			}
		case tPITarget, tPIData:
			err = p.instruction(tok)
		default:
			err = fmt.Errorf("token %#02x at %d is not expected there", tok, p.at-1)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *cursor) instruction(tok byte) error {
	if tok&^more == tPITarget {
		_, err := p.name()
		return err
	}
	n, err := p.u16()
	if err != nil {
		return err
	}
	return p.skip(2 * n)
}

// open reads the head of an element: its size and name. Whether a dependency id
// stands before them depends on where the element stands, and not every writer keeps
// to that: when one reading makes no sense, the other is tried.
func (p *cursor) open() (string, error) {
	start := p.at
	name, err := p.openAs(p.depends)
	if err == nil {
		return name, nil
	}
	p.at = start
	if name, other := p.openAs(!p.depends); other == nil {
		p.depends = !p.depends
		return name, nil
	}
	return "", err
}

func (p *cursor) openAs(depends bool) (string, error) {
	if depends {
		if err := p.skip(2); err != nil {
			return "", err
		}
	}
	size, err := p.u32()
	if err != nil {
		return "", err
	}
	if size > ChunkSize {
		return "", fmt.Errorf("an element of %d bytes", size)
	}
	return p.name()
}

// element compiles the element whose token was just read.
func (p *cursor) element(tok byte, depth int) (*element, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	if err := p.c.step(); err != nil {
		return nil, err
	}
	name, err := p.open()
	if err != nil {
		return nil, err
	}
	el := &element{key: name}
	if tok&more != 0 {
		if err := p.skip(4); err != nil { // size of the attributes
			return nil, err
		}
	}
	for {
		tok, err := p.u8()
		if err != nil {
			return nil, err
		}
		switch tok &^ more {
		case tAttribute:
			if err := p.attribute(el); err != nil {
				return nil, err
			}
		case tCloseEmpty:
			el.settle()
			return el, nil
		case tCloseStart:
			if err := p.content(el, depth); err != nil {
				return nil, err
			}
			el.settle()
			return el, nil
		default:
			return nil, fmt.Errorf("token %#02x at %d is not expected in an element's head", tok, p.at-1)
		}
	}
}

func (p *cursor) attribute(el *element) error {
	name, err := p.name()
	if err != nil {
		return err
	}
	a := attr{key: name}
	for p.at < p.end {
		tok := p.c.b[p.at]
		switch tok &^ more {
		case tValue, tCharRef, tEntityRef, tSubst, tOptSubst, tCData:
			p.at++
			piece, err := p.piece(tok)
			if err != nil {
				return err
			}
			a.parts = append(a.parts, piece)
			continue
		}
		break
	}
	el.attrs = append(el.attrs, a)
	return p.c.step()
}

func (p *cursor) content(el *element, depth int) error {
	for {
		tok, err := p.u8()
		if err != nil {
			return err
		}
		switch tok &^ more {
		case tEndElement:
			return nil
		case tOpen:
			kid, err := p.element(tok, depth+1)
			if err != nil {
				return err
			}
			el.parts = append(el.parts, part{index: -1, el: kid})
		case tPITarget, tPIData:
			if err := p.instruction(tok); err != nil {
				return err
			}
		default:
			piece, err := p.piece(tok)
			if err != nil {
				return err
			}
			el.parts = append(el.parts, piece)
		}
	}
}

// entities are the references that XML knows without a declaration.
var entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `\"`, "apos": "'"}

// piece reads one piece of character data.
func (p *cursor) piece(tok byte) (part, error) {
	if err := p.c.step(); err != nil {
		return part{}, err
	}
	switch tok &^ more {
	case tSubst, tOptSubst:
		i, err := p.u16()
		if err != nil {
			return part{}, err
		}
		return part{index: i}, p.skip(1)
	case tValue:
		kind, err := p.u8()
		if err != nil {
			return part{}, err
		}
		if kind != vString {
			return part{}, fmt.Errorf("a literal of type %#02x at %d", kind, p.at-1)
		}
		return p.text()
	case tCData:
		return p.text()
	case tCharRef:
		r, err := p.u16()
		if err != nil {
			return part{}, err
		}
		return part{index: -1, text: string(appendUTF16(nil, []byte{byte(r), byte(r >> 8)}))}, nil
	case tEntityRef:
		name, err := p.name()
		if err != nil {
			return part{}, err
		}
		if s, ok := entities[name]; ok {
			return part{index: -1, text: s}, nil
		}
		return part{index: -1, text: "&" + name + ";"}, nil
	}
	return part{}, fmt.Errorf("token %#02x at %d is not expected in an element", tok, p.at-1)
}

func (p *cursor) text() (part, error) {
	units, err := p.u16()
	if err != nil {
		return part{}, err
	}
	from := p.at
	if err := p.skip(2 * units); err != nil {
		return part{}, err
	}
	raw := p.c.b[from:p.at]
	return part{index: -1, text: string(appendUTF16(nil, raw)), blank: len(bytes.Trim(raw, " \t\r\n\x00")) == 0}, nil
}

// settle finds the JSON key of the element and sorts its children: Data elements are
// known by their Name, nameless ones are a list, and repeated names get a number.
func (el *element) settle() {
	if el.key == "Data" || el.key == "ComplexData" {
		el.naming()
	}
	list, used, repeats := -1, map[string]bool{}, map[string]int{}
	kept := el.parts[:0]
	for _, p := range el.parts {
		switch {
		case p.el == nil:
			kept = append(kept, p)
			continue
		case p.el.list && list >= 0:
			kept[list].list = append(kept[list].list, p.el)
			continue
		case p.el.list:
			list = len(kept)
			p = part{index: -1, list: []*element{p.el}}
			used["Data"] = true
		case p.el.named == nil:
			base := p.el.key
			for used[p.el.key] {
				repeats[base]++
				p.el.key = fmt.Sprintf("%s_%d", base, repeats[base])
			}
			used[p.el.key] = true
		}
		el.kids = true
		kept = append(kept, p)
	}
	el.parts = kept
}

// naming gives a Data element the name that its Name attribute says.
func (el *element) naming() {
	for i := range el.attrs {
		a := el.attrs[i]
		if a.key != "Name" {
			continue
		}
		el.attrs = append(el.attrs[:i:i], el.attrs[i+1:]...)
		if len(a.parts) == 1 && a.parts[0].index < 0 && a.parts[0].text != "" {
			el.key = a.parts[0].text
		} else {
			el.named = &a
		}
		return
	}
	el.list = el.key == "Data" && len(el.attrs) == 0
}

// unique is the key with the first number that is free.
func unique(key string, taken func(string) bool) string {
	for n := 1; ; n++ {
		if k := fmt.Sprintf("%s_%d", key, n); !taken(k) {
			return k
		}
	}
}
