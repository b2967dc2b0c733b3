package intel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// walker streams a JSON document and hands on every element of every array that stands
// under a certain key, wherever that is.
type walker struct {
	in  *guard
	dec *json.Decoder
	key string
	top bool // elements of an array that is the whole document, too
	fn  func(json.RawMessage) error
}

const maxNesting = 64

// walk reads one document, or several one after the other (lines of JSON).
func (w *walker) walk() error {
	w.dec = json.NewDecoder(w.in)
	for n := 0; ; n++ {
		tok, err := w.dec.Token()
		if errors.Is(err, io.EOF) && n > 0 {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return errors.New("it is empty")
		}
		if err != nil {
			return err
		}
		d, ok := tok.(json.Delim)
		if !ok {
			return errors.New("it is no JSON object or array")
		}
		if err := w.inside(d, w.top && d == '[', 0); err != nil {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// inside reads what stands behind an opening bracket, up to the closing one.
func (w *walker) inside(open json.Delim, wanted bool, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("it is nested deeper than %d", maxNesting)
	}
	for w.dec.More() {
		if wanted {
			var raw json.RawMessage
			if err := w.dec.Decode(&raw); err != nil {
				return err
			}
			w.in.mark()
			if err := w.fn(raw); err != nil {
				return err
			}
			continue
		}
		key := ""
		if open == '{' {
			tok, err := w.dec.Token()
			if err != nil {
				return err
			}
			key, _ = tok.(string)
		}
		tok, err := w.dec.Token()
		if err != nil {
			return err
		}
		w.in.mark()
		if d, ok := tok.(json.Delim); ok {
			if err := w.inside(d, d == '[' && key == w.key, depth+1); err != nil {
				return err
			}
		}
	}
	_, err := w.dec.Token()
	return err
}

// stixObject is what is read of a STIX object.
type stixObject struct {
	Type           string   `json:"type"`
	ID             string   `json:"id"`
	Modified       string   `json:"modified"`
	Name           string   `json:"name"`
	Description    string   `json:"description"`
	Pattern        string   `json:"pattern"`
	PatternType    string   `json:"pattern_type"`
	ValidFrom      string   `json:"valid_from"`
	ValidUntil     string   `json:"valid_until"`
	Revoked        bool     `json:"revoked"`
	Confidence     int      `json:"confidence"`
	Labels         []string `json:"labels"`
	IndicatorTypes []string `json:"indicator_types"`
}

// readSTIX takes the indicator objects of STIX 2.0 and 2.1. Of one id only the version
// modified last counts, wherever it stands in the document.
func readSTIX(_ context.Context, in *guard, _ Options, to *sink) error {
	latest := map[string]stixObject{}
	var order []string
	w := &walker{in: in, key: "objects", top: true, fn: func(raw json.RawMessage) error {
		var head struct{ Type string }
		if err := json.Unmarshal(raw, &head); err != nil {
			to.refuse("an object that is no STIX object")
			return nil
		}
		if head.Type != "indicator" {
			to.ignore()
			return nil
		}
		var o stixObject
		if err := json.Unmarshal(raw, &o); err != nil {
			to.refuse("an indicator with a field of the wrong kind")
			return nil
		}
		if old, ok := latest[o.ID]; ok && o.ID != "" {
			to.ignore() // one of the two versions
			if !later(o.Modified, old.Modified) {
				return nil
			}
			latest[o.ID] = o
			return nil
		}
		if o.ID == "" {
			return takeSTIX(o, to)
		}
		if len(order) >= MaxEntries {
			return errTooMany
		}
		latest[o.ID] = o
		order = append(order, o.ID)
		return nil
	}}
	if err := w.walk(); err != nil {
		return err
	}
	for _, id := range order {
		in.beatNow()
		if err := takeSTIX(latest[id], to); err != nil {
			return err
		}
	}
	return nil
}

// later says whether a is not before b; times that cannot be read lose.
func later(a, b string) bool {
	ta, err := stixTime(a)
	if err != nil {
		return false
	}
	tb, err := stixTime(b)
	return err != nil || !ta.Before(tb)
}

func stixTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%q is no timestamp", plain(s, 40))
	}
	return t, nil
}

