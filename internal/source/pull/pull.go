package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vigil/schema"
)

// Cursor is where a source goes on. It is kept as JSON beside the records.
type Cursor struct {
	From   time.Time `json:"from,omitzero"`   // the round that runs asks from here
	To     time.Time `json:"to,omitzero"`     // to here
	Newest time.Time `json:"newest,omitzero"` // of the records of the round
	Next   string    `json:"next,omitempty"`  // address of the next page
	Mark   string    `json:"mark,omitempty"`  // cursor of the next page or round
	Page   int       `json:"page"`
	Offset int       `json:"offset"`
	Pages  int       `json:"pages"`  // of the round so far
	Within bool      `json:"within"` // a round has begun
}

// Record is one record of a page.
type Record struct {
	Data []byte // compact JSON, or a line
	ID   string // what tells it from others: its id, or its bytes
	Time time.Time
}

// Page is one answer.
type Page struct {
	Records []Record
	Next    Cursor
	Done    bool // the round is over: nothing is there for now
}

// Begin is the cursor of the first round of a range; to may be zero: up to now.
func (d *Document) Begin(from, to time.Time, now time.Time) Cursor {
	if from.IsZero() {
		from = now.Add(-d.since.start)
	}
	return Cursor{From: from.UTC(), To: to.UTC(), Page: d.paging.start, Offset: d.paging.start}
}

// round begins a round where none runs.
func (d *Document) round(c Cursor, end, now time.Time) Cursor {
	if c.Within {
		return c
	}
	c.Within, c.Pages, c.Page, c.Offset, c.Newest = true, 0, d.paging.start, d.paging.start, time.Time{}
	if d.since.kind == sinceTime {
		c.Next, c.Mark = "", ""
		c.To = now.Add(-d.since.delay).UTC()
		if !end.IsZero() && end.Before(c.To) {
			c.To = end.UTC()
		}
		if w := d.since.window; w > 0 && c.From.Add(w).Before(c.To) {
			c.To = c.From.Add(w)
		}
	}
	return c
}

// Fetch asks for the page at a cursor. end bounds a back-fill; zero: up to now.
func (c *Client) Fetch(ctx context.Context, at Cursor, end time.Time) (Page, error) {
	d := c.doc
	now := time.Now()
	at = d.round(at, end, now)
	from := at.From
	if d.since.kind == sinceTime {
		from = from.Add(-d.since.overlap)
	}
	v := values{from: from, to: at.To, cursor: at.Mark, page: at.Page, offset: at.Offset, size: d.paging.size, vars: d.vars}
	body, header, err := c.get(ctx, v, at.Next)
	if err != nil {
		return Page{}, err
	}
	p, doc, err := d.take(body)
	if err != nil {
		return Page{}, err
	}
	next, more, err := d.follow(at, doc, header, len(p.Records))
	if err != nil {
		return Page{}, err
	}
	for _, r := range p.Records {
		if r.Time.After(next.Newest) {
			next.Newest = r.Time
		}
	}
	next.Pages++
	if more && next.Pages >= d.MaxPages {
		return Page{}, schema.E(schema.Invalid, fmt.Sprintf("a round has more than %d pages", d.MaxPages), "ask for less with since.window, or raise limits.max_pages")
	}
	if !more {
		next = d.end(next)
		p.Done = !d.behind(next, end, now)
	}
	p.Next = next
	return p, nil
}

// behind says whether the next round can begin at once: this one was a window of a longer
// range.
func (d *Document) behind(c Cursor, end, now time.Time) bool {
	if d.since.kind != sinceTime || d.since.window == 0 {
		return false
	}
	last := now.Add(-d.since.delay)
	if !end.IsZero() && end.Before(last) {
		last = end
	}
	return c.From.Before(last)
}

// end closes a round: the next one asks from where this one ended.
func (d *Document) end(c Cursor) Cursor {
	c.Within = false
	if d.since.kind != sinceTime {
		return c
	}
	c.Next, c.Mark = "", ""
	switch {
	case d.uses("to"):
		c.From = c.To
	case c.Newest.After(c.From):
		c.From = c.Newest
	}
	return c
}

// take finds the records of an answer.
func (d *Document) take(body []byte) (Page, []byte, error) {
	if d.records.lines {
		return d.takeLines(body)
	}
	if !json.Valid(body) {
		return Page{}, nil, schema.E(schema.Unavailable, "the answer is not JSON: "+sample(body), "it is asked for again")
	}
	list, ok := lookup(body, d.records.path)
	if !ok || string(list) == "null" {
		if d.records.path == nil {
			return Page{}, body, nil
		}
		return Page{}, nil, schema.E(schema.Invalid, fmt.Sprintf("the answer has nothing at %s: %s", strings.Join(d.records.path, "."), sample(body)), "check records.path")
	}
	var all []json.RawMessage
	if err := json.Unmarshal(list, &all); err != nil {
		if list[0] != '{' {
			return Page{}, nil, schema.E(schema.Invalid, "the records are neither a list nor an object: "+sample(list), "check records.path")
		}
		all = []json.RawMessage{list}
	}
	var p Page
	for _, raw := range all {
		var b bytes.Buffer
		if err := json.Compact(&b, raw); err != nil {
			return Page{}, nil, err // it was valid
		}
		p.Records = append(p.Records, d.record(b.Bytes()))
	}
	return p, body, nil
}

