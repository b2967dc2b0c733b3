package parser

import (
	"strings"

	"vigil/schema"
)

// windowsChannel is what a channel is called in event.dataset.
var windowsChannel = map[string]string{
	"security":                             "windows.security",
	"system":                               "windows.system",
	"application":                          "windows.application",
	"microsoft-windows-sysmon/operational": "windows.sysmon",
	"microsoft-windows-powershell/operational":                               "windows.powershell",
	"windows powershell":                                                     "windows.powershell",
	"microsoft-windows-wmi-activity/operational":                             "windows.wmi",
	"microsoft-windows-taskscheduler/operational":                            "windows.taskscheduler",
	"microsoft-windows-windows defender/operational":                         "windows.defender",
	"microsoft-windows-terminalservices-localsessionmanager/operational":     "windows.rdp",
	"microsoft-windows-terminalservices-remoteconnectionmanager/operational": "windows.rdp",
	"microsoft-windows-bits-client/operational":                              "windows.bits",
	"microsoft-windows-dns-client/operational":                               "windows.dns-client",
	"microsoft-windows-windows firewall with advanced security/firewall":     "windows.firewall",
}

// kind says what an event id means in ECS.
type kind struct{ category, etype, action, outcome string }

var sysmonKinds = map[string]kind{
	"1": {"process", "start", "process-created", ""}, "2": {"file", "change", "file-time-changed", ""},
	"3": {"network", "connection", "network-connection", ""}, "4": {"process", "info", "sysmon-state-changed", ""}, "5": {"process", "end", "process-terminated", ""},
	"6": {"driver", "start", "driver-loaded", ""}, "7": {"process", "change", "image-loaded", ""}, "8": {"process", "change", "remote-thread-created", ""},
	"9": {"process", "access", "raw-access-read", ""}, "10": {"process", "access", "process-accessed", ""}, "11": {"file", "creation", "file-created", ""},
	"12": {"registry", "change", "registry-key-changed", ""}, "13": {"registry", "change", "registry-value-set", ""}, "14": {"registry", "change", "registry-renamed", ""},
	"15": {"file", "access", "stream-created", ""}, "17": {"file", "creation", "pipe-created", ""}, "18": {"file", "access", "pipe-connected", ""},
	"19": {"process", "creation", "wmi-filter-created", ""}, "20": {"process", "creation", "wmi-consumer-created", ""}, "21": {"process", "creation", "wmi-binding-created", ""},
	"22": {"network", "info", "dns-query", ""}, "23": {"file", "deletion", "file-deleted", ""}, "24": {"", "change", "clipboard-changed", ""},
	"25": {"process", "change", "process-tampered", ""}, "26": {"file", "deletion", "file-deleted", ""}, "29": {"file", "creation", "executable-created", ""},
}

