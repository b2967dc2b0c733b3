package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"vigil/schema"
)

// mainFormats are the formats whose speed docs/FIGURES.md states.
var mainFormats = []string{"windows", "windows-xml", "zeek-json", "zeek-tsv", "suricata", "cloudtrail", "syslog", "cef", "kv", "access", "panos", "json"}

// BenchmarkFormats parses the goldens of the main formats over and over, and decodes the
// same events with encoding/json into a map: the records themselves where they are JSON,
// else the finished event written as JSON. Both count the bytes of the record.
func BenchmarkFormats(b *testing.B) {
	for _, name := range mainFormats {
		f, err := ByName(name)
		if err != nil {
			b.Fatal(err)
		}
		records, twins, size := benchRecords(b, f)
		b.Run(name+"/vigil", func(b *testing.B) {
			p := headed(b, f)
			e := new(schema.Event)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				for _, r := range records {
					e.Reset(r, 0)
					if err := p.Parse(r, e); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				for _, r := range twins {
					var m map[string]any
					if err := json.Unmarshal(r, &m); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// headed is a parser that has seen the header lines of its golden.
func headed(b *testing.B, f Format) Parser {
	b.Helper()
	p := f.New(Options{Object: "conn.log", BaseYear: 2024})
	for _, line := range goldenLines(b, f.Name) {
		e := new(schema.Event)
		e.Reset(line, 0)
		if err := p.Parse(line, e); !errors.Is(err, ErrHeader) {
			break
		}
	}
	return p
}

func goldenLines(b *testing.B, name string) [][]byte {
	b.Helper()
	all, err := os.ReadFile(filepath.Join("testdata", name+".log"))
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Split(bytes.TrimRight(all, "\n"), []byte("\n"))
}

// benchRecords are the records of a golden that are events, and their twins in JSON.
func benchRecords(b *testing.B, f Format) (records, twins [][]byte, size int64) {
	b.Helper()
	p := headed(b, f)
	for _, line := range goldenLines(b, f.Name) {
		e := new(schema.Event)
		e.Reset(line, 0)
		if p.Parse(line, e) != nil {
			continue
		}
		twin := line
		if !startsObject(line) {
			twin, _ = json.Marshal(dump(e))
		}
		records, twins, size = append(records, line), append(twins, twin), size+int64(len(line))
	}
	if len(records) == 0 {
		b.Fatal("no record is an event")
	}
	return records, twins, size
}
