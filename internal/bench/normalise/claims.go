package normalise

import "strings"

// claims are the formats whose normalisation we answer for, as the collections name
// them; a name may be a pattern. The others are scored too, and counted apart.
var claims = []struct{ set, format string }{
	{"elastic", "*/*"},
	{"sekoia", "windows"}, {"sekoia", "winlogbeat"}, {"sekoia", "azure-windows"},
	{"sekoia", "fortigate"}, {"sekoia", "fortiproxy"}, {"sekoia", "fortiweb"}, {"sekoia", "checkpoint"}, {"sekoia", "paloalto-prisma-access"},
	{"sekoia", "cisco-secure-firewall"}, {"sekoia", "cisco-ios"}, {"sekoia", "cisco-nx-os"}, {"sekoia", "sonicwall-fw"}, {"sekoia", "sophos firewall"}, {"sekoia", "stormshield_network_security"},
	{"sekoia", "cef"}, {"sekoia", "suricata"}, {"sekoia", "openssh"}, {"sekoia", "netfilter"}, {"sekoia", "postfix"}, {"sekoia", "apache"}, {"sekoia", "auditbeat"},
	{"sekoia", "o365"}, {"sekoia", "microsoft-365-defender"}, {"sekoia", "azure-key-vault"}, {"sekoia", "azure-activity-logs"}, {"sekoia", "azure-application-gateway"}, {"sekoia", "google-report"}, {"sekoia", "Google *"},
	{"sekoia", "okta-system-logs"}, {"sekoia", "github-audit-logs"}, {"sekoia", "aws-cloudtrail"}, {"sekoia", "aws-flow-logs"}, {"sekoia", "audit-log"}, {"sekoia", "netflow"},
	{"ocsf", "AWS/*"}, {"ocsf", "AWS/*/*"}, {"ocsf", "Cisco/ASA/*"}, {"ocsf", "GitHub/*/*"}, {"ocsf", "Okta/*/*"}, {"ocsf", "Zeek/*"}, {"ocsf", "Microsoft/*/*/*"},
	{"sc4s", "cp_log*"}, {"sc4s", "nix:syslog"}, {"sc4s", "pan:*"}, {"sc4s", "cisco:asa"}, {"sc4s", "cef"}, {"sc4s", "deepsecurity-*"}, {"sc4s", "*:cef"},
}

