package parser

import (
	"errors"
	"strings"

	"vigil/schema"
)

// errStructured is what is said of RFC 5424 structured data that does not close.
var errStructured = errors.New("the structured data of the RFC 5424 message is malformed")

// rfc5424 reads what follows "<PRI>1 ": time, host, program, process, message id,
// structured data, message. A hyphen stands for "not known".
func (p *syslogParser) rfc5424(text string, e *schema.Event) error {
	var head [5]string
	for i := range head {
		var ok bool
		if head[i], text, ok = strings.Cut(text, " "); !ok {
			return errors.New("the RFC 5424 message ends in its header")
		}
		if head[i] == "-" {
			head[i] = ""
		}
	}
	if head[0] != "" {
		micro, ok := isoTime(head[0], p.zone)
		if !ok {
			return errors.New("the RFC 5424 message does not start with a time")
		}
		setTime(e, schema.FTimestamp, micro, head[0])
	}
	for i, part := range [...]string{1: "host", 2: "program", 3: "pid", 4: "message id"} {
		p.head.put(e, part, head[i])
	}
	message, err := p.structured(text, e)
	if err != nil {
		return err
	}
	p.finish(head[2], strings.TrimPrefix(message, "\ufeff"), e)
	return nil
}

// structured keeps [id name="value" …] as labels.id.name and returns what follows.
func (p *syslogParser) structured(s string, e *schema.Event) (rest string, err error) {
	if s == "-" || strings.HasPrefix(s, "- ") {
		return strings.TrimPrefix(s[1:], " "), nil
	}
	for strings.HasPrefix(s, "[") {
		end := strings.IndexAny(s, " ]")
		if end < 0 {
			return "", errStructured
		}
		id := s[1:end]
		s = s[end:]
		for strings.HasPrefix(s, " ") {
			name, after, ok := strings.Cut(s[1:], `="`)
			if !ok {
				return "", errStructured
			}
			end := closingQuote(after)
			if end < 0 {
				return "", errStructured
			}
			e.AddExtra(p.names.name([]byte("labels."+id+"."+name)), unescape(after[:end], e))
			s = after[end+1:]
		}
		if !strings.HasPrefix(s, "]") {
			return "", errStructured
		}
		s = s[1:]
	}
	return strings.TrimPrefix(s, " "), nil
}

// closingQuote is where the value ends: at a quote that no backslash precedes.
func closingQuote(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

func unescape(s string, e *schema.Event) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return e.Copy([]byte(strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\]`, `]`).Replace(s)))
}
