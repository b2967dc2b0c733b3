package parser

import (
	"strings"

	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// kind says what an event id means in ECS.
type kind struct{ category, etype, action, outcome string }

// windowsKinds are the kinds of each data set, by event id.
var windowsKinds shared[map[string]map[string]kind]

// kindsOf makes kinds of the sections DATASET/ID.
func kindsOf(sections map[string]mapping.Section) map[string]map[string]kind {
	out := map[string]map[string]kind{}
	for name, s := range sections {
		set, code, _ := strings.Cut(name, "/")
		if out[set] == nil {
			out[set] = map[string]kind{}
		}
		var k kind
		for _, c := range s.Set {
			*map[schema.FieldID]*string{schema.FEventCategory: &k.category, schema.FEventType: &k.etype, schema.FEventAction: &k.action, schema.FEventOutcome: &k.outcome}[c.Field] = c.Value
		}
		out[set][code] = k
	}
	return out
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
	set, ok := document("windows").Lookups["channels"][lower]
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
	k := p.kinds[set][code]
	switch {
	case set == "windows.sysmon" && (code == "15" || code == "23" || code == "26" || code == "29"): // the hashes are the file's
		sysmonFileHashes(e)
	case set == "windows.security" && (code == "4624" || code == "4625" || code == "4634" || code == "4648"):
		p.logon(e)
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
