package evtx

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// one renders a chunk of one record that body writes.
func one(t *testing.T, body func(w *builder)) (string, error) {
	t.Helper()
	w := newBuilder()
	w.record(func() { body(w) })
	var c Chunk
	c.Reset(w.chunk())
	r, ok := c.Next()
	if !ok || r.Damage != nil {
		t.Fatalf("no record: %v %v", ok, r.Damage)
	}
	doc, err := c.JSON(r)
	if err == nil && !json.Valid(doc) {
		t.Fatalf("not JSON: %s", doc)
	}
	return string(doc), err
}

// TestValues renders a value of every type.
func TestValues(t *testing.T) {
	le := binary.LittleEndian
	guid := []byte{0x5f, 0x38, 0x70, 0x57, 0x2a, 0xc2, 0xe0, 0x43, 0xbf, 0x4c, 0x06, 0xf5, 0x69, 0x8f, 0xfb, 0xd9}
	sid := []byte{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0}
	for _, row := range []struct {
		v    val
		want string
	}{
		{val{vNull, nil}, `null`}, {val{vNull, []byte{1, 2}}, `null`},
		{val{vString, wide("a\"\\\n\t\x01é😀")}, `"a\"\\\n\t\u0001é😀"`}, {val{vString, nil}, `""`}, {val{vString, append(wide("x\x00y"), 0, 0)}, `"x\u0000y"`}, {val{vString, []byte{0, 0xd8, 'a', 0}}, `"` + "\ufffd" + `a"`},
		{val{vAnsi, []byte("caf\xe9 \x80\x00")}, `"café €"`},
		{val{vInt8, []byte{0xff}}, `-1`}, {val{vUint8, []byte{0xff}}, `255`}, {val{vInt16, []byte{0, 0x80}}, `-32768`}, {val{vUint16, []byte{0, 0x80}}, `32768`},
		{val{vInt32, []byte{0xfe, 0xff, 0xff, 0xff}}, `-2`}, {val{vUint32, []byte{0xfe, 0xff, 0xff, 0xff}}, `4294967294`},
		{val{vInt64, le.AppendUint64(nil, 1<<63)}, `-9223372036854775808`}, {val{vUint64, le.AppendUint64(nil, math.MaxUint64)}, `18446744073709551615`},
		{val{vFloat32, le.AppendUint32(nil, math.Float32bits(1.5))}, `1.5`}, {val{vFloat64, le.AppendUint64(nil, math.Float64bits(-0.25))}, `-0.25`}, {val{vFloat64, le.AppendUint64(nil, math.Float64bits(math.NaN()))}, `"NaN"`},
		{val{vBool, []byte{1, 0, 0, 0}}, `true`}, {val{vBool, []byte{0, 0, 0, 0}}, `false`}, {val{vBool, []byte{0, 7, 0, 0}}, `true`},
		{val{vBinary, []byte{0xde, 0xad, 0}}, `"DEAD00"`}, {val{vGUID, guid}, `"5770385F-C22A-43E0-BF4C-06F5698FFBD9"`},
		{val{vSize, []byte{1, 2, 0, 0}}, `"0x201"`}, {val{vSize, []byte{0, 0, 0, 0, 1, 0, 0, 0}}, `"0x100000000"`},
		{val{vFileTime, le.AppendUint64(nil, 132223104000000000)}, `"2020-01-01T00:00:00.000000Z"`}, {val{vFileTime, le.AppendUint64(nil, 132223104000000017)}, `"2020-01-01T00:00:00.0000017Z"`},
		{val{vFileTime, le.AppendUint64(nil, 0)}, `"1601-01-01T00:00:00.000000Z"`},
		{val{vSysTime, []byte{0xe4, 7, 2, 0, 6, 0, 29, 0, 23, 0, 59, 0, 58, 0, 7, 0}}, `"2020-02-29T23:59:58.007000Z"`},
		{val{vSID, sid}, `"S-1-5-32-544"`}, {val{vHex32, []byte{0x2a, 0, 0, 0}}, `"0x2a"`}, {val{vHex64, le.AppendUint64(nil, 0x8000000000000000)}, `"0x8000000000000000"`},
		{val{vInt32, []byte{1, 2}}, `"0102"`}, {val{vInt32, nil}, `""`}, {val{0x7e, []byte{0xab}}, `"AB"`},
		{val{vArray | vString, wide("a\x00b\x00")}, `["a","b"]`}, {val{vArray | vUint16, []byte{1, 0, 2, 0, 3}}, `[1,2]`}, {val{vArray | vSID, append(sid, sid...)}, `["S-1-5-32-544","S-1-5-32-544"]`},
		{val{vArray | vGUID, guid}, `["5770385F-C22A-43E0-BF4C-06F5698FFBD9"]`}, {val{vArray | vHex64, make([]byte, 16)}, `["0x0","0x0"]`}, {val{vArray | vBinary, []byte{1}}, `["01"]`}, {val{vArray | vAnsi, []byte("x\x00")}, `["x"]`},
	} {
		got, err := one(t, func(w *builder) { w.template(0, func() { w.leaf(true, "V", "%0") }, row.v) })
		if want := `{"V":` + row.want + `}`; err != nil || got != want {
			t.Errorf("type %#x % x: %s, %v; want %s", row.v.kind, row.v.b, got, err, want)
		}
	}
}

