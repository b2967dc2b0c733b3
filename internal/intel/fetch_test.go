package intel

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"vigil/internal/secret"
	"vigil/schema"
)

const list = "203.0.113.1\n203.0.113.2\n"

func packed(t *testing.T) map[string][]byte {
	t.Helper()
	var gz, zs, zp bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, err := io.WriteString(w, list)
	err = errors.Join(err, w.Close())
	z, zerr := zstd.NewWriter(&zs)
	_, werr := io.WriteString(z, list)
	err = errors.Join(err, zerr, werr, z.Close())
	a := zip.NewWriter(&zp)
	for i, line := range strings.Split(strings.TrimSpace(list), "\n") {
		m, merr := a.Create("dir/" + string(rune('a'+i)) + ".txt")
		_, werr := io.WriteString(m, line+"\n")
		err = errors.Join(err, merr, werr)
	}
	if err = errors.Join(err, a.Close()); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"plain": []byte(list), "gzip": gz.Bytes(), "zstd": zs.Bytes(), "zip": zp.Bytes()}
}

func fetched(t *testing.T, s Source) int {
	t.Helper()
	d, err := Fetch(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := Read(t.Context(), "text", d.Documents(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	name := d.file.Name()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(name); d.temporary && err == nil {
		t.Error("the temporary file is left behind")
	}
	return len(entries)
}

func TestFetchPacked(t *testing.T) {
	for name, b := range packed(t) {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) }))
		if n, m := fetched(t, Source{URL: path}), fetched(t, Source{URL: srv.URL + "/x"}); n != 2 || m != 2 {
			t.Errorf("%s: %d from the file, %d over HTTP", name, n, m)
		}
		srv.Close()
		if name != "plain" {
			if err := os.WriteFile(path, b[:len(b)/2], 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := Fetch(t.Context(), Source{URL: path})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Read(t.Context(), "text", d.Documents(), Options{}); err == nil {
				t.Errorf("%s: half an archive is read without an error", name)
			}
			_ = d.Close()
		}
	}
}

func TestFetchErrors(t *testing.T) {
	codes := map[string]int{"/403": 403, "/404": 404, "/410": 410, "/429": 429, "/500": 500, "/418": 418}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case r.URL.Path == "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "203.0.113.1\n")
		default:
			w.WriteHeader(codes[r.URL.Path])
		}
	}))
	defer srv.Close()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for url, want := range map[string]schema.Code{
		srv.URL + "/403": schema.Denied, srv.URL + "/404": schema.NotFound, srv.URL + "/410": schema.NotFound, srv.URL + "/429": schema.Unavailable, srv.URL + "/500": schema.Unavailable, srv.URL + "/418": schema.Invalid,
		srv.URL + "/loop": schema.Invalid, srv.URL + "/cut": schema.Unavailable, gone.URL: schema.Unavailable, "http://": schema.Invalid, "http://169.254.169.254/latest": schema.Denied,
		filepath.Join(t.TempDir(), "no"): schema.NotFound, t.TempDir(): schema.Invalid, pipe: schema.Invalid,
	} {
		_, err := Fetch(t.Context(), Source{URL: url})
		if schema.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", url, err, want)
		}
	}
}

// TestFetchAgain: the token goes out as bearer, and an unchanged document is not sent again.
func TestFetchAgain(t *testing.T) {
	var auth string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth = r.Header.Get("Authorization")
		if r.Header.Get("If-None-Match") == `"1"` || r.Header.Get("If-Modified-Since") == "then" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Last-Modified", "then")
		_, _ = io.WriteString(w, list)
	}))
	defer srv.Close()
	d, err := Fetch(t.Context(), Source{URL: srv.URL, Secret: secret.New("s3")})
	if err != nil || d.ETag != `"1"` || d.Modified != "then" || auth != "Bearer s3" {
		t.Fatalf("%+v %v %q", d, err, auth)
	}
	_ = d.Close()
	for _, s := range []Source{{URL: srv.URL, ETag: d.ETag}, {URL: srv.URL, Modified: d.Modified}} {
		if _, err := Fetch(t.Context(), s); !errors.Is(err, ErrUnchanged) {
			t.Errorf("%v", err)
		}
	}
}
