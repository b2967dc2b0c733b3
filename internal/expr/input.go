package expr

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"vigil/schema"
)

// Scores answers what a detector thinks of the event in hand.
type Scores interface {
	// Score returns the event's score and the threshold of the detector's
	// promoted model; ok is false when no model is in force.
	Score(detector string) (score, threshold float64, ok bool)
}

// Input is what an event program is evaluated over. It may be reused, by one
// goroutine.
type Input struct {
	Event *schema.Event
	// Scores answers score() and threshold(); when nil, the extras under
	// ScorePrefix and ThresholdPrefix do, as stored history does.
	Scores Scores
}

// ResolveName implements the activation of the CEL library.
func (in *Input) ResolveName(name string) (any, bool) {
	if name == root {
		return in, true
	}
	return nil, false
}

// Parent implements the activation of the CEL library.
func (in *Input) Parent() interpreter.Activation { return nil }

func inputOf(f *interpreter.ExecutionFrame) *Input {
	if in, ok := f.Activation.(*Input); ok {
		return in
	}
	v, _ := f.ResolveName(root)
	in, _ := v.(*Input)
	return in
}

func isAddr(r Ref) bool {
	d := r.Field.Def()
	return d.Kind == schema.IP && !d.Multi
}

// addrText is the canonical text of an address field; "" when it is absent or
// the unspecified IPv6 address, which stands for absent in the store.
func addrText(e *schema.Event, f schema.FieldID) string {
	a := e.Addr(f)
	if !a.IsValid() || a == netip.IPv6Unspecified() {
		return ""
	}
	if s := e.Str(f); s != "" && a.Is4() && strings.IndexByte(s, ':') < 0 {
		return s
	}
	return a.Unmap().WithZone("").String()
}

// Held says whether [Input.Text] of the reference is the field's own text, as the event holds it.
func (r Ref) Held() bool { return !r.Raw && r.Extra == "" && !isAddr(r) }

// Text returns the value of a text reference, "" when absent.
func (in *Input) Text(r Ref) string {
	switch {
	case r.Raw:
		return schema.View(in.Event.Raw)
	case r.Extra != "":
		v, _ := in.Event.Extra(r.Extra)
		return v
	case isAddr(r):
		return addrText(in.Event, r.Field)
	default:
		return in.Event.Str(r.Field)
	}
}

// Has says whether the reference carries a value other than the zero value.
func (in *Input) Has(r Ref) bool {
	if r.Raw {
		return len(in.Event.Raw) > 0
	}
	if r.Extra != "" {
		v, _ := in.Event.Extra(r.Extra)
		return v != ""
	}
	d := r.Field.Def()
	switch {
	case d.Multi:
		return len(in.Event.List(r.Field)) > 0
	case d.Kind == schema.Double:
		return in.Event.Float(r.Field) != 0
	case d.Kind == schema.Long, d.Kind == schema.Bool, d.Kind == schema.Date:
		return in.Event.Int(r.Field) != 0
	case d.Kind == schema.IP:
		a := in.Event.Addr(r.Field)
		return a.IsValid() && a != netip.IPv6Unspecified()
	default:
		return in.Event.Str(r.Field) != ""
	}
}

// value boxes a reference for the interpreter; it may allocate.
func (in *Input) value(r Ref, adapt types.Adapter) ref.Val {
	if r.Raw || r.Extra != "" {
		return types.String(in.Text(r))
	}
	d := r.Field.Def()
	if d.Multi {
		return types.NewStringList(adapt, in.Event.List(r.Field))
	}
	switch d.Kind {
	case schema.Long:
		return types.Int(in.Event.Int(r.Field))
	case schema.Double:
		return types.Double(in.Event.Float(r.Field))
	case schema.Bool:
		return types.Bool(in.Event.Int(r.Field) != 0)
	case schema.Date:
		return types.Timestamp{Time: timeOf(in.Event.Int(r.Field))}
	default:
		return types.String(in.Text(r))
	}
}

func (in *Input) score(detector, scoreName, thresholdName string, wantThreshold bool) float64 {
	if in.Scores != nil {
		s, t, ok := in.Scores.Score(detector)
		switch {
		case ok && wantThreshold:
			return t
		case ok:
			return s
		case wantThreshold:
			return math.Inf(1)
		}
		return 0
	}
	name, absent := scoreName, 0.0
	if wantThreshold {
		name, absent = thresholdName, math.Inf(1)
	}
	v, _ := in.Event.Extra(name)
	return parseScore(v, absent)
}

// ScoreText returns the score of a detector as decimal text, for display.
func (in *Input) ScoreText(detector string) string {
	return strconv.FormatFloat(in.score(detector, ScorePrefix+detector, "", false), 'f', 4, 64)
}
