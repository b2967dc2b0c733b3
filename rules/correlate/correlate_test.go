package correlate

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vigil/rules"
	"vigil/schema"
)

const head = `id: under-test
title: Rule under test
author: Vigil
severity: high
dataset: linux.auth
entities: {source: source.ip, user: user.name}
detect:
  fail: e.event.outcome == 'failure'
  ok: e.event.outcome == 'success'
  out: e.event.action == 'logout'
`

// kinds are rules of every stateful kind, small enough that random events meet them.
var kinds = map[string]string{
	"count":    "kind: threshold\nwhen: fail || ok || out\nthreshold: {group_by: [source], count: 4, within: 5m}\n",
	"distinct": "kind: threshold\nwhen: fail || ok || out\nthreshold: {group_by: [source], count: 3, distinct: user, within: 7m}\n",
	"ordered":  "kind: sequence\nsequence: {by: [source], within: 10m, steps: [{when: fail, count: 2}, {when: ok}, {when: out}]}\n",
	"any":      "kind: sequence\nsequence: {by: [source], within: 5m, order: any, steps: [{when: fail, count: 2}, {when: ok}, {when: out}]}\n",
	"between":  "kind: sequence\nsequence: {by: [source], within: 10m, steps: [{when: fail}, {absent: out}, {when: ok}]}\n",
	"missing":  "kind: sequence\nsequence: {by: [source], within: 6m, steps: [{when: fail, count: 2}, {when: ok}, {absent: out}]}\n",
	"new":      "kind: new_terms\nwhen: fail || ok || out\nnew_terms: {of: [user], by: [source], days: 3}\n",
	"new any":  "kind: new_terms\nwhen: fail || ok || out\nnew_terms: {of: [user, source], days: 2}\n",
}

func rule(t *testing.T, kind string) *rules.Rule {
	t.Helper()
	set, errs := rules.Load(fstest.MapFS{"r.yaml": {Data: []byte(head + kind)}})
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	return set.Rules()[0]
}

var start = time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)

// base is a base detection; steps as in the sequences above: 0 fail, 1 ok, 2 out.
func base(i int, at time.Duration, source, user string, steps ...int) schema.Detection {
	return schema.Detection{ID: fmt.Sprint("d", i), Org: "main", Rule: "under-test", Kind: string(rules.Base), EventID: fmt.Sprintf("%04d", i),
		Time: start.Add(at), Entities: map[string]string{"source": source, "user": user}, Steps: steps}
}

// all judges everything that the detections can affect.
func all(r *rules.Rule, ds []schema.Detection) []schema.Detection {
	if len(ds) == 0 {
		return nil
	}
	s := slices.SortedFunc(slices.Values(ds), byTime)
	fires, _ := Judge(r, ds, Affected(r, s[0].Time, s[len(s)-1].Time), start.AddDate(1, 0, 0))
	return fires
}

func TestThresholdCounts(t *testing.T) {
	r := rule(t, strings.Replace(kinds["count"], "count: 4", "count: 3", 1))
	ds := []schema.Detection{base(1, 0, "a", "x"), base(2, time.Minute, "a", "y"), base(3, 5*time.Minute-time.Second, "a", "x"),
		base(4, 0, "b", "x"), base(5, time.Minute, "b", "x"), base(6, 5*time.Minute, "b", "x"), base(7, 0, "", "x")}
	got := all(r, append(ds, ds...)) // repeats count once
	if len(got) != 1 || got[0].EventID != "0003" || got[0].Kind != "threshold" || got[0].DedupKey != "source=a" || got[0].Entities["user"] != "" {
		t.Fatalf("got %+v", got)
	}
	if got[0].Why[0].Values["count"] != "3" || !slices.Equal(got[0].Events, []string{"0001", "0002", "0003"}) {
		t.Errorf("why %+v, events %v", got[0].Why, got[0].Events)
	}
}