var securityKinds = map[string]kind{
	"1102": {"iam", "deletion", "audit-log-cleared", "success"},
	"4624": {"authentication", "start", "logged-in", "success"}, "4625": {"authentication", "start", "logon-failed", "failure"},
	"4634": {"authentication", "end", "logged-out", "success"}, "4647": {"authentication", "end", "logged-out", "success"}, "4648": {"authentication", "start", "logged-in-explicit", "success"},
	"4656": {"file", "access", "handle-requested", "success"}, "4657": {"registry", "change", "registry-value-set", "success"}, "4658": {"file", "access", "handle-closed", "success"},
	"4662": {"iam", "access", "directory-object-accessed", "success"}, "4663": {"file", "access", "object-accessed", "success"}, "4670": {"iam", "change", "permissions-changed", "success"},
	"4672": {"iam", "admin", "special-privileges-assigned", "success"}, "4673": {"iam", "access", "privileged-service-called", "success"},
	"4688": {"process", "start", "process-created", "success"}, "4689": {"process", "end", "process-terminated", "success"}, "4690": {"file", "access", "handle-duplicated", "success"},
	"4697": {"configuration", "creation", "service-installed", "success"}, "4698": {"configuration", "creation", "scheduled-task-created", "success"}, "4699": {"configuration", "deletion", "scheduled-task-deleted", "success"},
	"4702": {"configuration", "change", "scheduled-task-updated", "success"}, "4703": {"iam", "change", "token-right-adjusted", "success"}, "4719": {"iam", "change", "audit-policy-changed", "success"},
	"4720": {"iam", "creation", "user-created", "success"}, "4722": {"iam", "change", "user-enabled", "success"}, "4723": {"iam", "change", "password-changed", "success"}, "4724": {"iam", "change", "password-reset", "success"},
	"4725": {"iam", "change", "user-disabled", "success"}, "4726": {"iam", "deletion", "user-deleted", "success"}, "4728": {"iam", "change", "group-member-added", "success"}, "4732": {"iam", "change", "group-member-added", "success"},
	"4738": {"iam", "change", "user-changed", "success"}, "4740": {"iam", "change", "user-locked-out", "success"}, "4756": {"iam", "change", "group-member-added", "success"},
	"4768": {"authentication", "start", "kerberos-ticket-requested", ""}, "4769": {"authentication", "start", "kerberos-service-ticket-requested", ""}, "4771": {"authentication", "start", "kerberos-preauth-failed", "failure"},
	"4776": {"authentication", "start", "credential-validated", ""}, "4778": {"authentication", "start", "session-reconnected", "success"}, "4779": {"authentication", "end", "session-disconnected", "success"},
	"4798": {"iam", "access", "user-groups-enumerated", "success"}, "4799": {"iam", "access", "group-enumerated", "success"},
	"5136": {"iam", "change", "directory-object-changed", "success"}, "5140": {"network", "access", "share-accessed", "success"}, "5145": {"network", "access", "share-file-checked", "success"},
	"5154": {"network", "info", "listening-allowed", "success"}, "5156": {"network", "connection", "connection-allowed", "success"}, "5157": {"network", "denied", "connection-blocked", "failure"}, "5158": {"network", "info", "bind-allowed", "success"},
	"5379": {"iam", "access", "credentials-read", "success"},
}

var powershellKinds = map[string]kind{
	"4103": {"process", "info", "module-logged", ""}, "4104": {"process", "info", "script-block-logged", ""}, "4105": {"process", "start", "script-started", ""}, "4106": {"process", "end", "script-ended", ""},
	"400": {"process", "start", "engine-started", ""}, "403": {"process", "end", "engine-stopped", ""}, "600": {"process", "info", "provider-started", ""}, "800": {"process", "info", "pipeline-executed", ""},
}

var systemKinds = map[string]kind{
	"7045": {"configuration", "creation", "service-installed", "success"}, "7036": {"process", "change", "service-state-changed", ""}, "7040": {"configuration", "change", "service-start-type-changed", ""}, "104": {"iam", "deletion", "log-cleared", "success"},
}

// finish settles what needs the whole record: data set, kind, user and related values.
func (p *windowsParser) finish(e *schema.Event) {
	setAll(e, pair{schema.FEventModule, "windows"}, pair{schema.FEventKind, "event"}, pair{schema.FHostOsFamily, "windows"})
	set := p.dataset(e.Str(schema.FWinlogChannel))
	e.SetStr(schema.FEventDataset, set)
	e.SetStr(schema.FEventProvider, e.Str(schema.FWinlogProviderName))
	if host := e.Str(schema.FHostName); host != "" {
		if !e.Has(schema.FWinlogComputerName) {
			e.SetStr(schema.FWinlogComputerName, host)
		}
		e.Add(schema.FRelatedHosts, host)
	}
	p.subject(e)
	p.kind(e, set)
	settle(e)
}

