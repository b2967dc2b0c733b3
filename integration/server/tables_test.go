package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"vigil/internal/auth/perm"
	"vigil/schema"
)

// assetTables: an admin puts tables in force over the API, others read what is in them.
func assetTables(t *testing.T, w *world, cookies map[perm.Role]string) {
	admin, viewer := cookies[perm.Admin], cookies[perm.Viewer]
	put := func(cookie, csv string) reply {
		return w.callRaw(cookie, "POST", "/api/v1/tables/assets?file=a.csv", "application/octet-stream", []byte(csv))
	}
	if r := put(viewer, "name\nx\n"); r.status != 403 {
		t.Errorf("a viewer puts a table in force: %d", r.status)
	}
	if r := put(admin, "name,ip\nx,nonsense\n"); r.status != 422 || !strings.Contains(string(r.body), "line 2, column 3: ip") {
		t.Errorf("a wrong table: %d %s", r.status, r.body)
	}
	var large strings.Builder // 5.8 MB: read to its end
	large.WriteString("name,ip\n")
	for i := range 120_000 {
		fmt.Fprintf(&large, "host-%06d-with-a-long-name.corp.example.internal,\n", i)
	}
	large.WriteString("x,nonsense\n")
	if r := put(admin, large.String()); r.status != 422 || !strings.Contains(string(r.body), "line 120002, column 3: ip") {
		t.Errorf("a large wrong table: %d %s", r.status, r.body[:min(len(r.body), 300)])
	}
	for number, csv := range []string{"name,owner\na,Ana\nb,Ben\n", "name,owner\na,Ann\n"} {
		r := put(admin, csv)
		var v schema.TableVersion
		if err := json.Unmarshal(r.body, &v); err != nil || r.status != 200 || v.Number != uint64(number+1) || v.By != "p-admin" || v.File != "a.csv" {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if r := w.call(admin, "POST", "/api/v1/tables/assets/rollback", map[string]any{"number": 1}); r.status != 200 || !strings.Contains(string(r.body), `"back":1`) {
		t.Errorf("going back: %d %s", r.status, r.body)
	}
	if r := w.call(admin, "POST", "/api/v1/tables/assets/rollback", map[string]any{"number": 77}); r.status != 404 {
		t.Errorf("going back to nothing: %d %s", r.status, r.body)
	}
	var page struct {
		Items []schema.Entity
		Next  string
	}
	r := w.call(viewer, "GET", "/api/v1/assets?limit=1", nil)
	if err := json.Unmarshal(r.body, &page); err != nil || len(page.Items) != 1 || page.Items[0].Owner != "Ana" || page.Next == "" {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := w.call(viewer, "GET", "/api/v1/assets?limit=1&cursor="+page.Next, nil); !strings.Contains(string(r.body), `"name":"b"`) {
		t.Errorf("the second page: %s", r.body)
	}
	for path, want := range map[string]string{"/tables": `"number":3`, "/tables/assets/versions": `"number":1`, "/identities": `"items":[]`, "/tables/geo/versions": `"items":[]`} {
		if r := w.call(viewer, "GET", "/api/v1"+path, nil); r.status != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if r := w.call(viewer, "GET", "/api/v1/tables/other/versions", nil); r.status != 422 {
		t.Errorf("a table that cannot be: %d", r.status)
	}
}
