package detect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"vigil/internal/alert"
	"vigil/internal/play"
	"vigil/internal/source"
	"vigil/schema"
)

// Background is what the rules raise on ordinary machines and networks.
type Background struct {
	Family    string `json:"family"` // windows, zeek, auth, web
	Name      string `json:"name"`
	Note      string `json:"note,omitempty"` // what in it is not ordinary
	Reference int    `json:"reference"`      // high alerts of a rule that a reference engine has there; -1: nobody measured it
	Events    int    `json:"events"`
	HostDays  int    `json:"host_days"`
	Groups    int    `json:"groups"`     // incidents that the high alerts of our rules would be
	AllGroups int    `json:"all_groups"` // and those of all rules
	Rules     []Loud `json:"rules"`      // with high alerts, or medium ones; the most first
}

// Loud is a rule with alerts on a background.
type Loud struct {
	Rule   string `json:"rule"` // title, where it is not ours
	Own    bool   `json:"own"`
	High   int    `json:"high"` // alerts of high or critical severity
	Medium int    `json:"medium"`
}

// PerHostDay is how many incidents by our rules a host and day have.
func (b Background) PerHostDay() float64 { return float64(b.Groups) / float64(max(1, b.HostDays)) }

// High counts the high alerts of our rules, or of the others.
func (b Background) High(own bool) int {
	n := 0
	for _, r := range b.Rules {
		if r.Own == own {
			n += r.High
		}
	}
	return n
}

// background is one row of the table of backgrounds.
type background struct {
	family, file, member string // member: a prefix of the names inside an archive
	note                 string
	reference            int
}

// ordinary is the table of recordings of ordinary life.
func ordinary() []background {
	return []background{
		{"windows", "windows/evtx/parser-robustness.zip", "", "", 0},
		{"zeek", "volume/zeek-http.jsonl.zst", "", "", -1},
		{"zeek", "zeek/rita-edge-cases.zip", "proxy/", "", -1},
		{"zeek", "zeek/ocsf-raw-zeek.zip", "", "samples of protocols, from many captures", -1},
		{"auth", "loghub-2k/Linux.zip", "Linux_2k.log", "has password guessing in it", -1},
		{"auth", "linux/auth.log.gz", "", "an honest server on the Internet: has password guessing in it", -1},
		{"web", "web/apache-combined.log.gz", "", "a public server: has some probes in it", -1},
	}
}

// Backgrounds evaluates all of them.
func (x *Engine) Backgrounds(ctx context.Context, data string) ([]Background, error) {
	table := ordinary()
	out := make([]Background, len(table))
	err := parallel(len(table), func(i int) error {
		b := table[i]
		var objects []source.Object
		for o, err := range source.Objects(ctx, []string{filepath.Join(data, b.file)}) {
			if p := (*source.Problem)(nil); errors.As(err, &p) && o.Fingerprint == "" {
				return err
			}
			if o.Member == b.member || strings.HasSuffix("/"+b.member, "/") && strings.HasPrefix(o.Member, b.member) {
				objects = append(objects, o)
			}
		}
		f, err := x.watch(ctx, objects...)
		if err != nil {
			return fmt.Errorf("%s: %w", b.file, err)
		}
		out[i] = x.background(b, f)
		return nil
	})
	return out, err
}

func (x *Engine) background(b background, f play.Found) Background {
	out := Background{Family: b.family, Name: strings.TrimSuffix(b.file+"!"+b.member, "!"), Note: b.note, Reference: b.reference, Events: f.Events, HostDays: f.HostDays, Rules: []Loud{}}
	groups, all := map[alert.Group]bool{}, map[alert.Group]bool{}
	at := map[string]int{}
	for _, a := range f.Alerts {
		if !atLeast(a.Alert, schema.Medium) {
			continue
		}
		if _, ok := at[a.Alert.Rule]; !ok {
			at[a.Alert.Rule] = len(out.Rules)
			out.Rules = append(out.Rules, Loud{Rule: x.named(a.Alert), Own: x.isOwn(a.Alert)})
		}
		if r := &out.Rules[at[a.Alert.Rule]]; atLeast(a.Alert, schema.High) {
			if all[alert.GroupOf(a)] = true; r.Own {
				groups[alert.GroupOf(a)] = true
			}
			r.High++
		} else {
			r.Medium++
		}
	}
	out.Groups, out.AllGroups = len(groups), len(all)
	slices.SortFunc(out.Rules, func(a, b Loud) int { return cmp.Or(b.High-a.High, b.Medium-a.Medium, cmp.Compare(a.Rule, b.Rule)) })
	return out
}
