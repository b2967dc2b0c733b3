package parser

import (
	"strings"

	"vigil/schema"
)

// newOsquery reads the results that osquery logs: one row of a query that was added or
// removed, or a snapshot of all its rows.
func newOsquery(o Options) Parser {
	m := mapperOf("osquery", o, nil)
	return newMappedTable(m, m.section(m.table(), m.Tables["columns"]))
}

// osqueryPath is the executable of processes and the path of files: what has a process
// id or runs from a directory of programs is the former.
func osqueryPath(e *schema.Event, v string) {
	if e.Has(schema.FProcessPid) || strings.Contains(v, "/bin/") || strings.HasSuffix(strings.ToLower(v), ".exe") {
		setImage(e, v)
		return
	}
	setFile(e, v)
}

func detectOsquery(sample []byte, _ string) (int, string) {
	switch {
	case hasKeys(sample, "name", "hostIdentifier", "calendarTime") && (hasKeys(sample, "columns") || hasKeys(sample, "snapshot") || hasKeys(sample, "diffResults")),
		hasKeys(sample, "name", "action", "columns"):
		return 93, "JSON with name, action and columns, as osquery logs results"
	}
	return 0, ""
}
