package correlate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"vigil/rules"
	"vigil/schema"
)

const brute = `id: brute
title: Many failures
author: Vigil
severity: high
kind: threshold
dataset: linux.auth
when: e.event.outcome == 'failure'
entities: {source: source.ip, user: user.name}
threshold: {group_by: [source], count: %d, %s within: 5m}
`

func rule(t *testing.T, count int, distinct string) *rules.Rule {
	t.Helper()
	set, errs := rules.Load(fstest.MapFS{"r.yaml": {Data: fmt.Appendf(nil, brute, count, distinct)}})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return set.Rules()[0]
}

var start = time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)

func base(i int, at time.Duration, source, user string) schema.Detection {
	return schema.Detection{ID: fmt.Sprint("d", i), Org: "main", Rule: "brute", Kind: string(rules.Base), EventID: fmt.Sprint(i),
		Time: start.Add(at), Entities: map[string]string{"source": source, "user": user}}
}

func TestThresholdCounts(t *testing.T) {
	r := rule(t, 3, "")
	ds := []schema.Detection{base(1, 0, "a", "x"), base(2, time.Minute, "a", "y"), base(3, 5*time.Minute-time.Second, "a", "x"),
		base(4, 0, "b", "x"), base(5, time.Minute, "b", "x"), base(6, 5*time.Minute, "b", "x"), base(7, 0, "", "x")}
	got := Threshold(r, append(ds, ds...)) // repeats count once
	if len(got) != 1 || got[0].EventID != "3" || got[0].Kind != "threshold" || got[0].DedupKey != "source=a" || got[0].Entities["user"] != "" {
		t.Fatalf("got %+v", got)
	}
	if got[0].Why[0].Values["count"] != "3" {
		t.Errorf("why %+v", got[0].Why)
	}
}

func TestThresholdDistinct(t *testing.T) {
	r := rule(t, 3, "distinct: user,")
	same := []schema.Detection{base(1, 0, "a", "x"), base(2, 1, "a", "X"), base(3, 2, "a", "y"), base(4, 3, "a", "y")}
	if got := Threshold(r, same); len(got) != 0 {
		t.Errorf("two users fired: %+v", got)
	}
	if got := Threshold(r, append(same, base(5, 4, "a", "z"))); len(got) != 1 {
		t.Errorf("three users gave %d detections", len(got))
	}
}

// TestOrderAndLateness feeds random events in random order and pieces: the
// result never depends on order, and no detection disappears as more arrive.
func TestOrderAndLateness(t *testing.T) {
	r := rule(t, 4, "")
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var ds []schema.Detection
		for i := range 60 {
			ds = append(ds, base(i, time.Duration(rnd.IntN(3600))*time.Second, string(rune('a'+rnd.IntN(2))), "u"))
		}
		all := ids(Threshold(r, ds))
		rnd.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		if got := ids(Threshold(r, ds)); !slices.Equal(got, all) {
			t.Fatalf("order changed the result: %v, %v", got, all)
		}
		for _, id := range ids(Threshold(r, ds[:40])) {
			if !slices.Contains(all, id) {
				t.Fatalf("detection %s of a part is missing in the whole", id)
			}
		}
	}
}

// TestSpanSuffices shows that judging a stretch again from its span gives the
// same detections as judging everything.
func TestSpanSuffices(t *testing.T) {
	r := rule(t, 3, "")
	rnd := rand.New(rand.NewPCG(3, 4))
	var ds []schema.Detection
	for i := range 200 {
		ds = append(ds, base(i, time.Duration(rnd.IntN(7200))*time.Second, "a", "u"))
	}
	at := start.Add(time.Hour)
	from, to := Span(r, at, at)
	near := slices.DeleteFunc(slices.Clone(ds), func(d schema.Detection) bool { return d.Time.Before(from) || d.Time.After(to) })
	part := Threshold(r, near)
	for _, d := range Threshold(r, ds) {
		if d.Time.Before(at) || !d.Time.Before(at.Add(r.Count.Within)) {
			continue
		}
		if !slices.Contains(ids(part), d.ID) {
			t.Errorf("detection at %s needs more than its span", d.Time)
		}
	}
}

func ids(ds []schema.Detection) []string {
	var out []string
	for _, d := range ds {
		out = append(out, d.ID)
	}
	slices.Sort(out)
	return out
}
