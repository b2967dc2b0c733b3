package server

import (
	"bytes"
	"crypto/rand"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// policy is the content security policy of the app: nothing from elsewhere, no
// inline script, trusted types, styles by nonce.
func policy(nonce string) string {
	return "default-src 'none'; script-src 'self'; style-src-elem 'self' 'nonce-" + nonce + "'; style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'"
}

// noncePlace stands in index.html where the page learns its nonce.
const noncePlace = "__CSP_NONCE__"

// serveUI serves the app: its files by name, its index for every path of its own.
func (s *Server) serveUI(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		http.Error(w, `{"status":404,"title":"Not Found","detail":"there is no such route","code":"not_found"}`, http.StatusNotFound)
		return
	}
	if s.o.UI == nil {
		http.Error(w, "UI not built: run `make ui`, then build again", http.StatusNotFound)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if fi, err := fs.Stat(s.o.UI, name); err == nil && !fi.IsDir() && name != "index.html" {
		if strings.HasPrefix(name, "assets/") {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeFileFS(w, r, s.o.UI, name)
		return
	}
	// Names of hosts have dots too: what a browser asks as a page is one.
	if strings.HasPrefix(name, "assets/") || path.Ext(name) != "" && name != "index.html" && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.NotFound(w, r)
		return
	}
	s.index(w, r)
}

func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	page, err := fs.ReadFile(s.o.UI, "index.html")
	if err != nil {
		http.Error(w, "UI not built: run `make ui`, then build again", http.StatusNotFound)
		return
	}
	nonce := rand.Text()
	w.Header().Set("Content-Security-Policy", policy(nonce))
	w.Header().Set("Cache-Control", "no-store")
	http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(bytes.ReplaceAll(page, []byte(noncePlace), []byte(nonce))))
}
