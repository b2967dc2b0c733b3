package source

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// layout is how the rows of a Parquet file become JSON: the tree of its columns.
type layout struct {
	root   field
	values [][]parquet.Value // of the row at hand, by leaf column; consumed from the front
}

// field is a node of the tree. Of the three shapes that lists and maps are written in,
// only the values remain: [a, b] and {"k": v}.
type field struct {
	name     string
	def, rep int  // level from which the field is there; repetition level of its elements
	repeated bool // itself a list
	list     bool // a group that wraps a repeated one
	isMap    bool
	leaf     int // column, -1 for groups
	first    int // leaf column by which its presence is told
	last     int // one behind the last leaf column
	logical  format.LogicalTypeValue
	children []field
}

var errRow = errors.New("the columns of the row do not fit each other")

func newLayout(root *parquet.Column) (*layout, error) {
	l := &layout{root: newField(root)}
	if l.root.last == 0 || l.root.last > maxColumns {
		return nil, fmt.Errorf("it has %d columns; 1 to %d are read", l.root.last, maxColumns)
	}
	l.values = make([][]parquet.Value, l.root.last)
	return l, nil
}

func newField(c *parquet.Column) field {
	f := field{name: strings.ToValidUTF8(c.Name(), "\uFFFD"), def: c.MaxDefinitionLevel(), rep: c.MaxRepetitionLevel(), repeated: c.Repeated(), leaf: -1}
	if t := c.Type().LogicalType(); t != nil {
		f.logical = t.Value
	}
	if c.Leaf() {
		f.leaf, f.first, f.last = c.Index(), c.Index(), c.Index()+1
		return f
	}
	for _, child := range c.Columns() {
		f.children = append(f.children, newField(child))
	}
	if len(f.children) == 0 {
		return f
	}
	f.first, f.last = f.children[0].first, f.children[len(f.children)-1].last
	if len(f.children) == 1 && f.children[0].repeated {
		_, f.list = f.logical.(*format.ListType)
		_, f.isMap = f.logical.(*format.MapType)
		f.isMap = f.isMap && len(f.children[0].children) == 2
	}
	return f
}

// render appends a row as a JSON object. Fields that are null are left out.
func (l *layout) render(dst []byte, row parquet.Row) ([]byte, error) {
	clear(l.values)
	row.Range(func(column int, values []parquet.Value) bool {
		if column < len(l.values) {
			l.values[column] = values
		}
		return true
	})
	return l.group(dst, &l.root)
}

// head is the next value of the leaf by which a field's presence is told.
func (l *layout) head(f *field) (parquet.Value, error) {
	if f.first >= len(l.values) || len(l.values[f.first]) == 0 {
		return parquet.Value{}, errRow
	}
	return l.values[f.first][0], nil
}

// pass drops the one value that every leaf of an absent field has.
func (l *layout) pass(f *field) error {
	for i := f.first; i < f.last; i++ {
		if len(l.values[i]) == 0 {
			return errRow
		}
		l.values[i] = l.values[i][1:]
	}
	return nil
}

