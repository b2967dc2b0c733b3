package normalise

import "path"

// claims are the formats whose normalisation we answer for, as the collections name
// them; a name may be a pattern. The others are scored too, and counted apart.
var claims = []struct{ set, format string }{
	{"elastic", "*/*"},
}

func claimed(set, format string) bool {
	for _, c := range claims {
		if ok, _ := path.Match(c.format, format); c.set == set && ok {
			return true
		}
	}
	return false
}

// Difference is a field in which we differ from a collection on purpose. Where equal is
// nil the field is not compared, and counted as apart.
type Difference struct {
	Set    string `json:"set"`
	Format string `json:"format"` // a pattern
	Field  string `json:"field"`  // a pattern
	Reason string `json:"reason"`

	equal func(want string, have []string) bool
}

// Differences is the table of them.
func Differences() []Difference { return differences }

var differences = []Difference{
	{"elastic", "*/*", "ecs.version", "the version of the pipeline, not of the event", nil},
	{"elastic", "*/*", "event.ingested", "when the pipeline ran", nil},
	{"elastic", "*/*", "event.created", "when the agent read the line; not in the record", nil},
	{"elastic", "*/*", "event.timezone", "handed over with the record; not in it", nil},
	{"elastic", "*/*", "tags", "switches of the pipeline", nil},
}

func differenceOf(set, format, field string) *Difference {
	for i := range differences {
		d := &differences[i]
		if d.Set != set {
			continue
		}
		if ok, _ := path.Match(d.Format, format); !ok {
			continue
		}
		if ok, _ := path.Match(d.Field, field); ok {
			return d
		}
	}
	return nil
}
