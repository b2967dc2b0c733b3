package alert

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vigil/schema"
)

// Correlation joins alerts that say little alone. It looks at three things: how unusual an
// alert is (the rule fires seldom here, or far more often than it used to), which entity it is
// about, and when. Unusual alerts of one entity within hours, or of one rule on several
// entities within minutes, are a group; a group that says enough is an incident.

// Horizon is how much event time before an alert tells what is usual.
const Horizon = 7 * 24 * time.Hour

// Tuning is the numbers of correlation.
type Tuning struct {
	Learning time.Duration // how long alerts must have been watched before "seldom" means anything
	Gap      time.Duration // how long an entity may be quiet within a group
	Spread   time.Duration // how close in time the same rule, or family, must fire on another entity
	Nearby   time.Duration // how close to a strong group's unusual alerts others, wherever, belong to it
	Back     time.Duration // how long before a strong group what was too weak for an incident is taken up
	Core     float64       // unusualness in bits from which an alert makes or joins a group
	Opens    float64       // score from which a group is an incident
	Strong   float64       // score from which it takes up what happened before and nearby
}

// DefaultTuning is what the product uses.
func DefaultTuning() Tuning {
	return Tuning{Learning: 24 * time.Hour, Gap: 2 * time.Hour, Spread: 10 * time.Minute, Nearby: 30 * time.Minute, Back: 48 * time.Hour, Core: 3, Opens: 20, Strong: 100}
}

// Seen is what correlation looks at of an alert.
type Seen struct {
	ID, Rule string
	Family   string   // rules that look at the same thing: dataset or technique
	Entity   string   // the one that it is about, as in Group.Key
	Links    []string // all entities that may join it with others, Entity included
	First    time.Time
	Last     time.Time
	Count    int64   // detections
	Weight   float64 // how much it counts: of risk and criticality, 1 for the usual
	Incident string  // that it belongs to already, "" for none
	As       Role    // it belongs to it
}

// Role is what an alert is in its incident.
type Role string

// The roles.
const (
	Unusual Role = "unusual" // it made the incident, or is part of why there is one
	Before  Role = "before"  // unusual on its entities before, too weak by itself
	Nearby  Role = "nearby"  // unusual elsewhere at the same time, too weak by itself
)

// Membership is why an alert is in a group.
type Membership struct {
	Alert string
	As    Role
	Bits  float64 // how unusual it was
	Why   string  // for people
}

// Cluster is a group of alerts.
type Cluster struct {
	Key      string // entity of its first unusual alert
	First    time.Time
	Last     time.Time // of its unusual alerts
	Score    float64   // unbounded; it ranks
	Incident string    // that its alerts belong to already, the oldest one
	Members  []Membership
	Entities []string // that its unusual alerts are about
	Long     string   // why it spans more than a day, "" when it does not
}

// Opened says whether the cluster is an incident.
func (t Tuning) Opened(c Cluster) bool { return c.Incident != "" || c.Score >= t.Opens }

// Look makes what correlation looks at of an alert.
func Look(a schema.Alert) Seen {
	family := a.Dataset
	if len(a.Attack) > 0 {
		family, _, _ = strings.Cut(a.Attack[0], ".")
	}
	s := Seen{ID: a.ID, Rule: a.Rule, Family: family, Entity: GroupOf(Folded{Alert: a, Bucket: a.FirstSeen}).Key, First: a.FirstSeen, Last: a.LastSeen, Count: a.Count,
		Weight: weigh(a.Severity, a.Criticality), Incident: a.Incident, As: Role(a.IncidentRole)}
	s.Links = append(links(a.Entities), s.Entity)
	slices.Sort(s.Links)
	s.Links = slices.Compact(s.Links)
	return s
}

// weigh is what an unusual alert of a severity on an asset counts.
func weigh(s schema.Severity, criticality string) float64 {
	w := map[schema.Severity]float64{schema.Informational: 0.5, schema.Low: 0.75, schema.Medium: 1, schema.High: 1.5, schema.Critical: 2}[s]
	return w * factor(criticality)
}

// Weighted is a risk, 0–100, on something of that criticality.
func Weighted(risk int, criticality string) int {
	return min(int(math.Round(float64(risk)*factor(criticality))), 100)
}

// factor is what a criticality makes of a risk.
func factor(c string) float64 {
	switch schema.Severity(c) {
	case schema.Critical:
		return 1.5
	case schema.High:
		return 1.25
	case schema.Low:
		return 0.75
	}
	return 1
}

