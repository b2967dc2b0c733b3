package alert

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/schema"
)

// quiet is five days of a rule that fires every hour on two hosts.
func quiet() []Seen {
	var out []Seen
	for h := range 120 {
		for _, host := range []string{"host:a", "host:b"} {
			out = append(out, seen(fmt.Sprint("usual-", host, h), "login", host, day.Add(time.Duration(h)*time.Hour)))
		}
	}
	return out
}

func seen(id, rule, entity string, at time.Time) Seen {
	return Seen{ID: id, Rule: rule, Family: rule, Entity: entity, Links: []string{entity}, First: at, Last: at, Count: 1, Weight: 1}
}

// attack is a scan of both hosts by the same rules, then more on one of them.
func attack(at time.Time) []Seen {
	var out []Seen
	for i := range 12 {
		for _, host := range []string{"host:a", "host:b"} {
			out = append(out, seen(fmt.Sprint("scan", i, host), fmt.Sprint("scan-", i), host, at.Add(time.Duration(i)*time.Second)))
		}
	}
	for i := range 5 {
		out = append(out, seen(fmt.Sprint("root", i), fmt.Sprint("root-", i), "host:a", at.Add(40*time.Minute)))
	}
	return out
}

func members(c Cluster, as Role) (ids []string) {
	for _, m := range c.Members {
		if m.As == as {
			ids = append(ids, m.Alert)
		}
	}
	return ids
}

func TestCorrelateFindsTheAttack(t *testing.T) {
	at := day.Add(90*time.Hour + 30*time.Minute)
	all := append(quiet(), attack(at)...)
	all = append(all, seen("earlier", "service-stop", "host:b", at.Add(-30*time.Hour)), seen("elsewhere", "cpu", "host:c", at.Add(15*time.Minute)),
		seen("later", "tool", "host:b", at.Add(10*time.Hour)), seen("stranger", "odd", "host:d", at.Add(-5*time.Hour)))
	got := DefaultTuning().Correlate(all)
	c := got[0]
	if !DefaultTuning().Opened(c) || len(c.Entities) != 2 {
		t.Fatalf("%+v", c)
	}
	if n := len(members(c, Unusual)); n != 30 { // 24 + 5 + later
		t.Errorf("%d unusual alerts: %v", n, members(c, Unusual))
	}
	if fmt.Sprint(members(c, Before)) != "[earlier]" || fmt.Sprint(members(c, Nearby)) != "[elsewhere]" {
		t.Errorf("before %v, nearby %v", members(c, Before), members(c, Nearby))
	}
	if c.Long == "" {
		t.Error("it reaches back more than a day and does not say why")
	}
	for _, m := range c.Members {
		if m.Why == "" {
			t.Errorf("%s does not say why it is here", m.Alert)
		}
		if strings.HasPrefix(m.Alert, "usual") {
			t.Errorf("%s is what happens every hour", m.Alert)
		}
	}
	for _, other := range got[1:] {
		if DefaultTuning().Opened(other) {
			t.Errorf("also an incident: %+v", other)
		}
	}
}

func TestCorrelateDoesNotDependOnOrder(t *testing.T) {
	all := append(quiet(), attack(day.Add(90*time.Hour))...)
	want := DefaultTuning().Correlate(all)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if got := DefaultTuning().Correlate(append(slices.Clone(all), all[:rng.IntN(len(all))]...)); !reflect.DeepEqual(got, want) {
			t.Fatal("order or repeats changed the groups")
		}
	}
}

// TestCorrelateKeepsIncidents: what is in an incident stays in it, whatever comes later, and
// two incidents are never made one.
func TestCorrelateKeepsIncidents(t *testing.T) {
	at := day.Add(90 * time.Hour)
	all := append(quiet(), attack(at)...)
	for i := range all {
		if strings.HasPrefix(all[i].ID, "scan") {
			all[i].Incident, all[i].As = "one", Unusual
			if all[i].Entity == "host:b" {
				all[i].Incident = "two"
			}
		}
	}
	in := map[string]string{}
	for _, c := range DefaultTuning().Correlate(all) {
		for _, m := range c.Members {
			if in[m.Alert] != "" {
				t.Errorf("%s is in two groups", m.Alert)
			}
			in[m.Alert] = c.Incident + "."
		}
	}
	for _, s := range all {
		if s.Incident != "" && in[s.ID] != s.Incident+"." {
			t.Errorf("%s was in %s and is in %s", s.ID, s.Incident, in[s.ID])
		}
	}
	if in["root0"] != "one." {
		t.Errorf("what follows on host a is in %q", in["root0"])
	}
}

// TestCorrelateLearnsFirst: on the first day nothing is called unusual.
func TestCorrelateLearnsFirst(t *testing.T) {
	if got := DefaultTuning().Correlate(append(quiet(), attack(day.Add(5*time.Hour))...)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestHubsJoinNothing: a user of many hosts does not make their alerts one case.
func TestHubsJoinNothing(t *testing.T) {
	all := quiet()
	for i := range 8 {
		s := seen(fmt.Sprint("r", i), fmt.Sprint("rule-", i), fmt.Sprint("host:h", i), day.Add(100*time.Hour+time.Duration(i)*11*time.Minute))
		s.Links = append(s.Links, "user:root")
		all = append(all, s)
	}
	for _, c := range DefaultTuning().Correlate(all) {
		if len(c.Members) > 1 {
			t.Errorf("joined by root: %+v", c)
		}
	}
}

func TestWeighted(t *testing.T) {
	for c, want := range map[string]int{"": 60, "medium": 60, "low": 45, "high": 75, "critical": 90, "nonsense": 60} {
		if got := Weighted(60, c); got != want {
			t.Errorf("60 on %q is %d, want %d", c, got, want)
		}
	}
	if Weighted(90, "critical") != 100 {
		t.Error("a risk above 100")
	}
}

func TestSimilar(t *testing.T) {
	i := schema.Incident{ID: "i", Key: "host:a", Rules: map[string]int{"r1": 50, "r2": 50}, Entities: map[string]string{"host": "A", "user": "bob"}, Attack: []string{"T1110"}}
	others := []schema.Incident{i,
		{ID: "same", Key: "host:a", Rules: i.Rules, Entities: map[string]string{"host": "a", "user": "bob"}, Attack: i.Attack, Verdict: "false_positive"},
		{ID: "half", Key: "host:z", Rules: map[string]int{"r1": 50}, Entities: map[string]string{"user": "bob"}},
		{ID: "other", Key: "host:q", Rules: map[string]int{"r9": 1}, Attack: []string{"T1110"}},
		{ID: "gone", Key: "host:a", Rules: i.Rules, Verdict: "merged"}}
	got := Similar(i, others, 5)
	if len(got) != 2 || got[0].Incident != "same" || got[0].Score != 100 || got[0].Verdict != "false_positive" || got[1].Incident != "half" || got[1].Score != 38 {
		t.Fatalf("%+v", got)
	}
	for _, l := range got {
		if len(l.Why) == 0 {
			t.Errorf("%s does not say by what", l.Incident)
		}
	}
}
