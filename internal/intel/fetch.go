package intel

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"vigil/internal/secret"
	"vigil/schema"
)

// maxDownload is how many bytes are fetched, as they come.
const maxDownload = 256 << 20

// maxMembers is how many files of an archive are read.
const maxMembers = 10_000

// Source says where a feed's document is.
type Source struct {
	URL    string       // http(s)://… or the path of a file
	Secret secret.Value // bearer token for http(s); may be empty
	// ETag and Modified are what the last answer carried; when the document is still
	// the same, Fetch returns ErrUnchanged.
	ETag, Modified string
	Beat           func() // called while bytes arrive
}

// ErrUnchanged says that the document is the one of the last time.
var ErrUnchanged = errors.New("the document has not changed")

// Document is a fetched document on disk. Close removes it if it was downloaded.
type Document struct {
	ETag, Modified string
	name           string
	file           *os.File
	temporary      bool
}

// Close closes the document.
func (d *Document) Close() error {
	err := d.file.Close()
	if d.temporary {
		err = errors.Join(err, os.Remove(d.file.Name()))
	}
	return err
}

// Documents are the documents of a feed, by name: one, or the files of an archive.
type Documents func(yield func(name string, r io.Reader) bool)

// One is a feed of a single document.
func One(name string, r io.Reader) Documents {
	return func(yield func(string, io.Reader) bool) { yield(name, r) }
}

// Fetch opens a file, or downloads a document to a temporary file. Errors carry a code:
// what does not answer (or answers with 5xx or 429) is Unavailable and may be tried again, what is
// not there is NotFound, what is forbidden Denied.
func Fetch(ctx context.Context, s Source) (*Document, error) {
	if !remote(s.URL) {
		return open(s.URL)
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		return nil, schema.E(schema.Invalid, "the feed's address is no URL", "http://… or https://…, or the path of a file")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, schema.E(schema.Invalid, "the feed's address is no URL", "", err)
	}
	req.Header.Set("User-Agent", "vigil")
	req.Header.Set("Accept", "application/taxii+json;version=2.1, application/json, text/*, */*;q=0.5")
	if !s.Secret.Empty() {
		req.Header.Set("Authorization", "Bearer "+s.Secret.Reveal())
	}
	if s.ETag != "" {
		req.Header.Set("If-None-Match", s.ETag)
	} else if s.Modified != "" {
		req.Header.Set("If-Modified-Since", s.Modified)
	}
	res, err := httpClient(!s.Secret.Empty()).Do(req)
	if err != nil {
		if se, ok := errors.AsType[*schema.Error](err); ok {
			return nil, se
		}
		return nil, schema.E(schema.Unavailable, "the feed does not answer", "", err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := status(res); err != nil {
		return nil, err
	}
	return download(res, u, s.Beat)
}

func remote(u string) bool {
	l := strings.ToLower(u)
	return strings.HasPrefix(l, "http://") || strings.HasPrefix(l, "https://")
}

func open(name string) (*Document, error) {
	// Looked at before it is opened: opening a pipe would wait for its writer.
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, schema.E(schema.NotFound, "there is no file "+name, "the path is one of the worker's host")
	case err == nil && !info.Mode().IsRegular():
		return nil, schema.E(schema.Invalid, name+" is no file", "name one file or archive")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, schema.E(schema.Denied, "the file "+name+" cannot be opened", "the worker needs to read it", err)
	}
	return &Document{name: path.Base(name), file: f}, nil
}

// httpClient bounds time, redirects and targets. Link-local addresses are refused,
// because credentials of cloud machines are served there.
func httpClient(withSecret bool) *http.Client {
	dial := &net.Dialer{Timeout: 15 * time.Second, Control: func(_, addr string, _ syscall.RawConn) error {
		if a, err := netip.ParseAddrPort(addr); err == nil && (a.Addr().Unmap().IsLinkLocalUnicast() || a.Addr().IsUnspecified()) {
			return schema.E(schema.Denied, "feeds are not fetched from link-local addresses", "")
		}
		return nil
	}}
	return &http.Client{
		Timeout: 10 * time.Minute,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext, TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: time.Minute,
			MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 5 {
				return schema.E(schema.Invalid, "the feed redirects more than five times", "use its final address")
			}
			if withSecret && req.URL.Scheme != "https" && via[0].URL.Scheme == "https" {
				return schema.E(schema.Denied, "the feed redirects from https to http", "the token would travel in the clear")
			}
			return nil
		},
	}
}

