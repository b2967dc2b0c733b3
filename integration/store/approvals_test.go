package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/integration/chtest"
	"vigil/internal/store"
	"vigil/schema"
)

// TestTenThousandApprovals: an inbox of ten thousand lists a page of the newest, counts
// all, finds those of one incident and those to review, and forgets what was decided.
func TestTenThousandApprovals(t *testing.T) {
	s, _ := chtest.Open(t)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	const all = 10_000
	list := make([]schema.Approval, all)
	for i := range list {
		list[i] = schema.Approval{ID: fmt.Sprintf("%016x", i), Org: "main", Incident: fmt.Sprint("i", i%100), Action: "block-address", Target: "203.0.113.5", Status: schema.ApprovalPending,
			Payload: strings.Repeat("x", 1500), Created: start.Add(time.Duration(i) * time.Second), Deadline: start.Add(time.Hour), Revision: 1}
	}
	if err := s.PutApprovals(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	a := list[7]
	a.Status, a.Revision, a.Review = schema.ApprovalApproved, 2, &schema.ApprovalReview{State: schema.ReviewPending}
	if err := s.PutApproval(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]store.ApprovalFilter{
		"500 000000000000270f": {Status: "pending", Limit: 500}, "99 00000000000026b3": {Status: "pending", Incident: "i7", Limit: 500},
		"1 0000000000000007": {Review: schema.ReviewPending}, "10 000000000000270f": {Since: start.Add((all - 10) * time.Second)},
	} {
		got, err := s.Approvals(t.Context(), "main", f)
		if err != nil || len(got) == 0 || fmt.Sprint(len(got), " ", got[0].ID) != want {
			t.Errorf("%+v: %d rows, %v; want %s", f, len(got), err, want)
		}
	}
	if n, err := s.CountApprovals(t.Context(), "main", "pending"); err != nil || n != all-1 {
		t.Errorf("%d open, %v", n, err)
	}
	var took []time.Duration
	for range 20 {
		began := time.Now()
		if _, err := s.Approvals(t.Context(), "main", store.ApprovalFilter{Status: "pending", Limit: 500}); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("an inbox page of 500 among %d: median %s, p95 %s", all, took[10], took[18])
}
