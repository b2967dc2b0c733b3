// Package detect measures what the rules find: in attack recordings that others have
// labelled, in ordinary background, and in the tests that other engines publish for their
// own rules. Every record goes the way of the product: the pipeline reads, parses, enriches
// and evaluates it, stateful rules are judged, and detections are folded into alerts.
// Labels and expected results never enter an event.
package detect

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vigil/internal/play"
	"vigil/internal/source"
	"vigil/rules"
	"vigil/rules/library"
	"vigil/rules/sigma"
	"vigil/schema"
)

// Engine is a rule set, and which of its rules are our own.
type Engine struct {
	set *rules.Set
	own *rules.Set
}

// New loads our rules and, with withSigma, those of SigmaHQ below data. Rules with
// placeholders of a site are left out, as an import without lists does.
func New(data string, withSigma bool) (*Engine, error) {
	own, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	x := &Engine{set: own, own: own}
	if !withSigma {
		return x, nil
	}
	f, err := os.Open(filepath.Join(data, "rules/sigma-rules.tar.gz"))
	if err != nil {
		return nil, fmt.Errorf("opening the rules of SigmaHQ: %w", err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("opening the rules of SigmaHQ: %w", err)
	}
	files, err := sigma.FromTar(z)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(own.Rules())
	for _, c := range sigma.Convert(files, sigma.Options{}).Converted {
		all = append(all, c.Rule)
	}
	x.set = rules.SetOf(all...)
	return x, nil
}

// isOwn says whether an alert is of one of our rules.
func (x *Engine) isOwn(a schema.Alert) bool {
	_, ok := x.own.Rule(a.Rule)
	return ok
}

// watch reads objects as one source and returns the alerts that it raises.
func (x *Engine) watch(ctx context.Context, objects ...source.Object) (play.Found, error) {
	return play.Run(ctx, x.set, objects...)
}

// objectsOf are the objects of a file below data, by member; of a plain file the member is "".
func objectsOf(ctx context.Context, data, file string) (map[string]source.Object, error) {
	out := map[string]source.Object{}
	for o, err := range source.Objects(ctx, []string{filepath.Join(data, file)}) {
		if p := (*source.Problem)(nil); errors.As(err, &p) && o.Fingerprint == "" {
			return nil, err
		}
		out[o.Member] = o
	}
	return out, nil
}

// atLeast says whether an alert is of that severity or worse.
func atLeast(a schema.Alert, s schema.Severity) bool { return a.Severity.Rank() >= s.Rank() }

// parent is the technique that a sub-technique is of.
func parent(technique string) string {
	p, _, _ := strings.Cut(technique, ".")
	return p
}

func byText[T any](name func(T) string) func(a, b T) int {
	return func(a, b T) int { return cmp.Compare(name(a), name(b)) }
}
