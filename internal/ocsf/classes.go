package ocsf

import (
	"slices"
	"strings"

	"vigil/schema"
)

// class is one class of the schema that we export.
type class struct {
	uid      int64
	name     string
	category int64
	sections []section
	// pick, when set, chooses the sections that come before the class's own.
	pick     func(e *schema.Event) []section
	requires [][]string // of each line one is there
	instead  int64      // the class that an event is exported as which lacks them
	verbs    []verb
	other    verb // when no verb fits
	finish   func(b *builder)
}

// verb is one activity of a class: the first that fits the event counts.
type verb struct {
	id     int64
	name   string
	types  string // event.type
	action string // part of event.action, in small letters
}

var categories = map[int64]string{0: "Uncategorized", 1: "System Activity", 2: "Findings", 3: "Identity & Access Management", 4: "Network Activity", 6: "Application Activity"}

var (
	unknown  = verb{id: 0, name: "Unknown"}
	other    = verb{id: 99, name: "Other"}
	traffic6 = verb{id: 6, name: "Traffic"}
	ends     = [][]string{{"src_endpoint", "dst_endpoint"}}
	onHost   = []string{"device"}
	flows    = []verb{{2, "Close", "end", ""}, {4, "Fail", "", "fail"}, {5, "Refuse", "denied", ""}, {5, "Refuse", "", "rej"}, {1, "Open", "start", ""}}
	changes  = []verb{{1, "Create", "creation", ""}, {4, "Delete", "deletion", ""}, {3, "Update", "change", ""}, {2, "Read", "access", ""}}
	keys     = []verb{{1, "Create", "creation", ""}, {4, "Delete", "deletion", ""}, {3, "Modify", "change", ""}, {2, "Read", "access", ""}}
)

// network are the sections of all classes of network activity.
func network(more ...section) []section {
	return slices.Concat(more, from, to, []section{connection, traffic, tls, app})
}

