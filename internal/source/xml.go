package source

import (
	"bytes"
	"errors"
	"io"
)

// xmlStart says whether the document is XML events, alone or in an Events element.
func xmlStart(head []byte) bool {
	if i := blanks(head, 0); i < len(head) && head[i] == '<' {
		head = head[i:]
	}
	if bytes.HasPrefix(head, []byte("<?xml")) {
		i := bytes.Index(head, []byte("?>"))
		if i < 0 {
			return false
		}
		head = head[blanks(head, i+2):]
	}
	return eventTag(head) || bytes.HasPrefix(head, []byte("<Events>"))
}

// eventTag says whether the bytes begin with the start of an Event element.
func eventTag(b []byte) bool {
	return len(b) > 6 && bytes.HasPrefix(b, []byte("<Event")) && (b[6] == ' ' || b[6] == '>' || b[6] == '\n' || b[6] == '\r' || b[6] == '\t')
}

var eventEnd = []byte("</Event>")

// xmlEvent hands out the next <Event>…</Event>, however it is spread over lines.
func (r *Reader) xmlEvent() (Record, error) {
	first, seen := -1, 0
	for {
		b := r.buf[r.start:r.end]
		if first < 0 {
			if first = eventStart(b); first > 0 {
				r.start += first
				r.offset += int64(first)
				b, first = b[first:], 0
			}
		}
		if first == 0 {
			if i := bytes.Index(b[seen:], eventEnd); i >= 0 {
				n := seen + i + len(eventEnd)
				return r.take(n, n), nil
			}
			seen = max(0, len(b)-len(eventEnd)+1)
			if len(b) >= MaxRecord {
				return r.tooLong('\n')
			}
		} else if keep := 8; len(b) > keep { // between events: nothing to keep
			r.start += len(b) - keep
			r.offset += int64(len(b) - keep)
		}
		if r.eof != nil {
			return r.lastXML(first == 0)
		}
		r.fill()
	}
}

// eventStart is the offset of the next Event element, -1 for none.
func eventStart(b []byte) int {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte("<Event"))
		if i < 0 {
			return -1
		}
		if at += i; eventTag(b[at:]) {
			return at
		}
	}
}

// lastXML hands out an event that has no end, then the end of the stream.
func (r *Reader) lastXML(open bool) (Record, error) {
	if open && errors.Is(r.eof, io.EOF) {
		return r.last(r.end - r.start)
	}
	r.offset += int64(r.end - r.start)
	r.start = r.end
	return r.last(0)
}
