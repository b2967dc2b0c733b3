package source

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"vigil/internal/testdata"
)

type got struct {
	data         string
	offset, size int64
	tooLong      bool
}

func read(t *testing.T, o Object, from int64) ([]got, error) {
	t.Helper()
	var out []got
	for r, err := range o.Records(t.Context(), from) {
		if err != nil {
			return out, err
		}
		out = append(out, got{string(r.Data), r.Offset, r.Size, r.TooLong})
	}
	return out, nil
}

func write(t *testing.T, name string, data []byte) Object {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for o, err := range Objects(t.Context(), []string{path}) {
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	t.Fatal("no object")
	return Object{}
}

func gz(data string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(data))
	_ = w.Close()
	return b.Bytes()
}

// TestFraming reads one text in every wrapping and expects the same records.
func TestFraming(t *testing.T) {
	const text = "one\r\ntwo\x00half\n\nlast without end"
	z, _ := zstd.NewWriter(nil)
	for name, data := range map[string][]byte{"plain": []byte(text), "gz": gz(text), "zst": z.EncodeAll([]byte(text), nil)} {
		o := write(t, name, data)
		all, err := read(t, o, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := []got{{"one", 0, 5, false}, {"two\x00half", 5, 9, false}, {"", 14, 1, false}, {"last without end", 15, 16, false}}
		if fmt.Sprint(all) != fmt.Sprint(want) {
			t.Errorf("%s: %+v", name, all)
		}
		rest, err := read(t, o, 14)
		if err != nil || fmt.Sprint(rest) != fmt.Sprint(want[2:]) {
			t.Errorf("%s from 14: %+v, %v", name, rest, err)
		}
	}
}

// TestSizesAddUp: the sizes of the records and the gaps between them are the bytes
// of the object, for lines and for JSON arrays, and elements resume by offset.
func TestSizesAddUp(t *testing.T) {
	doc := " {\"Records\": [ {\"a\":\"x]}\"}, {\"b\":[1,{\"c\":2}]} ,\n{\"d\":\"q\\\"\"} ] }\n"
	o := write(t, "a.json", []byte(doc))
	all, err := read(t, o, 0)
	if err != nil || len(all) != 3 || all[1].data != `{"b":[1,{"c":2}]}` || all[2].data != `{"d":"q\""}` {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, r := range all {
		if doc[r.offset:r.offset+r.size] != r.data {
			t.Errorf("offset %d size %d is %q, want %q", r.offset, r.size, doc[r.offset:r.offset+r.size], r.data)
		}
	}
	rest, err := read(t, o, all[0].offset+all[0].size)
	if err != nil || fmt.Sprint(rest) != fmt.Sprint(all[1:]) {
		t.Errorf("resumed: %+v, %v", rest, err)
	}
}

// TestHostile: a record beyond the cap loses only itself; a truncated archive
// yields what it holds, then says where it broke; binaries are refused.
func TestHostile(t *testing.T) {
	long := "a\n" + strings.Repeat("x", 50<<20) + "\nb\n"
	all, err := read(t, write(t, "long", []byte(long)), 0)
	if err != nil || len(all) != 3 || !all[1].tooLong || all[1].size != 50<<20+1 || all[2].data != "b" {
		t.Errorf("long record: %d records, %v", len(all), err)
	}
	var text strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&text, "line %d of the log\n", i*7919)
	}
	whole := gz(text.String())
	all, err = read(t, write(t, "cut.gz", whole[:len(whole)/2]), 0)
	if err == nil || !strings.Contains(err.Error(), "offset") || len(all) < 1000 {
		t.Errorf("truncated gzip: %d records, %v", len(all), err)
	}
	if _, err = read(t, write(t, "bin", append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 500)...)), 0); err == nil {
		t.Error("a binary was read")
	}
}

// TestUTF16 reads Windows text in both byte orders.
func TestUTF16(t *testing.T) {
	for name, enc := range map[string]func(r uint16) []byte{
		"le": func(r uint16) []byte { return []byte{byte(r), byte(r >> 8)} },
		"be": func(r uint16) []byte { return []byte{byte(r >> 8), byte(r)} },
	} {
		data := enc(0xfeff)
		for _, r := range "Grüße\r\nzwei" {
			data = append(data, enc(uint16(r))...)
		}
		all, err := read(t, write(t, name, data), 0)
		if err != nil || len(all) != 2 || all[0].data != "Grüße" || all[1].data != "zwei" {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
}

// TestObjects walks a folder: sorted, members of archives, problems named, and the
// same bytes under another name are the same object.
func TestObjects(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, data []byte) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var zipped bytes.Buffer
	w := zip.NewWriter(&zipped)
	for _, n := range []string{"b.log", "a.log"} {
		m, _ := w.Create(n)
		_, _ = m.Write([]byte(n + "\n"))
	}
	_ = w.Close()
	put("b/x.zip", zipped.Bytes())
	put("a.log", []byte("hello\n"))
	put("copy.log", []byte("hello\n"))
	put("empty.log", nil)
	put("damaged.zip", append([]byte("PK\x03\x04"), 1, 2, 3))
	var names []string
	prints := map[string]string{}
	problems := 0
	for o, err := range Objects(t.Context(), []string{dir, filepath.Join(dir, "none")}) {
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.Path == "" {
				t.Errorf("a problem without a path: %v", err)
			}
			problems++
			continue
		}
		names = append(names, strings.TrimPrefix(o.Name(), dir+"/"))
		prints[names[len(names)-1]] = o.Fingerprint
	}
	if fmt.Sprint(names) != "[a.log b/x.zip!a.log b/x.zip!b.log copy.log]" {
		t.Errorf("objects %v", names)
	}
	if problems != 3 {
		t.Errorf("%d problems, want 3 (empty, damaged, none)", problems)
	}
	if prints["a.log"] != prints["copy.log"] || prints["a.log"] == prints["b/x.zip!a.log"] {
		t.Errorf("fingerprints %v", prints)
	}
}

// BenchmarkLines reads the largest plain recording.
func BenchmarkLines(b *testing.B) {
	path := filepath.Join(testdata.Shared(b), "volume/zeek-http.jsonl.zst")
	raw, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	z, _ := zstd.NewReader(nil)
	plain, err := z.DecodeAll(raw, nil)
	if err != nil {
		b.Fatal(err)
	}
	o := Object{Path: filepath.Join(b.TempDir(), "x"), Size: int64(len(plain))}
	if err := os.WriteFile(o.Path, plain, 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range o.Records(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 27204 {
			b.Fatal(n)
		}
	}
}

// TestSpreadObjects: JSON objects over several lines, one behind the other, are records.
func TestSpreadObjects(t *testing.T) {
	doc := "{\n  \"a\": {\"b\": \"}\"}\n}\n{\n  \"a\": 2\n}\n"
	all, err := read(t, write(t, "a.json", []byte(doc)), 0)
	if err != nil || len(all) != 3 || all[1].data != "{\n  \"a\": 2\n}" || strings.TrimSpace(all[2].data) != "" {
		t.Fatalf("%+v, %v", all, err)
	}
	if rest, err := read(t, write(t, "a.json", []byte(doc)), all[0].offset+all[0].size); err != nil || len(rest) != 2 || rest[0] != all[1] {
		t.Errorf("resumed: %+v, %v", rest, err)
	}
}