// classes is the table of classes.
var classes = func() map[int64]*class {
	list := []*class{
		{uid: 0, name: "Base Event", other: unknown},
		{uid: 1001, name: "File System Activity", category: 1, sections: []section{file, acting}, requires: [][]string{{"file"}, {"actor"}, onHost}, verbs: changes, other: other, finish: fileHashes("file")},
		{uid: 1002, name: "Kernel Extension Activity", category: 1, sections: []section{driver, acting}, requires: [][]string{{"driver.file"}, {"actor"}, onHost}, other: verb{id: 1, name: "Load"}, finish: fileHashes("driver.file")},
		{uid: 1005, name: "Module Activity", category: 1, sections: []section{library, acting}, requires: [][]string{{"module.file"}, {"actor"}, onHost}, other: verb{id: 1, name: "Load"}, finish: loaded},
		{uid: 1006, name: "Scheduled Job Activity", category: 1, sections: []section{job, acting}, requires: [][]string{{"job"}, {"actor"}, onHost},
			verbs: []verb{{1, "Create", "creation", ""}, {2, "Update", "change", ""}, {3, "Delete", "deletion", ""}, {4, "Enable", "", "enabled"}, {5, "Disable", "", "disabled"}, {6, "Start", "start", ""}}, other: other, finish: taskName},
		{uid: 1007, name: "Process Activity", category: 1, pick: subject, requires: [][]string{{"process"}, {"actor"}, onHost},
			verbs: []verb{{3, "Open", "access", ""}, {1, "Launch", "start", ""}, {2, "Terminate", "end", ""}, {4, "Inject", "", "remote"}}, other: other, finish: launched},
		{uid: 201001, name: "Registry Key Activity", category: 1, sections: []section{regKey, acting}, requires: [][]string{{"reg_key"}, {"actor"}, onHost}, verbs: keys, other: other},
		{uid: 201002, name: "Registry Value Activity", category: 1, sections: []section{regVal, acting}, requires: [][]string{{"reg_value"}, {"actor"}, onHost}, instead: 201001,
			verbs: []verb{{4, "Delete", "deletion", ""}, {1, "Get", "access", ""}}, other: verb{id: 2, name: "Set"}},
		{uid: 2004, name: "Detection Finding", category: 2, sections: []section{analytic}, requires: [][]string{{"finding_info"}}, other: verb{id: 1, name: "Create"}, finish: finding},
		{uid: 3001, name: "Account Change", category: 3, sections: from, pick: account, requires: [][]string{{"user"}},
			verbs: []verb{{4, "Password Reset", "", "reset"}, {3, "Password Change", "", "password"}, {7, "Attach Policy", "", "attach"}, {8, "Detach Policy", "", "detach"}, {12, "Unlock", "", "unlock"}, {9, "Lock", "", "lock"},
				{2, "Enable", "", "enable"}, {5, "Disable", "", "disable"}, {1, "Create", "creation", ""}, {6, "Delete", "deletion", ""}}, other: other},
		{uid: 3002, name: "Authentication", category: 3, sections: slices.Concat([]section{service, session}, from, to), pick: account, requires: [][]string{{"user"}, {"service", "dst_endpoint"}},
			verbs: []verb{{3, "Authentication Ticket", "", "ticket-granted"}, {4, "Service Ticket Request", "", "service-ticket"}, {2, "Logoff", "end", ""}, {2, "Logoff", "", "logoff"}, {1, "Logon", "start", ""}, {1, "Logon", "", "log"}}, other: other, finish: loggedOn},
		{uid: 3004, name: "Entity Management", category: 3, sections: slices.Concat([]section{entityUser}, from), requires: [][]string{{"entity"}}, verbs: changes, other: other},
		{uid: 3006, name: "Group Management", category: 3, sections: slices.Concat([]section{group, targetUser}, from), requires: [][]string{{"group"}},
			verbs: []verb{{4, "Remove User", "", "remove"}, {3, "Add User", "", "add"}, {5, "Delete", "deletion", ""}, {6, "Create", "creation", ""}}, other: other},
		{uid: 4001, name: "Network Activity", category: 4, sections: network(), requires: ends, verbs: flows, other: traffic6},
		{uid: 4002, name: "HTTP Activity", category: 4, sections: network(requestURL, request, response), requires: [][]string{ends[0], {"http_request", "http_response"}}, instead: 4001, other: other},
		{uid: 4003, name: "DNS Activity", category: 4, sections: network(query, reply), requires: ends, other: verb{id: 1, name: "Query"}},
		{uid: 4004, name: "DHCP Activity", category: 4, sections: network(), requires: ends, other: other},
		{uid: 4005, name: "RDP Activity", category: 4, sections: network(user), requires: ends, other: traffic6},
		{uid: 4006, name: "SMB Activity", category: 4, sections: network(file), requires: ends, instead: 1001, other: other, finish: fileHashes("file")},
		{uid: 4007, name: "SSH Activity", category: 4, sections: network(), requires: ends, verbs: flows, other: traffic6},
		{uid: 4008, name: "FTP Activity", category: 4, sections: network(file), requires: ends, other: other, finish: fileHashes("file")},
		{uid: 4009, name: "Email Activity", category: 4, sections: slices.Concat([]section{mailbox}, from, to), requires: [][]string{{"email"}}, instead: 4001, other: other, finish: direction},
		{uid: 4013, name: "NTP Activity", category: 4, sections: network(), requires: append([][]string{{"version"}}, ends...), instead: 4001, other: unknown, finish: ntpVersion},
		{uid: 4014, name: "Tunnel Activity", category: 4, sections: network(), requires: ends, other: unknown},
		{uid: 6003, name: "API Activity", category: 6, sections: slices.Concat([]section{apiService, apiReply, api}, from, []section{requestURL, request}), requires: [][]string{{"api"}, {"actor"}, {"src_endpoint"}}, verbs: changes, other: other, finish: caller},
	}
	m := map[int64]*class{}
	for _, c := range list {
		m[c.uid] = c
	}
	return m
}()

// activity chooses what the event did.
func (c *class) activity(e *schema.Event) (int64, string) {
	switch c.uid {
	case 4002:
		if id := methods[strings.ToUpper(e.Str(schema.FHttpRequestMethod))]; id != 0 {
			m := strings.ToLower(e.Str(schema.FHttpRequestMethod))
			return id, strings.ToUpper(m[:1]) + m[1:]
		}
	case 4003:
		if e.Has(schema.FDnsResponseCode) || e.Has(schema.FDnsAnswersData) {
			return 2, "Response"
		}
	}
	action := strings.ToLower(e.Str(schema.FEventAction))
	for _, v := range c.verbs {
		if v.types != "" && slices.Contains(e.List(schema.FEventType), v.types) || v.action != "" && strings.Contains(action, v.action) {
			return v.id, v.name
		}
	}
	return c.other.id, c.other.name
}

