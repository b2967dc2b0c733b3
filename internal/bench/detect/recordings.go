package detect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"vigil/internal/play"
	"vigil/internal/posture"
	"vigil/internal/source"
	"vigil/schema"
)

// Recording is one attack recording and what was found in it. Own, Sigma and Together say
// whether an alert of at least medium severity names one of its techniques (or, where
// it has only a tactic, a technique of that); a sub-technique counts as its technique.
type Recording struct {
	Set        string   `json:"set"` // mordor, evtx-to-mitre-attack, evtx-attack-samples
	Name       string   `json:"name"`
	Techniques []string `json:"techniques,omitempty"`
	Tactic     string   `json:"tactic,omitempty"`
	Events     int      `json:"events"`
	Own        []string `json:"own"`   // rules whose alerts count
	Sigma      []string `json:"sigma"` // titles of rules whose alerts count
	Other      []string `json:"other"` // rules of at least medium severity with other techniques
}

// Label says how a recording is labelled: by technique, tactic, or not at all.
func (r Recording) Label() string {
	switch {
	case len(r.Techniques) > 0:
		return "technique"
	case r.Tactic != "":
		return "tactic"
	}
	return "none"
}

// Label is what is known of a recording before it is read.
type Label struct {
	Set, Name string
	Size      int64 // stored bytes
}

// label is a recording that somebody has labelled.
type label struct {
	set, name  string
	techniques []string
	tactic     string
	object     source.Object
}

// tacticOf translates the folders that evtx-attack-samples sorts by.
func tacticOf(folder string) string {
	t := strings.ToLower(strings.ReplaceAll(folder, " ", "-"))
	if slices.Contains(posture.Tactics(), t) {
		return t
	}
	return ""
}

// labels reads the labels of all recordings. Those without an event in them are left out:
// there is nothing to find.
func labels(ctx context.Context, data string) ([]label, error) {
	out, err := mordor(ctx, data)
	if err != nil {
		return nil, err
	}
	for _, set := range []string{"evtx-to-mitre-attack", "evtx-attack-samples"} {
		objects, err := objectsOf(ctx, data, "windows/evtx/"+set+".zip")
		if err != nil {
			return nil, err
		}
		err = eachLine(data, "windows/evtx/"+set+".labels.jsonl", func(row struct {
			File, Tactic string
			Technique    string
			Records      int
		}) error {
			o, ok := objects[row.File]
			if !ok {
				return fmt.Errorf("%s has no member %s", set, row.File)
			}
			l := label{set: set, name: row.File, tactic: tacticOf(row.Tactic), object: o}
			if row.Technique != "" {
				l.techniques = []string{posture.Canonical(row.Technique)}
			}
			if row.Records > 0 {
				out = append(out, l)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func mordor(ctx context.Context, data string) ([]label, error) {
	var out []label
	err := eachLine(data, "mordor/labels.jsonl", func(row struct {
		File       string
		Techniques []string
	}) error {
		objects, err := objectsOf(ctx, data, row.File)
		if err != nil {
			return err
		}
		for _, o := range objects {
			out = append(out, label{set: "mordor", name: strings.TrimPrefix(row.File, "mordor/"), techniques: row.Techniques, object: o})
		}
		return nil
	})
	return out, err
}

// eachLine decodes each line of a file of JSON lines.
func eachLine[T any](data, file string, do func(T) error) error {
	text, err := os.ReadFile(filepath.Join(data, file))
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		var row T
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := do(row); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// Recordings evaluates the recordings that keep says yes to (nil: all), on all processors.
func (x *Engine) Recordings(ctx context.Context, data string, keep func(Label) bool) ([]Recording, error) {
	list, err := labels(ctx, data)
	if err != nil {
		return nil, err
	}
	if keep != nil {
		list = slices.DeleteFunc(list, func(l label) bool { return !keep(Label{l.set, l.name, l.object.Size}) })
	}
	slices.SortStableFunc(list, func(a, b label) int { return int(b.object.Size - a.object.Size) }) // the largest first: they take longest
	out := make([]Recording, len(list))
	err = parallel(len(list), func(i int) error {
		f, err := x.watch(ctx, list[i].object)
		if err != nil {
			return fmt.Errorf("%s: %w", list[i].name, err)
		}
		out[i] = x.recording(list[i], f)
		return nil
	})
	slices.SortFunc(out, byText(func(r Recording) string { return r.Set + "/" + r.Name }))
	return out, err
}

// parallel calls do for 0 to n-1 on all processors, and returns the first error.
func parallel(n int, do func(i int) error) error {
	next := make(chan int)
	errs := make(chan error, n)
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				errs <- do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// recording holds the alerts of a recording against its labels.
func (x *Engine) recording(l label, f play.Found) Recording {
	r := Recording{Set: l.set, Name: l.name, Techniques: l.techniques, Tactic: l.tactic, Events: f.Events, Own: []string{}, Sigma: []string{}, Other: []string{}}
	for _, a := range f.Alerts {
		switch {
		case !atLeast(a.Alert, schema.Medium):
		case !l.hit(a.Alert.Attack):
			r.Other = append(r.Other, x.named(a.Alert))
		case x.isOwn(a.Alert):
			r.Own = append(r.Own, a.Alert.Rule)
		default:
			r.Sigma = append(r.Sigma, a.Alert.Title)
		}
	}
	for _, list := range []*[]string{&r.Own, &r.Sigma, &r.Other} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return r
}

// named is an alert's rule as people know it.
func (x *Engine) named(a schema.Alert) string {
	if x.isOwn(a) {
		return a.Rule
	}
	return a.Title
}

// hit says whether one of the techniques is what the recording is labelled with.
func (l label) hit(techniques []string) bool {
	return slices.ContainsFunc(techniques, func(t string) bool {
		t = posture.Canonical(t)
		if len(l.techniques) > 0 {
			return slices.Contains(l.techniques, t) || slices.Contains(l.techniques, parent(t))
		}
		return l.tactic != "" && slices.Contains(posture.TacticsOf(t), l.tactic)
	})
}

// RecordingRow sums recordings of one set and kind of label.
type RecordingRow struct {
	Set        string `json:"set"`
	Label      string `json:"label"`
	Recordings int    `json:"recordings"`
	Own        int    `json:"own"`
	Sigma      int    `json:"sigma"`
	Together   int    `json:"together"`
}

// RecordingRows sums labelled recordings by set, and all of those labelled by technique.
func RecordingRows(list []Recording) []RecordingRow {
	var out []RecordingRow
	for _, set := range []string{"mordor", "evtx-to-mitre-attack", "evtx-attack-samples", "all"} {
		for _, name := range []string{"technique", "tactic"} {
			s := RecordingRow{Set: set, Label: name}
			for _, r := range list {
				if (r.Set == set || set == "all") && r.Label() == name {
					s.add(r)
				}
			}
			if s.Recordings > 0 {
				out = append(out, s)
			}
		}
	}
	return out
}

func (s *RecordingRow) add(r Recording) {
	s.Recordings++
	if len(r.Own) > 0 {
		s.Own++
	}
	if len(r.Sigma) > 0 {
		s.Sigma++
	}
	if len(r.Own)+len(r.Sigma) > 0 {
		s.Together++
	}
}
