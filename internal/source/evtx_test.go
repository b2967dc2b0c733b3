package source

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/testdata"
)

// outline is the records of an object from an offset on, each as a line.
func outline(t *testing.T, o Object, from int64) ([]string, []int64) {
	t.Helper()
	var out []string
	var ends []int64
	for r, err := range o.Records(t.Context(), from) {
		if err != nil {
			t.Fatalf("%s: %v", o.Name(), err)
		}
		out = append(out, fmt.Sprintf("%d+%d %v %s", r.Offset, r.Size, r.Damage, r.Data))
		ends = append(ends, r.Offset+r.Size)
	}
	return out, ends
}

// TestEventLog reads a written event log: records with offsets in the object, damage
// where a record is damaged, and the same from every place where reading resumes.
func TestEventLog(t *testing.T) {
	for o, err := range Objects(t.Context(), []string{"../parser/evtx/testdata/logon.evtx.gz"}) {
		if err != nil {
			t.Fatal(err)
		}
		all, ends := outline(t, o, 0)
		if len(all) != 81 { // 79 records, one damaged extent, one wrong checksum
			t.Fatalf("%d records", len(all))
		}
		if !strings.HasPrefix(all[0], "4608+") || !strings.Contains(all[0], `"TargetUserName":"mira"`) {
			t.Errorf("first: %s", all[0])
		}
		for i, end := range ends {
			if rest, _ := outline(t, o, end); fmt.Sprint(rest) != fmt.Sprint(all[i+1:]) {
				t.Errorf("resumed at %d: %d records, want %d", end, len(rest), len(all)-i-1)
			}
		}
		r, err := o.Reader(0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		sample, err := r.Sample()
		if err != nil || !strings.HasPrefix(string(sample), `{"Event":{`) {
			t.Errorf("sample %.60s, %v", sample, err)
		}
		if rec, err := r.Next(); err != nil || rec.Offset != 4608 || string(rec.Own()[:2]) != "**" {
			t.Errorf("the sample moved the reader: %+v, %v", rec, err)
		}
	}
}

// TestCutEventLog: a log that ends anywhere yields what it holds and says what is lost.
func TestCutEventLog(t *testing.T) {
	var whole []byte
	for o, err := range Objects(t.Context(), []string{"../parser/evtx/testdata/logon.evtx.gz"}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := o.open()
		if err != nil {
			t.Fatal(err)
		}
		if whole, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	if _, err := write(t, "head.evtx", whole[:2000]).Reader(0); err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("a log of half a header: %v", err)
	}
	for _, n := range []int{4096, 4200, 4608, 5000, 6000, 69632, 70000, 72000, len(whole)} {
		all, _ := outline(t, write(t, fmt.Sprint(n, ".evtx"), whole[:n]), 0)
		lost := strings.Contains(fmt.Sprint(all), "ends")
		if atEdge := n == 4096 || n == 69632 || n == len(whole); lost == atEdge {
			t.Errorf("cut at %d: %d records, lost %v", n, len(all), lost)
		}
	}
}

// TestSharedEventLogs reads recordings out of their archives, and again from places in
// the middle of chunks.
func TestSharedEventLogs(t *testing.T) {
	root := filepath.Join(testdata.Shared(t), "windows")
	logs, records, damaged := 0, 0, 0
	for o, err := range Objects(t.Context(), []string{filepath.Join(root, "evtx/parser-robustness.zip"), filepath.Join(root, "evtx/evtx-to-mitre-attack.zip")}) {
		if err != nil {
			t.Fatal(err)
		}
		logs++
		all, ends := outline(t, o, 0)
		for _, line := range all {
			if strings.Contains(line, "<nil> {") {
				records++
			} else {
				damaged++
			}
		}
		for _, i := range []int{0, len(all) / 3, len(all) / 2, len(all) - 1} {
			if i < 0 || i >= len(all) {
				continue
			}
			rest, _ := outline(t, o, ends[i])
			if len(rest) != len(all)-i-1 || len(rest) > 0 && (rest[0] != all[i+1] || rest[len(rest)-1] != all[len(all)-1]) {
				t.Errorf("%s resumed at %d: %d records, want %d", o.Name(), ends[i], len(rest), len(all)-i-1)
			}
		}
	}
	if logs != 151 || records < 10543+4600 {
		t.Errorf("%d logs, %d records", logs, records)
	}
	t.Logf("%d logs, %d records, %d damaged extents", logs, records, damaged)
}

// TestXMLEvents frames events as XML however they are spread over lines.
func TestXMLEvents(t *testing.T) {
	const a, b = "<Event xmlns='u'><x>1</x></Event>", "<Event>\n<EventData>2</EventData>\n</Event>"
	for name, doc := range map[string]string{
		"export":     "\ufeff<?xml version=\"1.0\"?>\n<Events>" + a + b + "</Events>\n",
		"one a line": a + "\r\n" + b + "\n",
		"cut":        "<Events>" + a + b + "<Event><System>",
	} {
		o := write(t, "a.xml", []byte(doc))
		all, err := read(t, o, 0)
		if err != nil || len(all) < 2 || all[0].data != a || all[1].data != b {
			t.Fatalf("%s: %+v, %v", name, all, err)
		}
		if cut := name == "cut"; cut != (len(all) == 3) {
			t.Errorf("%s: %d records", name, len(all))
		}
		rest, err := read(t, o, all[0].offset+all[0].size)
		if err != nil || fmt.Sprint(rest) != fmt.Sprint(all[1:]) {
			t.Errorf("%s resumed: %+v, %v", name, rest, err)
		}
		if at := all[1].offset; doc[at:at+all[1].size] != b {
			t.Errorf("%s: offset %d", name, at)
		}
	}
	many := "<Events>" + strings.Repeat(a, 30000) + strings.Repeat(" ", 600<<10) + b + "</Events>"
	if all, err := read(t, write(t, "many.xml", []byte(many)), 0); err != nil || len(all) != 30001 || all[30000].data != b {
		t.Errorf("%d records, %v", len(all), err)
	}
}