// TestLayout: what elements, attributes, repeated names and nested Binary XML become.
func TestLayout(t *testing.T) {
	for name, row := range map[string]struct {
		body func(w *builder)
		want string
	}{
		"attributes and text": {func(w *builder) {
			w.template(0, func() { w.leaf(true, "E", "%0", "Qualifiers", "%1", "Gone", "%2") }, val{vUint16, []byte{7, 0}}, val{vUint16, []byte{9, 0}}, val{vNull, nil})
		}, `{"E":{"#attributes":{"Qualifiers":9},"#text":7}}`},
		"an absent attribute leaves the bare value": {func(w *builder) {
			w.template(0, func() { w.leaf(true, "E", "%0", "Q", "%1") }, val{vUint8, []byte{7}}, val{vNull, nil})
		}, `{"E":7}`},
		"nameless data": {func(w *builder) {
			w.template(0, func() {
				w.open(true, "EventData")
				w.u8(tCloseStart)
				w.leaf(true, "Data", "%0")
				w.leaf(true, "Data", "")
				w.leaf(true, "Data", "b")
				w.leaf(true, "Binary", "")
				w.u8(tEndElement)
			}, val{vString, wide("a")})
		}, `{"EventData":{"Data":{"#text":["a","","b"]},"Binary":null}}`},
		"nameless data that is an array": {func(w *builder) {
			w.template(0, func() {
				w.open(true, "EventData")
				w.u8(tCloseStart)
				w.leaf(true, "Data", "%0")
				w.u8(tEndElement)
			}, val{vArray | vString, wide("a\x00b\x00")})
		}, `{"EventData":{"Data":{"#text":["a","b"]}}}`},
		"repeated names": {func(w *builder) {
			w.open(false, "H")
			w.u8(tCloseStart)
			w.leaf(false, "X", "1")
			w.leaf(false, "X", "2")
			w.leaf(false, "X", "3")
			w.u8(tEndElement)
		}, `{"H":{"X":"1","X_1":"2","X_2":"3"}}`},
		"a name that is a value": {func(w *builder) {
			w.template(0, func() {
				w.open(true, "EventData")
				w.u8(tCloseStart)
				w.leaf(true, "Data", "1", "Name", "%0")
				w.leaf(true, "Data", "2", "Name", "%0")
				w.u8(tEndElement)
			}, val{vString, wide("k\"")})
		}, `{"EventData":{"k\"":"1","k\"_1":"2"}}`},
		"text around a value": {func(w *builder) {
			w.template(0, func() {
				w.open(true, "E")
				w.u8(tCloseStart)
				w.data("<")
				w.data("%0")
				w.u8(tCharRef)
				w.u16('>')
				w.u8(tEntityRef)
				w.name("amp")
				w.u8(tCData)
				w.u16(1)
				w.text("!")
				w.u8(tEndElement)
			}, val{vUint8, []byte{5}})
		}, `{"E":"<5>&!"}`},
	} {
		got, err := one(t, row.body)
		if err != nil || got != row.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, row.want)
		}
	}
}

