package parser

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"vigil/schema"
)

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
	start := w.i + 1
	j := special(w.b, start)
	if j == len(w.b) {
		w.i = j
		return "", false, w.fail("string")
	}
	if w.b[j] == '"' {
		w.i = j + 1
		return schema.View(w.b[start:j]), false, nil
	}
	v, err = w.unescape(start, j)
	return v, true, err
}

const (
	eachByte = 0x0101010101010101
	eachHigh = 0x8080808080808080
)

// marks sets the high bit of the first byte of word that is a quote or a backslash;
// of bytes behind it, it may set that of others too.
func marks(word uint64) uint64 {
	q, s := word^eachByte*'"', word^eachByte*'\\'
	return ((q-eachByte)&^q | (s-eachByte)&^s) & eachHigh
}

// special is where the first quote or backslash stands from i on, the length of b when
// there is none.
func special(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if m := marks(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(b); i++ {
		if b[i] == '"' || b[i] == '\\' {
			return i
		}
	}
	return i
}

// unescape copies the plain text of the string that begins at start into the event's
// arena; its first backslash stands at j. It leaves w.i behind the string.
func (w *walker) unescape(start, j int) (string, error) {
	b := w.b
	// What is plain is never longer than what is escaped. Whole words are copied.
	out := w.e.Buffer(len(b) - start + 8)
	out = append(out, b[start:j]...)
	for {
		if j >= len(b) {
			w.i = len(b)
			return "", w.fail("string")
		}
		if b[j] == '"' {
			w.i = j + 1
			return w.e.Commit(out), nil
		}
		var err error
		if out, j, err = w.escape(out, j+1); err != nil {
			return "", err
		}
		out, j = plainText(out, b, j)
	}
}

// plainText copies b from i on up to the next quote or backslash, and returns where it
// stands. out has room for what is left of b and a word more.
func plainText(out, b []byte, i int) ([]byte, int) {
	n := len(out)
	for ; i+8 <= len(b); i += 8 {
		word := binary.LittleEndian.Uint64(b[i:])
		binary.LittleEndian.PutUint64(out[n:n+8], word)
		if m := marks(word); m != 0 {
			k := bits.TrailingZeros64(m) / 8
			return out[:n+k], i + k
		}
		n += 8
	}
	out = out[:n]
	j := special(b, i)
	return append(out, b[i:j]...), j
}

// escape writes the character whose escape has its letter at i, and returns what is
// behind it.
func (w *walker) escape(out []byte, i int) ([]byte, int, error) {
	if i >= len(w.b) {
		w.i = len(w.b)
		return nil, 0, w.fail("string")
	}
	c := w.b[i]
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
		r, n, err := runeOf(w.b[i+1:])
		if err != nil {
			return nil, 0, err
		}
		return utf8.AppendRune(out, r), i + 1 + n, nil
	default:
		return nil, 0, fmt.Errorf("%w: unknown escape \\%c", errJSON, c)
	}
	return append(out, c), i + 1, nil
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
	for w.i++; ; w.i += 2 {
		w.i = special(w.b, w.i)
		if w.i >= len(w.b) {
			w.i = len(w.b)
			return w.fail("string")
		}
		if w.b[w.i] == '"' {
			w.i++
			return nil
		}
	}
}