var methods = map[string]int64{"CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8, "PATCH": 9}

// account is the user that something was done to: another one, else the acting user itself.
func account(e *schema.Event) []section {
	if e.Has(schema.FUserTargetName) || e.Has(schema.FUserTargetID) {
		return []section{targetUser}
	}
	return []section{user}
}

// subject is the process that an event is about: of an access that which was accessed.
func subject(e *schema.Event) []section {
	if e.Has(schema.FProcessTargetPid) || e.Has(schema.FProcessTargetEntityID) {
		return []section{target, acting}
	}
	return []section{process, parent}
}

// fileHashes puts the hashes of the file on an object.
func fileHashes(at string) func(*builder) {
	return func(b *builder) {
		b.hashes(at, []row{{"", schema.FFileHashSha256, digest(3, "SHA-256")}, {"", schema.FFileHashSha1, digest(2, "SHA-1")}, {"", schema.FFileHashMd5, digest(1, "MD5")}})
	}
}

func (b *builder) hashes(at string, rows []row) {
	if b.get(at) == nil {
		return
	}
	var list []any
	for _, r := range rows {
		if b.e.Has(r.field) {
			list = append(list, r.as(b.e, r.field))
			b.taken[r.field] = true
		}
	}
	if list != nil {
		b.put(at+".hashes", list)
	}
}

// loaded completes a module that was loaded.
func loaded(b *builder) {
	if b.get("module.file") != nil {
		b.put("module.load_type_id", int64(0))
	}
	fileHashes("module.file")(b)
}

// taskName names a scheduled job by Windows' own name of it.
func taskName(b *builder) {
	if v, ok := b.e.Extra("winlog.event_data.TaskName"); ok {
		b.put("job.name", clip(v))
	}
}

// launched completes a process: its file, and who started it.
func launched(b *builder) {
	if b.get("process") == nil {
		return
	}
	if b.get("actor.process") != nil {
		return // it is about another process than that of process.*
	}
	if name, path := b.e.Str(schema.FProcessName), b.e.Str(schema.FProcessExecutable); name != "" {
		b.put("process.file.name", clip(name))
		b.put("process.file.path", clip(path))
		b.put("process.file.type_id", int64(0))
		b.hashes("process.file", []row{{"", schema.FProcessHashSha256, digest(3, "SHA-256")}, {"", schema.FProcessHashSha1, digest(2, "SHA-1")}, {"", schema.FProcessHashMd5, digest(1, "MD5")}})
	}
	if p, ok := b.get("process.parent_process").(map[string]any); ok && (p["pid"] != nil || p["uid"] != nil) {
		b.put("actor.process", p)
	}
}

// finding completes a detection of a foreign detector, with what it is about as evidence.
func finding(b *builder) {
	b.put("finding_info.uid", b.e.ID.String())
	b.put("finding_info.title", clip(firstOf(b.e, schema.FRuleName, schema.FMessage, schema.FEventAction)))
	b.put("is_alert", true)
	inner := &builder{e: b.e, out: map[string]any{}}
	about := slices.Concat(from, to, []section{connection, file, query})
	for _, s := range about {
		inner.section(s)
	}
	inner.prune(about)
	if len(inner.out) == 0 {
		return
	}
	for f := range inner.taken {
		b.taken[f] = b.taken[f] || inner.taken[f]
	}
	b.put("evidences", []any{inner.out})
}

func firstOf(e *schema.Event, fields ...schema.FieldID) string {
	for _, f := range fields {
		if v := e.Str(f); v != "" {
			return v
		}
	}
	return ""
}

// loggedOn names what a user logged on to: where the record names neither service nor
// destination, the host itself.
func loggedOn(b *builder) {
	if host := b.get("device.hostname"); host != nil && b.get("service") == nil && b.get("dst_endpoint") == nil {
		b.put("dst_endpoint.hostname", host)
	}
}

// ntpVersion is a field of Zeek's that we have no name for.
func ntpVersion(b *builder) {
	if v, ok := b.e.Extra("zeek.ntp.version"); ok {
		b.put("version", clip(v))
	}
}

// caller names the program that called an API, where the record does not name a user.
func caller(b *builder) {
	if b.get("actor") == nil && b.e.Has(schema.FUserAgentOriginal) {
		b.put("actor.app_name", clip(b.e.Str(schema.FUserAgentOriginal)))
	}
}

// direction says which way a mail went.
func direction(b *builder) {
	id := map[string]int64{"inbound": 1, "outbound": 2, "internal": 3}[b.e.Str(schema.FNetworkDirection)]
	b.put("direction_id", id)
}
