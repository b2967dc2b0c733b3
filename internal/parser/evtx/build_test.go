package evtx

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

// builder makes the bytes of a chunk, record by record.
type builder struct {
	b     []byte
	names map[string]int
	id    uint64
}

func newBuilder() *builder {
	b := make([]byte, chunkHeader)
	copy(b, chunkMagic)
	return &builder{b: b, names: map[string]int{}}
}

func (w *builder) u8(v ...byte)  { w.b = append(w.b, v...) }
func (w *builder) u16(v int)     { w.b = binary.LittleEndian.AppendUint16(w.b, uint16(v)) }
func (w *builder) u32(v int)     { w.b = binary.LittleEndian.AppendUint32(w.b, uint32(v)) }
func (w *builder) u64(v uint64)  { w.b = binary.LittleEndian.AppendUint64(w.b, v) }
func (w *builder) text(s string) { w.b = append(w.b, wide(s)...) }

// wide is UTF-16.
func wide(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// name refers to a name, and defines it at its first use.
func (w *builder) name(s string) {
	if off, ok := w.names[s]; ok {
		w.u32(off)
		return
	}
	off := len(w.b) + 4
	w.names[s] = off
	w.u32(off)
	w.u32(0)
	w.u16(0)
	w.u16(len(wide(s)) / 2)
	w.text(s)
	w.u16(0)
}

// open begins an element; attrs are pairs of name and text, "%N" being value N.
func (w *builder) open(depends bool, name string, attrs ...string) {
	tok := byte(tOpen)
	if len(attrs) > 0 {
		tok |= more
	}
	w.u8(tok)
	if depends {
		w.u16(0xffff)
	}
	w.u32(0)
	w.name(name)
	if len(attrs) > 0 {
		w.u32(0)
	}
	for i := 0; i < len(attrs); i += 2 {
		w.u8(tAttribute)
		w.name(attrs[i])
		w.data(attrs[i+1])
	}
}

// data writes literal text, or a substitution for "%N".
func (w *builder) data(s string) {
	if len(s) == 2 && s[0] == '%' {
		w.u8(tOptSubst)
		w.u16(int(s[1] - '0'))
		w.u8(vString)
		return
	}
	w.u8(tValue, vString)
	w.u16(len(wide(s)) / 2)
	w.text(s)
}

// leaf is an element with data only.
func (w *builder) leaf(depends bool, name, data string, attrs ...string) {
	w.open(depends, name, attrs...)
	if data == "" {
		w.u8(tCloseEmpty)
		return
	}
	w.u8(tCloseStart)
	w.data(data)
	w.u8(tEndElement)
}

// val is one value of a substitution array.
type val struct {
	kind byte
	b    []byte
}

// template writes an instance of a template; body writes its definition, nil refers
// to the one at off. It returns the offset of the definition.
func (w *builder) template(off int, body func(), values ...val) int {
	w.u8(tTemplate, 1)
	w.u32(1)
	if body != nil {
		off = len(w.b) + 4
	}
	w.u32(off)
	if body != nil {
		w.u32(0)
		w.b = append(w.b, make([]byte, 16)...)
		size := len(w.b)
		w.u32(0)
		w.u8(tFragment, 1, 1, 0)
		body()
		w.u8(tEnd)
		binary.LittleEndian.PutUint32(w.b[size:], uint32(len(w.b)-size-4))
	}
	w.u32(len(values))
	for _, v := range values {
		w.u16(len(v.b))
		w.u8(v.kind, 0)
	}
	for _, v := range values {
		w.u8(v.b...)
	}
	return off
}

// record writes one record around what body writes.
func (w *builder) record(body func()) {
	at := len(w.b)
	w.id++
	w.u8(recordMagic...)
	w.u32(0)
	w.u64(w.id)
	w.u64(0)
	w.u8(tFragment, 1, 1, 0)
	body()
	w.u8(tEnd)
	for len(w.b)%8 != 4 {
		w.u8(0)
	}
	size := len(w.b) - at + 4
	w.u32(size)
	binary.LittleEndian.PutUint32(w.b[at+4:], uint32(size))
}

// chunk closes the chunk with its header and checksums.
func (w *builder) chunk() []byte {
	b := bytes.Clone(w.b)
	free := len(b)
	b = append(b, make([]byte, ChunkSize-free)...)
	binary.LittleEndian.PutUint32(b[40:], 128)
	binary.LittleEndian.PutUint32(b[48:], uint32(free))
	binary.LittleEndian.PutUint32(b[52:], crc32.ChecksumIEEE(b[chunkHeader:free]))
	seal(b)
	return b
}

// seal puts the header's checksum right.
func seal(b []byte) {
	sum := crc32.ChecksumIEEE(b[:120])
	binary.LittleEndian.PutUint32(b[124:], crc32.Update(sum, crc32.IEEETable, b[128:chunkHeader]))
}

// logon is a chunk of n events of one template.
func logon(n int) []byte {
	w := newBuilder()
	off := 0
	for i := range n {
		w.record(func() {
			values := []val{{vUint16, []byte{16, 18}}, {vString, wide("mira")}, {vHex64, []byte{231, 3, 0, 0, 0, 0, 0, 0}}, {vUint64, binary.LittleEndian.AppendUint64(nil, uint64(i+1))}}
			body := func() {
				w.open(true, "Event", "xmlns", "urn:x")
				w.u8(tCloseStart)
				w.open(true, "System")
				w.u8(tCloseStart)
				w.leaf(true, "EventID", "%0")
				w.leaf(true, "EventRecordID", "%3")
				w.leaf(true, "Channel", "Security")
				w.u8(tEndElement)
				w.open(true, "EventData")
				w.u8(tCloseStart)
				w.leaf(true, "Data", "%1", "Name", "TargetUserName")
				w.leaf(true, "Data", "%2", "Name", "TargetLogonId")
				w.u8(tEndElement, tEndElement)
			}
			if i > 0 {
				body = nil
			}
			off = w.template(off, body, values...)
		})
	}
	return w.chunk()
}