func TestThresholdDistinct(t *testing.T) {
	r := rule(t, kinds["distinct"])
	same := []schema.Detection{base(1, 0, "a", "x"), base(2, 1, "a", "X"), base(3, 2, "a", "y"), base(4, 3, "a", "y")}
	if got := all(r, same); len(got) != 0 {
		t.Errorf("two users fired: %+v", got)
	}
	if got := all(r, append(same, base(5, 4, "a", "z"))); len(got) != 1 {
		t.Errorf("three users gave %d detections", len(got))
	}
}

// TestSequence holds what each form of sequence fires on: events as step and minute.
func TestSequence(t *testing.T) {
	for _, c := range []struct {
		kind, events string
		want         string // event ids that complete
	}{
		{"ordered", "0@0 0@1 1@2 2@3", "0003"},
		{"ordered", "0@0 1@1 0@2 2@3", ""},          // one failure too few before the success
		{"ordered", "0@0 0@1 1@2 2@10", ""},         // too late by a hair: within is exclusive
		{"ordered", "0@0 0@4 0@5 1@6 2@13", "0004"}, // the later start counts
		{"ordered", "2@0 1@1 0@2 0@3", ""},
		{"any", "2@0 1@1 0@2 0@3", "0003"},
		{"any", "2@0 1@1 0@2 0@6", ""},
		{"between", "0@0 1@3", "0001"},
		{"between", "0@0 2@1 1@3", ""},
		{"between", "0@0 2@1 0@2 1@3", "0003"}, // begun again behind the logout
		{"missing", "0@0 0@1 1@2", "0002"},
		{"missing", "0@0 0@1 1@2 2@5", ""},
		{"missing", "0@0 0@1 1@2 2@7", "0002"}, // after the window
	} {
		var ds []schema.Detection
		for i, x := range strings.Fields(c.events) {
			var step, minute int
			if _, err := fmt.Sscanf(x, "%d@%d", &step, &minute); err != nil {
				t.Fatal(err)
			}
			if c.kind == "between" { // its steps are fail, no out, ok
				step = []int{0, 2, 1}[step]
			}
			ds = append(ds, base(i, time.Duration(minute)*time.Minute, "a", "u", step))
		}
		var got []string
		for _, d := range all(rule(t, kinds[c.kind]), ds) {
			got = append(got, d.EventID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s over %s: %v, want %q", c.kind, c.events, got, c.want)
		}
	}
}

// TestAbsenceWaits: nothing is absent before its time is over.
func TestAbsenceWaits(t *testing.T) {
	r := rule(t, kinds["missing"])
	ds := []schema.Detection{base(1, 0, "a", "u", 0), base(2, time.Minute, "a", "u", 0), base(3, 2*time.Minute, "a", "u", 1)}
	where := Affected(r, ds[0].Time, ds[2].Time)
	fires, open := Judge(r, ds, where, start.Add(5*time.Minute))
	if len(fires) != 0 || !open.Equal(start.Add(6*time.Minute+settle)) {
		t.Errorf("%d detections, open until %s", len(fires), open)
	}
	if fires, open = Judge(r, ds, where, open); len(fires) != 1 || !open.IsZero() {
		t.Errorf("%d detections, open until %s", len(fires), open)
	}
}

func TestNewTerms(t *testing.T) {
	r := rule(t, kinds["new"])
	ds := []schema.Detection{
		base(1, 0, "a", "ana"),              // learned
		base(2, time.Hour, "a", "ben"),      // learned on the same day
		base(3, 24*time.Hour, "a", "cy"),    // new
		base(4, 25*time.Hour, "a", "cy"),    // known
		base(5, 48*time.Hour, "b", "cy"),    // first day of another group
		base(6, 4*24*time.Hour, "a", "ana"), // not seen on three days
		base(7, 4*24*time.Hour, "a", "cy"),  // seen three days ago
		base(8, 9*24*time.Hour, "a", "dee"), // the group was silent: learned again
	}
	var got []string
	for _, d := range all(r, ds) {
		got = append(got, d.EventID)
	}
	if want := []string{"0003", "0006"}; !slices.Equal(got, want) {
		t.Errorf("new at %v, want %v", got, want)
	}
}

// ledger is a store that judges as chunks come: it keeps what is right by then.
type ledger struct {
	rule  *rules.Rule
	bases []schema.Detection
	fires map[string]schema.Detection
}

func (l *ledger) commit(chunk []schema.Detection) {
	l.bases = append(l.bases, chunk...)
	s := slices.SortedFunc(slices.Values(chunk), byTime)
	judged := Affected(l.rule, s[0].Time, s[len(s)-1].Time)
	l.judge(judged)
}

func (l *ledger) judge(judged Range) {
	if a, b, ok := Halves(l.rule, judged); ok { // as when there are too many to judge at once
		l.judge(a)
		l.judge(b)
		return
	}
	needs := Needs(l.rule, judged)
	var read []schema.Detection
	for _, d := range l.bases {
		if needs.Holds(d.Time) {
			read = append(read, d)
		}
	}
	right, _ := Judge(l.rule, read, judged, start.AddDate(1, 0, 0))
	maps.DeleteFunc(l.fires, func(_ string, d schema.Detection) bool { return judged.Holds(d.Time) })
	for _, d := range right {
		l.fires[d.ID] = d
	}
}

// TestArrivalOrder: for every kind, in whatever order and pieces base detections come,
// late and more than once, what is right in the end is what judging all at once says;
// each detection is the same to the last value.
func TestArrivalOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, kind := range kinds {
		r := rule(t, kind)
		fired := 0
		for range 60 {
			span := time.Hour
			if r.Terms != nil {
				span = 9 * day
			}
			var ds []schema.Detection
			for i := range 40 {
				at := time.Duration(rnd.Int64N(int64(span))).Truncate(time.Minute) // many at the same time
				ds = append(ds, base(i, at, string(rune('a'+rnd.IntN(2))), string(rune('u'+rnd.IntN(4))), rnd.IntN(3)))
			}
			want := all(r, ds)
			fired += len(want)
			l := &ledger{rule: r, fires: map[string]schema.Detection{}}
			rnd.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
			for len(ds) > 0 {
				n := min(1+rnd.IntN(8), len(ds))
				l.commit(ds[:n])
				if rnd.IntN(3) == 0 {
					l.commit(ds[:n]) // a retry
				}
				ds = ds[n:]
			}
			got := slices.SortedFunc(maps.Values(l.fires), byTime)
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Fatalf("%s: in pieces %v, at once %v", name, ids(got), ids(want))
			}
		}
		if fired < 20 {
			t.Errorf("%s fired %d times in all: the test shows little", name, fired)
		}
	}
}

// TestThinSuffices: what Thin leaves out changes no judgement.
func TestThinSuffices(t *testing.T) {
	r := rule(t, kinds["new"])
	set := rules.SetOf(r)
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var ds, thin []schema.Detection
		for i := range 60 {
			ds = append(ds, base(i, time.Duration(rnd.IntN(7*24*60))*time.Minute, "a", string(rune('u'+rnd.IntN(5)))))
		}
		for chunk := range slices.Chunk(ds, 15) {
			thin = append(thin, Thin(set, slices.Clone(chunk))...)
		}
		if len(thin) >= len(ds) {
			t.Fatal("nothing was left out")
		}
		if fmt.Sprintf("%+v", all(r, thin)) != fmt.Sprintf("%+v", all(r, ds)) {
			t.Fatalf("thinned %v, whole %v", ids(all(r, thin)), ids(all(r, ds)))
		}
	}
}

func ids(ds []schema.Detection) []string {
	var out []string
	for _, d := range ds {
		out = append(out, d.EventID)
	}
	return out
}