func takeSTIX(o stixObject, to *sink) error {
	e := Entry{Name: firstOf(o.Name, o.Description), Confidence: o.Confidence, Labels: append(o.Labels, o.IndicatorTypes...), Revoked: o.Revoked}
	if o.PatternType != "" && o.PatternType != "stix" {
		to.refuse("a pattern in the language " + plain(o.PatternType, 20))
		return nil
	}
	if o.Pattern == "" {
		to.refuse("an indicator without a pattern")
		return nil
	}
	for _, at := range []struct {
		text string
		to   *int64
	}{{o.ValidFrom, &e.From}, {o.ValidUntil, &e.Until}} {
		if at.text == "" {
			continue
		}
		t, err := stixTime(at.text)
		if err != nil {
			to.refuse("a validity that is no timestamp")
			return nil
		}
		*at.to = seconds(t)
	}
	if e.Until != 0 && e.Until <= e.From {
		to.refuse("valid_until is not after valid_from")
		return nil
	}
	values, reasons := pattern(o.Pattern)
	return to.take(values, e, reasons...)
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// flexible is a JSON scalar that some tools write as text and some not.
type flexible string

// UnmarshalJSON implements json.Unmarshaler.
func (f *flexible) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*f = flexible(s)
		return nil
	}
	*f = flexible(b)
	return nil
}

func (f flexible) yes() bool { return f == "true" || f == "True" || f == "1" }

// mispAttribute is what is read of a MISP attribute.
type mispAttribute struct {
	Type     string   `json:"type"`
	Category string   `json:"category"`
	Value    flexible `json:"value"`
	Comment  string   `json:"comment"`
	ToIDs    flexible `json:"to_ids"`
	Deleted  flexible `json:"deleted"`
	First    flexible `json:"first_seen"`
	Tag      []struct {
		Name string `json:"name"`
	} `json:"Tag"`
}

// readMISP takes the attributes (also those of objects) that are marked for detection.
func readMISP(_ context.Context, in *guard, _ Options, to *sink) error {
	w := &walker{in: in, key: "Attribute", fn: func(raw json.RawMessage) error {
		var a mispAttribute
		if err := json.Unmarshal(raw, &a); err != nil {
			to.refuse("an attribute with a field of the wrong kind")
			return nil
		}
		if !a.ToIDs.yes() || a.Deleted.yes() {
			to.ignore()
			return nil
		}
		e := Entry{Name: firstOf(a.Comment, a.Category)}
		for _, t := range a.Tag {
			e.Labels = append(e.Labels, t.Name)
		}
		if n, err := strconv.ParseInt(string(a.First), 10, 64); err == nil {
			e.From = max(n, 0)
		}
		kinds, ok := mispTypes[a.Type]
		if !ok {
			to.refuse("the MISP type " + plain(a.Type, 40) + " is not matched")
			return nil
		}
		parts := strings.Split(string(a.Value), "|")
		var values []observable
		for i, k := range kinds {
			if k != "" && i < len(parts) {
				values = append(values, observable{k, parts[i]})
			}
		}
		return to.take(values, e)
	}}
	return w.walk()
}

// mispTypes says what the parts of a value are, by attribute type; "" parts are context.
var mispTypes = map[string][]string{
	"ip-src": {IP}, "ip-dst": {IP}, "ip-src|port": {IP, ""}, "ip-dst|port": {IP, ""},
	"domain": {Domain}, "hostname": {Domain}, "hostname|port": {Domain, ""}, "domain|ip": {Domain, IP},
	"url": {URL}, "uri": {URL}, "link": {URL},
	"md5": {MD5}, "sha1": {SHA1}, "sha256": {SHA256}, "filename|md5": {"", MD5}, "filename|sha1": {"", SHA1}, "filename|sha256": {"", SHA256},
	"malware-sample": {"", MD5}, "x509-fingerprint-sha1": {SHA1}, "x509-fingerprint-md5": {MD5}, "x509-fingerprint-sha256": {SHA256},
	"email": {Email}, "email-src": {Email}, "email-dst": {Email}, "email-reply-to": {Email},
}
