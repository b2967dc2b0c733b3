package alert

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"vigil/schema"
)

var day = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func rule(string, string) Rule { return Rule{Window: time.Hour} }

func detections(n int) []schema.Detection {
	var out []schema.Detection
	for i := range n {
		host := fmt.Sprint("ws", i%3)
		out = append(out, schema.Detection{
			ID: fmt.Sprint("d", i), Org: "main", Rule: fmt.Sprint("r", i%2), RuleVersion: "v1", RuleTitle: "T", Kind: "match",
			Severity: schema.Severities()[i%5], Risk: i % 100, Attack: []string{fmt.Sprint("T100", i%4)}, EventID: fmt.Sprint("e", i),
			Time: day.Add(time.Duration(i) * 7 * time.Minute), Chunk: fmt.Sprint("c", i/10),
			Entities: map[string]string{"host": host, "user": fmt.Sprint("u", i%7)}, DedupKey: "host=" + host,
		})
	}
	return out
}

func TestFoldDoesNotDependOnOrder(t *testing.T) {
	ds := detections(60)
	want := Fold(ds, rule)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rng.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		if got := Fold(append(ds, ds[:rng.IntN(60)]...), rule); !reflect.DeepEqual(got, want) {
			t.Fatal("order or repeats changed the alerts")
		}
	}
	members := 0
	for _, f := range want {
		members += len(f.Members)
	}
	if members != 60 {
		t.Errorf("%d members of 60 detections", members)
	}
}

func TestMergeLaws(t *testing.T) {
	var as []schema.Alert
	for _, d := range detections(12) {
		as = append(as, single("x", d, Rule{}))
	}
	for _, a := range as {
		for _, b := range as {
			if !reflect.DeepEqual(Merge(a, b), Merge(b, a)) {
				t.Fatal("not commutative")
			}
			if !reflect.DeepEqual(Merge(Merge(a, b), b), Merge(a, b)) {
				t.Fatal("not idempotent")
			}
			for _, c := range as {
				if !reflect.DeepEqual(Merge(Merge(a, b), c), Merge(a, Merge(b, c))) {
					t.Fatal("not associative")
				}
			}
		}
	}
}

func TestBaseDetectionsRaiseNothing(t *testing.T) {
	d := detections(1)
	d[0].Kind = "base"
	if got := Fold(d, rule); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestGroup(t *testing.T) {
	for key, want := range map[string]string{
		"host=WS01|user=ana": "host:ws01", "user=ana": "user:ana", "source.ip=203.0.113.9": "source.ip:203.0.113.9", "": "rule:r", "host=|user=": "rule:r",
	} {
		g := GroupOf(Folded{Alert: schema.Alert{Rule: "r", DedupKey: key}, Bucket: day})
		if g.Key != want || g.Bucket != day.Truncate(24*time.Hour) {
			t.Errorf("%s: %+v", key, g)
		}
	}
	old := bucketOf(time.Date(1960, 1, 1, 5, 0, 0, 0, time.UTC), IncidentWindow)
	if old != time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("a time before 1970 falls into %s", old)
	}
}

func TestRespond(t *testing.T) {
	low := func(p string) bool { return p == LowRisk }
	out := map[string]string{"source.ip": "10.0.0.1", "destination.ip": "203.0.113.5", "host": "ws01"}
	in := map[string]string{"source.ip": "10.0.0.1", "host": "ws01"}
	for _, c := range []struct {
		sev      schema.Severity
		asked    string
		entities map[string]string
		want     Response
	}{
		{schema.Informational, "", out, Response{}},
		{schema.Low, "", out, Response{Playbook: LowRisk}},
		{schema.Medium, "", nil, Response{Playbook: LowRisk}},
		{schema.Medium, "contain-address", out, Response{Incident: true, Playbook: "contain-address"}},
		{schema.High, "", out, Response{Incident: true, Playbook: ContainAddress}},
		{schema.High, LowRisk, in, Response{Incident: true, Playbook: ContainHost}},
		{schema.Critical, "", map[string]string{"source.ip": "10.0.0.1"}, Response{Incident: true, Playbook: ContainAddress}},
		{schema.Critical, "", nil, Response{Incident: true, Playbook: LowRisk}},
	} {
		if got := Respond(schema.Alert{Severity: c.sev, Response: c.asked, Entities: c.entities}, low); got != c.want {
			t.Errorf("%s %q %v: %+v, want %+v", c.sev, c.asked, c.entities, got, c.want)
		}
	}
}

func TestVariables(t *testing.T) {
	got := Variables(map[string]string{"source.ip": "10.0.0.1", "destination.ip": "::ffff:203.0.113.5", "user.name": "ana"})
	if want := map[string]string{"address": "203.0.113.5", "user": "ana"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
