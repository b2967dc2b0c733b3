package intel

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"vigil/internal/testdata"
)

// document opens one of the shared documents the way a sync does.
func document(t testing.TB, name string) *Document {
	t.Helper()
	d, err := Fetch(t.Context(), Source{URL: filepath.Join(testdata.Shared(t), "intel", filepath.FromSlash(name))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// counted is what another way of counting found: objects that claim to be indicators,
// and the different values of each type that are plainly well formed.
type counted struct {
	read   int
	values map[string]map[string]bool
}

func (c *counted) add(kind, value string) {
	if c.values == nil {
		c.values = map[string]map[string]bool{}
	}
	if c.values[kind] == nil {
		c.values[kind] = map[string]bool{}
	}
	c.values[kind][value] = true
}

// TestShared reads every shared document and holds the result against a count that
// shares no code with the readers, and against what was counted by hand.
func TestShared(t *testing.T) {
	for _, c := range []struct {
		kind, file string
		count      func(t *testing.T, file string) counted
		refused    int
	}{
		{"stix", "stix/unit42-reports.zip", countSTIX, 15},
		{"stix", "stix/oasis-examples-stix21.zip", countSTIX, 6},
		{"stix", "taxii/medallion-default-data.json.gz", countSTIX, 0},
		{"misp", "misp/events.zip", countMISP, 62},
		{"misp", "misp/eset-events.zip", countMISP, 2},
		{"text", "feeds/ipsum.txt.gz", countText, 0},
		{"zeek-intel", "feeds/zeek-intel.zip", countZeek, 3},
	} {
		t.Run(c.file, func(t *testing.T) {
			entries, rep, err := Read(t.Context(), c.kind, document(t, c.file).Documents(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for _, e := range entries {
				got[e.Type]++
			}
			t.Logf("%+v, values %v", rep, got)
			want := c.count(t, c.file)
			if rep.Read != want.read {
				t.Errorf("read %d, counted %d", rep.Read, want.read)
			}
			if rep.Refused != c.refused {
				t.Errorf("refused %d, want %d", rep.Refused, c.refused)
			}
			for kind, values := range want.values {
				if got[kind] != len(values) {
					t.Errorf("%s: %d values, counted %d", kind, got[kind], len(values))
				}
				delete(got, kind)
			}
			for kind, n := range got {
				t.Errorf("%s: %d values, counted none", kind, n)
			}
		})
	}
}

// members reads all files of a zip, or the one of a gzip.
func members(t *testing.T, file string) []string {
	t.Helper()
	path := filepath.Join(testdata.Shared(t), "intel", filepath.FromSlash(file))
	var out []string
	if strings.HasSuffix(file, ".zip") {
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = z.Close() }()
		for _, m := range z.File {
			r, err := m.Open()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, all(t, bufio.NewReader(r)))
		}
		return out
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return []string{all(t, bufio.NewReader(z))}
}

func all(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// each calls fn for every JSON object in a document.
func each(v any, fn func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		fn(v)
		for _, x := range v {
			each(x, fn)
		}
	case []any:
		for _, x := range v {
			each(x, fn)
		}
	}
}

var (
	reComparison = regexp.MustCompile(`([a-z0-9-]+):([\w'.-]+)\s*=\s*'((?:\\.|[^'\\])*)'`)
	reAddress    = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)
	reDomain     = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)+$`)
	reHost       = regexp.MustCompile(`^(\d+\.\d+\.\d+\.\d+|[a-z0-9._-]+\.[a-z0-9-]*[a-z][a-z0-9-]*)(:\d+)?$`)
)

// wellFormed is the independent idea of a value: good enough for these documents.
func wellFormed(kind, v string) (string, string) {
	v = strings.ReplaceAll(strings.ReplaceAll(v, `\\`, `\`), "[.]", ".")
	switch kind {
	case "ip":
		if strings.HasPrefix(v, "127.") {
			return "", ""
		}
		if reAddress.MatchString(v) {
			return "ip", v
		}
		if a, _, ok := strings.Cut(v, "/"); ok && reAddress.MatchString(a) {
			return "cidr", v
		}
		if strings.Contains(v, ":") {
			return "ip", strings.ToLower(v)
		}
	case "domain":
		if v = strings.ToLower(strings.TrimSuffix(v, ".")); reDomain.MatchString(v) {
			return "domain", v
		}
	case "url":
		if i := strings.Index(v, "://"); i >= 0 {
			v = v[i+3:]
		}
		v, _, _ = strings.Cut(v, "#")
		host, rest, ok := strings.Cut(v, "/")
		if !ok || rest == "" {
			rest = ""
		}
		host = strings.TrimSuffix(strings.TrimSuffix(host, ":80"), ":443")
		if host = strings.ToLower(host); !reHost.MatchString(host) {
			return "", ""
		}
		return "url", host + "/" + rest
	case "hash":
		if k := map[int]string{32: "md5", 40: "sha1", 64: "sha256"}[len(v)]; k != "" {
			return k, strings.ToLower(v)
		}
	case "email":
		return "email", strings.ToLower(v)
	}
	return "", ""
}

func countSTIX(t *testing.T, file string) counted {
	var c counted
	newest := map[string]map[string]any{}
	for _, text := range members(t, file) {
		seen := map[string]bool{}
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		local := map[string]map[string]any{}
		each(v, func(o map[string]any) {
			if o["type"] != "indicator" || o["pattern"] == nil {
				return
			}
			id, _ := o["id"].(string)
			if old := local[id]; old == nil || old["modified"].(string) <= o["modified"].(string) {
				local[id] = o
			}
			seen[id] = true
		})
		c.read += len(seen)
		for id, o := range local {
			newest[text[:40]+id] = o // versions are compared inside one document
		}
	}
	for _, o := range newest {
		for _, m := range reComparison.FindAllStringSubmatch(o["pattern"].(string), -1) {
			kind := map[string]string{"ipv4-addr": "ip", "ipv6-addr": "ip", "domain-name": "domain", "url": "url", "email-addr": "email"}[m[1]]
			if m[1] == "file" && strings.HasPrefix(m[2], "hashes") {
				kind = "hash"
			}
			if k, v := wellFormed(kind, m[3]); k != "" {
				c.add(k, v)
			}
		}
	}
	return c
}

func countMISP(t *testing.T, file string) counted {
	var c counted
	for _, text := range members(t, file) {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		each(v, func(o map[string]any) {
			list, _ := o["Attribute"].([]any)
			for _, x := range list {
				a, _ := x.(map[string]any)
				if a == nil || a["to_ids"] != true || a["deleted"] == true {
					continue
				}
				c.read++
				kind, _ := a["type"].(string)
				value, _ := a["value"].(string)
				parts := strings.Split(value, "|")
				switch kind {
				case "ip-dst", "ip-src", "ip-dst|port":
					kind, value = "ip", parts[0]
				case "domain", "hostname":
					kind = "domain"
				case "url":
				case "md5", "sha1", "sha256":
					kind = "hash"
				case "filename|md5", "filename|sha1", "filename|sha256", "malware-sample":
					kind, value = "hash", parts[len(parts)-1]
				case "email-src", "email-dst":
					kind = "email"
				default:
					continue
				}
				if k, v := wellFormed(kind, value); k != "" {
					c.add(k, v)
				}
			}
		})
	}
	return c
}

func countText(t *testing.T, file string) counted {
	var c counted
	for _, text := range members(t, file) {
		for line := range strings.SplitSeq(text, "\n") {
			if line == "" || line[0] == '#' {
				continue
			}
			c.read++
			if k, v := wellFormed("ip", strings.Fields(line)[0]); k != "" {
				c.add(k, v)
			}
		}
	}
	return c
}

func countZeek(t *testing.T, file string) counted {
	var c counted
	for _, text := range members(t, file) {
		for line := range strings.SplitSeq(text, "\n") {
			if line == "" || line[0] == '#' {
				continue
			}
			c.read++
			f := strings.Split(line, "\t")
			if k, v := wellFormed(map[string]string{"Intel::ADDR": "ip", "Intel::URL": "url"}[f[1]], f[0]); k != "" {
				c.add(k, v)
			}
		}
	}
	return c
}
