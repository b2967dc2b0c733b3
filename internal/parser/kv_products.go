package parser

import (
	"strings"

	"vigil/schema"
)

// kvMarks are values of a line that tell which product wrote it, or that mean different
// things in different products.
type kvMarks struct {
	device, log, kind, host, ui string // Fortinet
	id, fw, logtype, errors     string // Stormshield
	component                   string // Sophos
}

// holds are the pairs that become marks.
func (m *kvMarks) holds() holds {
	h := holds{}
	for name, to := range map[string]*string{"device": &m.device, "log": &m.log, "kind": &m.kind, "host": &m.host, "ui": &m.ui, "id": &m.id, "fw": &m.fw, "logtype": &m.logtype, "errors": &m.errors, "component": &m.component} {
		h[name] = func(_ *schema.Event, v string) { *to = v }
	}
	return h
}

// product names the module and data set of the product that wrote the line, and settles
// what its pairs mean together.
func (m *kvMarks) product(e *schema.Event) {
	switch {
	case m.device != "" && m.log != "":
		m.fortinet(e)
	case m.id == "firewall" || m.fw != "" && m.logtype != "":
		m.stormshield(e)
	case m.component != "":
		setAll(e, pair{schema.FEventModule, "sophos"}, pair{schema.FEventDataset, "sophos.firewall"})
	}
	if m.host != "" && !e.Has(schema.FHostName) && !e.Has(schema.FUrlDomain) {
		e.SetStr(schema.FHostName, m.host)
	}
}

// fortinets are the products of Fortinet, by how the serial numbers of devices begin.
var fortinets = []struct{ serial, product string }{
	{"FG", "fortigate"}, {"FW", "fortigate"}, {"FPX", "fortiproxy"}, {"FE", "fortimail"}, {"FV", "fortiweb"}, {"FAC", "fortiauthenticator"},
}

func (m *kvMarks) fortinet(e *schema.Event) {
	set := "fortinet.fortigate"
	for _, f := range fortinets {
		if strings.HasPrefix(m.device, f.serial) {
			set = "fortinet." + f.product
		}
	}
	setAll(e, pair{schema.FEventModule, "fortinet"}, pair{schema.FEventDataset, set})
	fortinetURL(m.host, e)
	if _, from, ok := strings.Cut(m.ui, "("); ok && !e.Has(schema.FSourceIP) { // GUI(192.0.2.1)
		if ip := strings.TrimSuffix(from, ")"); looksLikeIP(ip) {
			e.Set(schema.FSourceIP, ip)
		}
	}
	deviceOutcome(e)
}

// fortinetURL joins the name of the server with the path that the web filter logs.
func fortinetURL(host string, e *schema.Event) {
	path := e.Str(schema.FUrlOriginal)
	if host == "" || e.Has(schema.FUrlDomain) || path == "" && !e.Has(schema.FRuleCategory) {
		return
	}
	e.SetStr(schema.FUrlDomain, host)
	if !strings.HasPrefix(path, "/") {
		return
	}
	scheme := "http://"
	if e.Int(schema.FDestinationPort) == 443 {
		scheme = "https://"
	}
	e.SetStr(schema.FUrlFull, e.Copy([]byte(scheme+host+path)))
}

// deviceOutcome is for devices that log what they have done: it went well unless the log
// says that it failed. What they let through and what they stopped is in event.action
// and event.type, as ECS has it.
func deviceOutcome(e *schema.Event) {
	if !e.Has(schema.FEventOutcome) && e.Has(schema.FEventAction) {
		outcome := "success"
		if strings.Contains(strings.ToLower(e.Str(schema.FEventAction)), "fail") {
			outcome = "failure"
		}
		e.SetStr(schema.FEventOutcome, outcome)
	}
	switch strings.ToLower(e.Str(schema.FEventAction)) {
	case "accept", "accepted", "allow", "allowed", "pass", "passthrough", "permit", "permitted":
		e.Add(schema.FEventType, "allowed")
	case "deny", "denied", "drop", "dropped", "block", "blocked", "reject", "rejected", "prevent", "reset":
		e.Add(schema.FEventType, "denied")
	}
}

func (m *kvMarks) stormshield(e *schema.Event) {
	setAll(e, pair{schema.FEventModule, "stormshield"}, pair{schema.FEventDataset, "stormshield.firewall"})
	message := strings.ToLower(e.Str(schema.FMessage))
	switch {
	case m.logtype == "auth" || m.logtype == "xvpn":
		e.Add(schema.FEventCategory, "authentication")
		e.SetStr(schema.FEventAction, "authentication")
	case m.errors == "":
		return
	}
	outcome := "success"
	if m.errors != "" && m.errors != "0" || strings.Contains(message, "fail") {
		outcome = "failure"
	}
	e.SetStr(schema.FEventOutcome, outcome)
}
