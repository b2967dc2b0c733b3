package sigma

import (
	"fmt"
	"strings"
)

// logSource is the log source of a Sigma rule.
type logSource struct{ product, category, service string }

// String returns the parts that are set: "windows process_creation".
func (l logSource) String() string {
	return strings.Join(strings.Fields(l.product+" "+l.category+" "+l.service), " ")
}

// stream is one kind of events that a log source stands for: a data set (a prefix
// when it ends in ".*"), and which of its events.
type stream struct{ dataset, when string }

// source is what a log source means here.
type source struct {
	logSource
	streams []stream
	fields  *taxonomy
}

// code is a stream of the events with these codes.
func code(dataset string, codes ...string) stream {
	if len(codes) == 1 {
		return stream{dataset, "e.event.code == '" + codes[0] + "'"}
	}
	return stream{dataset, "e.event.code in ['" + strings.Join(codes, "', '") + "']"}
}

// sets are streams of whole data sets.
func sets(names ...string) []stream {
	var out []stream
	for _, n := range names {
		out = append(out, stream{dataset: n})
	}
	return out
}

const (
	sysmon     = "windows.sysmon"
	security   = "windows.security"
	powershell = "windows.powershell"
	linuxSys   = "windows.linux-sysmon" // Sysmon for Linux writes Windows events
	started    = "'process' in e.event.category && 'start' in e.event.type"
	isFile     = "'file' in e.event.category"
	isNetwork  = "'network' in e.event.category"
	keyAdded   = "e.event.code == '12' && e.winlog.event_data.EventType.ieq('CreateKey')"
	keyDeleted = "e.event.code == '12' && e.winlog.event_data.EventType.istartsWith('Delete')"
)

// windowsCategories maps the categories of Windows, most of them Sysmon's events.
var windowsCategories = map[string][]stream{
	"process_creation":          {code(sysmon, "1"), code(security, "4688")},
	"process_termination":       {code(sysmon, "5"), code(security, "4689")},
	"process_access":            {code(sysmon, "10")},
	"process_tampering":         {code(sysmon, "25")},
	"create_remote_thread":      {code(sysmon, "8")},
	"raw_access_thread":         {code(sysmon, "9")},
	"driver_load":               {code(sysmon, "6")},
	"image_load":                {code(sysmon, "7")},
	"network_connection":        {code(sysmon, "3")},
	"dns_query":                 {code(sysmon, "22")},
	"file_event":                {code(sysmon, "11")},
	"file_change":               {code(sysmon, "2")},
	"file_delete":               {code(sysmon, "23", "26")},
	"file_block_executable":     {code(sysmon, "27")},
	"file_block_shredding":      {code(sysmon, "28")},
	"file_executable_detected":  {code(sysmon, "29")},
	"file_access":               sets("windows.kernel-file"),
	"file_rename":               sets("windows.kernel-file"),
	"create_stream_hash":        {code(sysmon, "15")},
	"clipboard_capture":         {code(sysmon, "24")},
	"pipe_created":              {code(sysmon, "17", "18")},
	"registry_event":            {code(sysmon, "12", "13", "14")},
	"registry_set":              {code(sysmon, "13")},
	"registry_rename":           {code(sysmon, "14")},
	"registry_add":              {{sysmon, keyAdded}},
	"registry_delete":           {{sysmon, keyDeleted}},
	"wmi_event":                 {code(sysmon, "19", "20", "21")},
	"sysmon_status":             {code(sysmon, "4", "16")},
	"sysmon_error":              {code(sysmon, "255")},
	"ps_module":                 {code(powershell, "4103")},
	"ps_script":                 {code(powershell, "4104")},
	"ps_classic_start":          {code(powershell, "400")},
	"ps_classic_provider_start": {code(powershell, "600")},
	"ps_classic_script":         {code(powershell, "800")},
}