// group appends the children that are there as an object.
func (l *layout) group(dst []byte, f *field) (_ []byte, err error) {
	dst = append(dst, '{')
	empty := true
	for i := range f.children {
		c := &f.children[i]
		if c.first == c.last {
			continue
		}
		v, err := l.head(c)
		if err != nil {
			return dst, err
		}
		if v.DefinitionLevel() < c.def {
			if err := l.pass(c); err != nil {
				return dst, err
			}
			continue
		}
		if !empty {
			dst = append(dst, ',')
		}
		empty = false
		dst = append(appendText(dst, c.name), ':')
		if dst, err = l.value(dst, c); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// value appends a field that is there.
func (l *layout) value(dst []byte, f *field) ([]byte, error) {
	switch {
	case f.repeated:
		return l.elements(dst, f, f)
	case f.list, f.isMap:
		v, err := l.head(f)
		if err != nil {
			return dst, err
		}
		if v.DefinitionLevel() < f.children[0].def {
			empty := "[]"
			if f.isMap {
				empty = "{}"
			}
			return append(dst, empty...), l.pass(f)
		}
		if f.isMap {
			return l.entries(dst, &f.children[0])
		}
		wrap := &f.children[0]
		if wrap.leaf < 0 && len(wrap.children) == 1 {
			return l.elements(dst, wrap, &wrap.children[0])
		}
		return l.elements(dst, wrap, wrap)
	default:
		return l.one(dst, f)
	}
}

func (l *layout) one(dst []byte, f *field) ([]byte, error) {
	if f.leaf < 0 {
		return l.group(dst, f)
	}
	v, err := l.head(f)
	if err != nil {
		return dst, err
	}
	l.values[f.leaf] = l.values[f.leaf][1:]
	if v.DefinitionLevel() < f.def {
		return append(dst, "null"...), nil
	}
	return appendValue(dst, v, f.logical), nil
}

// more says whether the next value continues a repeated field.
func (l *layout) more(f *field) bool {
	return len(l.values[f.first]) > 0 && l.values[f.first][0].RepetitionLevel() == f.rep
}

// elements appends a repeated field as an array of its items: itself, or what it wraps.
func (l *layout) elements(dst []byte, f, item *field) (_ []byte, err error) {
	dst = append(dst, '[')
	for i := 0; i == 0 || l.more(f); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		v, err := l.head(item)
		switch {
		case err != nil:
		case v.DefinitionLevel() < item.def:
			dst, err = append(dst, "null"...), l.pass(item)
		case item == f:
			dst, err = l.one(dst, item)
		default:
			dst, err = l.value(dst, item)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// entries appends a map as an object.
func (l *layout) entries(dst []byte, f *field) (_ []byte, err error) {
	key, value := &f.children[0], &f.children[1]
	dst = append(dst, '{')
	for i := 0; i == 0 || l.more(f); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		k, err := l.value(nil, key)
		if err != nil {
			return dst, err
		}
		if len(k) == 0 || k[0] != '"' {
			k = appendText(nil, string(k))
		}
		dst = append(append(dst, k...), ':')
		v, err := l.head(value)
		switch {
		case err != nil:
		case v.DefinitionLevel() < value.def:
			dst, err = append(dst, "null"...), l.pass(value)
		default:
			dst, err = l.value(dst, value)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendValue appends a value as its logical type reads.
func appendValue(dst []byte, v parquet.Value, logical format.LogicalTypeValue) []byte {
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.AppendBool(dst, v.Boolean())
	case parquet.Int32:
		return appendInt(dst, int64(v.Int32()), logical)
	case parquet.Int64:
		return appendInt(dst, v.Int64(), logical)
	case parquet.Int96:
		n := v.Int96()
		return appendTime(dst, time.Unix((int64(n[2])-2440588)*86400, int64(n[1])<<32|int64(n[0]))) // a Julian day and nanoseconds, as Spark and Impala write times
	case parquet.Float:
		return appendFloat(dst, float64(v.Float()), 32)
	case parquet.Double:
		return appendFloat(dst, v.Double(), 64)
	default:
		return appendBytes(dst, v.ByteArray(), logical)
	}
}

func appendTime(dst []byte, t time.Time) []byte {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return strconv.AppendInt(dst, t.UnixNano(), 10)
	}
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func appendInt(dst []byte, n int64, logical format.LogicalTypeValue) []byte {
	switch t := logical.(type) {
	case *format.TimestampType:
		switch t.Unit.Value.(type) {
		case *format.MilliSeconds:
			return appendTime(dst, time.UnixMilli(n))
		case *format.NanoSeconds:
			return appendTime(dst, time.Unix(0, n))
		default:
			return appendTime(dst, time.UnixMicro(n))
		}
	case *format.DateType:
		return append(time.Unix(n*86400, 0).UTC().AppendFormat(append(dst, '"'), time.DateOnly), '"')
	case *format.IntType:
		if !t.IsSigned {
			if t.BitWidth < 64 {
				n &= 1<<uint(max(t.BitWidth, 8)) - 1
			}
			return strconv.AppendUint(dst, uint64(n), 10)
		}
	case *format.DecimalType:
		return appendDecimal(dst, big.NewInt(n), t.Scale)
	}
	return strconv.AppendInt(dst, n, 10)
}

func appendDecimal(dst []byte, n *big.Int, scale int32) []byte {
	if scale <= 0 || scale > 100 {
		return n.Append(dst, 10)
	}
	digits := new(big.Int).Abs(n).String()
	for int32(len(digits)) <= scale {
		digits = "0" + digits
	}
	if n.Sign() < 0 {
		dst = append(dst, '-')
	}
	cut := len(digits) - int(scale)
	return append(append(append(dst, digits[:cut]...), '.'), digits[cut:]...)
}

func appendFloat(dst []byte, x float64, bits int) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, bits)
}

func appendBytes(dst, b []byte, logical format.LogicalTypeValue) []byte {
	switch t := logical.(type) {
	case *format.JsonType:
		if json.Valid(b) {
			return append(dst, b...)
		}
	case *format.UUIDType:
		if len(b) == 16 {
			h := hex.EncodeToString(b)
			return appendText(dst, h[:8]+"-"+h[8:12]+"-"+h[12:16]+"-"+h[16:20]+"-"+h[20:])
		}
	case *format.DecimalType:
		n := new(big.Int).SetBytes(b)
		if len(b) > 0 && len(b) <= 64 && b[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		if len(b) <= 64 {
			return appendDecimal(dst, n, t.Scale)
		}
	}
	if utf8.Valid(b) {
		return appendText(dst, string(b))
	}
	return appendText(dst, base64.StdEncoding.EncodeToString(b))
}

// appendText appends a JSON string.
func appendText(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
