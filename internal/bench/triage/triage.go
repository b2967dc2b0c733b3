// Package triage measures how alerts become incidents, on recordings of alerts whose attack
// phases are known (AIT alert data set): every alert goes through the folding and the
// correlation that the product runs, chunk after chunk, and the labels are looked at only
// afterwards.
package triage

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"vigil/internal/alert"
	"vigil/schema"
)

// The limits that a network's score must keep.
const (
	MaxShown      = 20   // incidents
	TopPhases     = 3    // incidents that hold all phases
	MinPurity     = 0.9  // macro, by phase
	TopFalse      = 10   // incidents
	MinFalseApart = 0.95 // alerts labelled false positive that are not in them
)

// labels of a record; they never reach the code that is measured.
type labels struct{ time, event string }

const (
	falsePositive = "false_positive"
	noEvent       = "-"
)

// Phase is what became of one phase of the attack.
type Phase struct {
	Name   string  `json:"name"`
	Alerts int     `json:"alerts"` // labelled with it
	Top    int     `json:"top"`    // of them in the first three incidents
	Purity float64 `json:"purity"` // share of attack alerts in the incidents that hold it, weighted
}

// Incident is one shown incident, with what the labels say of it.
type Incident struct {
	Key      string         `json:"key"`
	First    time.Time      `json:"first"`
	Last     time.Time      `json:"last"`
	Score    float64        `json:"score"`
	Alerts   int            `json:"alerts"`  // of the product: folded
	Right    int            `json:"right"`   // of them at least half attack
	Records  int            `json:"records"` // of the recording
	Attack   int            `json:"attack"`  // of them labelled as attack
	Phases   map[string]int `json:"phases"`
	Entities int            `json:"entities"`
	Long     string         `json:"long,omitempty"`
	from     time.Time
}

// Network is the score of one network.
type Network struct {
	Name       string     `json:"name"`
	Records    int        `json:"records"`
	Folded     int        `json:"folded"` // alerts of the product
	Shown      int        `json:"shown"`
	ByEvent    []Phase    `json:"by_event"` // phases as each alert's own label names them
	ByTime     []Phase    `json:"by_time"`  // phases as the attack's timetable names them
	FalseApart float64    `json:"false_apart"`
	Unstated   int        `json:"unstated"` // incidents over a day long without a reason
	Incidents  []Incident `json:"incidents"`
}

// Purity is the mean over the phases; a phase in no incident counts as nothing.
func Purity(phases []Phase) float64 {
	sum := 0.0
	for _, p := range phases {
		sum += p.Purity
	}
	return sum / float64(max(len(phases), 1))
}

// Missing are the phases of which no alert is in the first three incidents.
func Missing(phases []Phase) (names []string) {
	for _, p := range phases {
		if p.Top == 0 {
			names = append(names, p.Name)
		}
	}
	return names
}

// Faults says which limits the network misses, nothing when it keeps all.
func (n Network) Faults() (out []string) {
	fault := func(bad bool, format string, args ...any) {
		if bad {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	fault(n.Shown == 0 || n.Shown > MaxShown, "%d incidents shown, at most %d", n.Shown, MaxShown)
	fault(len(Missing(n.ByEvent)) > 0, "not in the first %d incidents: %s", TopPhases, strings.Join(Missing(n.ByEvent), ", "))
	fault(Purity(n.ByEvent) < MinPurity, "macro purity %.3f, at least %.2f", Purity(n.ByEvent), MinPurity)
	fault(n.FalseApart < MinFalseApart, "%.1f %% of false alarms apart, at least %.0f %%", 100*n.FalseApart, 100*MinFalseApart)
	fault(n.Unstated > 0, "%d incidents span more than a day and do not say why", n.Unstated)
	return out
}

// Score scores every network in the folder alert-triage of data. round is the event time
// between two runs of the correlation.
func Score(ctx context.Context, data string, round time.Duration, tuning alert.Tuning) ([]Network, error) {
	files, err := filepath.Glob(filepath.Join(data, "alert-triage", "ait-ads-*.csv.zst"))
	if err != nil || len(files) == 0 {
		return nil, schema.E(schema.NotFound, "there are no alert recordings in "+filepath.Join(data, "alert-triage"), "name the folder of the shared recordings with --data", err)
	}
	var out []Network
	for _, f := range files {
		n, err := network(ctx, f, round, tuning)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
		out = append(out, n)
	}
	return out, nil
}

func network(ctx context.Context, file string, round time.Duration, tuning alert.Tuning) (Network, error) {
	ds, truth, err := read(file)
	if err != nil {
		return Network{}, err
	}
	p := newProduct(tuning)
	for len(ds) > 0 {
		if err := ctx.Err(); err != nil {
			return Network{}, err
		}
		end := ds[0].Time.Truncate(round).Add(round)
		n, _ := slices.BinarySearchFunc(ds, end, func(d schema.Detection, t time.Time) int { return d.Time.Compare(t) })
		p.ingest(ds[:n])
		ds = ds[n:]
	}
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "ait-ads-"), ".csv.zst")
	return p.score(name, truth), nil
}

