package server

import (
	"cmp"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/internal/report"
)

// The published lists as collections of a TAXII 2.1 server that can be read: what serveList
// gives to firewalls, for those that poll STIX. https://docs.oasis-open.org/cti/taxii/v2.1/

const (
	taxiiRoot  = "/taxii2/lists/"      // of the platform
	taxiiOrgs  = "/taxii2/orgs/{org}/" // of another org; the discovery names none
	taxiiMedia = "application/taxii+json;version=2.1"
	stixMedia  = "application/stix+json;version=2.1"
	taxiiLimit = 1000 // objects of a page, at most
)

// taxiiLists are the lists that are published, and what is on them.
var taxiiLists = map[string]string{"addresses": "Addresses to block", "hosts": "Hosts to contain", "accounts": "Accounts to contain"}

type taxiiCollection struct {
	ID          string   `json:"id"`
	Title       string   `json:"title"`
	Alias       string   `json:"alias"`
	Description string   `json:"description"`
	CanRead     bool     `json:"can_read"`
	CanWrite    bool     `json:"can_write"`
	MediaTypes  []string `json:"media_types"`
}

func (s *Server) taxiiRoutes() {
	s.mux.HandleFunc("GET /taxii2/{$}", taxii(func(*http.Request) (any, *taxiiError) {
		return map[string]any{"title": "Vigil", "description": "What Vigil wants blocked and contained", "default": taxiiRoot, "api_roots": []string{taxiiRoot}}, nil
	}))
	for _, root := range []string{taxiiRoot, taxiiOrgs} {
		s.mux.HandleFunc("GET "+root+"{$}", taxii(func(*http.Request) (any, *taxiiError) {
			return map[string]any{"title": "Published lists", "versions": []string{taxiiMedia}, "max_content_length": 1}, nil
		}))
		s.mux.HandleFunc("GET "+root+"collections/{$}", taxii(func(*http.Request) (any, *taxiiError) {
			return map[string]any{"collections": collections()}, nil
		}))
		s.mux.HandleFunc("GET "+root+"collections/{id}/{$}", taxii(func(r *http.Request) (any, *taxiiError) {
			list, err := listOf(r)
			return collectionOf(list), err
		}))
		for _, of := range []string{"objects/{$}", "manifest/{$}", "objects/{object}/{$}"} {
			s.mux.HandleFunc("GET "+root+"collections/{id}/"+of, s.taxiiObjects)
		}
	}
}

func collections() []taxiiCollection {
	all := []taxiiCollection{}
	for list := range taxiiLists {
		all = append(all, collectionOf(list))
	}
	slices.SortFunc(all, func(a, b taxiiCollection) int { return cmp.Compare(a.Alias, b.Alias) })
	return all
}

func collectionOf(list string) taxiiCollection {
	return taxiiCollection{ID: report.CollectionID(list), Title: taxiiLists[list], Alias: list, Description: "The list that /lists/" + list + ".txt has as text.", CanRead: true,
		MediaTypes: []string{stixMedia}}
}

// listOf finds the list of a collection by its id or its alias.
func listOf(r *http.Request) (string, *taxiiError) {
	id := r.PathValue("id")
	for list := range taxiiLists {
		if id == list || id == report.CollectionID(list) {
			return list, nil
		}
	}
	return "", &taxiiError{http.StatusNotFound, "there is no collection " + id, "GET " + taxiiRoot + "collections/ lists them"}
}

// taxiiError is an error as TAXII puts it.
type taxiiError struct {
	status      int
	title, hint string
}

func (e *taxiiError) write(w http.ResponseWriter) {
	writeTaxii(w, e.status, map[string]string{"title": e.title, "description": e.hint, "http_status": strconv.Itoa(e.status)})
}

func writeTaxii(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", taxiiMedia)
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// taxii answers those who take TAXII 2.1.
func taxii(get func(*http.Request) (any, *taxiiError)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !takesTaxii(r.Header.Get("Accept")) {
			(&taxiiError{http.StatusNotAcceptable, "this server speaks TAXII 2.1", "Accept: " + taxiiMedia}).write(w)
			return
		}
		v, err := get(r)
		if err != nil {
			err.write(w)
			return
		}
		writeTaxii(w, http.StatusOK, v)
	}
}