// links are the entities that may join alerts: hosts, users, addresses that are not ours.
func links(entities map[string]string) []string {
	var out []string
	for kind, v := range entities {
		kind = strings.TrimSuffix(kind, ".name")
		v = strings.ToLower(v)
		switch kind {
		case "host", "user":
			out = append(out, kind+":"+v)
		case "source.ip", "destination.ip", "ip":
			if a, err := netip.ParseAddr(v); err == nil && a.IsGlobalUnicast() && !a.IsPrivate() {
				out = append(out, "address:"+a.Unmap().String())
			}
		}
	}
	return out
}

// Correlate groups alerts. It is a function of the set of alerts alone, whatever their
// order; the result is ordered by score, the highest first.
func (t Tuning) Correlate(all []Seen) []Cluster {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Seen) int { return cmp.Or(a.First.Compare(b.First), strings.Compare(a.ID, b.ID)) })
	all = slices.CompactFunc(all, func(a, b Seen) bool { return a.ID == b.ID })
	c := correlation{Tuning: t, entity: map[string]*cluster{}, incident: map[string]*cluster{}, rule: map[string]near{}, family: map[string]near{}}
	h := newHistory(all)
	shared := hubs(all)
	for _, s := range all {
		s.Links = slices.DeleteFunc(slices.Clone(s.Links), func(l string) bool { return shared[l] && l != s.Entity })
		j := judged{Seen: s, surprise: h.judge(s, t.Learning)}
		switch {
		case s.Incident != "":
			c.keep(j)
		case j.bits >= t.Core:
			c.place(j)
		}
	}
	c.takeUp()
	out := make([]Cluster, 0, len(c.all))
	for _, g := range c.all {
		if !g.gone && len(g.core) > 0 {
			out = append(out, g.result())
		}
	}
	slices.SortFunc(out, func(a, b Cluster) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), a.First.Compare(b.First), strings.Compare(a.Key, b.Key))
	})
	return out
}

// hubs are what alerts about more than five entities name, as root is: it joins nothing.
func hubs(all []Seen) map[string]bool {
	on := map[string]map[string]bool{}
	for _, s := range all {
		for _, l := range s.Links {
			if on[l] == nil {
				on[l] = map[string]bool{}
			}
			on[l][s.Entity] = true
		}
	}
	out := map[string]bool{}
	for l, entities := range on {
		out[l] = len(entities) > 5
	}
	return out
}

// judged is an alert with what was unusual about it.
type judged struct {
	Seen
	surprise
	how string // it came into its group
}

type surprise struct {
	bits float64
	why  string
}

// history is what was usual, hour by hour.
type history struct {
	start time.Time
	here  map[string]*record // by rule and entity
	rule  map[string]*record
}

type record struct {
	hours int
	last  int64 // hour
	most  int64 // detections in one alert
}

func newHistory(all []Seen) *history {
	h := &history{here: map[string]*record{}, rule: map[string]*record{}}
	if len(all) > 0 {
		h.start = all[0].First
	}
	return h
}

// judge says how unusual the alert is given those before it, and remembers it.
func (h *history) judge(s Seen, learning time.Duration) surprise {
	watched := s.First.Sub(h.start)
	here, rule := h.of(h.here, s.Rule+"\x00"+s.Entity), h.of(h.rule, s.Rule)
	defer func() { here.see(s); rule.see(s) }()
	if watched < learning {
		return surprise{why: "usual so far is not known yet"}
	}
	hours := watched.Hours() + 1
	seldomHere, seldom := math.Log2(hours/float64(here.hours+1)), math.Log2(hours/float64(rule.hours+1))
	out := surprise{bits: (seldomHere + seldom) / 2}
	switch {
	case rule.hours == 0:
		out.why = "this rule never fired before"
	case here.hours == 0:
		out.why = fmt.Sprintf("this rule never fired on %s before, and in %d of %.0f hours elsewhere", name(s.Entity), rule.hours, hours)
	default:
		out.why = fmt.Sprintf("this rule fired on %s in %d of %.0f hours before", name(s.Entity), here.hours, hours)
	}
	if most := max(here.most, 4); s.Count > 2*most {
		out.bits += math.Log2(float64(s.Count) / float64(most))
		out.why += fmt.Sprintf("; %d at once, at most %d before", s.Count, here.most)
	}
	return out
}

func (h *history) of(m map[string]*record, key string) *record {
	if m[key] == nil {
		m[key] = &record{last: math.MinInt64}
	}
	return m[key]
}

