package report

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"vigil/schema"
)

func sample() Case {
	t := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return Case{
		Incident: schema.Incident{ID: "abc", Title: "Login | <b>from</b> [x](http://evil.example)\u202e", Severity: schema.High, Status: schema.IncidentClosed, Opened: t, FirstSeen: t, LastSeen: t.Add(time.Hour),
			Attack: []string{"T1110.001"}, Entities: map[string]string{"source.ip": "203.0.113.9", "host": "web01"},
			Timeline: []schema.TimelineEntry{{Time: t.Add(time.Minute), Kind: "comment", By: "ana", Text: "second\n# heading"}, {Time: t, Kind: "alert", By: "system", Text: "first"}}},
		Alerts:    []schema.Alert{{Rule: "r", Title: "A", Severity: schema.High, FirstSeen: t, Count: 3, Attack: []string{"T1003"}, Entities: map[string]string{"user": "root", "source.ip": "203.0.113.9"}}},
		Approvals: []schema.Approval{{Action: "block-address", Target: "203.0.113.9", Status: schema.ApprovalApproved, Decisions: []schema.Decision{{User: "ana", Verdict: "approve"}}}},
	}
}

// TestMarkdown: all of the case is told, in order, and no value becomes markup.
func TestMarkdown(t *testing.T) {
	b, media, ending, err := Write(sample(), "markdown")
	text := string(b)
	if err != nil || !strings.HasPrefix(media, "text/markdown") || ending != "md" {
		t.Fatal(media, ending, err)
	}
	for _, want := range []string{"# Login", "T1110.001", "203.0.113.9", "root", "approve by ana", "second"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, never := range []string{"<b>", "](http", "\n# heading", "\u202e", "http://evil"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is in the report", never)
		}
	}
	if strings.Index(text, "| first") > strings.Index(text, "| second") {
		t.Error("the timeline is not in order")
	}
	if n := strings.Count(text, "203.0.113.9"); n != 2 {
		t.Errorf("the address is told %d times, want once as entity and once as target", n)
	}
}

// TestSTIX: every object has its type and id, every reference leads to one, and the ids
// are those that STIX derives.
func TestSTIX(t *testing.T) {
	b, _, _, err := Write(sample(), "stix")
	if err != nil {
		t.Fatal(err)
	}
	var bundle struct {
		Type, ID string
		Objects  []map[string]any
	}
	if err := json.Unmarshal(b, &bundle); err != nil || bundle.Type != "bundle" {
		t.Fatalf("%v\n%s", err, b)
	}
	id := regexp.MustCompile(`^[a-z0-9-]+--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	byID, types := map[string]bool{}, map[string]int{}
	for _, o := range bundle.Objects {
		x, _ := o["id"].(string)
		kind, _ := o["type"].(string)
		if !id.MatchString(x) || !strings.HasPrefix(x, kind+"--") || byID[x] || o["spec_version"] != "2.1" {
			t.Errorf("object %v", o)
		}
		byID[x] = true
		types[kind]++
	}
	if types["ipv4-addr"] != 1 || types["user-account"] != 1 || types["attack-pattern"] != 2 || types["report"] != 1 || types["identity"] != 1 {
		t.Errorf("objects: %v", types)
	}
	for _, o := range bundle.Objects {
		refs, _ := o["object_refs"].([]any)
		for _, r := range refs {
			if !byID[r.(string)] {
				t.Errorf("%v leads nowhere", r)
			}
		}
	}
	again, _, _, _ := Write(sample(), "stix")
	if !bytes.Equal(b, again) {
		t.Error("the same incident gives other bytes")
	}
	// The example of the specification's own deterministic ids.
	if got := observable("ip", "198.51.100.3")["id"]; got != "ipv4-addr--"+uuid5(`{"value":"198.51.100.3"}`) {
		t.Errorf("id %v", got)
	}
}

func TestFormats(t *testing.T) {
	for _, f := range Formats() {
		if b, _, _, err := Write(Case{}, f); err != nil || len(b) == 0 {
			t.Errorf("%s of an empty case: %v", f, err)
		}
	}
	if _, _, _, err := Write(Case{}, "pdf"); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("pdf: %v", err)
	}
}
