package server

import (
	"encoding/json"
	"testing"
	"time"

	"vigil/internal/auth/perm"
	"vigil/internal/store"
	"vigil/schema"
)

// ocsfExport: a search answers with whole events as objects of their class, page by page.
func ocsfExport(t *testing.T, w *world, cookies map[perm.Role]string) {
	batch := store.NewBatch()
	for i := range int64(3) {
		var e schema.Event
		e.Reset([]byte(`{"a":1}`), i)
		e.ID = schema.EventIDAt(99, i)
		e.SetTime(schema.FTimestamp, time.Unix(1_600_000_000+i, 0))
		e.SetStr(schema.FEventDataset, "zeek.conn")
		e.Add(schema.FEventCategory, "network")
		e.Set(schema.FSourceIP, "192.0.2.77")
		e.AddExtra("labels.n", "7")
		batch.Append(&e)
	}
	if err := w.store.InsertEvents(t.Context(), "main", "ocsf", "c1", time.Now(), batch); err != nil {
		t.Fatal(err)
	}
	cursor, seen := "", map[string]bool{}
	for range 4 {
		r := w.call(cookies[perm.Viewer], "POST", "/api/v1/searches/ocsf", map[string]any{"query": "source.ip:192.0.2.77", "limit": 1, "cursor": cursor})
		var page struct {
			Items []map[string]any
			Next  string
		}
		if err := json.Unmarshal(r.body, &page); err != nil || r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, x := range page.Items {
			meta := x["metadata"].(map[string]any)
			if x["class_uid"] != 4001.0 || x["src_endpoint"].(map[string]any)["ip"] != "192.0.2.77" || meta["log_source"] != "ocsf" || x["unmapped"].(map[string]any)["labels.n"] != "7" {
				t.Errorf("%v", x)
			}
			seen[meta["uid"].(string)] = true
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d events", len(seen))
	}
}
