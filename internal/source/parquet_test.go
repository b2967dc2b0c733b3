package source

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"
)

type flowRow struct {
	Time    time.Time         `parquet:"time,timestamp(microsecond)"`
	Source  string            `parquet:"src_ip"`
	Bytes   uint64            `parquet:"bytes"`
	User    *string           `parquet:"user,optional"`
	Tags    []string          `parquet:"tags,list"`
	Labels  map[string]string `parquet:"labels"`
	Ports   []int32           `parquet:"ports"`
	Peer    struct{ Name string }
	Ratio   float64  `parquet:"ratio"`
	Blob    []byte   `parquet:"blob"`
	ID      [16]byte `parquet:"id,uuid"`
	Answers []answer `parquet:"answers,list"`
}

type answer struct {
	Name string `parquet:"name"`
	TTL  int64  `parquet:"ttl"`
}

func parquetFile(t testing.TB, rows int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[flowRow](&b, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(1000))
	user := "ann \"x\"\n"
	for i := range rows {
		f := flowRow{Time: time.UnixMicro(1_700_000_000_000_000 + int64(i)).UTC(), Source: "192.0.2.1", Bytes: math.MaxUint64 - uint64(i), Ports: []int32{int32(i), -1}, Ratio: 0.5, Blob: []byte{0xff, 0xfe}, ID: [16]byte{1, 2, 3}}
		f.Peer.Name = "peer"
		if i%2 == 1 {
			f.User, f.Tags, f.Labels = &user, []string{"a", "b"}, map[string]string{"k": "v"}
			f.Answers = []answer{{"x.example", 60}, {"y.example", 61}}
		}
		if _, err := w.Write([]flowRow{f}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func stored(t testing.TB, name string, data []byte) Object {
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

func TestParquetRowsAreJSON(t *testing.T) {
	o := stored(t, "flows.parquet", parquetFile(t, 2500))
	n := int64(0)
	for rec, err := range o.Records(t.Context(), 0) {
		if err != nil || rec.Damage != nil {
			t.Fatal(err, rec.Damage)
		}
		if rec.Offset != n || rec.Size != 1 || rec.Weight != int64(len(rec.Data)) || !json.Valid(rec.Data) {
			t.Fatalf("row %d: offset %d, size %d, weight %d: %s", n, rec.Offset, rec.Size, rec.Weight, rec.Data)
		}
		if n < 2 {
			want := []string{
				`{"time":"2023-11-14T22:13:20Z","src_ip":"192.0.2.1","bytes":18446744073709551615,"tags":[],"labels":{},"ports":[0,-1],"Peer":{"Name":"peer"},"ratio":0.5,"blob":"//4=","id":"01020300-0000-0000-0000-000000000000","answers":[]}`,
				`{"time":"2023-11-14T22:13:20.000001Z","src_ip":"192.0.2.1","bytes":18446744073709551614,"user":"ann \"x\"\u000a","tags":["a","b"],"labels":{"k":"v"},"ports":[1,-1],"Peer":{"Name":"peer"},"ratio":0.5,"blob":"//4=","id":"01020300-0000-0000-0000-000000000000","answers":[{"name":"x.example","ttl":60},{"name":"y.example","ttl":61}]}`,
			}[n]
			if string(rec.Data) != want {
				t.Errorf("row %d:\n%s\nwant\n%s", n, rec.Data, want)
			}
		}
		n++
	}
	if n != 2500 {
		t.Errorf("%d rows", n)
	}
}

// TestParquetResumes reads from every place that a chunk may end at: between rows, at and
// across row groups, at the end; plain and gzipped.
func TestParquetResumes(t *testing.T) {
	data := parquetFile(t, 2500)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(data)
	_ = z.Close()
	for name, o := range map[string]Object{"plain": stored(t, "a.parquet", data), "gzip": stored(t, "a.parquet.gz", packed.Bytes())} {
		for _, from := range []int64{1, 999, 1000, 1001, 2000, 2499, 2500} {
			want, n := from, 0
			for rec, err := range o.Records(t.Context(), from) {
				if err != nil {
					t.Fatalf("%s from %d: %v", name, from, err)
				}
				if rec.Offset != want || !strings.Contains(string(rec.Data), fmt.Sprintf(`"ports":[%d,`, want)) {
					t.Fatalf("%s from %d: record at %d, want %d: %s", name, from, rec.Offset, want, rec.Data)
				}
				want++
				n++
			}
			if n != int(2500-from) {
				t.Errorf("%s from %d: %d rows", name, from, n)
			}
		}
	}
}

func TestParquetSaysWhatIsWrong(t *testing.T) {
	good := parquetFile(t, 10)
	footer := int(binary.LittleEndian.Uint32(good[len(good)-8:]))
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint32(huge[len(huge)-8:], 1<<31)
	torn := bytes.Clone(good)
	for i := 8; i < len(torn)-footer-8; i++ {
		torn[i] ^= 0x5a
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"footer claims 2 GiB": {huge, "footer claims 2147483648 bytes"},
		"cut off":             {good[:len(good)-20], "footer"},
		"pages are noise":     {torn, "row group 0"},
		"only the magic":      {[]byte("PAR1"), "end is missing"},
	} {
		o := stored(t, "bad.parquet", c.data)
		var got error
		for _, err := range o.Records(t.Context(), 0) {
			got = err
		}
		if got == nil || !strings.Contains(got.Error(), c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzParquet(f *testing.F) {
	f.Add(parquetFile(f, 3))
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x")
		for _, p := range [][]byte{data, append([]byte(parquetMagic), data...)} {
			if err := os.WriteFile(path, p, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Object{Path: path}.Reader(0)
			if err != nil {
				continue
			}
			for range 1000 {
				if _, err := r.Next(); err != nil {
					break
				}
			}
			_ = r.Close()
		}
	})
}