func (r *record) see(s Seen) {
	if hour := s.First.Unix() / 3600; hour != r.last {
		r.hours, r.last = r.hours+1, hour
	}
	r.most = max(r.most, s.Count)
}

// name is the value part of an entity key.
func name(entity string) string {
	if _, v, ok := strings.Cut(entity, ":"); ok {
		return v
	}
	return entity
}

// near is where a rule, or family, fired last.
type near struct {
	g  *cluster
	at time.Time
	on string
}

// cluster is a group in the making.
type cluster struct {
	core    []judged
	around  []judged             // Before and Nearby
	id      string               // incident that it is already
	seen    map[string]time.Time // entity → last unusual alert
	gone    bool
	scored  float64
	scoreOK bool
}

type correlation struct {
	Tuning
	all          []*cluster
	entity       map[string]*cluster
	incident     map[string]*cluster
	rule, family map[string]near
}

// keep leaves an alert in the incident that it belongs to.
func (c *correlation) keep(j judged) {
	g := c.incident[j.Incident]
	if g == nil {
		g = c.open()
		g.id = j.Incident
		c.incident[j.Incident] = g
	}
	if j.As == Before || j.As == Nearby {
		g.around = append(g.around, j)
		return
	}
	c.join(g, j)
}

// place puts an unusual alert into the group that it belongs to, or opens one. Groups that
// it belongs to alike are one from then on, unless both are incidents already.
func (c *correlation) place(j judged) {
	j.As = Unusual
	g, how := c.find(j)
	if g == nil {
		g, how = c.open(), "it opened the group"
	}
	j.how = how
	c.join(g, j)
}

func (c *correlation) open() *cluster {
	g := &cluster{seen: map[string]time.Time{}}
	c.all = append(c.all, g)
	return g
}

func (c *correlation) join(g *cluster, j judged) {
	g.add(j)
	for _, l := range j.Links {
		c.entity[l] = g
	}
	c.rule[j.Rule] = near{g, j.First, j.Entity}
	c.family[j.Family] = near{g, j.First, j.Entity}
}

// find looks for the groups of an alert: of the same entity within hours, of the same rule or
// family on another entity within minutes. It returns the strongest tie; the groups are merged.
func (c *correlation) find(j judged) (*cluster, string) {
	var found *cluster
	how := ""
	tie := func(g *cluster, why string) {
		switch {
		case found == nil:
			found, how = g, why
		case found != g:
			found = c.merge(found, g)
		}
	}
	for _, l := range append([]string{j.Entity}, j.Links...) {
		g := c.entity[l]
		if g == nil || !g.fits(j.First) {
			continue
		}
		quiet := j.First.Sub(g.seen[l])
		switch {
		case quiet <= c.Gap:
			tie(g, fmt.Sprintf("also on %s, %s later", name(l), short(quiet)))
		case g.score() >= c.Strong:
			tie(g, fmt.Sprintf("on %s, which this incident has touched %s before", name(l), short(quiet)))
		}
	}
	if n := c.rule[j.Rule]; n.g != nil && j.First.Sub(n.at) <= c.Spread && n.g.fits(j.First) {
		tie(n.g, fmt.Sprintf("the same rule fired on %s %s before", name(n.on), short(j.First.Sub(n.at))))
	}
	if n := c.family[j.Family]; n.g != nil && j.First.Sub(n.at) <= c.Spread && n.g.fits(j.First) {
		tie(n.g, fmt.Sprintf("rules of the same family (%s) fired on %s %s before", j.Family, name(n.on), short(j.First.Sub(n.at))))
	}
	return found, how
}

// merge makes two groups one, the older one, or the one that is an incident. Two incidents stay
// two: people may merge them.
func (c *correlation) merge(a, b *cluster) *cluster {
	if a.id != "" && b.id != "" {
		return a
	}
	if b.id != "" || a.id == "" && b.first().Before(a.first()) {
		a, b = b, a
	}
	for _, j := range b.core {
		a.add(j)
	}
	slices.SortStableFunc(a.core, func(x, y judged) int { return x.First.Compare(y.First) })
	a.around = append(a.around, b.around...)
	b.gone = true
	for l, g := range c.entity {
		if g == b {
			c.entity[l] = a
		}
	}
	for _, m := range []map[string]near{c.rule, c.family} {
		for k, n := range m {
			if n.g == b {
				n.g = a
				m[k] = n
			}
		}
	}
	return a
}

// fits says whether the group may grow to t: it spans a day at most by itself.
func (g *cluster) fits(t time.Time) bool { return t.Sub(g.first()) <= IncidentWindow }

