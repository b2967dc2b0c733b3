package report

import (
	"math"
	"slices"
	"time"

	"vigil/schema"
)

// farBack is how old an event may be when its incident opens to count as detected: recordings
// of other years tell nothing of detection.
const farBack = 30 * 24 * time.Hour

// KPIs are the measures of response over incidents, from the times that their workflows kept.
// Incidents that were merged into others do not count.
func KPIs(list []schema.Incident) []schema.KPI {
	out := []schema.KPI{
		{Name: "TTD", Text: "to detect: from the first event to the incident"},
		{Name: "TTA", Text: "to acknowledge: from the incident to somebody taking it"},
		{Name: "TTT", Text: "to triage: from the incident to the first thing that a person did"},
		{Name: "TTQ", Text: "to qualify: from the incident to its verdict"},
		{Name: "TTR", Text: "to resolve: from the incident to its closing"},
	}
	took := make([][]float64, len(out))
	for _, i := range list {
		if i.Verdict == "merged" {
			continue
		}
		for k, to := range []time.Time{i.Opened, i.Acknowledged, i.Triaged, i.Qualified, i.Closed} {
			from := i.Opened
			if k == 0 {
				from = i.FirstSeen
			}
			d := to.Sub(from)
			if from.IsZero() || to.IsZero() || d < 0 || k == 0 && d > farBack {
				continue
			}
			took[k] = append(took[k], d.Seconds())
		}
	}
	for k := range out {
		summarise(&out[k], took[k])
	}
	return out
}

func summarise(k *schema.KPI, seconds []float64) {
	if k.Count = len(seconds); k.Count == 0 {
		return
	}
	slices.Sort(seconds)
	sum := 0.0
	for _, s := range seconds {
		sum += s
	}
	k.Mean = sum / float64(k.Count)
	k.Median, k.P90 = quantile(seconds, 0.5), quantile(seconds, 0.9)
}

// quantile is the smallest value that at least the share q of the sorted values does not exceed.
func quantile(sorted []float64, q float64) float64 {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}