// nested wraps Binary XML in a value of a template, as often as asked.
func nested(w *builder, depth int) []byte {
	inner := newBuilder()
	inner.b, inner.names = nil, nil
	// Names and templates are found by offsets in the chunk, so the value refers to
	// the template of the record itself.
	off := len(w.b) + 10
	value := []byte{tFragment, 1, 1, 0, tEnd}
	for range depth {
		var b builder
		b.u8(tFragment, 1, 1, 0, tTemplate, 1)
		b.u32(1)
		b.u32(off)
		b.u32(1)
		b.u16(len(value))
		b.u8(vBinXML, 0)
		b.u8(value...)
		b.u8(tEnd)
		value = b.b
	}
	return value
}

func TestNested(t *testing.T) {
	build := func(depth int) (string, error) {
		return one(t, func(w *builder) {
			value := nested(w, depth)
			w.template(0, func() { w.leaf(true, "N", "%0") }, val{vBinXML, value})
		})
	}
	if got, err := build(2); err != nil || got != `{"N":{"N":{"N":{}}}}` {
		t.Errorf("two levels: %s, %v", got, err)
	}
	if got, err := build(200); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Errorf("200 levels: %.100s, %v", got, err)
	}
}

// TestBombs: records that would expand without bound end with an error, soon.
func TestBombs(t *testing.T) {
	big := wide(strings.Repeat("x", 15000))
	for name, body := range map[string]func(w *builder){
		"one value many times": func(w *builder) {
			w.template(0, func() {
				w.open(true, "E")
				w.u8(tCloseStart)
				for range 5000 {
					w.data("%0")
				}
				w.u8(tEndElement)
			}, val{vString, big})
		},
		"nested values many times": func(w *builder) {
			value := nested(w, 6)
			w.template(0, func() {
				w.open(true, "E")
				w.u8(tCloseStart)
				for range 8 {
					w.data("%0")
				}
				w.u8(tEndElement)
			}, val{vBinXML, value})
		},
		"a name many times": func(w *builder) {
			for range 3000 {
				w.leaf(false, "A", "")
			}
		},
	} {
		got, err := one(t, body)
		if err == nil || !strings.Contains(err.Error(), "expands") {
			t.Errorf("%s: %.60s (%d bytes), %v", name, got, len(got), err)
		}
	}
}

// TestBombChunk: a chunk full of such records ends soon too.
func TestBombChunk(t *testing.T) {
	w := newBuilder()
	off := 0
	w.record(func() {
		off = w.template(0, func() {
			w.open(true, "E")
			w.u8(tCloseStart)
			for range 2000 {
				w.data("%0")
			}
			w.u8(tEndElement)
		}, val{vString, wide("x")})
	})
	for range 20 {
		w.record(func() { w.template(off, nil, val{vString, wide(strings.Repeat("x", 1000))}) })
	}
	var c Chunk
	c.Reset(w.chunk())
	total, refused := 0, 0
	for r, ok := c.Next(); ok; r, ok = c.Next() {
		doc, err := c.JSON(r)
		if err != nil {
			refused++
		}
		total += len(doc)
	}
	if total > maxChunkOut || refused < 2 || refused > 15 {
		t.Errorf("%d bytes, %d records refused", total, refused)
	}
}

