package intel

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vigil/schema"
)

// lines calls fn for each line of in, without its end. A line longer than an object
// may be is an error.
func lines(in *guard, fn func(line string) error) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 64<<10), maxObject)
	first := true
	for s.Scan() {
		in.mark()
		line := s.Text()
		if first {
			line, first = strings.TrimPrefix(line, "\uFEFF"), false
		}
		if err := fn(strings.TrimSuffix(line, "\r")); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return errObject
	}
	return s.Err()
}

func comment(line string) bool {
	return line == "" || line[0] == '#' || line[0] == ';' || strings.HasPrefix(line, "//")
}

// readText takes the first word of each line. A hosts file ("0.0.0.0 bad.example") gives
// its names.
func readText(_ context.Context, in *guard, o Options, to *sink) error {
	return lines(in, func(line string) error {
		line = strings.TrimSpace(line)
		if comment(line) {
			to.ignore()
			return nil
		}
		if !utf8.ValidString(line) {
			to.refuse("a line that is no text")
			return nil
		}
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == ';' })
		if len(words) == 0 {
			to.ignore()
			return nil
		}
		value := words[0]
		if len(words) > 1 && (value == "0.0.0.0" || value == "127.0.0.1") && (o.Type == Domain || o.Type == any_) {
			value = words[1]
		}
		return to.take([]observable{{o.Type, value}}, Entry{})
	})
}

// zeekTypes says what the types of the Zeek intelligence framework are here.
var zeekTypes = map[string]string{
	"Intel::ADDR": IP, "Intel::SUBNET": CIDR, "Intel::URL": URL, "Intel::DOMAIN": Domain, "Intel::EMAIL": Email,
	"Intel::FILE_HASH": hash, "Intel::CERT_HASH": hash,
}

// readZeek takes tab-separated files whose "#fields" line names the columns.
func readZeek(_ context.Context, in *guard, _ Options, to *sink) error {
	var at map[string]int
	err := lines(in, func(line string) error {
		if rest, ok := strings.CutPrefix(line, "#fields"); ok {
			at = map[string]int{}
			for i, name := range strings.Split(strings.TrimPrefix(rest, "\t"), "\t") {
				at[name] = i
			}
			return nil
		}
		if line == "" || line[0] == '#' {
			to.ignore()
			return nil
		}
		if at == nil {
			return errors.New(`its "#fields" line is missing`)
		}
		cols := strings.Split(line, "\t")
		get := func(name string) string {
			if i, ok := at[name]; ok && i < len(cols) && cols[i] != "-" {
				return cols[i]
			}
			return ""
		}
		kind, ok := zeekTypes[get("indicator_type")]
		if !ok {
			to.refuse("the Zeek type " + plain(get("indicator_type"), 40) + " is not matched")
			return nil
		}
		e := Entry{Name: get("meta.desc")}
		if s := get("meta.source"); s != "" {
			e.Labels = []string{s}
		}
		return to.take([]observable{{kind, get("indicator")}}, e)
	})
	if err == nil && at == nil {
		return errors.New(`its "#fields" line is missing`)
	}
	return err
}

// csvFields are what a CSV column can be, each with the column names that are known
// without being told.
var csvFields = map[string][]string{
	"value": {"value", "indicator", "ioc", "ioc_value", "observable", "ip", "ip_address", "dst_ip", "domain", "url", "sha256_hash", "sha256", "sha1_hash", "sha1", "md5_hash", "md5", "host", "hostname"},
	"type":  {"type", "indicator_type", "ioc_type"}, "name": {"name", "description", "threat", "malware", "malware_printable", "comment"},
	"confidence": {"confidence", "confidence_level"}, "valid_from": {"valid_from"}, "valid_until": {"valid_until", "expires", "expiration"}, "labels": {"labels", "tags"},
}

// CheckColumns refuses a column mapping that names unknown fields or no value.
func CheckColumns(columns map[string]string) error {
	if len(columns) == 0 {
		return nil
	}
	value := false
	for col, field := range columns {
		if csvFields[field] == nil {
			return schema.E(schema.Invalid, fmt.Sprintf("a CSV column cannot be %q", field), "one of "+strings.Join(slices.Sorted(maps.Keys(csvFields)), ", "))
		}
		if n, ok := strings.CutPrefix(col, "#"); ok {
			if i, err := strconv.Atoi(n); err != nil || i < 1 || i > 10_000 {
				return schema.E(schema.Invalid, fmt.Sprintf("the column %q has no number", col), "count from #1")
			}
		}
		value = value || field == "value"
	}
	if !value {
		return schema.E(schema.Invalid, "no CSV column is mapped to value", `such as {"ip_address":"value"}, or {"#1":"value"} without a header`)
	}
	return nil
}

// csvTable says which column holds which field.
type csvTable struct {
	at   map[string]int
	kind string // type that the name of the value column tells
}

