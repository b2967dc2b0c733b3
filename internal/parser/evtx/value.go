package evtx

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Types of values; vArray marks an array of the type.
const (
	vNull     = 0x00
	vString   = 0x01
	vAnsi     = 0x02
	vInt8     = 0x03
	vUint8    = 0x04
	vInt16    = 0x05
	vUint16   = 0x06
	vInt32    = 0x07
	vUint32   = 0x08
	vInt64    = 0x09
	vUint64   = 0x0a
	vFloat32  = 0x0b
	vFloat64  = 0x0c
	vBool     = 0x0d
	vBinary   = 0x0e
	vGUID     = 0x0f
	vSize     = 0x10
	vFileTime = 0x11
	vSysTime  = 0x12
	vSID      = 0x13
	vHex32    = 0x14
	vHex64    = 0x15
	vHandle   = 0x20
	vBinXML   = 0x21
	vXML      = 0x23
	vArray    = 0x80
)

// widths are the sizes of the types that have one.
var widths = [256]int{vInt8: 1, vUint8: 1, vInt16: 2, vUint16: 2, vInt32: 4, vUint32: 4, vInt64: 8, vUint64: 8, vFloat32: 4, vFloat64: 8,
	vBool: 4, vGUID: 16, vFileTime: 8, vSysTime: 16, vHex32: 4, vHex64: 8}

// value is one substitution: its type, where it is in the chunk, and its bytes.
type value struct {
	kind byte
	at   int
	b    []byte
}

// appendJSON writes the value as JSON: numbers and booleans as such, arrays as
// arrays, the rest as strings.
func (v value) appendJSON(out []byte) []byte {
	if v.kind&vArray != 0 {
		out = append(out, '[')
		out = v.items(out, func(out []byte, one value) []byte { return one.appendJSON(out) })
		return append(out, ']')
	}
	if !v.quoted() {
		return v.appendText(out)
	}
	out = append(out, '"')
	out = v.appendText(out)
	return append(out, '"')
}

// quoted says whether JSON writes the value as a string.
func (v value) quoted() bool {
	if len(v.b) < widths[v.kind] || len(v.b) == 0 {
		return true // not a value of that type: told as text
	}
	switch v.kind {
	case vInt8, vUint8, vInt16, vUint16, vInt32, vUint32, vInt64, vUint64, vBool:
		return false
	case vFloat32, vFloat64:
		f := v.float()
		return math.IsNaN(f) || math.IsInf(f, 0)
	}
	return true
}

func (v value) float() float64 {
	if v.kind == vFloat32 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.b)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v.b))
}

// appendText writes the value as escaped text.
func (v value) appendText(out []byte) []byte {
	if v.kind&vArray != 0 {
		return v.items(out, func(out []byte, one value) []byte { return one.appendText(out) })
	}
	b := v.b
	if len(b) < widths[v.kind] {
		return hex.AppendEncode(out, b)
	}
	switch v.kind {
	case vNull:
		return out
	case vString, vXML:
		return appendUTF16(out, trimNUL(b))
	case vAnsi:
		return appendAnsi(out, b)
	case vInt8:
		return strconv.AppendInt(out, int64(int8(b[0])), 10)
	case vUint8:
		return strconv.AppendUint(out, uint64(b[0]), 10)
	case vInt16:
		return strconv.AppendInt(out, int64(int16(binary.LittleEndian.Uint16(b))), 10)
	case vUint16:
		return strconv.AppendUint(out, uint64(binary.LittleEndian.Uint16(b)), 10)
	case vInt32:
		return strconv.AppendInt(out, int64(int32(binary.LittleEndian.Uint32(b))), 10)
	case vUint32:
		return strconv.AppendUint(out, uint64(binary.LittleEndian.Uint32(b)), 10)
	case vInt64:
		return strconv.AppendInt(out, int64(binary.LittleEndian.Uint64(b)), 10)
	case vUint64:
		return strconv.AppendUint(out, binary.LittleEndian.Uint64(b), 10)
	case vFloat32:
		return strconv.AppendFloat(out, v.float(), 'g', -1, 32)
	case vFloat64:
		return strconv.AppendFloat(out, v.float(), 'g', -1, 64)
	case vBool:
		return strconv.AppendBool(out, binary.LittleEndian.Uint32(b) != 0)
	case vGUID:
		return appendGUID(out, b)
	case vHex32, vHex64, vSize, vHandle:
		return appendHex(out, b)
	case vFileTime:
		return appendFileTime(out, binary.LittleEndian.Uint64(b))
	case vSysTime:
		return appendSystemTime(out, b)
	case vSID:
		return appendSID(out, b)
	}
	return appendUpperHex(out, b)
}

// items writes the elements of an array. Strings end with NUL, SIDs tell their length,
// the rest have a fixed size.
func (v value) items(out []byte, write func([]byte, value) []byte) []byte {
	kind := v.kind &^ vArray
	first := true
	one := func(b []byte) {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = write(out, value{kind: kind, b: b})
	}
	switch b := v.b; {
	case kind == vString:
		for len(b) >= 2 {
			i := 0
			for i+1 < len(b) && (b[i] != 0 || b[i+1] != 0) {
				i += 2
			}
			one(b[:i])
			b = b[min(len(b), i+2):]
		}
	case kind == vAnsi:
		for len(b) > 0 {
			i := 0
			for i < len(b) && b[i] != 0 {
				i++
			}
			one(b[:i])
			b = b[min(len(b), i+1):]
		}
	case kind == vSID:
		for len(b) >= 8 {
			n := min(len(b), 8+4*int(b[1]))
			one(b[:n])
			b = b[n:]
		}
	case widths[kind] > 0:
		for w := widths[kind]; len(b) >= w; b = b[w:] {
			one(b[:w])
		}
	default:
		one(b) // a type whose elements cannot be told apart
	}
	return out
}

