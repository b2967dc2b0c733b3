package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vigil/internal/document"
	"vigil/schema"
)

func TestExamples(t *testing.T) {
	for _, name := range Examples() {
		text, err := Example(name)
		if err != nil {
			t.Fatal(err)
		}
		d, errs := Parse(name+".yaml", []byte(text))
		if len(errs) > 0 || d.ID != name {
			t.Errorf("%v", errs)
		}
	}
	if len(Examples()) != 3 {
		t.Errorf("%v", Examples())
	}
	if _, err := Example("none"); schema.CodeOf(err) != schema.NotFound {
		t.Error(err)
	}
}

// TestMistakes: every mistake is told at its place.
func TestMistakes(t *testing.T) {
	const head = "id: api\nurl: https://api.example.com/v1\n"
	const tail = "since: {kind: cursor, path: next}\n"
	for want, text := range map[string]string{
		"api.yaml:1:1: the key \"url\" is missing":            "id: api\n" + tail,
		"api.yaml:2:6: url is no address":                     "id: api\nurl: api.example.com\n" + tail,
		"api.yaml:3:1: a pull source has no key \"querry\"":   head + "querry: {}\n" + tail,
		"api.yaml:4:10: since: there is no variable \"form\"": head + "query:\n  since: \"{{form}}\"\n" + tail,
		"api.yaml:4:7: at: from cannot be written as":         head + "query:\n  at: \"{{from | unix}}\"\n" + tail,
		"api.yaml:4:7: at: {{ is not closed":                  head + "query:\n  at: \"{{from\"\n" + tail,
		"must be a reference":                                 head + "auth: {kind: bearer, token: hunter2}\n" + tail,
		"api.yaml:3:29: token must be a reference":            head + "auth: {kind: bearer, token: env:VIGIL_WEBHOOK_SECRET}\n" + tail,
		"auth of kind bearer takes no user":                   head + "auth: {kind: bearer, token: env:VIGIL_SOURCE_X, user: ana}\n" + tail,
		"would travel in the clear":                           "id: api\nurl: http://api.example.com/v1\nauth: {kind: bearer, token: env:VIGIL_SOURCE_X}\n" + tail,
		"carries a password":                                  "id: api\nurl: https://ana:x@api.example.com/v1\n" + tail,
		"nothing of the request says {{cursor}}":              head + "paging: {kind: cursor, path: next}\n" + tail,
		"the key \"path\" is missing":                         head + "paging: {kind: next_url}\n" + tail,
		"paging of kind link_header has no path":              head + "paging: {kind: link_header, path: x}\n" + tail,
		"nothing of the request says {{from}}":                head + "since: {kind: time}\n",
		"nothing tells up to which time was asked":            head + "query: {since: \"{{from}}\"}\nsince: {kind: time}\n",
		"nothing tells where the next round goes on":          head + "since: {kind: cursor}\n",
		"the key \"since\" is missing":                        head,
		"rate cannot be \"fast\"":                             head + tail + "limits: {rate: fast}\n",
		"max_bytes cannot be \"1\"":                           head + tail + "limits: {max_bytes: 1}\n",
		"records of kind lines have no path":                  head + tail + "records: {kind: lines, path: x}\n",
		"has a meaning of its own":                            head + tail + "vars: {from: x}\n",
		"not YAML":                                            "id: [\n",
		"every cannot be \"soon\"":                            head + tail + "every: soon\n",
	} {
		d, errs := Parse("api.yaml", []byte(text))
		if d != nil || !strings.Contains(fmt.Sprint(errs), want) {
			t.Errorf("want %q, got %v", want, errs)
		}
	}
}

// api is an API of a hundred records, one a second; it pages in every way.
type api struct {
	t     *testing.T
	srv   *httptest.Server
	start time.Time
	n     int
	asked int
	hook  func(w http.ResponseWriter, r *http.Request) bool
}

func newAPI(t *testing.T) *api {
	a := &api{t: t, start: time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Second), n: 100}
	a.srv = httptest.NewServer(a)
	t.Cleanup(a.srv.Close)
	return a
}

