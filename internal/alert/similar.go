package alert

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"vigil/schema"
)

// leastLike is the score from which incidents are called similar.
const leastLike = 20

// Similar ranks incidents by how like they are, and says by what: the share of rules (40 of
// 100), of entities (35) and of techniques (15) that they have in common, and the same
// grouping key (10). At most n are returned, the most alike first.
func Similar(i schema.Incident, others []schema.Incident, n int) []schema.Likeness {
	out := []schema.Likeness{}
	for _, o := range others {
		if o.ID == i.ID || o.Verdict == "merged" {
			continue
		}
		l := schema.Likeness{Incident: o.ID, Title: o.Title, Status: string(o.Status), Verdict: o.Verdict}
		score := 0.0
		for _, part := range []struct {
			what   string
			a, b   []string
			weight float64
		}{
			{"rules", slices.Collect(maps.Keys(i.Rules)), slices.Collect(maps.Keys(o.Rules)), 40},
			{"entities", values(i.Entities), values(o.Entities), 35},
			{"techniques", i.Attack, o.Attack, 15},
			{"grouping key", []string{i.Key}, []string{o.Key}, 10},
		} {
			both, share := common(part.a, part.b)
			if len(both) == 0 {
				continue
			}
			score += share * part.weight
			l.Why = append(l.Why, fmt.Sprintf("%d of %d %s in common: %s (+%.0f)", len(both), union(part.a, part.b), part.what, strings.Join(both[:min(len(both), 5)], ", "), share*part.weight))
		}
		if l.Score = int(math.Round(score)); l.Score >= leastLike {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b schema.Likeness) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Incident, b.Incident))
	})
	return out[:min(len(out), n)]
}

func values(entities map[string]string) []string {
	var out []string
	for _, v := range entities {
		out = append(out, strings.ToLower(v))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// common are the texts that both lists have, sorted, and their share of all.
func common(a, b []string) ([]string, float64) {
	var both []string
	for _, x := range a {
		if x != "" && slices.Contains(b, x) {
			both = append(both, x)
		}
	}
	slices.Sort(both)
	return both, float64(len(both)) / float64(max(union(a, b), 1))
}

func union(a, b []string) int {
	n := len(a)
	for _, x := range b {
		if !slices.Contains(a, x) {
			n++
		}
	}
	return n
}