// windowsServices maps the services of Windows to the data sets that the parser
// makes of their channels.
var windowsServices = map[string]string{
	"security": security, "system": "windows.system", "application": "windows.application", "sysmon": sysmon,
	"powershell": powershell, "powershell-classic": powershell, "windefend": "windows.defender", "wmi": "windows.wmi",
	"taskscheduler": "windows.taskscheduler", "bits-client": "windows.bits", "dns-client": "windows.dns-client", "firewall-as": "windows.firewall",
	"terminalservices-localsessionmanager": "windows.rdp",
	"appxdeployment-server":                "windows.appxdeploymentserver", "appxpackaging-om": "windows.appxpackaging", "appmodel-runtime": "windows.appmodel-runtime",
	"applocker": "windows.applocker", "codeintegrity-operational": "windows.codeintegrity", "security-mitigations": "windows.security-mitigations",
	"capi2": "windows.capi2", "certificateservicesclient-lifecycle-system": "windows.certificateservicesclient-lifecycle-system",
	"diagnosis-scripted": "windows.diagnosis-scripted", "driver-framework": "windows.driverframeworks-usermode", "iis-configuration": "windows.microsoft-iis-configuration",
	"dns-server": "windows.dns-server", "dns-server-analytic": "windows.dns-server", "ldap": "windows.ldap-client", "lsa-server": "windows.lsa",
	"microsoft-servicebus-client": "windows.microsoft-servicebus-client", "msexchange-management": "windows.msexchange-management", "ntlm": "windows.ntlm",
	"openssh": "windows.openssh", "printservice-admin": "windows.printservice", "printservice-operational": "windows.printservice", "shell-core": "windows.shell-core",
	"smbclient-connectivity": "windows.smbclient", "smbclient-security": "windows.smbclient", "smbserver-connectivity": "windows.smbserver",
	"sense": "windows.sense", "vhdmp": "windows.vhdmp", "hyper-v-worker": "windows.hyper-v-worker", "kernel-event-tracing": "windows.kernel-eventtracing", "kernel-shimengine": "windows.kernel-shimengine",
}

// sources maps all other log sources. Products without a parser of their own arrive
// as JSON whose unknown keys are labels, in the data set that the sender names or in
// generic.json; text arrives as syslog or generic.text.
var sources = []source{
	{logSource{"linux", "process_creation", ""}, []stream{{"linux.*", started}, code(linuxSys, "1")}, linuxFields},
	{logSource{"linux", "file_event", ""}, []stream{{"linux.*", isFile}, code(linuxSys, "11")}, linuxFields},
	{logSource{"linux", "network_connection", ""}, []stream{{"linux.*", isNetwork}, code(linuxSys, "3")}, linuxFields},
	{logSource{"linux", "", "auditd"}, sets("linux.auditd"), auditdFields},
	{logSource{"linux", "", "sshd"}, []stream{{"linux.auth", "e.process.name in ['sshd', 'sshd-session']"}}, textFields},
	{logSource{"linux", "", "sudo"}, []stream{{"linux.auth", "e.process.name == 'sudo'"}}, textFields},
	{logSource{"linux", "", "cron"}, sets("linux.auth", "linux.syslog"), textFields},
	{logSource{"linux", "", "syslog"}, sets("linux.syslog", "linux.auth"), textFields},
	{logSource{"linux", "", "auth"}, sets("linux.auth"), textFields},
	{logSource{"linux", "", ""}, sets("linux.*"), textFields},
	{logSource{"macos", "process_creation", ""}, []stream{{"macos.*", started}}, linuxFields},
	{logSource{"macos", "file_event", ""}, []stream{{"macos.*", isFile}}, linuxFields},
	{logSource{"macos", "", ""}, sets("macos.*"), linuxFields},

	{logSource{"", "webserver", ""}, sets("web.*", "iis.access", "zeek.http", "suricata.http"), webFields},
	{logSource{"", "", "apache"}, sets("web.*", "linux.syslog", "generic.text"), webFields},
	{logSource{"", "", "nginx"}, sets("web.*", "linux.syslog", "generic.text"), webFields},
	{logSource{"", "proxy", ""}, sets("proxy.*", "iis.access", "zeek.http", "suricata.http"), webFields},
	{logSource{"", "dns", ""}, sets("dns.*", "zeek.dns", "suricata.dns"), networkFields},
	{logSource{"", "firewall", ""}, sets("firewall.*", "zeek.conn", "suricata.flow", "netflow.*"), networkFields},
	{logSource{"", "", "netflow"}, sets("netflow.*", "zeek.conn", "suricata.flow"), networkFields},
	{logSource{"", "antivirus", ""}, sets("antivirus.*", "windows.defender", "generic.json"), antivirusFields},
	{logSource{"", "database", ""}, sets("database.*", "generic.text", "generic.json"), textFields},
	{logSource{"", "application", ""}, sets("application.*", "linux.syslog", "generic.text", "generic.json"), textFields},
	{logSource{"rpc_firewall", "application", ""}, sets("windows.rpcfw", "windows.application"), windowsFields},
	{logSource{"kubernetes", "application", "audit"}, sets("kubernetes.*", "generic.json"), kubernetesFields},
	{logSource{"opencanary", "application", ""}, sets("opencanary.*", "generic.json"), jsonFields},
	{logSource{"paloalto", "", ""}, sets("paloalto.*", "linux.syslog", "generic.text", "generic.json"), textFields},

	{logSource{"aws", "", "cloudtrail"}, sets("aws.cloudtrail"), cloudTrailFields},
	{logSource{"azure", "", "activitylogs"}, sets("azure.activitylogs", "azure.monitor", "generic.json"), azureFields},
	{logSource{"azure", "", "auditlogs"}, sets("azure.auditlogs", "azure.monitor", "generic.json"), azureFields},
	{logSource{"azure", "", "signinlogs"}, sets("azure.signinlogs", "azure.monitor", "generic.json"), azureFields},
	{logSource{"azure", "", ""}, sets("azure.*", "generic.json"), azureFields},
	{logSource{"gcp", "", ""}, sets("gcp.*", "google.workspace", "generic.json"), gcpFields},
	{logSource{"m365", "", ""}, sets("o365.*", "m365.*", "generic.json"), m365Fields},
	{logSource{"okta", "", ""}, sets("okta.*", "generic.json"), oktaFields},
	{logSource{"onelogin", "", ""}, sets("onelogin.*", "generic.json"), jsonFields},
	{logSource{"github", "", ""}, sets("github.*", "generic.json"), githubFields},
	{logSource{"bitbucket", "", ""}, sets("bitbucket.*", "generic.json"), jsonFields},
	{logSource{"kubernetes", "", ""}, sets("kubernetes.*", "generic.json"), kubernetesFields},
	{logSource{"qualys", "", ""}, sets("qualys.*", "generic.json"), jsonFields},
	{logSource{"cisco", "", "duo"}, sets("cisco.duo", "generic.json"), jsonFields},
	{logSource{"cisco", "", ""}, sets("cisco.*", "linux.syslog", "generic.text"), textFields},
	{logSource{"huawei", "", ""}, sets("huawei.*", "linux.syslog", "generic.text"), textFields},
	{logSource{"juniper", "", ""}, sets("juniper.*", "linux.syslog", "generic.text"), textFields},
	{logSource{"fortigate", "", ""}, sets("fortinet.*", "fortigate.*", "linux.syslog", "generic.text", "generic.json"), textFields},
	{logSource{"fortios", "", ""}, sets("fortinet.*", "linux.syslog", "generic.text"), textFields},
}

