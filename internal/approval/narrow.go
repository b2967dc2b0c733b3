package approval

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vigil/schema"
)

// Kinds of arguments that can be narrowed; the names are those of the action table.
const (
	kindHours = "hours"
	kindList  = "list"
)

// Narrower returns the arguments with the changes in them, when each change makes
// the action smaller: fewer values of a list, fewer hours. Anything else is a new
// request.
func Narrower(kinds, old, change map[string]string) (map[string]string, error) {
	if len(change) == 0 {
		return nil, schema.E(schema.Invalid, "nothing is narrowed", "name the arguments and their smaller values")
	}
	out := maps.Clone(old)
	smaller := false
	for _, name := range slices.Sorted(maps.Keys(change)) {
		was, ok := old[name]
		to := change[name]
		if !ok {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("the action has no argument %q", name), "")
		}
		if was == to {
			continue
		}
		less, err := isLess(kinds[name], was, to)
		if err != nil {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%s cannot be narrowed to %q", name, to), "only fewer targets of a list or fewer hours", err)
		}
		if !less {
			return nil, schema.E(schema.Denied, fmt.Sprintf("%s=%s is not narrower than %s", name, to, was), "widening needs a new request")
		}
		out[name], smaller = to, true
	}
	if !smaller {
		return nil, schema.E(schema.Invalid, "nothing is narrowed", "the values are as they were")
	}
	return out, nil
}

func isLess(kind, was, to string) (bool, error) {
	switch kind {
	case kindHours:
		a, err := strconv.Atoi(was)
		b, err2 := strconv.Atoi(to)
		if err != nil || err2 != nil || b < 1 {
			return false, fmt.Errorf("not a number of hours")
		}
		return b < a, nil
	case kindList:
		have, want := Split(was), Split(to)
		if len(want) == 0 {
			return false, fmt.Errorf("nothing would be left")
		}
		for _, v := range want {
			if !slices.Contains(have, v) {
				return false, nil
			}
		}
		slices.Sort(want)
		return len(slices.Compact(want)) < len(have), nil
	}
	return false, fmt.Errorf("an argument of type %s has no smaller value", kind)
}

// Split takes the values of a comma-separated list apart.
func Split(list string) []string {
	var out []string
	for v := range strings.SplitSeq(list, ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// CountTargets is how many things a target names.
func CountTargets(kind, target string) int {
	if kind == kindList {
		return len(Split(target))
	}
	return min(1, len(target))
}
