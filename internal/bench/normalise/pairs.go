// Package normalise measures how well the parsers name things: it parses records whose
// normalised documents other people have published, and counts the expected fields that
// come out equal. What is claimed and where we differ on purpose are tables (claims.go).
package normalise

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// pair is a record and what somebody else makes of it.
type pair struct {
	set    string // which collection it is of
	format string // what the collection calls its format
	record string
	want   document
}

// document is an expected document: dotted names with the texts of their values.
type document map[string][]string

// sets are the collections of pairs, and how each is read.
var sets = []struct {
	name, file string
	read       func(line []byte) ([]pair, error)
}{
	{"sekoia", "sekoia-ecs.jsonl.zst", readSekoia},
	{"elastic", "elastic-pipeline-tests.jsonl.gz", readElastic},
	{"ocsf", "ocsf.jsonl.gz", readOCSF},
	{"sc4s", "sc4s-syslog-source-id.jsonl.gz", readSC4S},
}

// pairs yields every pair of the collections below data.
func pairs(data string) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		for _, s := range sets {
			lines, err := readLines(filepath.Join(data, "normalise-pairs", s.file))
			if err != nil {
				yield(pair{}, err)
				return
			}
			for line := range bytes.Lines(lines) {
				list, err := s.read(line)
				if err != nil {
					yield(pair{}, fmt.Errorf("%s: %w", s.file, err))
					return
				}
				for _, p := range list {
					p.set = s.name
					if !yield(p, nil) {
						return
					}
				}
			}
		}
	}
}

// readLines is the decompressed text of a file.
func readLines(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	}
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

// decode reads one JSON value and keeps numbers as they are written.
func decode(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(v)
}

// flatten turns a JSON value into a document.
func flatten(v any) document {
	d := document{}
	d.put("", v)
	return d
}

func (d document) put(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			d.put(strings.TrimPrefix(name+"."+k, "."), x)
		}
	case []any:
		for _, x := range v {
			d.put(name, x)
		}
	case nil:
	default:
		if text := fmt.Sprint(v); text != "" {
			d[name] = append(d[name], text)
		}
	}
}

// first is the first value of a name, "" for none.
func (d document) first(name string) string {
	if v := d[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func readSekoia(line []byte) ([]pair, error) {
	var p struct {
		Format   string
		Input    struct{ Message string }
		Expected map[string]any
	}
	if err := decode(line, &p); err != nil {
		return nil, err
	}
	return []pair{{format: p.Format, record: strings.TrimRight(p.Input.Message, "\n"), want: flatten(p.Expected)}}, nil
}

// readElastic aligns a file of records with its documents: by the record that a document
// quotes, and by position where none is quoted.
func readElastic(line []byte) ([]pair, error) {
	var p struct {
		Package    string
		DataStream string           `json:"data_stream"`
		InputFile  string           `json:"input_file"`
		Expected   []map[string]any `json:"expected"`
	}
	if err := decode(line, &p); err != nil {
		return nil, err
	}
	records := joined(p.InputFile)
	var out []pair
	for i, doc := range p.Expected {
		want := flatten(doc)
		record := want.first("event.original")
		if record == "" && len(records) == len(p.Expected) {
			record = records[i]
		}
		if record != "" {
			out = append(out, pair{format: p.Package + "/" + p.DataStream, record: record, want: want})
		}
	}
	return out, nil
}

// joined are the records of a text whose continuation lines do not begin with a date.
func joined(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case len(out) > 0 && !dated(line):
			out[len(out)-1] += "\n" + line
		default:
			out = append(out, line)
		}
	}
	for i := range out {
		out[i] = strings.TrimRight(out[i], "\n")
	}
	return out
}

func dated(line string) bool {
	if len(line) < 15 {
		return false
	}
	_, err := time.Parse("Jan _2 15:04:05", line[:15])
	_, short := time.Parse("Jan 2 15:04:05", line[:14])
	return err == nil || short == nil || line[4] == '-' && line[10] == 'T'
}

// readSC4S expects of a line only which product wrote it.
func readSC4S(line []byte) ([]pair, error) {
	var p struct {
		Message  string
		Expected struct{ Sourcetype string }
	}
	if err := decode(line, &p); err != nil {
		return nil, err
	}
	kind := p.Expected.Sourcetype
	for _, s := range sourceTypes {
		if strings.HasPrefix(kind, s.prefix) {
			return []pair{{format: kind, record: strings.TrimRight(p.Message, "\n"), want: document{formatName: s.formats}}}, nil
		}
	}
	return []pair{{format: kind, record: strings.TrimRight(p.Message, "\n"), want: document{formatName: {kind}}}}, nil
}

// formatName is the made-up field that expects a record to be recognised as one of our formats.
const formatName = "(format)"

// sourceTypes say which of our formats reads what Splunk Connect for Syslog calls by a
// source type that begins so.
var sourceTypes = []struct {
	prefix  string
	formats []string
}{
	{"cisco:asa", []string{"cisco"}}, {"cisco:ios", []string{"cisco"}}, {"cisco:cimc", []string{"cisco"}}, {"cisco:firepower", []string{"cisco"}},
	{"pan:", []string{"panos"}}, {"fgt_", []string{"kv"}}, {"fortinet_", []string{"kv"}}, {"fwb_", []string{"kv"}}, {"cp_log", []string{"checkpoint"}},
	{"cef", []string{"cef"}}, {"deepsecurity", []string{"cef"}}, {"guardicore:", []string{"cef"}}, {"imperva:waf", []string{"cef"}}, {"infoblox:", []string{"cef"}}, {"netscout:", []string{"cef"}}, {"opswat:", []string{"cef"}}, {"varonis:", []string{"cef"}},
	{"nix:syslog", []string{"syslog", "access"}}, {"syslogng:", []string{"syslog"}}, {"ubnt:fw", []string{"syslog"}}, {"juniper:structured", []string{"syslog"}}, {"zscalernss-web", []string{"kv"}},
}
