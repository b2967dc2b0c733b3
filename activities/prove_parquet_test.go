package activities

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"vigil/schema"
)

func parquetOf(t testing.TB, rows int) []byte {
	t.Helper()
	type row struct {
		Message string `parquet:"message"`
		On      bool   `parquet:"on"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.MaxRowsPerRowGroup(100), parquet.KeyValueMetadata("made by", "a test"))
	for range rows {
		if _, err := w.Write([]row{{"x", true}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestProveParquet(t *testing.T) {
	chunk := func(from, to int64, last bool) schema.Chunk {
		return schema.Chunk{ID: "c", Object: "x.parquet", From: from, To: to, Records: to - from, Events: to - from, Last: last}
	}
	for name, c := range map[string]struct {
		list []schema.Chunk
		want string
	}{
		"all":       {[]schema.Chunk{chunk(0, 200, false), chunk(200, 250, true)}, ""},
		"under way": {[]schema.Chunk{chunk(0, 200, false)}, ""},
		"short":     {[]schema.Chunk{chunk(0, 200, true)}, "the file has 250 rows, the manifest ends at 200"},
		"a hole":    {[]schema.Chunk{chunk(0, 100, false), chunk(150, 250, true)}, "starts at row 150"},
	} {
		var p Proof
		if err := p.recountRows(bufio.NewReader(bytes.NewReader(parquetOf(t, 250))), c.list); err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(p.Problems, "\n"); (c.want == "") != (all == "") || !strings.Contains(all, c.want) {
			t.Errorf("%s: %s", name, all)
		}
	}
}

// TestProveDamagedParquet: a file without its end, which was on record as a failure when it
// was ingested, is as it was; one that the manifest thinks whole is not.
func TestProveDamagedParquet(t *testing.T) {
	cut := parquetOf(t, 250)
	cut = cut[:len(cut)/2]
	for failures, fits := range map[int64]bool{1: true, 0: false} {
		var p Proof
		err := p.recountRows(bufio.NewReader(bytes.NewReader(cut)), []schema.Chunk{{ID: "c", Object: "x.parquet", Failures: failures, Last: true}})
		if (err == nil) != fits || len(p.Problems) > 0 {
			t.Errorf("%d failures: %v %q", failures, err, p.Problems)
		}
	}
}

func FuzzParquetFooter(f *testing.F) {
	data := parquetOf(f, 3)
	f.Add(data[len(data)/2 : len(data)-8])
	f.Fuzz(func(_ *testing.T, footer []byte) { _, _ = footerRows(footer) })
}
