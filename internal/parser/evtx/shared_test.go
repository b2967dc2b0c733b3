package evtx

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"vigil/internal/testdata"
)

// document is one rendered record, or what is told instead.
type document struct {
	json   []byte
	damage error
}

// documents reads all records of a file.
func documents(file []byte) []document {
	var out []document
	var c Chunk
	for at := HeaderSize(file); at < len(file); at += ChunkSize {
		c.Reset(file[at:min(len(file), at+ChunkSize)])
		for {
			r, ok := c.Next()
			if !ok {
				break
			}
			d := document{damage: r.Damage}
			if r.Damage == nil {
				b, err := c.JSON(r)
				d = document{bytes.Clone(b), err}
			}
			out = append(out, d)
		}
	}
	return out
}

// archive yields the members of a zip archive of the shared recordings.
func archive(t *testing.T, path string) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join(testdata.Shared(t), "windows", path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	out := map[string][]byte{}
	for _, m := range z.File {
		r, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		out[m.Name] = b
	}
	return out
}

// TestTwins: each of the 103 recordings renders to the documents of its JSON twin,
// which another tool has made.
func TestTwins(t *testing.T) {
	files := archive(t, "sigma-regression/events.zip")
	twins, events := 0, 0
	for name, twin := range files {
		base, ok := strings.CutSuffix(name, ".json")
		if !ok {
			continue
		}
		twins++
		dec := json.NewDecoder(bytes.NewReader(twin))
		dec.UseNumber()
		for i, d := range documents(files[base+".evtx"]) {
			var want any
			if err := dec.Decode(&want); err != nil {
				t.Fatalf("%s: the twin has %d documents: %v", name, i, err)
			}
			if d.damage != nil {
				t.Errorf("%s record %d: %v", name, i, d.damage)
				continue
			}
			events++
			if diff := differ("", want, decode(t, d.json)); diff != "" {
				t.Errorf("%s record %d: %s", name, i, diff)
			}
		}
		if dec.More() {
			t.Errorf("%s: the twin has more documents", name)
		}
	}
	if twins != 103 {
		t.Errorf("%d twins, want 103", twins)
	}
	t.Logf("%d twins, %d events equal", twins, events)
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, b)
	}
	return v
}

// differ is the first difference of two documents, "" for none.
func differ(path string, want, have any) string {
	w, ok1 := want.(map[string]any)
	h, ok2 := have.(map[string]any)
	if ok1 != ok2 {
		return fmt.Sprintf("%s: want %v, have %v", path, want, have)
	}
	if !ok1 {
		want, have = normal(path, want), normal(path, have)
		if !reflect.DeepEqual(want, have) {
			return fmt.Sprintf("%s: want %v, have %v", path, want, have)
		}
		return ""
	}
	for k, x := range w {
		y, ok := h[k]
		if !ok {
			return fmt.Sprintf("%s.%s is missing", path, k)
		}
		if d := differ(path+"."+k, x, y); d != "" {
			return d
		}
	}
	for k := range h {
		if _, ok := w[k]; !ok {
			return fmt.Sprintf("%s.%s is too much", path, k)
		}
	}
	return ""
}

// normal takes away the two things in which the twins' tool differs: it drops white
// space at the end of strings, and writes times with six or nine digits.
func normal(path string, v any) any {
	s, ok := v.(string)
	switch {
	case !ok:
		return v
	case s == `C:\Windows\Explorer.exe` && strings.HasSuffix(path, ".ParentCommandLine"):
		return `C:\Windows\Explorer.EXE` // one twin was edited: the bytes have capitals
	case strings.HasSuffix(path, ".SystemTime") && len(s) > 26:
		return s[:26]
	}
	return strings.TrimRight(s, " \t\r\n")
}

// TestCounts: every recording gives at least the records that another reader found,
// and where it gives other than that, or tells damage, the log says so.
func TestCounts(t *testing.T) {
	total := 0
	for _, row := range []struct{ zip, labels, key string }{
		{"evtx/evtx-attack-samples.zip", "evtx/evtx-attack-samples.labels.jsonl", "records"},
		{"evtx/evtx-to-mitre-attack.zip", "evtx/evtx-to-mitre-attack.labels.jsonl", "records"},
		{"evtx/parser-robustness.zip", "evtx/parser-robustness.counts.jsonl", "records_velocidex"},
	} {
		files := archive(t, row.zip)
		for line := range bytes.Lines(read(t, row.labels)) {
			var l map[string]any
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatal(err)
			}
			name, _ := l["file"].(string)
			want, _ := l[row.key].(float64)
			file, ok := files[name]
			if !ok {
				t.Fatalf("%s is not in %s", name, row.zip)
			}
			n, damaged := 0, []error{}
			for _, d := range documents(file) {
				if d.damage != nil {
					damaged = append(damaged, d.damage)
					continue
				}
				n++
				if !json.Valid(d.json) {
					t.Errorf("%s: not JSON: %s", name, d.json)
				}
			}
			total += n
			if n < int(want) {
				t.Errorf("%s: %d records, want at least %d", name, n, int(want))
			}
			if n != int(want) || len(damaged) > 0 {
				t.Logf("%s: %d records, the reference has %d; %d damaged: %.300v", name, n, int(want), len(damaged), damaged)
			}
		}
	}
	t.Logf("%d records", total)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata.Shared(t), "windows", path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// BenchmarkFile renders a log of 17 chunks; bytes are those of the file.
func BenchmarkFile(b *testing.B) {
	z, err := zip.OpenReader(filepath.Join(testdata.Shared(b), "windows/evtx/parser-robustness.zip"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	for _, name := range []string{"omerbenamram/sysmon.evtx", "omerbenamram/2-vss_7-System.evtx", "omerbenamram/sample-with-irregular-bool-values.evtx"} {
		r, err := z.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		file, err := io.ReadAll(r)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(name), func(b *testing.B) {
			var c Chunk
			n, out := 0, 0
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				for at := HeaderSize(file); at < len(file); at += ChunkSize {
					c.Reset(file[at:min(len(file), at+ChunkSize)])
					for r, ok := c.Next(); ok; r, ok = c.Next() {
						if r.Damage != nil {
							continue
						}
						if doc, err := c.JSON(r); err == nil {
							n++
							out += len(doc)
						}
					}
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(out)/1e6/b.Elapsed().Seconds(), "MB-json/s")
		})
	}
}