// sysmonFileHashes puts the hashes of an event about a file on the file. They stay where
// they are, because rules ask for Sysmon's Hashes there.
func sysmonFileHashes(e *schema.Event) {
	for _, h := range []struct{ from, to schema.FieldID }{{schema.FProcessHashMd5, schema.FFileHashMd5}, {schema.FProcessHashSha1, schema.FFileHashSha1}, {schema.FProcessHashSha256, schema.FFileHashSha256}} {
		if v := e.Str(h.from); v != "" {
			e.SetStr(h.to, v)
			e.Add(schema.FRelatedHash, v)
		}
	}
}

func (p *windowsParser) subject(e *schema.Event) {
	e.SetStr(schema.FUserName, dash(p.acct.name))
	e.SetStr(schema.FUserDomain, dash(p.acct.domain))
	e.SetStr(schema.FUserID, dash(p.acct.sid))
	if !e.Has(schema.FWinlogLogonID) {
		e.SetStr(schema.FWinlogLogonID, p.acct.logon)
	}
	e.Add(schema.FRelatedUser, e.Str(schema.FUserName))
	e.Add(schema.FRelatedUser, dash(e.Str(schema.FUserTargetName)))
}

// dataset names the channel; channels we do not know get a name made from theirs.
func (p *windowsParser) dataset(channel string) string {
	if set, ok := p.names[channel]; ok {
		return set
	}
	lower := strings.ToLower(channel)
	set, ok := windowsChannel[lower]
	if !ok {
		set = "windows.other"
		if name := strings.TrimPrefix(lower, "microsoft-windows-"); name != "" {
			name, _, _ = strings.Cut(name, "/")
			set = "windows." + strings.ReplaceAll(name, " ", "-")
		}
	}
	if len(p.names) < 1000 {
		p.names[strings.Clone(channel)] = set
	}
	return set
}

func (p *windowsParser) kind(e *schema.Event, set string) {
	code := e.Str(schema.FEventCode)
	var k kind
	switch set {
	case "windows.sysmon":
		k = sysmonKinds[code]
		switch code {
		case "15", "23", "26", "29": // the hashes are the file's
			sysmonFileHashes(e)
		}
	case "windows.security":
		k = securityKinds[code]
		if code == "4624" || code == "4625" || code == "4634" || code == "4648" {
			p.logon(e)
		}
	case "windows.powershell":
		k = powershellKinds[code]
	case "windows.system":
		k = systemKinds[code]
	}
	e.Add(schema.FEventCategory, k.category)
	e.Add(schema.FEventType, k.etype)
	e.SetStr(schema.FEventAction, k.action)
	if k.outcome == "" && e.Has(schema.FErrorCode) {
		k.outcome = "failure"
		if e.Str(schema.FErrorCode) == "0x0" {
			k.outcome = "success"
		}
	}
	switch {
	case p.acct.audit == auditFailure && set == "windows.security":
		k.outcome = "failure"
	case p.acct.audit == auditSuccess && (k.outcome == "" || !e.Has(schema.FErrorCode)):
		k.outcome = "success"
	}
	e.SetStr(schema.FEventOutcome, k.outcome)
}

// logon events: the user is who logs on, not the service that asks, which is kept as
// event data.
func (p *windowsParser) logon(e *schema.Event) {
	e.AddExtra("winlog.event_data.SubjectUserName", dash(p.acct.name))
	e.AddExtra("winlog.event_data.SubjectDomainName", dash(p.acct.domain))
	e.AddExtra("winlog.event_data.SubjectUserSid", dash(p.acct.sid))
	e.AddExtra("winlog.event_data.SubjectLogonId", p.acct.logon)
	if name := dash(e.Str(schema.FUserTargetName)); name != "" {
		e.SetStr(schema.FUserName, name)
		e.SetStr(schema.FUserDomain, dash(e.Str(schema.FUserTargetDomain)))
		e.SetStr(schema.FUserID, e.Str(schema.FUserTargetID))
	}
}
