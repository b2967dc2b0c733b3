package activities

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"vigil/internal/ml"
	"vigil/internal/pipeline"
	"vigil/schema"
)

// ChampionStore knows the models; *store.Store is one.
type ChampionStore interface {
	Model(ctx context.Context, org, id string) (schema.Model, error)
	Champions(ctx context.Context, org string) ([]schema.Model, error)
}

// LiveModels scores events as they come in. It asks for the champions at most every few
// seconds, so a promotion or rollback counts for what is planned after that; what is
// planned already keeps its models (decision 4). Safe for concurrent use.
type LiveModels struct {
	Store ChampionStore
	Log   *slog.Logger

	mu     sync.Mutex
	known  map[string]inForce   // by org
	loaded map[string]*ml.Model // by id; nil for a model that cannot be used
}

// inForce is what an org's champions were when they were asked for.
type inForce struct {
	models string
	asked  time.Time
}

const (
	championAge = 2 * time.Second
	maxLoaded   = 32 // models kept ready
)

// InForce names the models in force as plans and chunks pin them:
// detector=model, in the order of the detector table, separated by commas.
func (l *LiveModels) InForce(ctx context.Context, org string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k, ok := l.known[org]; ok && time.Since(k.asked) < championAge {
		return k.models, nil
	}
	list, err := l.Store.Champions(ctx, org)
	if err != nil {
		return "", fmt.Errorf("asking for the models in force: %w", err)
	}
	var names []string
	for _, d := range ml.Detectors() {
		for _, m := range list {
			if m.Detector == d.ID && l.ready(m) != nil {
				names = append(names, d.ID+"="+m.ID)
			}
		}
	}
	if l.known == nil {
		l.known = map[string]inForce{}
	}
	l.known[org] = inForce{strings.Join(names, ","), time.Now()}
	return l.known[org].models, nil
}

// ready returns the decoded model, nil when this program cannot use it.
func (l *LiveModels) ready(m schema.Model) *ml.Model {
	if x, ok := l.loaded[m.ID]; ok {
		return x
	}
	x, err := ml.Decode(m.Body)
	if err != nil {
		l.Log.Error("a model in force is not used; its detector is off until it is trained again", "detector", m.Detector, "model", m.ID, "error", err)
	}
	if l.loaded == nil || len(l.loaded) >= maxLoaded {
		l.loaded = map[string]*ml.Model{}
	}
	l.loaded[m.ID] = x
	return x
}

// Scorer returns a scorer of the models that a plan pins, promoted or not by now.
func (l *LiveModels) Scorer(ctx context.Context, org, models string) (pipeline.Scorer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &scorer{}
	for name := range strings.SplitSeq(models, ",") {
		_, id, ok := strings.Cut(name, "=")
		if !ok {
			continue // nothing in force
		}
		x, known := l.loaded[id]
		if !known {
			m, err := l.Store.Model(ctx, org, id)
			if err != nil {
				return nil, fmt.Errorf("loading the model %s: %w", name, err)
			}
			x = l.ready(m)
		}
		if x != nil {
			s.models = append(s.models, &scoring{id: id, model: x, with: x.Scorer()})
		}
	}
	return s, nil
}

// scorer scores events with the models of one plan. One goroutine each.
type scorer struct{ models []*scoring }

// scoring is a model and what it thinks of the event in hand.
type scoring struct {
	id    string
	model *ml.Model
	with  *ml.Scorer
	score float64 // 0 when the event is not of its data set
}

// sampledShare: of the scores below the threshold one in so many is kept, by event id, so that
// the drift of a model can be seen without storing every score.
const sampledShare = 100

// Take implements pipeline.Scorer.
func (s *scorer) Take(e *schema.Event, dst []schema.Score) []schema.Score {
	for _, m := range s.models {
		m.score = 0
		if e.Str(schema.FEventDataset) != m.model.Detector.Dataset {
			continue
		}
		m.score = m.with.Score(e)
		if m.score >= m.model.Threshold || sampled(e.ID) {
			dst = append(dst, schema.Score{Model: m.id, Detector: m.model.Detector.ID, Score: m.score})
		}
	}
	return dst
}

func sampled(id schema.EventID) bool {
	x := (binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])) * 0x9e3779b97f4a7c15
	return (x>>32)%sampledShare == 0
}

// Score implements rules.Scores.
func (s *scorer) Score(detector string) (score, threshold float64, ok bool) {
	if m := s.of(detector); m != nil {
		return m.score, m.model.Threshold, true
	}
	return 0, 0, false
}

// Explain implements rules.Explainer.
func (s *scorer) Explain(detector string) string {
	if m := s.of(detector); m != nil && m.score > 0 {
		return m.with.Explain()
	}
	return ""
}

func (s *scorer) of(detector string) *scoring {
	for _, m := range s.models {
		if m.model.Detector.ID == detector {
			return m
		}
	}
	return nil
}