func takesTaxii(accept string) bool {
	if accept == "" {
		return true
	}
	for one := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		if v := params["version"]; (media == "application/taxii+json" || media == "application/*" || media == "*/*") && (v == "" || v == "2.1") {
			return true
		}
	}
	return false
}

// taxiiFilter is what a request wants of a collection.
type taxiiFilter struct {
	id    string    // "" for all
	after time.Time // added after
	limit int
	next  string // key of the last object of the page before
}

func filterOf(r *http.Request) (taxiiFilter, *taxiiError) {
	q := r.URL.Query()
	f := taxiiFilter{id: cmp.Or(r.PathValue("object"), q.Get("match[id]")), limit: taxiiLimit, next: q.Get("next")}
	if t := q.Get("added_after"); t != "" {
		at, err := time.Parse(time.RFC3339Nano, t)
		if err != nil {
			return f, &taxiiError{http.StatusBadRequest, "added_after is no time", "such as 2026-01-02T03:04:05.000Z"}
		}
		f.after = at
	}
	if t := q.Get("limit"); t != "" {
		n, err := strconv.Atoi(t)
		if err != nil || n < 1 {
			return f, &taxiiError{http.StatusBadRequest, "limit is no number of objects", "1 to " + strconv.Itoa(taxiiLimit)}
		}
		f.limit = min(n, taxiiLimit)
	}
	return f, nil
}

// entry is a listed value on its way out.
type taxiiEntry struct {
	key    string // orders a collection: by time, then id
	added  time.Time
	object map[string]any
}

func (s *Server) taxiiObjects(w http.ResponseWriter, r *http.Request) {
	taxii(func(r *http.Request) (any, *taxiiError) {
		list, bad := listOf(r)
		if bad != nil {
			return nil, bad
		}
		f, bad := filterOf(r)
		if bad != nil {
			return nil, bad
		}
		all, bad := s.taxiiEntries(r, list)
		if bad != nil {
			return nil, bad
		}
		page, more := f.page(all)
		if r.PathValue("object") != "" && len(page) == 0 {
			return nil, &taxiiError{http.StatusNotFound, "there is no object " + f.id, "it may have been taken off the list"}
		}
		if n := len(page); n > 0 {
			w.Header().Set("X-TAXII-Date-Added-First", taxiiTime(page[0].added))
			w.Header().Set("X-TAXII-Date-Added-Last", taxiiTime(page[n-1].added))
		}
		return envelope(page, more, strings.HasSuffix(r.URL.Path, "/manifest/")), nil
	})(w, r)
}

// taxiiEntries are the values that hold now, in the order of their keys.
func (s *Server) taxiiEntries(r *http.Request, list string) ([]taxiiEntry, *taxiiError) {
	entries, err := s.o.Store.ListEntries(r.Context(), cmp.Or(r.PathValue("org"), s.o.Org), list)
	if err != nil {
		s.o.Log.Error("reading a list", "list", list, "error", err)
		return nil, &taxiiError{http.StatusServiceUnavailable, "the list cannot be read", "try again in a while"}
	}
	var all []taxiiEntry
	for _, e := range entries {
		if !listed(e) {
			continue
		}
		o := report.Indicator(report.Listed{List: e.List, Value: e.Value, Reason: e.Reason, Added: e.Added, Expires: e.Expires})
		all = append(all, taxiiEntry{taxiiTime(e.Added) + "/" + o["id"].(string), e.Added, o})
	}
	slices.SortFunc(all, func(a, b taxiiEntry) int { return strings.Compare(a.key, b.key) })
	return all, nil
}

func taxiiTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// page is what the filter lets through, and whether there is more.
func (f taxiiFilter) page(all []taxiiEntry) (page []taxiiEntry, more bool) {
	for _, e := range all {
		if f.id != "" && e.object["id"] != f.id || !e.added.After(f.after) || e.key <= f.next {
			continue
		}
		if len(page) == f.limit {
			return page, true
		}
		page = append(page, e)
	}
	return page, false
}

func envelope(page []taxiiEntry, more, manifest bool) map[string]any {
	objects := make([]map[string]any, len(page))
	for i, e := range page {
		objects[i] = e.object
		if manifest {
			objects[i] = map[string]any{"id": e.object["id"], "date_added": taxiiTime(e.added), "version": e.object["modified"], "media_type": stixMedia}
		}
	}
	out := map[string]any{"objects": objects}
	if more {
		out["more"], out["next"] = true, page[len(page)-1].key
	}
	return out
}