func (a *api) record(i int) map[string]any {
	return map[string]any{"id": fmt.Sprint("r", i), "at": a.start.Add(time.Duration(i) * time.Second).Format(time.RFC3339)}
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked++
	if a.hook != nil && a.hook(w, r) {
		return
	}
	q := r.URL.Query()
	from, size := 0, 30
	first, last := 0, a.n
	if s := q.Get("since"); s != "" {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			http.Error(w, "bad time", http.StatusBadRequest)
			return
		}
		first = max(0, min(a.n, int(at.Sub(a.start)/time.Second)))
	}
	if s := q.Get("until"); s != "" {
		at, _ := time.Parse(time.RFC3339, s)
		last = max(0, min(a.n, int(at.Sub(a.start)/time.Second)))
	}
	switch {
	case q.Get("after") != "":
		from, _ = strconv.Atoi(q.Get("after"))
	case q.Get("page") != "":
		p, _ := strconv.Atoi(q.Get("page"))
		from = first + (p-1)*size
	case q.Get("offset") != "":
		o, _ := strconv.Atoi(q.Get("offset"))
		from = first + o
	default:
		from = first
	}
	list := []any{}
	for i := from; i < min(from+size, last); i++ {
		list = append(list, a.record(i))
	}
	next := min(from+size, max(last, from))
	self := *r.URL
	q.Set("after", strconv.Itoa(next))
	self.RawQuery = q.Encode()
	out := map[string]any{"items": list, "state": map[string]any{"delta": strconv.Itoa(next)}}
	if next < last {
		out["next"], out["@odata.nextLink"] = strconv.Itoa(next), a.srv.URL+self.String()
	}
	w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="self", <%s%s>; rel="next"`, a.srv.URL, r.URL, a.srv.URL, self.String()))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// rounds fetches rounds and returns the records in order.
func rounds(t *testing.T, d *Document, c *Cursor, n int) (ids []string) {
	t.Helper()
	client, err := NewClient(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for n > 0 {
		p, err := client.Fetch(t.Context(), *c, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Records {
			ids = append(ids, r.ID)
		}
		text, err := json.Marshal(p.Next) // as it is kept
		if err == nil {
			*c = Cursor{}
			err = json.Unmarshal(text, c)
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Done {
			n--
		}
	}
	return ids
}

func parsed(t *testing.T, yaml string) *Document {
	t.Helper()
	d, errs := Parse("api.yaml", []byte(yaml))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return d
}

// TestPaging: each kind of paging and going on gets every record, in order, and the ones
// that come later.
func TestPaging(t *testing.T) {
	const recs = "records: {path: items, id: id, time: at}\n"
	for name, text := range map[string]string{
		"link":            "paging: {kind: link_header}\nsince: {kind: cursor, start: 3h}\nquery: {since: \"{{from}}\"}\n",
		"link, by time":   "paging: {kind: link_header}\nsince: {kind: time, start: 3h}\nquery: {since: \"{{from}}\"}\n",
		"next url":        "paging: {kind: next_url, path: [\"@odata.nextLink\"]}\nsince: {kind: time, start: 3h}\nquery: {since: \"{{from}}\"}\n",
		"next url, delta": "paging: {kind: next_url, path: [\"@odata.nextLink\"]}\nsince: {kind: cursor, path: state.delta}\nquery: {after: \"{{cursor}}\"}\n",
		"cursor":          "paging: {kind: cursor, path: next}\nsince: {kind: cursor, path: state.delta}\nquery: {after: \"{{cursor}}\"}\n",
		"page":            "paging: {kind: page, size: 30}\nsince: {kind: time, start: 3h}\nquery: {page: \"{{page}}\", since: \"{{from}}\"}\n",
		"offset":          "paging: {kind: offset, size: 30}\nsince: {kind: time, start: 3h}\nquery: {offset: \"{{offset}}\", since: \"{{from}}\"}\n",
		"windows":         "paging: {kind: page, size: 30}\nsince: {kind: time, start: 3h, window: 20m}\nquery: {page: \"{{page}}\", since: \"{{from}}\", until: \"{{to}}\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			d := parsed(t, "id: api\nurl: "+a.srv.URL+"/v1\n"+recs+text)
			c := d.Begin(time.Time{}, time.Time{}, time.Now())
			got := rounds(t, d, &c, 1)
			if want := a.ids(0, 100); !slices.Equal(dedup(got), want) {
				t.Errorf("%d records: %v", len(got), got)
			}
			a.n = 145
			if name == "windows" {
				return // the new ones are of long ago
			}
			if got := dedup(append(a.ids(0, 100), rounds(t, d, &c, 2)...)); !slices.Equal(got, a.ids(0, 145)) {
				t.Errorf("later %d records: %v", len(got), got)
			}
		})
	}
}

func (a *api) ids(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("i:\"r%d\"", i))
	}
	return out
}

func dedup(in []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range in {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}

// TestTrouble: what an API may answer instead of records.
func TestTrouble(t *testing.T) {
	stolen := ""
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen = r.Header.Get("Authorization") }))
	defer thief.Close()
	for name, c := range map[string]struct {
		hook func(w http.ResponseWriter, r *http.Request) bool
		code schema.Code
		text string
		wait time.Duration
	}{
		"garbage":       {say(200, "<html>sorry</html>"), schema.Unavailable, "not JSON", 0},
		"no records":    {say(200, `{"other":[]}`), schema.Invalid, "nothing at items", 0},
		"number":        {say(200, `{"items":7}`), schema.Invalid, "neither a list", 0},
		"wrong token":   {say(401, ""), schema.Denied, "refuses", 0},
		"gone":          {say(404, ""), schema.Invalid, "404", 0},
		"broken":        {say(502, ""), schema.Unavailable, "502", 0},
		"limited":       {with(429, "Retry-After", "7"), "", "", 7 * time.Second},
		"limited, Okta": {with(429, "X-Rate-Limit-Reset", fmt.Sprint(time.Now().Add(90*time.Second).Unix())), "", "", 90 * time.Second},
		"absurd wait":   {with(503, "Retry-After", "999999999"), "", "", time.Hour},
		"huge":          {func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(make([]byte, 3000)); return true }, schema.Invalid, "larger than 2048", 0},
		"breaks off":    {breakOff, schema.Unavailable, "broke off", 0},
		"redirect": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, thief.URL, http.StatusFound)
			return true
		}, schema.Denied, "another host", 0},
		"next elsewhere": {say(200, `{"items":[{"id":1}],"next":"`+thief.URL+`/v1"}`), schema.Denied, "another host", 0},
		"slow":           {func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, schema.Unavailable, "does not answer", 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			a.hook = c.hook
			t.Setenv("VIGIL_SOURCE_TEST", "s3cret-value")
			d := parsed(t, "id: api\nurl: "+a.srv.URL+"/v1\nauth: {kind: bearer, token: env:VIGIL_SOURCE_TEST}\nrecords: {path: items, id: id}\npaging: {kind: next_url, path: next}\nsince: {kind: cursor}\nlimits: {max_bytes: 2048, timeout: 500ms}\n")
			client, err := NewClient(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			cur := d.Begin(time.Time{}, time.Time{}, time.Now())
			p, err := client.Fetch(t.Context(), cur, time.Time{})
			if err == nil { // the trouble is in the next page
				_, err = client.Fetch(t.Context(), p.Next, time.Time{})
			}
			if c.wait > 0 {
				l, ok := errors.AsType[*Later](err)
				if !ok || l.Wait > c.wait || l.Wait < c.wait*2/3 { // a busy machine asks late
					t.Errorf("%v", err)
				}
				return
			}
			if schema.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.text) || strings.Contains(fmt.Sprint(err), "s3cret") {
				t.Errorf("%v", err)
			}
		})
	}
	if stolen != "" {
		t.Errorf("another host got %q", stolen)
	}
}

func say(status int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
		return true
	}
}

func with(status int, header, value string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set(header, value)
		w.WriteHeader(status)
		return true
	}
}

func breakOff(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"items":[`))
	return true
}

