package activities

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vigil/internal/ml"
	"vigil/schema"
)

// shelf keeps models in memory.
type shelf struct {
	models []schema.Model
	asked  int
}

func (s *shelf) Model(_ context.Context, _, id string) (schema.Model, error) {
	s.asked++
	for _, m := range s.models {
		if m.ID == id {
			return m, nil
		}
	}
	return schema.Model{}, schema.E(schema.NotFound, "there is no model "+id, "")
}

func (s *shelf) Champions(context.Context, string) ([]schema.Model, error) {
	var out []schema.Model
	for _, m := range s.models {
		if m.Status == champion {
			out = append(out, m)
		}
	}
	return out, nil
}

// browsing is an ordinary connection.
func browsing(e *schema.Event, i int64) {
	e.Reset(nil, i)
	e.ID = schema.EventIDAt(7, i)
	e.SetStr(schema.FEventDataset, "zeek.conn")
	e.SetTime(schema.FTimestamp, time.Unix(1_700_000_000+i, 0))
	e.SetStr(schema.FNetworkTransport, "tcp")
	e.SetStr(schema.FNetworkProtocol, "ssl")
	e.SetStr(schema.FEventAction, "SF")
	e.Set(schema.FSourceIP, "10.0.0.5")
	e.Set(schema.FDestinationIP, "198.51.100.7")
	e.SetInt(schema.FDestinationPort, 443)
	e.SetInt(schema.FEventDuration, (1+i%97)*1_000_000_000)
	e.SetInt(schema.FSourceBytes, 500+i*37%4000)
	e.SetInt(schema.FDestinationBytes, 3000+i*101%90_000)
	e.SetInt(schema.FSourcePackets, 5+i%20)
	e.SetInt(schema.FDestinationPackets, 5+i%70)
}

func browsingModel(t *testing.T) schema.Model {
	t.Helper()
	d := ml.Detectors()[0]
	s := ml.NewDataset(d)
	var e schema.Event
	for i := range int64(2000) {
		browsing(&e, i)
		s.Add(&e)
	}
	m, err := ml.Train(s, s.Seal(2000), 1000, t.Context().Err)
	if err != nil {
		t.Fatal(err)
	}
	body := m.Encode()
	return schema.Model{ID: ml.ModelID(body), Detector: d.ID, Status: champion, Threshold: m.Threshold, Body: body}
}

func TestScorer(t *testing.T) {
	m := browsingModel(t)
	s := &shelf{models: []schema.Model{m}}
	l := &LiveModels{Store: s, Log: slog.New(slog.DiscardHandler)}
	pin, err := l.InForce(t.Context(), "main")
	if err != nil || pin != m.Detector+"="+m.ID {
		t.Fatal(pin, err)
	}
	x, err := l.Scorer(t.Context(), "main", pin)
	if err != nil {
		t.Fatal(err)
	}
	var e schema.Event
	var kept []schema.Score
	const n = 20_000
	for i := range int64(n) {
		browsing(&e, 5000+i)
		kept = x.Take(&e, kept)
	}
	above := 0
	for _, k := range kept {
		if k.Score >= m.Threshold {
			above++
		}
	}
	if sampledOnly := len(kept) - above; sampledOnly < n/150 || sampledOnly > n/70 || above > n/30 {
		t.Errorf("of %d ordinary scores %d are kept, %d of them above the threshold", n, len(kept), above)
	}
	e.SetInt(schema.FSourceBytes, 5<<30)
	e.SetInt(schema.FSourcePackets, 4<<20)
	e.SetInt(schema.FDestinationPort, 31337)
	e.SetInt(schema.FEventDuration, 86400e9)
	if got := x.Take(&e, nil); len(got) != 1 || got[0].Model != m.ID || got[0].Score < m.Threshold {
		t.Errorf("%+v, threshold %v", got, m.Threshold)
	}
	score, threshold, ok := x.Score(m.Detector)
	if why := x.(*scorer).Explain(m.Detector); !ok || score < threshold || !strings.Contains(why, "usual") {
		t.Errorf("%v %v %v %q", score, threshold, ok, why)
	}
	e.SetStr(schema.FEventDataset, "zeek.dns")
	if got := x.Take(&e, nil); len(got) != 0 {
		t.Errorf("an event of another data set is scored: %+v", got)
	}
	if score, _, ok := x.Score(m.Detector); score != 0 || !ok {
		t.Errorf("the score of the event before is left over: %v", score)
	}
	if _, _, ok := x.Score("other"); ok {
		t.Error("a detector without a model answers")
	}
	if s.asked != 0 {
		t.Errorf("the store was asked %d times for a model that is at hand", s.asked)
	}
}

// TestUnusableChampion: a model of another version of the program turns its detector
// off; it stops nothing.
func TestUnusableChampion(t *testing.T) {
	m := browsingModel(t)
	m.Body = append([]byte("VGLIF\x02"), m.Body[6:]...)
	var out bytes.Buffer
	l := &LiveModels{Store: &shelf{models: []schema.Model{m}}, Log: slog.New(slog.NewTextHandler(&out, nil))}
	if pin, err := l.InForce(t.Context(), "main"); pin != "" || err != nil {
		t.Errorf("%q %v", pin, err)
	}
	if !strings.Contains(out.String(), m.ID) {
		t.Errorf("nothing is said about it: %s", out.String())
	}
	x, err := l.Scorer(t.Context(), "main", m.Detector+"="+m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := x.Score(m.Detector); ok {
		t.Error("it scores")
	}
}