func (d *Document) takeLines(body []byte) (Page, []byte, error) {
	var p Page
	for line := range bytes.Lines(body) {
		if line = bytes.TrimRight(line, "\r\n"); len(bytes.TrimSpace(line)) > 0 {
			p.Records = append(p.Records, d.record(bytes.Clone(line)))
		}
	}
	return p, nil, nil
}

func (d *Document) record(data []byte) Record {
	r := Record{Data: data, ID: "b:" + string(data)}
	if d.records.id != nil {
		if id, ok := lookup(data, d.records.id); ok && string(id) != "null" {
			r.ID = "i:" + string(id)
		}
	}
	if d.records.time != nil {
		if t, ok := lookup(data, d.records.time); ok {
			r.Time = when(t)
		}
	}
	return r
}

// when reads a time as APIs write it: RFC 3339, or seconds or milliseconds since 1970.
func when(raw json.RawMessage) time.Time {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || f <= 0 || f > 1e15:
		return time.Time{}
	case f > 1e11:
		return time.UnixMilli(int64(f)).UTC()
	}
	return time.Unix(int64(f), 0).UTC()
}

// follow says where the next page is; more is false on the last one.
func (d *Document) follow(c Cursor, doc []byte, header http.Header, n int) (next Cursor, more bool, err error) {
	next = c
	switch d.paging.kind {
	case pageLink:
		link := linkNext(header.Values("Link"))
		if link == "" || d.since.kind == sinceTime || n > 0 {
			next.Next = link
		}
		more = link != "" && n > 0
		if d.since.kind == sinceCursor && link == "" {
			next.Next = c.Next // it goes on with the same page
		}
	case pageURL:
		link := textAt(doc, d.paging.path)
		next.Next, more = link, link != ""
	case pageCursor:
		mark := textAt(doc, d.paging.path)
		more = mark != "" && n > 0 && mark != c.Mark
		if mark != "" || d.since.kind == sinceTime {
			next.Mark = mark
		}
	case pageNumber:
		next.Page++
		more = n > 0 && n >= d.paging.size
	case pageOffset:
		next.Offset += n
		more = n > 0 && n >= d.paging.size
	}
	if !more && d.since.kind == sinceCursor && d.since.path != nil {
		mark := textAt(doc, d.since.path)
		if mark == "" {
			return c, false, schema.E(schema.Invalid, "the answer has nothing at "+strings.Join(d.since.path, "."), "check since.path: the next round goes on from there")
		}
		if strings.HasPrefix(mark, "http://") || strings.HasPrefix(mark, "https://") {
			next.Next = mark
		} else {
			next.Next, next.Mark = "", mark
		}
	}
	return next, more, nil
}

// linkNext is the address of rel="next" in Link headers.
func linkNext(values []string) string {
	for _, v := range values {
		for _, one := range strings.Split(v, ",") {
			target, params, _ := strings.Cut(strings.TrimSpace(one), ";")
			if p := strings.ReplaceAll(params, " ", ""); strings.Contains(p, `rel="next"`) || strings.HasSuffix(p, "rel=next") {
				return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(target), "<"), ">")
			}
		}
	}
	return ""
}

// lookup goes down a JSON document by names; in lists, by number.
func lookup(doc json.RawMessage, path []string) (json.RawMessage, bool) {
	for _, name := range path {
		doc = bytes.TrimSpace(doc)
		if i, err := strconv.Atoi(name); err == nil && len(doc) > 0 && doc[0] == '[' {
			var list []json.RawMessage
			if json.Unmarshal(doc, &list) != nil || i < 0 || i >= len(list) {
				return nil, false
			}
			doc = list[i]
			continue
		}
		var m map[string]json.RawMessage
		if json.Unmarshal(doc, &m) != nil {
			return nil, false
		}
		v, ok := m[name]
		if !ok {
			return nil, false
		}
		doc = v
	}
	return bytes.TrimSpace(doc), len(bytes.TrimSpace(doc)) > 0
}

// textAt is a text or number of a document, "" when there is none.
func textAt(doc []byte, path []string) string {
	raw, ok := lookup(doc, path)
	if !ok || string(raw) == "null" || string(raw) == "false" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	return s
}

func sample(b []byte) string {
	s := strings.ToValidUTF8(string(b[:min(len(b), 120)]), "?")
	return strconv.Quote(s)
}
