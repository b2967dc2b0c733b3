package detect

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"vigil/internal/testdata"
)

// TestTargets holds what the rules find: VIGIL_BENCH=full evaluates every recording with
// the rules of SigmaHQ beside ours, which takes minutes. Otherwise a sample is evaluated with our
// rules alone: the recordings of up to 600 kB, which are four of five, held to what ours reach there.
func TestTargets(t *testing.T) {
	data := testdata.Shared(t)
	full := os.Getenv("VIGIL_BENCH") == "full"
	x, err := New(data, full)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x.Recordings(context.Background(), data, func(l Label) bool { return full || l.Size <= sampleSize })
	if err != nil {
		t.Fatal(err)
	}
	all := RecordingRow{}
	for _, r := range RecordingRows(list) {
		t.Logf("%-22s %-10s %3d recordings: own %3d, SigmaHQ %3d, together %3d", r.Set, r.Label, r.Recordings, r.Own, r.Sigma, r.Together)
		if r.Set == "all" && r.Label == "technique" {
			all = r
		}
	}
	if full && 100*all.Together < 85*all.Recordings {
		t.Errorf("%d of %d recordings are found by their technique, want 85 %%", all.Together, all.Recordings)
	}
	if !full && (all.Recordings < 140 || 100*all.Own < 65*all.Recordings) {
		t.Errorf("our own rules find %d of %d sampled recordings by their technique, want 65 %% of at least 140", all.Own, all.Recordings)
	}
	for _, r := range list {
		if full && r.Label() != "none" && len(r.Own)+len(r.Sigma) == 0 {
			t.Logf("missed: %s %s %v%s; raised instead: %q", r.Set, r.Name, r.Techniques, r.Tactic, r.Other)
		}
	}
	backgrounds(t, x, data)
}

// sampleSize bounds the stored size of sampled recordings, in bytes.
const sampleSize = 600 << 10

// backgrounds holds what ordinary life raises: nothing high where a reference engine has
// nothing, and at most one incident a host and day.
func backgrounds(t *testing.T, x *Engine, data string) {
	list, err := x.Backgrounds(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		t.Logf("%s %s: %d events, %d incidents on %d host-days; %+v", b.Family, b.Name, b.Events, b.Groups, b.HostDays, b.Rules)
		if b.Events == 0 {
			t.Errorf("%s: no events", b.Name)
		}
		if b.PerHostDay() > 1 {
			t.Errorf("%s: %.2f incidents a host and day", b.Name, b.PerHostDay())
		}
		for _, r := range b.Rules {
			if r.Own && b.Reference >= 0 && r.High > b.Reference {
				t.Errorf("%s: %s raises %d high alerts, the reference engine's rules at most %d", b.Name, r.Rule, r.High, b.Reference)
			}
		}
	}
}

// TestCases holds our rules against the tests of other engines, and every rule to real
// data: at most one in ten may rest on its inline tests alone.
func TestCases(t *testing.T) {
	data := testdata.Shared(t)
	list, err := Cases(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{"panther", "wazuh", "crowdsec"} {
		known, all := SumOf(CaseRows(list, true), set), SumOf(CaseRows(list, false), set)
		t.Logf("%s: of what we have rules for, %d of %d reported, %d false alarms in %d; of everything %d of %d, %d in %d", set,
			known.Fired, known.Fire, known.False, known.Silent, all.Fired, all.Fire, all.False, all.Silent)
	}
	for _, r := range CaseRows(list, true) {
		t.Logf("%+v", r)
	}
	if known := SumOf(CaseRows(list, true), "panther"); known.Fire+known.Silent < 150 || 100*known.False > 15*known.Silent {
		t.Errorf("%+v: want at least 150 cases of Panther and false alarms in at most 15 %%", known)
	}
	if os.Getenv("VIGIL_BENCH") != "full" {
		return
	}
	firing, err := Firings(context.Background(), data, list)
	if err != nil {
		t.Fatal(err)
	}
	var untested []string
	for _, f := range firing {
		if f.Untested() {
			untested = append(untested, f.Rule)
		}
	}
	slices.Sort(untested)
	t.Log(fmt.Sprintf("%d rules, %d fire on nothing recorded: ", len(firing), len(untested)), untested)
	if 10*len(untested) > len(firing) {
		t.Errorf("%d of %d rules fire on nothing recorded", len(untested), len(firing))
	}
}