// TestOverlappingTemplates: templates that overlap cannot make the work of a chunk
// grow with the square of its size.
func TestOverlappingTemplates(t *testing.T) {
	w := newBuilder()
	start := 0
	w.record(func() {
		// Wherever a template is said to begin in here, it has 40,960 bytes.
		sizes := bytes.Repeat([]byte{0, 0xa0, 0, 0}, 300)
		w.template(0, func() { w.leaf(true, "A", "%0") }, val{vBinary, sizes})
		start = len(w.b) - len(sizes)
	})
	for i := range 200 {
		w.record(func() { w.template(start+i*4, nil) })
	}
	var c Chunk
	c.Reset(w.chunk())
	refused := 0
	for r, ok := c.Next(); ok; r, ok = c.Next() {
		if _, err := c.JSON(r); err != nil && strings.Contains(err.Error(), "overlap") {
			refused++
		}
	}
	if refused < 190 {
		t.Errorf("%d templates were refused", refused)
	}
}

// outline tells each record by its id, each damage by its extent.
func outline(b []byte) string {
	var c Chunk
	var out []string
	c.Reset(b)
	at := -1
	for r, ok := c.Next(); ok; r, ok = c.Next() {
		if r.Offset <= at {
			out = append(out, "goes back")
		}
		at = r.Offset
		switch _, err := c.JSON(r); {
		case r.Damage != nil:
			out = append(out, fmt.Sprintf("%d+%d", r.Offset, r.Size))
		case err != nil:
			out = append(out, fmt.Sprintf("!%d", r.ID))
		default:
			out = append(out, fmt.Sprintf("#%d", r.ID))
		}
	}
	return strings.Join(out, " ")
}

// TestRecovery: every readable record of a damaged chunk comes out, in order, and what
// is not readable is told.
func TestRecovery(t *testing.T) {
	whole := logon(6)
	var c Chunk
	c.Reset(whole)
	var at []int // where records begin
	for r, ok := c.Next(); ok; r, ok = c.Next() {
		at = append(at, r.Offset)
	}
	end := int(binary.LittleEndian.Uint32(whole[48:]))
	size := at[2] - at[1]
	all := "#1 #2 #3 #4 #5 #6"
	for name, row := range map[string]struct {
		damage func(b []byte) []byte
		want   string
	}{
		"none":             {func(b []byte) []byte { return b }, all},
		"never written":    {func(b []byte) []byte { return make([]byte, ChunkSize) }, ""},
		"no signature":     {func(b []byte) []byte { b[0] = 'X'; return b }, "0+512 " + all},
		"header altered":   {func(b []byte) []byte { b[8] = 1; return b }, "0+512 " + all},
		"end behind chunk": {func(b []byte) []byte { b[50] = 9; seal(b); return b }, "0+512 " + all},
		"old header, log in use": {func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[48:], uint32(at[3]))
			binary.LittleEndian.PutUint32(b[52:], 0)
			seal(b)
			return b
		}, "0+512 " + all},
		"record without signature": {func(b []byte) []byte { b[at[2]] = 0; return b }, fmt.Sprintf("0+512 #1 #2 %d+%d #4 #5 #6", at[2], size)},
		"size before":              {func(b []byte) []byte { b[at[2]+6] = 9; return b }, fmt.Sprintf("0+512 #1 #2 %d+%d #4 #5 #6", at[2], size)},
		"size behind":              {func(b []byte) []byte { b[at[3]-4]++; return b }, fmt.Sprintf("0+512 #1 #2 #3 %d+4 #4 #5 #6", at[3]-4)},
		"a value's size":           {func(b []byte) []byte { b[at[4]+24+4+14+1] = 0xff; return b }, "0+512 #1 #2 #3 #4 !5 #6"},
		"the template":             {func(b []byte) []byte { b[at[0]+24+4+10+24+4] = 0xff; return b }, "0+512 !1 !2 !3 !4 !5 !6"},
		"cut inside a record":      {func(b []byte) []byte { return b[:at[4]+20] }, fmt.Sprintf("0+512 #1 #2 #3 #4 %d+20", at[4])},
		"cut between records":      {func(b []byte) []byte { return b[:at[4]] }, "0+512 #1 #2 #3 #4"},
		"cut behind the last":      {func(b []byte) []byte { return b[:end] }, all},
		"cut inside the header":    {func(b []byte) []byte { return b[:100] }, "0+100"},
		"records zeroed":           {func(b []byte) []byte { clear(b[at[1]:end]); return b }, fmt.Sprintf("0+512 #1 %d+%d", at[1], end-at[1])},
	} {
		if got := outline(row.damage(append([]byte(nil), whole...))); got != row.want {
			t.Errorf("%s: %s; want %s", name, got, row.want)
		}
	}
}

