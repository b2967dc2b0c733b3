package sigma

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// piece is a run of plain text of a Sigma value, or one of its wildcards.
type piece struct {
	text string
	wild byte // '*', '?' or 0
}

// pattern is a Sigma value taken apart.
type pattern []piece

// parsePattern reads the wildcards of a value. A backslash before a wildcard or
// another backslash makes that plain; any other is plain itself.
func parsePattern(s string) pattern {
	var out pattern
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, piece{text: b.String()})
			b.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '\\'):
			b.WriteByte(s[i+1])
			i++
		case c == '*':
			flush()
			if len(out) == 0 || out[len(out)-1].wild != '*' {
				out = append(out, piece{wild: '*'})
			}
		case c == '?':
			flush()
			out = append(out, piece{wild: '?'})
		default:
			b.WriteByte(c)
		}
	}
	flush()
	return out
}

func plain(s string) pattern {
	if s == "" {
		return nil
	}
	return pattern{{text: s}}
}

func (p pattern) open(start, end bool) pattern {
	out := append(pattern{}, p...)
	if start && (len(out) == 0 || out[0].wild != '*') {
		out = append(pattern{{wild: '*'}}, out...)
	}
	if end && out[len(out)-1].wild != '*' {
		out = append(out, piece{wild: '*'})
	}
	return out
}

// shape says which test a pattern is, and its text when it is one without inner
// wildcards.
func (p pattern) shape() (test, string) {
	var inner pattern
	inner = append(inner, p...)
	start := len(inner) > 0 && inner[0].wild == '*'
	if start {
		inner = inner[1:]
	}
	end := len(inner) > 0 && inner[len(inner)-1].wild == '*'
	if end {
		inner = inner[:len(inner)-1]
	}
	switch {
	case len(inner) == 0 && (start || end):
		return present, ""
	case len(inner) == 0:
		return equals, ""
	case len(inner) > 1 || inner[0].wild != 0:
		return like, ""
	case start && end:
		return contains, inner[0].text
	case start:
		return endsWith, inner[0].text
	case end:
		return startsWith, inner[0].text
	}
	return equals, inner[0].text
}

// glob returns the pattern for ilike; ok is false when a plain text in it holds a
// wildcard character, which ilike cannot say.
func (p pattern) glob() (s string, ok bool) {
	var b strings.Builder
	for _, x := range p {
		if strings.ContainsAny(x.text, "*?") {
			return "", false
		}
		if x.wild != 0 {
			b.WriteByte(x.wild)
		}
		b.WriteString(x.text)
	}
	return b.String(), true
}

// regexp returns the pattern as an anchored regular expression.
func (p pattern) regexp(cased bool) string {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	if !cased {
		b.Reset()
		b.WriteString(`(?is)\A`)
	}
	for _, x := range p {
		switch x.wild {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(x.text))
		}
	}
	b.WriteString(`\z`)
	return b.String()
}

// literal returns the text of a pattern without wildcards.
func (p pattern) literal() (string, bool) {
	var b strings.Builder
	for _, x := range p {
		if x.wild != 0 {
			return "", false
		}
		b.WriteString(x.text)
	}
	return b.String(), true
}

// maxExpansion bounds how many values one value may become.
const maxExpansion = 4096

// transform is a modifier that makes other values of a value.
type transform func(p pattern) ([]pattern, error)

// transforms are the modifiers that change values, by name.
func transforms() map[string]transform {
	open := func(start, end bool) transform {
		return func(p pattern) ([]pattern, error) { return []pattern{p.open(start, end)}, nil }
	}
	return map[string]transform{
		"contains": open(true, true), "startswith": open(false, true), "endswith": open(true, false),
		"windash":      windash,
		"base64":       encoder(func(s string) []string { return []string{base64.StdEncoding.EncodeToString([]byte(s))} }),
		"base64offset": encoder(base64Offsets),
		"wide":         encoder(wide("", false)), "utf16le": encoder(wide("", false)), "utf16be": encoder(wide("", true)), "utf16": encoder(wide("\xff\xfe", false)),
	}
}

func encoder(f func(string) []string) transform {
	return func(p pattern) ([]pattern, error) {
		s, ok := p.literal()
		if !ok {
			return nil, fmt.Errorf("a value with wildcards cannot be encoded")
		}
		var out []pattern
		for _, v := range f(s) {
			out = append(out, plain(v))
		}
		return out, nil
	}
}

// wide encodes as UTF-16.
func wide(mark string, big bool) func(string) []string {
	return func(s string) []string {
		out := []byte(mark)
		for _, u := range utf16.Encode([]rune(s)) {
			if big {
				out = append(out, byte(u>>8), byte(u))
			} else {
				out = append(out, byte(u), byte(u>>8))
			}
		}
		return []string{string(out)}
	}
}

// base64Offsets returns what s looks like inside base64 text at each of the three
// offsets, without the characters that its neighbours have a part in.
func base64Offsets(s string) []string {
	start, end := [3]int{0, 2, 3}, [3]int{0, 3, 2}
	var out []string
	for i := range 3 {
		e := base64.StdEncoding.EncodeToString(append(make([]byte, i), s...))
		from, to := start[i], len(e)-end[(len(s)+i)%3]
		if from < to {
			out = append(out, e[from:to])
		}
	}
	return out
}

// dashes are the characters that Windows programs take before an option.
var dashes = []string{"-", "/", "–", "—", "―"}

var dashForm = regexp.MustCompile(`\B[-/]\b`)

// windash writes each option of a value with each dash.
func windash(p pattern) ([]pattern, error) {
	out := []pattern{nil}
	for _, x := range p {
		var next []pattern
		for _, o := range out {
			for _, text := range dashed(x.text) {
				next = append(next, append(o[:len(o):len(o)], piece{text, x.wild}))
			}
		}
		if out = next; len(out) > maxExpansion {
			return nil, fmt.Errorf("the value has too many options for windash: more than %d spellings", maxExpansion)
		}
	}
	return out, nil
}

func dashed(s string) []string {
	out := []string{""}
	last := 0
	for _, at := range dashForm.FindAllStringIndex(s, -1) {
		var next []string
		for _, o := range out {
			for _, d := range dashes {
				next = append(next, o+s[last:at[0]]+d)
			}
		}
		out, last = next, at[1]
		if len(out) > maxExpansion {
			break
		}
	}
	for i := range out {
		out[i] += s[last:]
	}
	return out
}

// printable says whether the text of a pattern can stand in an expression.
func (p pattern) printable() bool {
	for _, x := range p {
		if !utf8.ValidString(x.text) {
			return false
		}
	}
	return true
}
