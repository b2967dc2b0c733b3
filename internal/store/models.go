package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// TrainingWindow names the events of a training so that they are the same whenever
// they are asked for: chunks committed later do not count.
type TrainingWindow struct {
	Org       string    `json:"org"`
	Dataset   string    `json:"dataset"`
	From      time.Time `json:"from,omitzero"` // event time, inclusive; zero: open
	To        time.Time `json:"to,omitzero"`   // event time, exclusive; zero: open
	Ingested  time.Time `json:"ingested"`      // ingested at or after
	Committed time.Time `json:"committed"`     // committed at or before
}

// where is the condition of a window. Events on which a rule of high or critical
// severity fired as they came in are left out: a model must not learn an attack. People
// know better: events of alerts that they judged false or benign are in, those of true
// positives are out. Their verdicts are read from the audit as of Committed, so that a
// retry trains on the same rows.
func (w TrainingWindow) where() (string, P) {
	p := P{"org": w.Org, "dataset": w.Dataset, "ingested": w.Ingested, "committed": w.Committed}
	committed := "(SELECT id FROM chunks WHERE org = {org:String} AND committed <= {committed:DateTime64(6)})"
	q := `org = {org:String} AND event_dataset = {dataset:String} AND ingested >= {ingested:DateTime64(6)} AND chunk IN ` + committed + `
		AND lower(hex(id)) NOT IN (SELECT event_id FROM detections WHERE org = {org:String} AND dataset = {dataset:String} AND severity IN ('high', 'critical') AND chunk IN ` + committed + `
			AND id NOT IN (SELECT detection FROM alert_members WHERE org = {org:String} AND alert IN ` + judged("('false_positive', 'benign')") + `))
		AND lower(hex(id)) NOT IN (SELECT event_id FROM alert_members WHERE org = {org:String} AND alert IN ` + judged("('true_positive')") + `)`
	if !w.From.IsZero() {
		q, p["from"] = q+" AND timestamp >= {from:DateTime64(6)}", w.From
	}
	if !w.To.IsZero() {
		q, p["to"] = q+" AND timestamp < {to:DateTime64(6)}", w.To
	}
	return q, p
}

// judged selects the alerts whose verdict was one of these at the time committed.
func judged(verdicts string) string {
	return `(SELECT object FROM audit WHERE org = {org:String} AND verb = 'alert.update' AND time <= {committed:DateTime64(6)}
	GROUP BY object HAVING argMax(details['verdict'], time) IN ` + verdicts + `)`
}

// LastCommit is the time of the newest manifest row, zero when there is none.
func (s *Store) LastCommit(ctx context.Context, org string) (time.Time, error) {
	var t time.Time
	_, err := s.row(ctx, "SELECT max(committed) FROM chunks WHERE org = {org:String}", P{"org": org}, &t)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the last commit: %w", err)
	}
	return t.UTC(), nil
}

// TrainingSize counts the events of a window and the days (of event time) they are of.
func (s *Store) TrainingSize(ctx context.Context, w TrainingWindow) (rows, days int64, err error) {
	q, p := w.where()
	if _, err := s.row(ctx, "SELECT toInt64(count()), toInt64(uniqExact(toDate(timestamp))) FROM events WHERE "+q, p, &rows, &days); err != nil {
		return 0, 0, fmt.Errorf("counting training rows: %w", err)
	}
	return rows, days, nil
}

// TrainingRows hands a share of the events of a window to do, rebuilt from the columns
// of the given fields. Which ones depends on their ids only. The event is reused.
func (s *Store) TrainingRows(ctx context.Context, w TrainingWindow, fields []schema.FieldID, share float64, do func(e *schema.Event) error) error {
	q, p := w.where()
	if share < 1 {
		q, p["cut"] = q+" AND sipHash64(id) <= {cut:UInt64}", uint64(max(share, 0)*(1<<63))*2
	}
	r := newRebuilder(fields)
	err := s.each(ctx, "SELECT id, "+strings.Join(r.columns, ", ")+" FROM events WHERE "+q, p, func(rows driver.Rows) error {
		if err := rows.Scan(r.targets...); err != nil {
			return err
		}
		return do(r.event())
	})
	if err != nil {
		return fmt.Errorf("reading training rows: %w", err)
	}
	return nil
}

// rebuilder makes events of stored columns.
type rebuilder struct {
	fields  []schema.FieldID
	columns []string
	targets []any
	id      string
	text    []string
	num     []int64
	flt     []float64
	flag    []bool
	date    []time.Time
	addr    []netip.Addr
	e       schema.Event
}