// FuzzChunk: any bytes are records, damage or nothing; never a panic, always JSON, and
// extents that go forward inside the chunk.
func FuzzChunk(f *testing.F) {
	f.Add(logon(3)[:2048], 0, byte(0))
	f.Add(logon(1)[:1024], 600, byte(0x0c))
	w := newBuilder()
	w.record(func() {
		value := nested(w, 3)
		w.template(0, func() { w.leaf(true, "N", "%0", "a", "%1") }, val{vBinXML, value}, val{vArray | vString, wide("a\x00b")})
	})
	f.Add(w.chunk()[:2048], 530, byte(0x21))
	f.Fuzz(func(t *testing.T, b []byte, at int, x byte) {
		b = append([]byte(nil), b[:min(len(b), ChunkSize)]...)
		if len(b) > chunkHeader {
			b[chunkHeader+((at%(len(b)-chunkHeader))+len(b)-chunkHeader)%(len(b)-chunkHeader)] ^= x
			copy(b, chunkMagic)
			seal(b)
		}
		var c Chunk
		c.Reset(b)
		end := 0
		for r, ok := c.Next(); ok; r, ok = c.Next() {
			if r.Offset < end || r.Size <= 0 || r.Offset+r.Size > len(b) {
				t.Fatalf("extent %d+%d behind %d of %d", r.Offset, r.Size, end, len(b))
			}
			end = r.Offset + r.Size
			if r.Damage != nil {
				continue
			}
			if doc, err := c.JSON(r); err == nil && !json.Valid(doc) {
				t.Fatalf("not JSON: %q", doc)
			}
		}
	})
}

// TestEveryByte alters every byte of a small chunk in several ways.
func TestEveryByte(t *testing.T) {
	whole := logon(3)[:2048]
	for i := range whole {
		for _, x := range []byte{0x01, 0x80, 0xff, whole[i]} {
			b := bytes.Clone(whole)
			b[i] ^= x
			if i >= 48 && i < 52 {
				seal(b)
			}
			if got := outline(b); strings.Contains(got, "goes back") {
				t.Fatalf("byte %d: %s", i, got)
			}
		}
	}
}

var update = flag.Bool("update", false, "rewrite testdata")

// TestSample holds testdata/logon.evtx.gz, which tests of other packages read, to what
// the builder makes: two chunks of 40 events, in the second one damaged record.
func TestSample(t *testing.T) {
	header := make([]byte, fileHeader)
	copy(header, fileMagic)
	binary.LittleEndian.PutUint16(header[40:], fileHeader)
	second := logon(40)
	i := bytes.Index(second[2048:], recordMagic) + 2048
	second[i] = 0
	want := slices.Concat(header, logon(40), second)
	if *update {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(want)
		_ = z.Close()
		if err := os.WriteFile("testdata/logon.evtx.gz", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open("testdata/logon.evtx.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	have, err := io.ReadAll(z)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("testdata/logon.evtx.gz is not what the builder makes (%v): run with -update", err)
	}
}
