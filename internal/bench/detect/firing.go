package detect

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"vigil/internal/source"
)

// Firing says on how much real data one of our rules fires.
type Firing struct {
	Rule    string `json:"rule"`
	Objects int    `json:"objects"` // files and members of archives
	Cases   int    `json:"cases"`   // tests of other engines
	Needs   string `json:"needs,omitempty"`
}

// Untested says that nothing shows the rule but its own inline tests.
func (f Firing) Untested() bool { return f.Objects+f.Cases == 0 && f.Needs == "" }

// folders are where recordings are; those of attacks and of ordinary life alike.
func folders() []string {
	return []string{"mordor", "windows/evtx/evtx-to-mitre-attack.zip", "windows/evtx/evtx-attack-samples.zip", "windows/evtx/parser-robustness.zip", "windows/sigma-regression/events.zip",
		"cloud/cloudtrail-stratus-2023-07-10.jsonl.gz", "cloud/o365-unified-audit.jsonl.zst", "linux", "web/apache-combined.log.gz", "web/scan-acunetix.log.gz", "suricata",
		"zeek/apt29-day1.zip", "zeek/lsass-campaigns.zip", "zeek/ocsf-raw-zeek.zip", "zeek/rita-edge-cases.zip", "zeek/slips-samples.zip", "zeek/wrccdc-2018/json", "loghub-2k/OpenSSH.zip"}
}

// Firings runs our rules over everything that is recorded, and counts where each fires.
// Rules that need an engine, a model or indicators cannot fire here; tests elsewhere run
// those against real ones.
func Firings(ctx context.Context, data string, tests []Case) ([]Firing, error) {
	x, err := New(data, false)
	if err != nil {
		return nil, err
	}
	var objects []source.Object
	for _, f := range folders() {
		for o, err := range source.Objects(ctx, []string{filepath.Join(data, f)}) {
			if p := (*source.Problem)(nil); err == nil {
				objects = append(objects, o)
			} else if !errors.As(err, &p) {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(objects, func(a, b source.Object) int { return int(b.Size - a.Size) })
	fired := make([]map[string]bool, len(objects))
	err = parallel(len(objects), func(i int) error {
		f, err := x.watch(ctx, objects[i])
		fired[i] = map[string]bool{}
		for _, a := range f.Alerts {
			fired[i][a.Alert.Rule] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []Firing
	for _, r := range x.own.Rules() {
		f := Firing{Rule: r.ID}
		switch {
		case r.Query != nil:
			f.Needs = "engine"
		case r.Detector != nil:
			f.Needs = "model"
		case r.Kind == "indicator":
			f.Needs = "indicators"
		}
		for _, m := range fired {
			if m[r.ID] {
				f.Objects++
			}
		}
		for _, c := range tests {
			if slices.Contains(c.Rules, r.ID) {
				f.Cases++
			}
		}
		out = append(out, f)
	}
	return out, nil
}