// TestAuth: each kind sends what it should.
func TestAuth(t *testing.T) {
	var got []string
	a := newAPI(t)
	tokens := 0
	a.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			tokens++
			id, secret, _ := r.BasicAuth()
			if id == "" {
				_ = r.ParseForm()
				id, secret = r.Form.Get("client_id"), r.Form.Get("client_secret")
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"access_token":"for %s %s","token_type":"Bearer","expires_in":3600}`, id, secret)
			return true
		}
		got = append(got, r.Header.Get("Authorization")+r.Header.Get("X-Key"))
		return false
	}
	t.Setenv("VIGIL_SOURCE_TEST", "pw")
	for auth, want := range map[string]string{
		"{kind: bearer, prefix: SSWS, token: env:VIGIL_SOURCE_TEST}":                                              "SSWS pw",
		"{kind: basic, user: ana, password: env:VIGIL_SOURCE_TEST}":                                               "Basic YW5hOnB3",
		"{kind: api_key, header: X-Key, key: env:VIGIL_SOURCE_TEST}":                                              "pw",
		"{kind: oauth2, token_url: " + a.srv.URL + "/token, client_id: me, client_secret: env:VIGIL_SOURCE_TEST}": "Bearer for me pw",
		"{kind: none}": "",
	} {
		got = nil
		d := parsed(t, "id: api\nurl: "+a.srv.URL+"/v1\nauth: "+auth+"\nrecords: {path: items, id: id}\npaging: {kind: cursor, path: next}\nsince: {kind: cursor}\nquery: {after: \"{{cursor}}\"}\n")
		c := d.Begin(time.Time{}, time.Time{}, time.Now())
		rounds(t, d, &c, 1)
		if len(got) < 4 || got[0] != want || got[3] != want {
			t.Errorf("%s sends %q", auth, got)
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens were fetched", tokens)
	}
	d := parsed(t, "id: api\nurl: "+a.srv.URL+"/v1\nauth: {kind: bearer, token: env:VIGIL_SOURCE_NOT_SET}\nsince: {kind: cursor, path: next}\n")
	if _, err := NewClient(t.Context(), d); schema.CodeOf(err) != schema.Invalid {
		t.Error(err)
	}
}

// TestRate: requests keep the rate.
func TestRate(t *testing.T) {
	a := newAPI(t)
	d := parsed(t, "id: api\nurl: "+a.srv.URL+"/v1\nrecords: {path: items, id: id}\npaging: {kind: cursor, path: next}\nsince: {kind: cursor}\nquery: {after: \"{{cursor}}\"}\nlimits: {rate: 20/s}\n")
	c := d.Begin(time.Time{}, time.Time{}, time.Now())
	began := time.Now()
	rounds(t, d, &c, 1)
	if took := time.Since(began); took < time.Duration(a.asked-1)*50*time.Millisecond {
		t.Errorf("%d requests took %s", a.asked, took)
	}
}

// TestSeen: ids survive a restart and a torn end, and are forgotten in time.
func TestSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ids")
	now := time.Now()
	s, err := OpenSeen(path, time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	p := Page{Records: []Record{{ID: "i:1"}, {ID: "i:1"}, {ID: "b:x"}, {ID: "b:x"}}}
	ids := p.IDs(0)
	if ids[0] != ids[1] || ids[2] == ids[3] || ids[0] == p.IDs(1)[0] {
		t.Errorf("%x", ids)
	}
	if err := s.Add(ids, now); err != nil {
		t.Fatal(err)
	}
	// In this order: opening two hours later forgets, so nothing remembers after it.
	for _, x := range []struct {
		after time.Duration
		want  bool
	}{{time.Minute, true}, {2 * time.Hour, false}} {
		s, err := OpenSeen(path, time.Hour, now.Add(x.after))
		if err != nil || s.Has(ids[2]) != x.want {
			t.Errorf("after %s: %v", x.after, err)
		}
		if x.want {
			if _, err := s.file.Write([]byte("torn")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func FuzzDocument(f *testing.F) {
	for _, name := range Examples() {
		text, _ := Example(name)
		f.Add(text)
	}
	f.Add("id: &a [*a]\nurl: {{{\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, errs := Parse("x.yaml", []byte(text))
		if (d == nil) != (len(errs) > 0) {
			t.Fatal(d, errs)
		}
		for _, err := range errs {
			if e, ok := errors.AsType[*document.Error](err); !ok || e.Line < 1 || e.Column < 1 {
				t.Fatalf("no place: %v", err)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	d := &Document{records: records{path: []string{"items"}, id: []string{"id"}, time: []string{"at"}}, paging: paging{kind: pageURL, path: []string{"next"}}, since: since{kind: sinceTime}}
	f.Add(`{"items":[{"id":1,"at":17},null,3],"next":null}`)
	f.Add(`{"items":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		p, doc, err := d.take([]byte(body))
		if err != nil {
			return
		}
		_ = p.IDs(0)
		_, _, _ = d.follow(Cursor{}, doc, http.Header{"Link": {body}}, len(p.Records))
	})
}
