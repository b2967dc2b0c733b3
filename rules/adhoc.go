package rules

import (
	"cmp"
	"errors"
	"strings"

	"vigil/internal/document"
	"vigil/schema"
)

// AdHoc makes a rule of a condition alone, for hunts; without data sets it is for all
// events. Errors are placed in the condition.
func AdHoc(when string, datasets []string) (*Rule, error) {
	const key = "when: "
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	line := strings.Join(strings.Fields(strings.NewReplacer("\r", " ", "\n", " ", "\t", " ").Replace(when)), " ")
	if !strings.ContainsAny(when, "\r\n\t") {
		line = when // columns are as people see them
	}
	sets := make([]string, 0, len(datasets))
	for _, d := range datasets {
		sets = append(sets, quote(d))
	}
	doc := key + quote(line) + "\nid: ad-hoc\ntitle: Condition\nauthor: hunt\nstatus: draft\nseverity: low\ndataset: [" + cmp.Or(strings.Join(sets, ", "), "'*'") + "]\n"
	list, errs := Parse("condition", []byte(doc), Options{})
	if len(errs) > 0 {
		for _, err := range errs {
			if x, ok := errors.AsType[*document.Error](err); ok && x.Line == 1 {
				x.Column = max(x.Column-len(key)-1, 1)
			}
		}
		return nil, schema.E(schema.Invalid, errors.Join(errs...).Error(), "write it as in a rule: e.source.ip == '192.0.2.1'")
	}
	return list[0], nil
}
