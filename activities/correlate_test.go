package activities

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// caseStore keeps alerts and the ledger of correlation.
type caseStore struct {
	AlertStore
	alerts    map[string]schema.Alert
	ledger    map[string]store.Correlated
	incidents map[string]schema.Incident
}

func (s *caseStore) Uncorrelated(context.Context, string, int) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for id, a := range s.alerts {
		if _, ok := s.ledger[id]; !ok {
			out[id] = a.FirstSeen
		}
	}
	return out, nil
}

func (s *caseStore) AlertsBetween(_ context.Context, _ string, from, to time.Time, _ int) (list []schema.Alert, _ error) {
	for _, a := range s.alerts {
		if !a.FirstSeen.Before(from) && !a.FirstSeen.After(to) {
			list = append(list, a)
		}
	}
	return list, nil
}

func (s *caseStore) PutCorrelated(_ context.Context, _ string, list []store.Correlated) error {
	for _, c := range list {
		s.ledger[c.Alert] = c
	}
	return nil
}

func (s *caseStore) PutAlerts(_ context.Context, list []schema.Alert) error {
	for _, a := range list {
		s.alerts[a.ID] = a
	}
	return nil
}

func (s *caseStore) PutNotes(context.Context, ...schema.Note) error { return nil }

func (s *caseStore) Incident(_ context.Context, _, id string) (schema.Incident, error) {
	i, ok := s.incidents[id]
	if !ok {
		return i, schema.E(schema.NotFound, "there is no incident "+id, "")
	}
	return i, nil
}

// cases keeps the alerts that incidents were sent.
type cases struct {
	Starter
	store  *caseStore
	sent   map[string]map[string]bool // workflow → alerts
	closed map[string]bool
}

func (c *cases) SignalWithStartWorkflow(_ context.Context, id, _ string, arg any, _ client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if c.closed[id] {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("closed", "", "")
	}
	in := args[0].(flow.IncidentInput)
	if c.sent[id] == nil {
		c.sent[id] = map[string]bool{}
		c.store.incidents[in.ID] = schema.Incident{ID: in.ID, Workflow: id, Key: in.Key, Status: schema.IncidentOpen}
	}
	for _, r := range arg.([]flow.AlertRef) {
		c.sent[id][r.ID] = true
	}
	return nil, nil
}

func caseAlert(id, rule, host string, at time.Time) schema.Alert {
	return schema.Alert{ID: id, Org: "main", Rule: rule, Title: rule, Severity: schema.Medium, Risk: 50, DedupKey: "host=" + host, Entities: map[string]string{"host": host},
		Dataset: rule, FirstSeen: at, LastSeen: at, Count: 1, Status: schema.AlertOpen, Version: 1}
}

func newCases() (*Alerts, *caseStore, *cases) {
	s := &caseStore{alerts: map[string]schema.Alert{}, ledger: map[string]store.Correlated{}, incidents: map[string]schema.Incident{}}
	t := &cases{store: s, sent: map[string]map[string]bool{}, closed: map[string]bool{}}
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	put := func(a schema.Alert) { s.alerts[a.ID] = a }
	for h := range 100 {
		put(caseAlert(fmt.Sprint("usual", h), "login", "ws1", day.Add(time.Duration(h)*time.Hour)))
	}
	for i := range 6 {
		put(caseAlert(fmt.Sprint("odd", i), fmt.Sprint("rule", i), "ws1", day.Add(99*time.Hour+time.Duration(i)*time.Minute)))
	}
	return &Alerts{Store: s, Temporal: t, Log: slog.New(slog.DiscardHandler)}, s, t
}

func TestCorrelateOpensOneIncident(t *testing.T) {
	a, s, c := newCases()
	res, err := a.Correlate(t.Context(), "main")
	if err != nil || res.Looked != 106 || res.Joined != 6 || res.Incidents != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	var ids []string
	for _, sent := range c.sent {
		ids = append(ids, slices.Sorted(maps.Keys(sent))...)
	}
	if fmt.Sprint(ids) != "[odd0 odd1 odd2 odd3 odd4 odd5]" {
		t.Errorf("sent %v", ids)
	}
	for _, id := range ids {
		if x := s.alerts[id]; s.incidents[x.Incident].ID == "" || x.IncidentWhy == "" || x.IncidentRole != "unusual" || x.Version != 2 || s.ledger[id].Incident != x.Incident {
			t.Errorf("%+v, ledger %+v", x, s.ledger[id])
		}
	}
	if res, err := a.Correlate(t.Context(), "main"); err != nil || res != (CorrelateResult{}) {
		t.Errorf("a round without new alerts: %+v %v", res, err)
	}
	// One more alert joins the same incident.
	late := caseAlert("late", "another", "ws1", s.alerts["odd5"].FirstSeen.Add(time.Minute))
	s.alerts["late"] = late
	if res, err := a.Correlate(t.Context(), "main"); err != nil || res.Joined != 1 || s.alerts["late"].Incident != s.alerts["odd0"].Incident || len(c.sent) != 1 {
		t.Errorf("%+v %v, incidents %v", res, err, c.sent)
	}
}

// TestCorrelateAfterACrash: killed after the incident was told and before anything was
// written, the next round sends the same alerts to the same incident.
func TestCorrelateAfterACrash(t *testing.T) {
	a, s, c := newCases()
	a.Crash = func(string) { panic("killed") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it was not killed")
			}
		}()
		_, _ = a.Correlate(t.Context(), "main")
	}()
	if len(c.sent) != 1 || len(s.ledger) != 0 {
		t.Fatalf("%v %v", c.sent, s.ledger)
	}
	a.Crash = nil
	if res, err := a.Correlate(t.Context(), "main"); err != nil || res.Joined != 6 || len(c.sent) != 1 {
		t.Errorf("%+v %v %v", res, err, c.sent)
	}
}

// TestCorrelateLeavesClosedIncidents: what is decided stays decided.
func TestCorrelateLeavesClosedIncidents(t *testing.T) {
	a, s, c := newCases()
	if _, err := a.Correlate(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	id := s.alerts["odd0"].Incident
	i := s.incidents[id]
	i.Status = schema.IncidentClosed
	s.incidents[id] = i
	s.alerts["late"] = caseAlert("late", "another", "ws1", s.alerts["odd5"].FirstSeen.Add(time.Minute))
	if res, err := a.Correlate(t.Context(), "main"); err != nil || res.Joined != 0 || s.alerts["late"].Incident != "" || c.sent[i.Workflow]["late"] {
		t.Errorf("%+v %v", res, err)
	}
}

func TestIslands(t *testing.T) {
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	got := islands(map[string]time.Time{"a": at, "b": at.Add(time.Hour), "c": at.AddDate(1, 0, 0)})
	if len(got) != 2 || !got[0].to.Equal(at.Add(time.Hour)) || !got[1].from.Equal(at.AddDate(1, 0, 0)) {
		t.Errorf("%v", got)
	}
}

func TestWeighByCriticality(t *testing.T) {
	x := schema.Alert{Risk: 50, Entities: map[string]string{"host": "DC01", "user": "bob"}}
	weigh(&x, map[string]string{"dc01": "critical", "bob": "low"})
	if x.Risk != 75 || x.Criticality != "critical" {
		t.Errorf("%+v", x)
	}
}
