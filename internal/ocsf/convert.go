package ocsf

import (
	"net/netip"
	"regexp"
	"strings"
	"time"

	"vigil/schema"
)

// as makes a field's value one of the schema's types; nil when it is none of that type.
type as func(e *schema.Event, f schema.FieldID) any

func text(e *schema.Event, f schema.FieldID) any {
	if v := clip(e.Str(f)); v != "" {
		return v
	}
	return nil
}

func texts(e *schema.Event, f schema.FieldID) any {
	var out []string
	for _, v := range e.List(f) {
		out = append(out, clip(v))
	}
	return out
}

func number(e *schema.Event, f schema.FieldID) any { return e.Int(f) }

func positive(e *schema.Event, f schema.FieldID) any {
	if n := e.Int(f); n >= 0 {
		return n
	}
	return nil
}

func port(e *schema.Event, f schema.FieldID) any {
	if n := e.Int(f); n >= 0 && n <= 65535 {
		return n
	}
	return nil
}

func address(e *schema.Event, f schema.FieldID) any {
	a := e.Addr(f)
	if f.Def().Multi {
		a, _ = netip.ParseAddr(e.Str(f))
	}
	if !a.IsValid() {
		return nil
	}
	return a.Unmap().WithZone("").String()
}

var (
	macForm   = regexp.MustCompile(`^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$`)
	emailForm = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\\.[a-zA-Z0-9-.]+$")
)

func mac(e *schema.Event, f schema.FieldID) any {
	if v := e.Str(f); macForm.MatchString(v) {
		return v
	}
	return nil
}

func email(e *schema.Event, f schema.FieldID) any {
	if v := strings.Trim(e.Str(f), "<> "); emailForm.MatchString(v) {
		return v
	}
	return nil
}

func emails(e *schema.Event, f schema.FieldID) any {
	var out []string
	for _, v := range e.List(f) {
		if v = strings.Trim(v, "<> "); !emailForm.MatchString(v) {
			return nil
		}
		out = append(out, v)
	}
	return out
}

// millis is a time, or a duration of nanoseconds, in milliseconds.
func millis(e *schema.Event, f schema.FieldID) any {
	if f.Def().Kind == schema.Date {
		return e.Int(f) / 1000
	}
	return e.Int(f) / int64(time.Millisecond)
}

// digest is a fingerprint of one algorithm.
func digest(id int64, name string) as {
	return func(e *schema.Event, f schema.FieldID) any {
		return map[string]any{"algorithm_id": id, "algorithm": name, "value": e.Str(f)}
	}
}

// answers are the records of a DNS answer.
func answers(e *schema.Event, f schema.FieldID) any {
	var out []any
	for _, v := range e.List(f) {
		out = append(out, map[string]any{"rdata": clip(v)})
	}
	return out
}