// lookup finds what a log source means. A source that the tables do not know gets the
// data set of its product's name; known is false then. An error says why there is no
// sensible guess.
func lookup(l logSource) (s source, known bool, err error) {
	s = source{logSource: l, fields: windowsFields}
	if l.product == "windows" {
		if streams, ok := windowsCategories[l.category]; ok {
			s.streams = streams
			return s, true, nil
		}
		if name, ok := windowsServices[l.service]; ok && l.category == "" {
			s.streams = sets(name)
			if l.service == "windefend" {
				s.fields = defenderFields
			}
			return s, true, nil
		}
		if l.category == "" && l.service == "" {
			s.streams = sets("windows.*")
			return s, true, nil
		}
		if l.service == "" {
			return s, false, fmt.Errorf("there is no Windows category %q", l.category)
		}
		s.streams = sets("windows." + setName(l.service))
		return s, false, nil
	}
	if l.product == "zeek" && l.service != "" {
		s.streams, s.fields = sets("zeek."+setName(l.service)), zeekFields(l.service)
		return s, true, nil
	}
	for _, want := range []logSource{l, {l.product, l.category, ""}, {l.product, "", l.service}, {l.product, "", ""}, {"", l.category, ""}, {"", "", l.service}} {
		if want == (logSource{}) {
			continue
		}
		for _, row := range sources {
			if row.logSource == want {
				row.logSource = l
				return row, true, nil
			}
		}
	}
	if setName(l.product) == "" {
		return s, false, fmt.Errorf("nothing is known about the log source %q", l)
	}
	s.streams, s.fields = sets(setName(l.product)+".*", "generic.json", "generic.text"), jsonFields
	return s, false, nil
}

// setName makes a part of a data set's name of a Sigma name.
func setName(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s), ".-")
}

// datasets lists the data sets of the source.
func (s *source) datasets() []string {
	var out []string
	for _, x := range s.streams {
		out = append(out, x.dataset)
	}
	return out
}

// guard is the condition on data set and event code that the log source means; with
// always, also where the data sets of the rule say it all.
func (s *source) guard(always bool) expression {
	conditional := always
	for _, x := range s.streams {
		conditional = conditional || x.when != ""
	}
	if !conditional {
		return expression{}
	}
	var all []expression
	for _, x := range s.streams {
		var both []expression
		if len(s.streams) > 1 || always {
			both = append(both, inDataset(x.dataset))
		}
		if x.when != "" {
			both = append(both, parsed(x.when))
		}
		all = append(all, allOf(both))
	}
	return anyOf(all)
}

func inDataset(name string) expression {
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		return expression{"e.event.dataset.startsWith(" + quote(prefix) + ")", atomic}
	}
	return expression{"e.event.dataset == " + quote(name), relation}
}