// trimNUL drops the NULs that pad a string. Those inside it are kept: whoever hides
// text behind one should not succeed.
func trimNUL(b []byte) []byte {
	for len(b) >= 2 && b[len(b)-1] == 0 && b[len(b)-2] == 0 {
		b = b[:len(b)-2]
	}
	return b
}

const hexDigits = "0123456789ABCDEF"

func appendUpperHex(out, b []byte) []byte {
	for _, x := range b {
		out = append(out, hexDigits[x>>4], hexDigits[x&15])
	}
	return out
}

// appendHex writes a little-endian number as 0x….
func appendHex(out, b []byte) []byte {
	var n uint64
	for i := min(len(b), 8) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return strconv.AppendUint(append(out, '0', 'x'), n, 16)
}

func appendGUID(out, b []byte) []byte {
	for i, at := range [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out = append(out, '-')
		}
		out = append(out, hexDigits[b[at]>>4], hexDigits[b[at]&15])
	}
	return out
}

func appendSID(out, b []byte) []byte {
	if len(b) < 8 {
		return appendUpperHex(out, b)
	}
	out = strconv.AppendUint(append(out, "S-"...), uint64(b[0]), 10)
	var authority uint64
	for _, x := range b[2:8] {
		authority = authority<<8 | uint64(x)
	}
	out = strconv.AppendUint(append(out, '-'), authority, 10)
	for i := range int(b[1]) {
		if 12+4*i > len(b) {
			break
		}
		out = strconv.AppendUint(append(out, '-'), uint64(binary.LittleEndian.Uint32(b[8+4*i:])), 10)
	}
	return out
}

// appendFileTime writes 100 ns since 1601 as ISO time with microseconds, and with the
// last digit where it is not 0.
func appendFileTime(out []byte, t uint64) []byte {
	const day = 864_000_000_000
	y, m, d := civil(int64(t/day) - 134774)
	rest := t % day
	out = appendDate(out, y, m, d)
	out = appendClock(out, rest/36_000_000_000, rest/600_000_000%60, rest/10_000_000%60)
	out = append(out, '.')
	out = appendPadded(out, rest%10_000_000/10, 6)
	if last := rest % 10; last != 0 {
		out = append(out, '0'+byte(last))
	}
	return append(out, 'Z')
}

func appendSystemTime(out, b []byte) []byte {
	u := func(i int) uint64 { return uint64(binary.LittleEndian.Uint16(b[2*i:])) }
	out = appendDate(out, int64(u(0)), u(1), u(3))
	out = appendClock(out, u(4), u(5), u(6))
	out = append(out, '.')
	out = appendPadded(out, u(7)*1000, 6)
	return append(out, 'Z')
}

func appendDate(out []byte, y int64, m, d uint64) []byte {
	out = append(appendPadded(out, uint64(y), 4), '-')
	out = append(appendPadded(out, m, 2), '-')
	return append(appendPadded(out, d, 2), 'T')
}

func appendClock(out []byte, h, m, s uint64) []byte {
	out = append(appendPadded(out, h, 2), ':')
	out = append(appendPadded(out, m, 2), ':')
	return appendPadded(out, s, 2)
}

// appendPadded writes n with at least width digits.
func appendPadded(out []byte, n uint64, width int) []byte {
	p := uint64(1)
	for range width - 1 {
		p *= 10
	}
	for ; p > n && p > 1; p /= 10 {
		out = append(out, '0')
	}
	return strconv.AppendUint(out, n, 10)
}

// civil is the date of a number of days since 1970 (civil-from-days).
func civil(days int64) (y int64, m, d uint64) {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = uint64(doy - (153*mp+2)/5 + 1)
	if m = uint64(mp + 3); m > 12 {
		m -= 12
	}
	y = yoe + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

// plainASCII marks the bytes that JSON writes as they are.
var plainASCII = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendUTF16 writes little-endian UTF-16 as escaped UTF-8. Halves of surrogate pairs
// without the other become U+FFFD.
func appendUTF16(out, b []byte) []byte {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i+1] == 0 && plainASCII[b[i]] {
			out = append(out, b[i])
			continue
		}
		r := rune(b[i]) | rune(b[i+1])<<8
		if utf16.IsSurrogate(r) {
			low := rune(utf8.RuneError)
			if i+3 < len(b) {
				low = rune(b[i+2]) | rune(b[i+3])<<8
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 2
			}
		}
		out = appendRune(out, r)
	}
	return out
}

func appendRune(out []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(out, '\\', byte(r))
	case '\n':
		return append(out, '\\', 'n')
	case '\r':
		return append(out, '\\', 'r')
	case '\t':
		return append(out, '\\', 't')
	}
	if r < 0x20 {
		return append(out, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
	}
	return utf8.AppendRune(out, r)
}

// ansi is what Windows-1252 has between 0x80 and 0x9f.
var ansi = [32]rune{'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ'}

func appendAnsi(out, b []byte) []byte {
	for _, x := range b {
		switch {
		case x == 0:
		case x >= 0x80 && x < 0xa0:
			out = appendRune(out, ansi[x-0x80])
		default:
			out = appendRune(out, rune(x))
		}
	}
	return out
}
