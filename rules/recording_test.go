package rules_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"vigil/internal/parser"
	"vigil/schema"
)

// openRecording opens a shared recording: PATH, or ARCHIVE.zip!MEMBER.
func openRecording(t testing.TB, root, name string) io.ReadCloser {
	t.Helper()
	archive, member, isZip := strings.Cut(name, "!")
	path := filepath.Join(root, archive)
	if isZip {
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = z.Close() })
		f, err := z.Open(member)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	switch filepath.Ext(path) {
	case ".zst":
		d, err := zstd.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		return d.IOReadCloser()
	case ".gz":
		d, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return f
}

// eachEvent parses a recording and calls do for each event. Records that are no
// events are passed over, as the pipeline does.
func eachEvent(t testing.TB, root, name string, do func(e *schema.Event)) {
	t.Helper()
	r := openRecording(t, root, name)
	defer func() { _ = r.Close() }()
	in := bufio.NewReaderSize(r, 1<<20)
	sample, _ := in.Peek(64 << 10)
	format, _, err := parser.Detect(sample, name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	p := format.New(parser.Options{Object: filepath.Base(name), BaseYear: 2020})
	var e schema.Event
	var offset int64
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			raw := bytes.TrimRight(line, "\r\n")
			e.Reset(raw, offset)
			offset += int64(len(line))
			if perr := p.Parse(raw, &e); perr == nil {
				e.ID = schema.EventIDAt(schema.ObjectHash("main", "test", 1, name), e.Offset)
				do(&e)
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}