func status(res *http.Response) error {
	switch c := res.StatusCode; {
	case c == http.StatusOK:
		return nil
	case c == http.StatusNotModified:
		return ErrUnchanged
	case c == http.StatusUnauthorized, c == http.StatusForbidden:
		return schema.E(schema.Denied, "the feed refuses: "+res.Status, "check the secret")
	case c == http.StatusNotFound, c == http.StatusGone:
		return schema.E(schema.NotFound, "the feed is not there: "+res.Status, "check the address")
	case c == http.StatusRequestTimeout, c == http.StatusTooManyRequests, c >= 500:
		return schema.E(schema.Unavailable, "the feed answers "+res.Status, "")
	default:
		return schema.E(schema.Invalid, "the feed answers "+res.Status, "check the address")
	}
}

func download(res *http.Response, u *url.URL, beat func()) (*Document, error) {
	f, err := os.CreateTemp("", "vigil-feed-*")
	if err != nil {
		return nil, schema.E(schema.Unavailable, "no temporary file can be made", "", err)
	}
	d := &Document{ETag: header(res, "ETag"), Modified: header(res, "Last-Modified"), name: path.Base(u.Path), file: f, temporary: true}
	body := &pulse{r: io.LimitReader(res.Body, maxDownload+1), beat: beat}
	n, err := io.Copy(f, body)
	if err == nil && n > maxDownload {
		err = schema.E(schema.Invalid, fmt.Sprintf("the feed is larger than %d MiB", maxDownload>>20), "split it")
	} else if err != nil {
		err = schema.E(schema.Unavailable, "the feed broke off", "", err)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func header(res *http.Response, name string) string {
	if v := res.Header.Get(name); len(v) <= 512 {
		return v
	}
	return ""
}

// pulse calls beat as bytes arrive.
type pulse struct {
	r    io.Reader
	beat func()
}

// Read implements io.Reader.
func (p *pulse) Read(b []byte) (int, error) {
	if p.beat != nil {
		p.beat()
	}
	return p.r.Read(b)
}

// Documents returns what the document holds: itself, decompressed (gzip, zstd), or the
// files of a zip archive. What cannot be opened is a reader that says why.
func (d *Document) Documents() Documents {
	return func(yield func(string, io.Reader) bool) {
		head := make([]byte, 4)
		n, _ := d.file.ReadAt(head, 0)
		head = head[:n]
		switch {
		case bytes.HasPrefix(head, []byte("PK\x03\x04")):
			d.members(yield)
		case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
			with(d, func(r io.Reader) (io.Reader, func(), error) {
				z, err := gzip.NewReader(r)
				return z, func() {}, err
			}, yield)
		case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
			with(d, func(r io.Reader) (io.Reader, func(), error) {
				z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(128<<20), zstd.WithDecoderConcurrency(1))
				if err != nil {
					return nil, nil, err
				}
				return z, z.Close, nil
			}, yield)
		default:
			yield(d.name, d.file)
		}
	}
}

func with(d *Document, unpack func(io.Reader) (io.Reader, func(), error), yield func(string, io.Reader) bool) {
	r, done, err := unpack(bufio.NewReader(d.file))
	if err != nil {
		yield(d.name, failing{err})
		return
	}
	defer done()
	yield(d.name, r)
}

// members yields the files of a zip archive in its order.
func (d *Document) members(yield func(string, io.Reader) bool) {
	info, err := d.file.Stat()
	if err != nil {
		yield(d.name, failing{err})
		return
	}
	z, err := zip.NewReader(d.file, info.Size())
	if err != nil {
		yield(d.name, failing{err})
		return
	}
	if len(z.File) > maxMembers {
		yield(d.name, failing{fmt.Errorf("the archive has more than %d files", maxMembers)})
		return
	}
	for _, m := range z.File {
		if strings.HasSuffix(m.Name, "/") {
			continue
		}
		r, err := m.Open()
		if err != nil {
			yield(m.Name, failing{err})
			return
		}
		more := yield(m.Name, r)
		_ = r.Close()
		if !more {
			return
		}
	}
}

// failing is a reader that tells why nothing can be read.
type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }
