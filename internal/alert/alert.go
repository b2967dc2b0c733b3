// Package alert turns detections into alerts: which detections are one alert, what
// the alert says, which incident it belongs to and what answers it. It is pure: the
// same detections give the same alerts in any order and any number of times.
package alert

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/schema"
)

// DefaultWindow is the event-time bucket of rules that name none.
const DefaultWindow = time.Hour

// IncidentWindow is the event-time bucket in which alerts of one entity are one incident.
const IncidentWindow = 24 * time.Hour

// Rule is what folding needs to know of a rule.
type Rule struct {
	Window   time.Duration // event-time bucket of one alert; 0: DefaultWindow
	Playbook string        // response the rule asks for, "" for the default
}

// Member is one detection of an alert.
type Member struct {
	Detection string
	EventID   string
	Time      time.Time
	Chunk     string
}

// Folded is an alert as one set of detections makes it, with these members.
type Folded struct {
	Alert   schema.Alert
	Members []Member
	Bucket  time.Time // start of its event-time bucket
}

// Detections of these kinds raise nothing (rules.Base, rules.Hidden).
const (
	baseKind   = "base"
	hiddenKind = "hidden"
)

// Fold groups detections by rule, de-duplication key and event-time bucket. Repeats
// count once; detections of the kinds "base" and "hidden" raise nothing. The result is ordered by id.
func Fold(ds []schema.Detection, rule func(id, version string) Rule) []Folded {
	groups := map[string]*Folded{}
	seen := map[string]bool{}
	for _, d := range ds {
		if d.Kind == baseKind || d.Kind == hiddenKind || seen[d.ID] {
			continue
		}
		seen[d.ID] = true
		r := rule(d.Rule, d.RuleVersion)
		bucket := bucketOf(d.Time, r.Window)
		id := schema.AlertID(d.Org, d.Rule, d.DedupKey, bucket.Unix())
		one := single(id, d, r)
		if g := groups[id]; g != nil {
			g.Alert = Merge(g.Alert, one)
			g.Members = append(g.Members, member(d))
		} else {
			groups[id] = &Folded{Alert: one, Members: []Member{member(d)}, Bucket: bucket}
		}
	}
	out := make([]Folded, 0, len(groups))
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		g := groups[id]
		slices.SortFunc(g.Members, func(a, b Member) int { return strings.Compare(a.Detection, b.Detection) })
		g.Alert.Count = int64(len(g.Members))
		out = append(out, *g)
	}
	return out
}

func member(d schema.Detection) Member {
	return Member{Detection: d.ID, EventID: d.EventID, Time: d.Time, Chunk: d.Chunk}
}

func bucketOf(t time.Time, window time.Duration) time.Time {
	if window <= 0 {
		window = DefaultWindow
	}
	w := max(int64(window/time.Second), 1)
	s := t.Unix()
	if s < 0 {
		s -= w - 1
	}
	return time.Unix(s/w*w, 0).UTC()
}

func single(id string, d schema.Detection, r Rule) schema.Alert {
	attack := slices.Clone(d.Attack)
	slices.Sort(attack)
	return schema.Alert{
		ID: id, Org: d.Org, Rule: d.Rule, RuleVersion: d.RuleVersion, Title: d.RuleTitle, Author: d.RuleAuthor, License: d.RuleLicense,
		Kind: d.Kind, Severity: d.Severity, Risk: d.Risk, Attack: slices.Compact(attack), DedupKey: d.DedupKey, Entities: maps.Clone(d.Entities),
		Source: d.Source, Dataset: d.Dataset, FirstSeen: d.Time.UTC(), LastSeen: d.Time.UTC(), Count: 1, Status: schema.AlertOpen,
		SampleEvent: d.EventID, Why: d.Why, Response: r.Playbook, Version: 1,
	}
}

// Merge joins two views of one alert. It is commutative, associative and
// idempotent, so that neither order nor repeats of chunks matter: times widen, the
// worst severity and risk stay, entities are those that agree, and everything
// else is told by the earliest detection. Count is derived elsewhere.
func Merge(a, b schema.Alert) schema.Alert {
	if before(b, a) {
		a, b = b, a
	}
	if b.LastSeen.After(a.LastSeen) {
		a.LastSeen = b.LastSeen
	}
	if b.Severity.Rank() > a.Severity.Rank() {
		a.Severity = b.Severity
	}
	a.Risk = max(a.Risk, b.Risk)
	attack := append(slices.Clone(a.Attack), b.Attack...)
	slices.Sort(attack)
	a.Attack = slices.Compact(attack)
	a.Entities = agree(a.Entities, b.Entities)
	return a
}

func before(a, b schema.Alert) bool {
	if c := a.FirstSeen.Compare(b.FirstSeen); c != 0 {
		return c < 0
	}
	return a.SampleEvent+"\x00"+a.RuleVersion < b.SampleEvent+"\x00"+b.RuleVersion
}

func agree(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a))
	for k, v := range a {
		if strings.EqualFold(b[k], v) {
			out[k] = v
		}
	}
	return out
}

// Group is what alerts of one incident have in common.
type Group struct {
	Key    string    // e.g. "host:ws01"
	Bucket time.Time // start of the event-time bucket
}

// ID is the short id of the group's incident.
func (g Group) ID(org string) string {
	return schema.HashID("incident", org, g.Key, strconv.FormatInt(g.Bucket.Unix(), 10))[:16]
}

// Why says why an alert of the group is in its incident.
func (g Group) Why(a schema.Alert) string {
	return fmt.Sprintf("%s alert of %s on %s: such alerts open an incident, and join that of the day", a.Severity, name(g.Key), g.Bucket.Format("2006-01-02"))
}

// groupBy lists the entity kinds that make an incident, the strongest first.
func groupBy() []string {
	return []string{"host", "host.name", "user", "user.name", "source.ip", "destination.ip", "domain", "hash"}
}

// GroupOf says which incident an alert belongs to. It looks only at what all
// members of the alert share by construction (the de-duplication key), so that the
// answer never changes as members join.
func GroupOf(f Folded) Group {
	g := Group{Bucket: bucketOf(f.Bucket, IncidentWindow)}
	parts := keyParts(f.Alert.DedupKey)
	for _, kind := range groupBy() {
		if v := parts[kind]; v != "" {
			g.Key = strings.TrimSuffix(kind, ".name") + ":" + strings.ToLower(v)
			return g
		}
	}
	g.Key = "rule:" + f.Alert.Rule
	return g
}

// keyParts reads the "name=value|name=value" form of a rule's de-duplication key.
func keyParts(key string) map[string]string {
	out := map[string]string{}
	for p := range strings.SplitSeq(key, "|") {
		if k, v, ok := strings.Cut(p, "="); ok {
			out[k] = v
		}
	}
	return out
}

// Response is what answers an alert.
type Response struct {
	Incident bool   // it opens or joins an incident
	Playbook string // started by itself; in an incident when Incident is set
}

// The playbooks that answer alerts whose rule asks for none.
const (
	LowRisk        = "low-risk-notify"
	ContainAddress = "contain-address"
	ContainHost    = "contain-host-account"
)

// Respond decides the answer. High and critical alerts are incidents; so is an
// alert whose rule asks for a playbook that needs people. Lesser alerts get the
// low-risk playbook, informational ones nothing. lowRisk says whether a playbook
// consists of low-risk actions only.
func Respond(a schema.Alert, lowRisk func(playbook string) bool) Response {
	asked := a.Response
	if a.Severity.Rank() >= schema.High.Rank() {
		if asked == "" || lowRisk(asked) {
			asked = containment(a)
		}
		return Response{Incident: true, Playbook: asked}
	}
	switch {
	case asked != "" && !lowRisk(asked):
		return Response{Incident: true, Playbook: asked}
	case asked != "":
		return Response{Playbook: asked}
	case a.Severity == schema.Informational:
		return Response{}
	}
	return Response{Playbook: LowRisk}
}

func containment(a schema.Alert) string {
	if Outside(a.Entities) != "" {
		return ContainAddress
	}
	if first(a.Entities, "host", "host.name", "user", "user.name") != "" {
		return ContainHost
	}
	if first(a.Entities, "source.ip", "destination.ip") != "" {
		return ContainAddress
	}
	return LowRisk
}

func first(m map[string]string, keys ...string) string {
	for _, k := range keys {
		if m[k] != "" {
			return m[k]
		}
	}
	return ""
}

// Outside returns the address of the entities that is not one of ours (neither
// private nor local), "" when there is none. The destination comes second, because
// a source is more often the attacker.
func Outside(entities map[string]string) string {
	for _, k := range []string{"source.ip", "destination.ip", "ip"} {
		a, err := netip.ParseAddr(entities[k])
		if err == nil && a.IsGlobalUnicast() && !a.IsPrivate() {
			return a.Unmap().String()
		}
	}
	return ""
}

// Variables are the playbook variables that the entities of an alert fill.
func Variables(entities map[string]string) map[string]string {
	out := map[string]string{}
	set := func(name, v string) {
		if v != "" {
			out[name] = v
		}
	}
	address := Outside(entities)
	if address == "" {
		address = first(entities, "source.ip", "destination.ip", "ip")
	}
	set("address", address)
	set("host", first(entities, "host", "host.name"))
	set("user", first(entities, "user", "user.name"))
	set("domain", entities["domain"])
	set("hash", entities["hash"])
	return out
}

// JoinRisks adds the risks of different rules as chances of harm: 50 and 50 make 75, never
// above 100. Repeats of one rule add nothing.
func JoinRisks(rules map[string]int) int {
	risk := 0
	for _, rule := range slices.Sorted(maps.Keys(rules)) {
		r := min(max(rules[rule], 0), 100)
		risk = 100 - (100-risk)*(100-r)/100
	}
	return risk
}

// Tally is what alerts say together: their worst severity, the highest risk of each rule, and
// the risk of all.
func Tally(list []schema.Alert) (schema.Severity, map[string]int, int) {
	worst, rules := schema.Informational, map[string]int{}
	for _, a := range list {
		if a.Severity.Rank() > worst.Rank() {
			worst = a.Severity
		}
		rules[a.Rule] = max(rules[a.Rule], a.Risk)
	}
	return worst, rules, JoinRisks(rules)
}