// read makes a detection of each record, in the order of time. The sensor and what it looks
// at are its data set, the alert's name the rule; the recording tells no severity.
func read(file string) ([]schema.Detection, map[string]labels, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, nil, err
	}
	defer z.Close()
	r := csv.NewReader(bufio.NewReader(z))
	if _, err := r.Read(); err != nil {
		return nil, nil, err
	}
	var ds []schema.Detection
	truth := map[string]labels{}
	for i := 0; ; i++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(row) != 7 {
			return nil, nil, fmt.Errorf("record %d: %v %w", i, row, err)
		}
		at, err := strconv.ParseInt(row[0], 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("record %d: %w", i, err)
		}
		id := strconv.Itoa(i)
		truth[id] = labels{row[5], row[6]}
		sensor, title, _ := strings.Cut(row[1], ": ")
		_, area, _ := strings.Cut(row[4], "-")
		area, _, _ = strings.Cut(area, "-")
		ds = append(ds, schema.Detection{ID: id, Org: schema.DefaultOrg, Rule: row[1], RuleVersion: "1", RuleTitle: title, Kind: "match", Severity: schema.Medium, Risk: 50, EventID: id,
			Dataset: strings.ToLower(sensor + "." + area), Time: time.Unix(at, 0).UTC(), Entities: map[string]string{"host": row[3], "source.ip": row[2]}, DedupKey: "host=" + row[3]})
	}
	slices.SortStableFunc(ds, func(a, b schema.Detection) int { return a.Time.Compare(b.Time) })
	return ds, truth, nil
}

// product keeps what the store of the product would keep.
type product struct {
	tuning  alert.Tuning
	alerts  map[string]*alert.Folded
	members map[string][]string // alert → records
	last    []alert.Cluster
}

func newProduct(t alert.Tuning) *product {
	return &product{tuning: t, alerts: map[string]*alert.Folded{}, members: map[string][]string{}}
}

// ingest folds a chunk and correlates, as the product does after a commit.
func (p *product) ingest(ds []schema.Detection) {
	for _, f := range alert.Fold(ds, func(string, string) alert.Rule { return alert.Rule{} }) {
		for _, m := range f.Members {
			p.members[f.Alert.ID] = append(p.members[f.Alert.ID], m.Detection)
		}
		if old := p.alerts[f.Alert.ID]; old != nil {
			incident, role := old.Alert.Incident, old.Alert.IncidentRole
			old.Alert = alert.Merge(old.Alert, f.Alert)
			old.Alert.Incident, old.Alert.IncidentRole = incident, role
		} else {
			p.alerts[f.Alert.ID] = &f
		}
		p.alerts[f.Alert.ID].Alert.Count = int64(len(p.members[f.Alert.ID]))
	}
	p.last = p.tuning.Correlate(p.seen())
	for _, c := range p.last {
		if !p.tuning.Opened(c) {
			continue
		}
		id := c.Incident
		if id == "" {
			id = c.ID(schema.DefaultOrg)
		}
		for _, m := range c.Members {
			p.alerts[m.Alert].Alert.Incident, p.alerts[m.Alert].Alert.IncidentRole = id, string(m.As)
		}
	}
}

func (p *product) seen() []alert.Seen {
	out := make([]alert.Seen, 0, len(p.alerts))
	for _, f := range p.alerts {
		out = append(out, alert.Look(f.Alert))
	}
	return out
}

func (p *product) score(name string, truth map[string]labels) Network {
	n := Network{Name: name, Records: len(truth), Folded: len(p.alerts)}
	in := map[string]int{} // record → place of its incident, from 0
	for _, c := range p.last {
		if !p.tuning.Opened(c) {
			continue
		}
		i := Incident{Key: c.Key, First: c.First, Last: c.Last, Score: c.Score, Alerts: len(c.Members), Long: c.Long, Entities: len(c.Entities), Phases: map[string]int{}, from: c.First}
		for _, m := range c.Members {
			if f := p.alerts[m.Alert].Alert; f.FirstSeen.Before(i.from) {
				i.from = f.FirstSeen
			}
			right := 0
			for _, r := range p.members[m.Alert] {
				in[r] = n.Shown
				i.Records++
				i.Phases[truth[r].phase()]++
				if truth[r].attack() {
					right++
				}
			}
			i.Attack += right
			if 2*right >= len(p.members[m.Alert]) {
				i.Right++
			}
		}
		if i.Long == "" && i.Last.Sub(i.from) > alert.IncidentWindow+time.Hour {
			n.Unstated++
		}
		n.Incidents = append(n.Incidents, i)
		n.Shown++
	}
	n.ByEvent = n.phases(truth, in, func(l labels) string { return strings.ReplaceAll(l.event, noEvent, "") })
	n.ByTime = n.phases(truth, in, func(l labels) string { return strings.ReplaceAll(l.time, falsePositive, "") })
	all, apart := 0, 0
	for r, l := range truth {
		if l.time != falsePositive {
			continue
		}
		all++
		if place, ok := in[r]; !ok || place >= TopFalse {
			apart++
		}
	}
	n.FalseApart = float64(apart) / float64(max(all, 1))
	return n
}

func (l labels) attack() bool { return l.time != falsePositive || l.event != noEvent }

func (l labels) phase() string {
	if l.event != noEvent {
		return l.event
	}
	return l.time
}

func (n Network) phases(truth map[string]labels, in map[string]int, of func(labels) string) []Phase {
	found := map[string]*Phase{}
	placed := map[string]int{}
	for r, l := range truth {
		name := of(l)
		if name == "" {
			continue
		}
		if found[name] == nil {
			found[name] = &Phase{Name: name}
		}
		p := found[name]
		p.Alerts++
		place, ok := in[r]
		if !ok {
			continue
		}
		if place < TopPhases {
			p.Top++
		}
		placed[name]++
		p.Purity += float64(n.Incidents[place].Attack) / float64(n.Incidents[place].Records)
	}
	var out []Phase
	for _, name := range slices.Sorted(maps.Keys(found)) {
		p := found[name]
		p.Purity /= float64(max(placed[name], 1))
		out = append(out, *p)
	}
	return out
}
