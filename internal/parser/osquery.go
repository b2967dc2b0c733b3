package parser

import (
	"strings"

	"vigil/schema"
)

// newOsquery reads the results that osquery logs: one row of a query that was added or
// removed, or a snapshot of all its rows.
func newOsquery(o Options) Parser {
	f := field
	now := by(timeField(schema.FTimestamp, o.zone()))
	t := table{
		"unixTime": now, "calendarTime": skipped, "name": f(schema.FRuleName), "action": f(schema.FEventAction), "hostIdentifier": f(schema.FHostName), "decorations.host_uuid": f(schema.FHostID), "decorations.hostname": f(schema.FHostHostname), "decorations.username": skipped,
		"epoch": skipped, "counter": f(schema.FEventSequence), "numerics": skipped, "logNumericsAsNumbers": skipped,
	}
	for column, to := range osqueryColumns() {
		t["columns."+column] = to
	}
	return newMapped("osquery", "osquery.result", t, func(e *schema.Event) {
		switch {
		case e.Has(schema.FProcessExecutable), e.Has(schema.FProcessCommandLine):
			e.Add(schema.FEventCategory, "process")
		case e.Has(schema.FFilePath):
			e.Add(schema.FEventCategory, "file")
		case e.Has(schema.FDestinationIP), e.Has(schema.FSourcePort):
			e.Add(schema.FEventCategory, "network")
		default:
			e.Add(schema.FEventCategory, "host")
		}
		switch e.Str(schema.FEventAction) {
		case "added":
			e.Add(schema.FEventType, "creation")
		case "removed":
			e.Add(schema.FEventType, "deletion")
		default:
			e.Add(schema.FEventType, "info")
		}
	})
}

// osqueryColumns are the columns that mean the same in all of osquery's tables.
func osqueryColumns() table {
	f := field
	return table{
		"pid": f(schema.FProcessPid), "parent": f(schema.FProcessParentPid), "path": by(osqueryPath), "cmdline": f(schema.FProcessCommandLine), "command": first(schema.FProcessCommandLine), "cwd": f(schema.FProcessWorkingDirectory),
		"username": f(schema.FUserName), "user": first(schema.FUserName), "uid": f(schema.FUserID), "groupname": f(schema.FGroupName), "gid": f(schema.FGroupID),
		"directory": f(schema.FFileDirectory), "filename": f(schema.FFileName), "target_path": by(setFile), "size": f(schema.FFileSize), "md5": f(schema.FFileHashMd5), "sha1": f(schema.FFileHashSha1), "sha256": f(schema.FFileHashSha256),
		"local_address": by(addressOf(schema.FSourceIP, schema.FSourceDomain)), "local_port": f(schema.FSourcePort), "remote_address": by(addressOf(schema.FDestinationIP, schema.FDestinationDomain)), "remote_port": by(portUnlessZero(schema.FDestinationPort)), "address": first(schema.FHostIP), "mac": f(schema.FHostMac),
		"key": f(schema.FRegistryKey), "data": f(schema.FRegistryDataStrings),
	}
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
