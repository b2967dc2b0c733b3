package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"vigil/internal/ml"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// ModelStore is what training reads and writes; *store.Store is one.
type ModelStore interface {
	LastCommit(ctx context.Context, org string) (time.Time, error)
	TrainingSize(ctx context.Context, w store.TrainingWindow) (rows, days int64, err error)
	TrainingRows(ctx context.Context, w store.TrainingWindow, fields []schema.FieldID, share float64, do func(e *schema.Event) error) error
	PutModels(ctx context.Context, models ...schema.Model) error
	Model(ctx context.Context, org, id string) (schema.Model, error)
	Models(ctx context.Context, org, detector string) ([]schema.Model, error)
	Champions(ctx context.Context, org string) ([]schema.Model, error)
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// Models trains, evaluates, promotes, refuses and rolls back models. The Retrain
// workflow of a detector is the only writer of its models.
type Models struct {
	Store ModelStore
	Trail Trail
}

// The states of a model.
const (
	challenger = "challenger"
	champion   = "champion"
	refused    = "refused"
	retired    = "retired"
	rolledBack = "rolled-back"
)

// Snapshot pins what a training reads: asked again, the same rows come back, and their
// hash proves it. It holds no event.
type Snapshot struct {
	Detector string               `json:"detector"`
	Window   store.TrainingWindow `json:"window"`
	Share    float64              `json:"share"` // of the window's events that are read, by a hash of their ids
	MaxRows  int                  `json:"max_rows"`
	Total    int64                `json:"total"` // events of the window
	Rows     int                  `json:"rows"`  // events of the sample
	PerDay   float64              `json:"per_day"`
	Hash     string               `json:"hash"`
	From     time.Time            `json:"from"`  // event time of the first row
	Split    time.Time            `json:"split"` // rows from here on are held out
	To       time.Time            `json:"to"`    // event time of the last row
}

const (
	// trainingDays is how far back a training without a window looks, by the time of
	// ingestion: recordings carry event times of any year.
	trainingDays = 30
	maxTraining  = 200_000 // rows, whatever is asked for
	oversample   = 1.2     // what a sample by hash reads more than is kept, because its size is left to chance
)

// SnapshotTraining pins the window of a training and counts what is in it.
func (a *Models) SnapshotTraining(ctx context.Context, in flow.RetrainInput) (Snapshot, error) {
	d, err := ml.ByID(in.Detector)
	if err != nil {
		return Snapshot{}, Retryable(err)
	}
	if !in.From.IsZero() && !in.To.IsZero() && !in.From.Before(in.To) {
		return Snapshot{}, Retryable(schema.E(schema.Invalid, "the window ends before it begins", `"from" and "to" are event times, RFC 3339`))
	}
	defer keepAlive(ctx)()
	last, err := a.Store.LastCommit(ctx, in.Org)
	if err != nil {
		return Snapshot{}, Retryable(err)
	}
	s := Snapshot{Detector: d.ID, Share: 1, MaxRows: d.Params.MaxRows, Window: store.TrainingWindow{Org: in.Org, Dataset: d.Dataset, From: in.From.UTC(), To: in.To.UTC(),
		Ingested: time.Now().UTC().Truncate(time.Millisecond).AddDate(0, 0, -trainingDays), Committed: last}}
	if in.MaxRows > 0 {
		s.MaxRows = min(in.MaxRows, maxTraining)
	}
	var days int64
	if s.Total, days, err = a.Store.TrainingSize(ctx, s.Window); err != nil {
		return s, Retryable(err)
	}
	s.PerDay = float64(s.Total) / float64(max(days, 1))
	if s.Total > int64(s.MaxRows) {
		s.Share = min(1, oversample*float64(s.MaxRows)/float64(s.Total))
	}
	set, hash, err := a.read(ctx, d, s)
	if err != nil {
		return s, Retryable(err)
	}
	first, split, to := set.Span()
	s.Rows, s.Hash, s.From, s.Split, s.To = set.Rows(), hash, time.UnixMicro(first).UTC(), time.UnixMicro(split).UTC(), time.UnixMicro(to).UTC()
	return s, nil
}

// keepAlive heartbeats while a query is under way; the function it returns ends that.
func keepAlive(ctx context.Context) func() {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { stop(); <-done }
}

// read reads the rows of a snapshot.
func (a *Models) read(ctx context.Context, d *ml.Detector, s Snapshot) (*ml.Dataset, string, error) {
	set := ml.NewDataset(d)
	err := a.Store.TrainingRows(ctx, s.Window, d.Fields, s.Share, func(e *schema.Event) error {
		if set.Rows()%1000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		set.Add(e)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return set, set.Seal(s.MaxRows), nil
}

// reread reads the rows of a snapshot again and holds them against its hash.
func (a *Models) reread(ctx context.Context, s Snapshot) (*ml.Detector, *ml.Dataset, error) {
	d, err := ml.ByID(s.Detector)
	if err != nil {
		return nil, nil, err
	}
	set, hash, err := a.read(ctx, d, s)
	if err != nil {
		return nil, nil, err
	}
	if hash != s.Hash {
		return nil, nil, schema.E(schema.Conflict, fmt.Sprintf("the training rows have changed since they were pinned (%d rows then, %d now)", s.Rows, set.Rows()), "rows expired meanwhile; start the training again")
	}
	return d, set, nil
}

// ModelVerdict is what the gate thinks of a model, or of a data set that is not worth
// training on (Model is empty then).
type ModelVerdict struct {
	Model   string             `json:"model"`
	Pass    bool               `json:"pass"`
	Why     string             `json:"why"`
	Checks  []schema.Check     `json:"checks"`
	Metrics map[string]float64 `json:"metrics"`
}

func verdictOf(model string, v ml.Verdict) ModelVerdict {
	return ModelVerdict{Model: model, Pass: v.Pass, Why: v.Why, Checks: v.Checks, Metrics: v.Metrics}
}

// CheckTraining says whether a snapshot is worth training on.
func (a *Models) CheckTraining(_ context.Context, s Snapshot) (ModelVerdict, error) {
	d, err := ml.ByID(s.Detector)
	if err != nil {
		return ModelVerdict{}, Retryable(err)
	}
	if v, no := d.TooFew(s.Rows); no {
		return verdictOf("", v), nil
	}
	return ModelVerdict{Pass: true}, nil
}

// TrainModel trains on a snapshot, stores the model as challenger and returns its id.
// The same snapshot gives the same model, so a repeat changes nothing.
func (a *Models) TrainModel(ctx context.Context, s Snapshot, now time.Time) (string, error) {
	defer keepAlive(ctx)()
	d, set, err := a.reread(ctx, s)
	if err != nil {
		return "", Retryable(err)
	}
	m, err := ml.Train(set, s.Hash, s.PerDay, func() error { return context.Cause(ctx) })
	if err != nil {
		return "", Retryable(err)
	}
	body := m.Encode()
	id := ml.ModelID(body)
	if _, err := a.Store.Model(ctx, s.Window.Org, id); schema.CodeOf(err) != schema.NotFound {
		return id, Retryable(err) // trained before: its state stays
	}
	return id, Retryable(a.Store.PutModels(ctx, schema.Model{ID: id, Org: s.Window.Org, Detector: d.ID, Status: challenger, Created: now.UTC(), TrainFrom: s.From, TrainTo: s.Split, Rows: int64(s.Rows),
		Features: d.FeatureNames(), Threshold: m.Threshold, Dataset: s.Hash, Body: body, Version: 1}))
}

// EvaluateModel measures a model on the part of its snapshot that was held out and on
// injected attacks, beside the champion, and asks the gate.
func (a *Models) EvaluateModel(ctx context.Context, s Snapshot, id string) (ModelVerdict, error) {
	defer keepAlive(ctx)()
	_, set, err := a.reread(ctx, s)
	if err != nil {
		return ModelVerdict{}, Retryable(err)
	}
	row, err := a.Store.Model(ctx, s.Window.Org, id)
	if err != nil {
		return ModelVerdict{}, Retryable(err)
	}
	c := ml.Candidate{ID: id, RolledBack: row.Status == rolledBack}
	if c.Model, err = ml.Decode(row.Body); err != nil {
		return ModelVerdict{}, Retryable(err)
	}
	now, err := a.champion(ctx, s.Window.Org, s.Detector)
	if err != nil {
		return ModelVerdict{}, Retryable(err)
	}
	if now.ID != "" {
		// A champion of other features than the detector has now cannot be compared, nor
		// does it score: it is no champion to beat.
		if m, err := ml.Decode(now.Body); err == nil {
			c.ChampionID, c.Champion = now.ID, m
		}
	}
	return verdictOf(id, ml.Evaluate(c, set, s.PerDay)), nil
}

// champion returns the model in force of a detector; the zero Model when there is none.
func (a *Models) champion(ctx context.Context, org, detector string) (schema.Model, error) {
	list, err := a.Store.Champions(ctx, org)
	if err != nil {
		return schema.Model{}, err
	}
	for _, m := range list {
		if m.Detector == detector {
			return m, nil
		}
	}
	return schema.Model{}, nil
}

// FindChampion returns the id of the model in force, "" when there is none.
func (a *Models) FindChampion(ctx context.Context, org, detector string) (string, error) {
	m, err := a.champion(ctx, org, detector)
	return m.ID, Retryable(err)
}

// ModelChange is a decision about a model.
type ModelChange struct {
	Org      string       `json:"org"`
	Detector string       `json:"detector"`
	Verdict  ModelVerdict `json:"verdict"`
	By       string       `json:"by"`
	Key      string       `json:"key"` // unique to the decision, so that a repeat audits it once
	Now      time.Time    `json:"now"`
}

// PromoteModel makes a model the champion and retires the one before it, in one insert.
// It returns the champion.
func (a *Models) PromoteModel(ctx context.Context, c ModelChange) (string, error) {
	m, err := a.Store.Model(ctx, c.Org, c.Verdict.Model)
	if err != nil {
		return "", Retryable(err)
	}
	if m.Status != champion {
		before, err := a.champion(ctx, c.Org, c.Detector)
		if err != nil {
			return "", Retryable(err)
		}
		m.Status, m.Replaces = champion, before.ID
		rows := []schema.Model{judged(m, c.Verdict)}
		if before.ID != "" {
			before.Status = retired
			before.Version++
			rows = append(rows, before)
		}
		if err := a.Store.PutModels(ctx, rows...); err != nil {
			return "", Retryable(err)
		}
	}
	return m.ID, a.tell(ctx, c, "model.promote", "ok", m.ID)
}

// judged is a model's next version, with what the gate measured.
func judged(m schema.Model, v ModelVerdict) schema.Model {
	m.Decision, m.Checks, m.Metrics = v.Why, v.Checks, v.Metrics
	m.Version++
	return m
}

// RefuseModel keeps why a model was not promoted; a model that was judged before keeps
// its state. It returns the champion, which stays.
func (a *Models) RefuseModel(ctx context.Context, c ModelChange) (string, error) {
	if c.Verdict.Model != "" {
		m, err := a.Store.Model(ctx, c.Org, c.Verdict.Model)
		if err != nil {
			return "", Retryable(err)
		}
		if m.Status == challenger {
			m.Status = refused
			if err := a.Store.PutModels(ctx, judged(m, c.Verdict)); err != nil {
				return "", Retryable(err)
			}
		}
	}
	now, err := a.champion(ctx, c.Org, c.Detector)
	if err != nil {
		return "", Retryable(err)
	}
	return now.ID, a.tell(ctx, c, "model.refuse", "refused", now.ID)
}

// RollbackModel takes the champion c.Verdict.Model out of force; the one it had replaced
// is champion again. When there was none the detector is off. It returns the
// champion, "" for none.
func (a *Models) RollbackModel(ctx context.Context, c ModelChange) (string, error) {
	m, err := a.Store.Model(ctx, c.Org, c.Verdict.Model)
	if err != nil {
		return "", Retryable(err)
	}
	if m.Status == champion {
		before, err := a.before(ctx, m)
		if err != nil {
			return "", Retryable(err)
		}
		m.Status, m.Decision = rolledBack, c.Verdict.Why
		m.Version++
		rows := []schema.Model{m}
		if before.ID != "" {
			before.Status = champion
			before.Version++
			rows = append(rows, before)
		}
		if err := a.Store.PutModels(ctx, rows...); err != nil {
			return "", Retryable(err)
		}
	}
	now, err := a.champion(ctx, c.Org, c.Detector)
	if err != nil {
		return "", Retryable(err)
	}
	return now.ID, a.tell(ctx, c, "model.rollback", "ok", now.ID)
}

// before finds the champion before m; the zero Model when there was none. Models that
// were rolled back themselves are passed over.
func (a *Models) before(ctx context.Context, m schema.Model) (schema.Model, error) {
	seen := map[string]bool{m.ID: true}
	for id := m.Replaces; id != "" && !seen[id]; {
		seen[id] = true
		p, err := a.Store.Model(ctx, m.Org, id)
		if schema.CodeOf(err) == schema.NotFound {
			return schema.Model{}, nil
		}
		if err != nil || p.Status == retired {
			return p, err
		}
		id = p.Replaces
	}
	return schema.Model{}, nil
}

// tell audits a decision and publishes it to the screens.
func (a *Models) tell(ctx context.Context, c ModelChange, verb, outcome, now string) error {
	err := a.Trail.record(ctx, schema.AuditRecord{Org: c.Org, ID: auditID(verb, c.Key), Actor: by(c.By), Verb: verb, Object: c.Detector, Outcome: outcome,
		Details: map[string]string{"model": c.Verdict.Model, "why": c.Verdict.Why, "champion": now}})
	if err != nil {
		return Retryable(err)
	}
	return Retryable(a.Store.PutNotes(ctx, note(c.Org, "models", "changed", c.Detector, map[string]string{"model": c.Verdict.Model, "what": verb, "why": c.Verdict.Why, "champion": now}, c.Now)))
}
