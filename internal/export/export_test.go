package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"vigil/schema"
)

var columns = []Column{{"zeta", schema.Keyword}, {"@timestamp", schema.Date}, {"bytes", schema.Long}, {"score", schema.Double}, {"ok", schema.Bool}}

var at = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func rows(n int) [][]any {
	out := [][]any{{"=1+1", at, int64(-7), 0.5, true}, {nil, at, nil, nil, nil}}
	for i := len(out); i < n; i++ {
		out = append(out, []any{fmt.Sprint("v", i), at.Add(time.Duration(i) * time.Second), int64(i), float64(i), i%2 == 0})
	}
	return out
}

func write(t *testing.T, format string, rs [][]any) []byte {
	t.Helper()
	var b bytes.Buffer
	w, media, err := New(format, &b, columns)
	if err != nil || media == "" {
		t.Fatal(err, media)
	}
	for _, r := range rs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestCell: nothing that a spreadsheet would run stays first in a cell.
func TestCell(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\ufeff=1", "|calc", "%0A", "＝1"} {
		if got := Cell(s); got != "'"+s {
			t.Errorf("Cell(%q) = %q", s, got)
		}
	}
	for _, s := range []string{"", "a=b", "10.0.0.1", "root", "'=1"} {
		if got := Cell(s); got != s {
			t.Errorf("Cell(%q) = %q", s, got)
		}
	}
}

func TestCSV(t *testing.T) {
	got, err := csv.NewReader(bytes.NewReader(write(t, "csv", rows(2)))).ReadAll()
	want := [][]string{{"zeta", "'@timestamp", "bytes", "score", "ok"}, {"'=1+1", "2026-03-01T12:00:00.123456Z", "-7", "0.5", "true"}, {"", "2026-03-01T12:00:00.123456Z", "", "", ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if head := string(write(t, "csv", nil)); !strings.HasPrefix(head, "zeta,") {
		t.Errorf("a table without rows has no head: %q", head)
	}
}

func TestNDJSON(t *testing.T) {
	lines := bytes.Split(bytes.TrimSpace(write(t, "ndjson", append(rows(2), make([]any, len(columns))))), []byte("\n"))
	if len(lines) != 3 || string(lines[2]) != "{}" {
		t.Fatalf("%d lines: %s", len(lines), lines)
	}
	var first, second map[string]any
	if err := json.Unmarshal(lines[0], &first); err != nil || first["zeta"] != "=1+1" || first["bytes"] != -7.0 || first["ok"] != true {
		t.Errorf("first line: %v %v", first, err)
	}
	if err := json.Unmarshal(lines[1], &second); err != nil || len(second) != 1 {
		t.Errorf("absent values are written: %v %v", second, err)
	}
}

// TestParquet reads the file back with the library's reader, over more than one row group.
func TestParquet(t *testing.T) {
	n := parquetGroup + 700
	file := write(t, "parquet", rows(n))
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if f.NumRows() != int64(n) || len(f.RowGroups()) < 2 {
		t.Errorf("%d rows in %d groups, want %d", f.NumRows(), len(f.RowGroups()), n)
	}
	type row struct {
		Zeta  *string    `parquet:"zeta,optional"`
		Time  *time.Time `parquet:"@timestamp,optional,timestamp(microsecond)"`
		Bytes *int64     `parquet:"bytes,optional"`
		Score *float64   `parquet:"score,optional"`
		OK    *bool      `parquet:"ok,optional"`
	}
	got, err := parquet.Read[row](bytes.NewReader(file), int64(len(file)))
	if err != nil || len(got) != n {
		t.Fatalf("%d rows: %v", len(got), err)
	}
	a, b := got[0], got[1]
	if a.Zeta == nil || *a.Zeta != "=1+1" || !a.Time.Equal(at) || *a.Bytes != -7 || *a.Score != 0.5 || !*a.OK {
		t.Errorf("first row: %+v", a)
	}
	if b.Zeta != nil || b.Bytes != nil || b.Time == nil {
		t.Errorf("second row: %+v", b)
	}
	if last := got[n-1]; *last.Bytes != int64(n-1) {
		t.Errorf("last row: %+v", last)
	}
}

func TestRefusals(t *testing.T) {
	if _, _, err := New("xls", &bytes.Buffer{}, columns); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("an unknown format: %v", err)
	}
	w, _, _ := New("parquet", &bytes.Buffer{}, columns)
	if err := w.Write([]any{"a", at, "seven", 0.5, true}); err == nil {
		t.Error("a text went into a column of numbers")
	}
}