func claimed(set, format string) bool {
	for _, c := range claims {
		if c.set == set && matches(c.format, format) {
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

// whatever is the pattern of every name.
const whatever = "*"

var differences = []Difference{
	{whatever, whatever, whatever, "a hyphen stands for what is not known; we leave the field out", func(want string, have []string) bool { return want == "-" && len(have) == 0 }},
	{"elastic", whatever, "ecs.version", "the version of the pipeline, not of the event", nil},
	{"elastic", whatever, "event.ingested", "when the pipeline ran", nil},
	{"elastic", whatever, "event.created", "when the agent read the line; not in the record", nil},
	{"elastic", whatever, "event.timezone", "handed over with the record; not in it", nil},
	{"elastic", whatever, "event.original", "the record itself, which we keep as raw", nil},
	{"elastic", whatever, "tags", "switches of the pipeline", nil},
	{"elastic", whatever, "*.geo.*", "put on by enrichment, from a database of the user's", nil},
	{"elastic", whatever, "*.as.*", "put on by enrichment, from a database of the user's", nil},
	{"elastic", whatever, "user_agent.name", "put on by enrichment, from user_agent.original", nil},
	{"elastic", whatever, "user_agent.version", "put on by enrichment, from user_agent.original", nil},
	{"elastic", whatever, "user_agent.device.*", "put on by enrichment, from user_agent.original", nil},
	{"elastic", whatever, "user_agent.os.*", "put on by enrichment, from user_agent.original", nil},
	{"elastic", "system/auth", "system.auth.*", "Elastic's own copies of the fields beside them", nil},
	{"elastic", "apache/access", "apache.access.ssl.*", "Elastic's own copies of the fields beside them", nil},
	{"sekoia", whatever, "user.name", "the name as the source writes it; Sekoia cuts off what follows an @", func(want string, have []string) bool {
		return len(have) == 1 && strings.HasPrefix(strings.ToLower(have[0]), strings.ToLower(want)+"@")
	}},
	{"sekoia", "paloalto-prisma-access", "@timestamp", "we take when the firewall made the log, Sekoia when it was received", nil},
	{"sekoia", "postfix", "event.outcome", "a mail that bounced or had to wait has not arrived: failure; Sekoia says that the server has acted", func(want string, have []string) bool {
		return want == "success" && len(have) == 1 && have[0] == "failure"
	}},
	{"sekoia", "winlogbeat", "event.action", "we name what happened alike in every layout of Windows events; Winlogbeat's task is winlog.task", nil},
	{"sekoia", "windows", "event.action", "we name what happened alike in every layout of Windows events; Sekoia names only logons", nil},
	{"sekoia", "winlogbeat", "user.name", "the name as Windows writes it, with the $ of computers", func(want string, have []string) bool {
		return len(have) == 1 && strings.EqualFold(want+"$", have[0])
	}},
	{"sekoia", "winlogbeat", "@timestamp", "of Sysmon's events we take UtcTime, when it happened, not when it was written", nil},
	{"sekoia", "audit-log", "event.outcome", "ECS knows success and failure; Sekoia keeps allow", func(want string, have []string) bool {
		return want == "allow" && len(have) == 1 && have[0] == "success"
	}},
	{"sekoia", "audit-log", "url.path", "the path ends at the question mark", func(want string, have []string) bool {
		path, _, _ := strings.Cut(want, "?")
		return len(have) == 1 && have[0] == path
	}},
	{"sekoia", "aws-flow-logs", "event.outcome", "what became of the flow; Sekoia keeps the status of the log", nil},
	{"ocsf", "Okta/*", "url.path", "the path ends at the question mark", func(want string, have []string) bool {
		return len(have) == 1 && want == have[0]+"?"
	}},
	{"ocsf", "Okta/*", "user.name", "the login; the samples have the name that is shown, ours is user.full_name", nil},
	{"ocsf", "Zeek/*", "@timestamp", "the samples have times that are not in their records", nil},
	{"sekoia", "cef", "@timestamp", "we take rt, as ArcSight does; Sekoia takes start", nil},
	{"sekoia", "cisco-secure-firewall", "user.domain", "Sekoia puts the VPN group there; ours is group.name", nil},
	{"ocsf", "Cisco/ASA/302013", "source.*", "of an outbound connection the inner end is the source, as the device's manual says; the sample takes the order of the words", nil},
	{"ocsf", "Cisco/ASA/302013", "destination.*", "of an outbound connection the inner end is the source, as the device's manual says; the sample takes the order of the words", nil},
	{"sekoia", whatever, "source.port", "port 0 stands for none; we leave the field out", isZero},
	{"sekoia", whatever, "destination.port", "port 0 stands for none; we leave the field out", isZero},
}

// matches compares with a pattern whose stars stand for anything, dots and slashes too.
func matches(pattern, name string) bool {
	before, after, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, before)
	for ; ok; rest = rest[1:] {
		if matches(after, rest) {
			return true
		}
		if rest == "" {
			break
		}
	}
	return false
}

// isZero is a difference where we have no value and they have 0.
func isZero(want string, have []string) bool { return want == "0" && len(have) == 0 }

// differs looks a field up in the table: apart says that it is not compared, agreed that
// the two values are what the table says they may be.
func differs(set, format, field, want string, have []string) (apart, agreed bool) {
	for _, d := range differences {
		if !matches(d.Set, set) || !matches(d.Format, format) || !matches(d.Field, field) {
			continue
		}
		if d.equal == nil {
			return true, false
		}
		agreed = agreed || d.equal(want, have)
	}
	return false, agreed
}
