package parser

import (
	"strings"

	"vigil/schema"
)

// ciscoText takes apart the sentences of devices: what they say, whom and which ends they name.
type ciscoText []sentences

func newCiscoText(o Options) ciscoText {
	m := mapperOf("cisco", o, nil)
	return ciscoText{m.sentencesOf("verbs"), m.sentencesOf("transports"), m.sentencesOf("names"), m.sentencesOf("ends")}
}

func (c ciscoText) put(s string, e *schema.Event) {
	for _, of := range c {
		of.apply(s, e)
	}
}

// ciscoIdentity reads the user that stands behind an address: 192.0.2.1/80(DOMAIN\user).
func ciscoIdentity(e *schema.Event, s string) {
	for rest := s; !e.Has(schema.FUserName); {
		i := strings.IndexByte(rest, '(')
		if i < 0 {
			return
		}
		rest = rest[i+1:]
		name, _, ok := strings.Cut(rest[:min(len(rest), 256)], ")") // a name is short, and a line may be all (
		if ok && strings.Contains(name, `\`) && strings.IndexByte(name, ' ') < 0 {
			accountName(e, strings.TrimPrefix(name, `LOCAL\`))
		}
	}
}

// ciscoWords splits a sentence where its addresses may stand.
func ciscoWords(r rune) bool {
	return r == ' ' || r == ',' || r == '<' || r == '>' || r == '"' || r == '[' || r == ']'
}

// ciscoEnd is the first address of a sentence.
func ciscoEnd(ip, port schema.FieldID) setter {
	return func(e *schema.Event, s string) {
		for word := range strings.FieldsFuncSeq(s, ciscoWords) {
			if a, p := ciscoEndpoint(word); a != "" && !e.Has(ip) {
				e.Set(ip, a)
				setPort(e, port, p)
			}
		}
	}
}

// ciscoEnds are the first two addresses of a sentence that differ.
func ciscoEnds(ip, port, ip2, port2 schema.FieldID) setter {
	return func(e *schema.Event, s string) {
		for word := range strings.FieldsFuncSeq(s, ciscoWords) {
			a, p := ciscoEndpoint(word)
			switch {
			case a == "":
			case !e.Has(ip):
				e.Set(ip, a)
				setPort(e, port, p)
			case !e.Has(ip2) && a != e.Str(ip):
				e.Set(ip2, a)
				setPort(e, port2, p)
			}
		}
	}
}

func setPort(e *schema.Event, f schema.FieldID, port string) {
	if port != "" && port != "0" {
		e.Set(f, port)
	}
}

// ciscoEndpoint reads IF:192.0.2.1/80, IF/192.0.2.1(80), 192.0.2.1:80 and the like.
func ciscoEndpoint(word string) (ip, port string) {
	if word != "" && word[0] == '(' {
		if inner := strings.Trim(word, "()."); looksLikeIP(inner) {
			return inner, ""
		}
		return "", "" // the translated address of the endpoint before
	}
	word = strings.TrimRight(word, ".;)")
	if looksLikeIP(word) {
		return word, ""
	}
	if name, after, ok := strings.Cut(word, ":"); ok && !looksLikeIP(name) && name != "" && strings.Count(word, ".") >= 3 {
		word = after
	} else if name, after, ok := strings.Cut(word, "/"); ok && !looksLikeIP(name) && strings.Count(after, ".") >= 3 {
		word = after
	}
	end := strings.IndexAny(word, "/(:")
	if end < 0 {
		end = len(word)
	}
	if !looksLikeIP(word[:end]) || strings.Count(word[:end], ".") != 3 {
		return "", ""
	}
	rest := word[end:]
	n := 0
	if rest != "" {
		rest = rest[1:]
	}
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	return word[:end], rest[:n]
}