// readCSV takes one indicator a row.
func readCSV(_ context.Context, in *guard, o Options, to *sink) error {
	if err := CheckColumns(o.Columns); err != nil {
		return err
	}
	b := bufio.NewReaderSize(in, 64<<10)
	table, err := csvHead(b, o, to)
	if err != nil {
		return err
	}
	r := csv.NewReader(b)
	r.Comment, r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace, r.ReuseRecord = '#', -1, true, true, true
	for {
		row, err := r.Read()
		in.mark()
		if errors.Is(err, io.EOF) {
			if table == nil {
				return errors.New("it has no header")
			}
			return nil
		}
		if _, bad := errors.AsType[*csv.ParseError](err); bad {
			to.refuse("a row that is no CSV")
			continue
		}
		if err != nil {
			return err
		}
		if table == nil {
			if table, err = csvHeader(row, o.Columns); err != nil {
				return err
			}
			continue
		}
		if err := table.take(row, o, to); err != nil {
			return err
		}
	}
}

// csvHead skips the comment lines at the start; the last of them may be the header, as
// in the exports of abuse.ch.
func csvHead(b *bufio.Reader, o Options, to *sink) (*csvTable, error) {
	if bom, err := b.Peek(3); err == nil && string(bom) == "\uFEFF" {
		_, _ = b.Discard(3)
	}
	if t, ok := numbered(o.Columns); ok {
		return t, nil
	}
	last := ""
	for {
		c, err := b.Peek(1)
		if err != nil || c[0] != '#' {
			break
		}
		line, err := b.ReadString('\n')
		last = strings.TrimSpace(strings.TrimLeft(line, "# "))
		to.ignore()
		if err != nil {
			break
		}
	}
	if row, err := csv.NewReader(strings.NewReader(last)).Read(); err == nil && len(row) > 1 {
		if t, err := csvHeader(row, o.Columns); err == nil {
			return t, nil
		}
	}
	return nil, nil
}

// numbered is the table of a mapping by numbers (#1 is the first): such a file has no
// header.
func numbered(columns map[string]string) (*csvTable, bool) {
	t := &csvTable{at: map[string]int{}}
	for col, field := range columns {
		n, ok := strings.CutPrefix(col, "#")
		if !ok {
			return nil, false
		}
		i, err := strconv.Atoi(n)
		if err != nil {
			return nil, false
		}
		t.at[field] = i - 1
	}
	return t, len(t.at) > 0
}

func csvHeader(row []string, columns map[string]string) (*csvTable, error) {
	t := &csvTable{at: map[string]int{}}
	names := make([]string, len(row))
	for i, n := range row {
		names[i] = strings.ToLower(strings.TrimSpace(n))
	}
	if len(columns) > 0 {
		for col, field := range columns {
			i := slices.Index(names, strings.ToLower(col))
			if i < 0 {
				return nil, fmt.Errorf("there is no column %q; the header has %s", col, plain(strings.Join(names, ", "), maxName))
			}
			t.at[field] = i
		}
		return t, nil
	}
	for field, known := range csvFields {
		for _, name := range known {
			if i := slices.Index(names, name); i >= 0 {
				t.at[field] = i
				if field == "value" {
					t.kind = columnType(name)
				}
				break
			}
		}
	}
	if _, ok := t.at["value"]; !ok {
		return nil, fmt.Errorf("no column is known to hold the values; map one (columns), the header has %s", plain(strings.Join(names, ", "), maxName))
	}
	return t, nil
}

func columnType(name string) string {
	switch {
	case strings.Contains(name, "ip"):
		return IP
	case strings.HasPrefix(name, "sha") || strings.HasPrefix(name, "md5"):
		return hash
	case name == "url":
		return URL
	case name == "domain" || name == "hostname":
		return Domain
	}
	return any_
}

func (t *csvTable) take(row []string, o Options, to *sink) error {
	get := func(field string) string {
		if i, ok := t.at[field]; ok && i < len(row) {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	if get("value") == "" {
		to.refuse("a row without a value")
		return nil
	}
	e := Entry{Name: strings.Clone(get("name"))}
	for field, dst := range map[string]*int64{"valid_from": &e.From, "valid_until": &e.Until} {
		at, err := csvTime(get(field))
		if err != nil {
			to.refuse("a row with a " + field + " that is no time")
			return nil
		}
		*dst = seconds(at)
	}
	if c := get("confidence"); c != "" {
		n, err := strconv.Atoi(c)
		if err != nil || n < 0 || n > 100 {
			to.refuse("a row with a confidence that is no number from 0 to 100")
			return nil
		}
		e.Confidence = n
	}
	if l := get("labels"); l != "" {
		e.Labels = strings.FieldsFunc(strings.Clone(l), func(r rune) bool { return r == ',' || r == ';' || r == '|' || r == ' ' })
	}
	kind := firstOf(o.Type, csvType(get("type")), t.kind)
	return to.take([]observable{{kind, strings.Clone(get("value"))}}, e)
}

// csvType reads the names that feeds give their types; others are told by the shape.
func csvType(name string) string {
	name = strings.ToLower(name)
	switch {
	case slices.Contains(Types(), name):
		return name
	case strings.HasPrefix(name, "ip:port"):
		return any_
	case strings.HasPrefix(name, "ip"):
		return IP
	case name == "hostname", name == "fqdn":
		return Domain
	case name == "uri":
		return URL
	case strings.HasSuffix(name, "hash"), strings.HasPrefix(name, "sha"), strings.HasPrefix(name, "filehash"):
		return hash
	}
	return any_
}

func csvTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02", "2006-01-02 15:04:05 UTC"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("no time")
}