func newRebuilder(fields []schema.FieldID) *rebuilder {
	n := len(fields)
	r := &rebuilder{fields: fields, text: make([]string, n), num: make([]int64, n), flt: make([]float64, n), flag: make([]bool, n), date: make([]time.Time, n), addr: make([]netip.Addr, n)}
	r.targets = []any{&r.id}
	for i, f := range fields {
		d := f.Def()
		r.columns = append(r.columns, d.Column)
		var to any = &r.text[i]
		switch d.Kind {
		case schema.Long:
			to = &r.num[i]
		case schema.Double:
			to = &r.flt[i]
		case schema.Bool:
			to = &r.flag[i]
		case schema.Date:
			to = &r.date[i]
		case schema.IP:
			to = &r.addr[i]
		}
		r.targets = append(r.targets, to)
	}
	return r
}

// event is the row scanned last. What the store writes for absent is absent again.
func (r *rebuilder) event() *schema.Event {
	e := &r.e
	e.Reset(nil, 0)
	copy(e.ID[:], r.id)
	for i, f := range r.fields {
		switch f.Def().Kind {
		case schema.Long:
			e.SetInt(f, r.num[i])
		case schema.Double:
			e.SetFloat(f, r.flt[i])
		case schema.Bool:
			if r.flag[i] {
				e.SetInt(f, 1)
			}
		case schema.Date:
			e.SetTime(f, r.date[i])
		case schema.IP:
			if a := r.addr[i].Unmap(); a.IsValid() && a != netip.IPv6Unspecified() {
				e.SetAddr(f, a, a.String())
			}
		default:
			e.SetStr(f, r.text[i])
		}
	}
	return e
}

// PutModels stores models in one insert: all of them, or none; the highest Version of
// each holds.
func (s *Store) PutModels(ctx context.Context, models ...schema.Model) error {
	rows := make([][]any, len(models))
	for i, m := range models {
		rows[i] = []any{m.Org, m.Detector, m.ID, m.Status, m.Created, asJSON(m), string(m.Body), m.Version}
	}
	if err := s.insert(ctx, "models", "org, detector, id, status, created, doc, body, version", "", rows); err != nil {
		return fmt.Errorf("writing models: %w", err)
	}
	return nil
}

// Model returns a model with its body; NotFound when there is none.
func (s *Store) Model(ctx context.Context, org, id string) (schema.Model, error) {
	list, err := s.models(ctx, "body", "id = {id:String}", P{"org": org, "id": id})
	if err != nil {
		return schema.Model{}, err
	}
	if len(list) == 0 {
		return schema.Model{}, schema.E(schema.NotFound, "there is no model "+id, "`vigil models list` shows them")
	}
	return list[0], nil
}

// Models lists models without their bodies, newest first; detector "" stands for all.
func (s *Store) Models(ctx context.Context, org, detector string) ([]schema.Model, error) {
	return s.models(ctx, "''", "({detector:String} = '' OR detector = {detector:String})", P{"org": org, "detector": detector})
}

// Champions returns the models in force, with their bodies, at most one a detector.
func (s *Store) Champions(ctx context.Context, org string) ([]schema.Model, error) {
	return s.models(ctx, "body", "status = 'champion'", P{"org": org})
}

func (s *Store) models(ctx context.Context, body, where string, p P) ([]schema.Model, error) {
	out := []schema.Model{}
	// FINAL comes before the condition, so that an older version of a row never matches.
	q := "SELECT doc, " + body + " FROM (SELECT * FROM models FINAL WHERE org = {org:String}) WHERE " + where + " ORDER BY created DESC, id LIMIT 1000"
	err := s.each(ctx, q, p, func(r driver.Rows) error {
		var text, bytes string
		if err := r.Scan(&text, &bytes); err != nil {
			return err
		}
		var m schema.Model
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return fmt.Errorf("a stored model is damaged: %w", err)
		}
		m.Body = []byte(bytes)
		out = append(out, m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading models: %w", err)
	}
	return out, nil
}

func (s *Store) putScores(ctx context.Context, token string, list []schema.Score) error {
	rows := make([][]any, len(list))
	for i, x := range list {
		rows[i] = []any{x.Org, x.Model, x.Detector, x.EventID, x.Source, x.Chunk, float32(x.Score), x.Time, x.Ingested}
	}
	return s.insert(ctx, "scores", "org, model, detector, event_id, source, chunk, score, time, ingested", token, rows)
}

// ScoreStats sums up the kept scores of a model: how many, and how many from the
// threshold on.
func (s *Store) ScoreStats(ctx context.Context, org, model string, threshold float64) (kept, above int64, err error) {
	_, err = s.row(ctx, "SELECT toInt64(count()), toInt64(countIf(score >= toFloat32({threshold:Float64}))) FROM scores WHERE org = {org:String} AND model = {model:String}",
		P{"org": org, "model": model, "threshold": threshold}, &kept, &above)
	if err != nil {
		return 0, 0, fmt.Errorf("counting scores: %w", err)
	}
	return kept, above, nil
}