func (g *cluster) first() time.Time { return g.core[0].First }

func (g *cluster) add(j judged) {
	g.core = append(g.core, j)
	g.scoreOK = false
	for _, l := range j.Links {
		if j.First.After(g.seen[l]) {
			g.seen[l] = j.First
		}
	}
}

// score adds up what the group says: each rule once, more for each doubling of the entities
// that it fired on, so that repeats of one thing do not outweigh different things.
func (g *cluster) score() float64 {
	if g.scoreOK {
		return g.scored
	}
	type part struct {
		most float64
		on   map[string]bool
	}
	parts := map[string]*part{}
	for _, j := range g.core {
		p := parts[j.Rule]
		if p == nil {
			p = &part{on: map[string]bool{}}
			parts[j.Rule] = p
		}
		p.most = max(p.most, j.bits*j.Weight)
		p.on[j.Entity] = true
	}
	g.scored, g.scoreOK = 0, true
	for _, r := range slices.Sorted(maps.Keys(parts)) {
		g.scored += parts[r].most * (1 + math.Log2(float64(len(parts[r].on)))/2)
	}
	return g.scored
}

// takeUp lets strong groups have what was too weak for an incident of its own: unusual alerts
// of their entities in the two days before, and those anywhere while they went on.
func (c *correlation) takeUp() {
	strongs := slices.DeleteFunc(slices.Clone(c.all), func(g *cluster) bool { return g.gone || g.score() < c.Strong })
	for _, w := range c.all {
		if w.gone || w.id != "" || w.score() >= c.Opens {
			continue
		}
		for _, g := range strongs {
			if as, how := g.claims(w, c.Tuning); as != "" {
				for _, j := range w.core {
					j.As, j.how = as, how
					g.around = append(g.around, j)
				}
				w.gone = true
				break
			}
		}
	}
}

// claims says as what a strong group takes a weak one up, "" when it does not.
func (g *cluster) claims(w *cluster, t Tuning) (Role, string) {
	for _, j := range g.core {
		if d := w.first().Sub(j.First).Abs(); d <= t.Nearby {
			return Nearby, fmt.Sprintf("unusual within %s of an unusual alert on %s, too little for an incident of its own", short(d), name(j.Entity))
		}
	}
	entity, before := w.shares(g), g.first().Sub(w.first())
	if entity == "" || before < 0 || before > t.Back {
		return "", ""
	}
	return Before, fmt.Sprintf("unusual on %s %s before, too little for an incident of its own", name(entity), short(before))
}

// shares returns an entity that both groups are about.
func (g *cluster) shares(o *cluster) string {
	for _, e := range slices.Sorted(maps.Keys(g.seen)) {
		if _, ok := o.seen[e]; ok {
			return e
		}
	}
	return ""
}

func (g *cluster) result() Cluster {
	out := Cluster{Key: g.core[0].Entity, First: g.first(), Score: g.score(), Incident: g.id}
	on := map[string]bool{}
	for _, j := range g.core {
		if j.First.After(out.Last) {
			out.Last = j.First
		}
		on[j.Entity] = true
		out.Members = append(out.Members, Membership{Alert: j.ID, As: Unusual, Bits: j.bits, Why: j.how + "; " + j.why})
	}
	out.Entities = slices.Sorted(maps.Keys(on))
	from, taken := out.First, 0
	for _, j := range g.around {
		if j.As == Before {
			taken++
			if j.First.Before(from) {
				from = j.First
			}
		}
		out.Members = append(out.Members, Membership{Alert: j.ID, As: j.As, Bits: j.bits, Why: j.how})
	}
	if out.Last.Sub(from) > IncidentWindow {
		out.Long = fmt.Sprintf("%d unusual alerts on its entities, up to %s before it, were too weak for incidents of their own and were taken up", taken, short(out.First.Sub(from)))
	}
	return out
}

// short is a duration for people.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}

// ID is the short id of the incident that the cluster opens.
func (c Cluster) ID(org string) string {
	return Group{Key: c.Key, Bucket: c.First}.ID(org)
}

// Title says what the cluster is about, for people.
func (c Cluster) Title() string {
	on := name(c.Key)
	switch n := len(c.Entities) - 1; {
	case n == 1:
		on += " and another entity"
	case n > 1:
		on += fmt.Sprintf(" and %d other entities", n)
	}
	rules := 0
	for _, m := range c.Members {
		if m.As == Unusual {
			rules++
		}
	}
	return fmt.Sprintf("%d unusual alerts on %s", rules, on)
}
