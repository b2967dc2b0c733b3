package parser

import (
	"bytes"
	"errors"
	"strings"

	"vigil/schema"
)

// elbParser reads access logs of AWS load balancers: values apart by blanks, some in
// quotes. Application load balancers name the protocol first, classic ones do not.
type elbParser struct{ to named }

func newELB(o Options) Parser { return &elbParser{namedOf("elb", o)} }

func detectELB(sample []byte, _ string) (int, string) {
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	word := strings.Fields(schema.View(line))
	if len(word) < 12 {
		return 0, ""
	}
	i := elbTime(word)
	if _, ok := isoTime(word[i], Options{}.zone()); !ok || bytes.IndexByte(line, '"') < 0 {
		return 0, ""
	}
	if host, port := hostPort(word[i+2]); looksLikeIP(host) && port != "" {
		return 88, "a time, a load balancer's name and the client's address with port"
	}
	return 0, ""
}

// elbTime is where the time stands: second in the layout of application load balancers.
func elbTime(word []string) int {
	switch word[0] {
	case "http", "https", "h2", "grpcs", "ws", "wss":
		return 1
	}
	return 0
}

// Parse implements Parser.
func (p *elbParser) Parse(raw []byte, e *schema.Event) error {
	s := schema.View(bytes.TrimSpace(raw))
	if s == "" {
		return ErrSkip
	}
	var word []string
	for rest := s; rest != "" && len(word) < 64; {
		var v string
		v, rest = w3cValue(rest)
		word = append(word, v)
	}
	i := elbTime(word)
	if len(word) < i+len(elbColumns) {
		return errors.New("the line has fewer values than a load balancer writes: it is cut off")
	}
	if i == 1 {
		p.to.put(e, "type", word[0])
	}
	for n, name := range elbColumns {
		p.value(name, word[i+n], e)
	}
	rest := word[i+len(elbColumns):]
	if len(rest) < elbClassic { // a classic load balancer writes no more than a user agent
		rest = rest[:min(len(rest), 1)]
	} else {
		p.to.put(e, "finished", word[i])
	}
	for n, v := range rest[:min(len(rest), len(elbBehind))] {
		p.to.put(e, elbBehind[n], v)
	}
	p.to.close(e)
	settleFlow(e)
	return nil
}

// elbColumns are the values that all load balancers write, by the names of AWS's
// documentation; elbBehind those that follow, of which a classic one writes the first few.
var (
	elbColumns = []string{"time", "elb", "client:port", "target:port", "request_processing_time", "target_processing_time", "response_processing_time",
		"elb_status_code", "target_status_code", "received_bytes", "sent_bytes", "request"}
	elbBehind = []string{"user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn", "matched_rule_priority",
		"request_creation_time", "actions_executed", "redirect_url", "error_reason", "target_port_list", "target_status_code_list", "classification", "classification_reason"}
)

// elbClassic is from how many values behind the request on a line is of an application
// load balancer.
const elbClassic = 9

func (p *elbParser) value(name, v string, e *schema.Event) {
	switch name {
	case "client:port", "target:port":
		host, port := hostPort(v)
		p.to.putAddress(e, strings.TrimSuffix(name, ":port"), host, port)
	case "request":
		elbRequest(v, e, &p.to)
	default:
		p.to.put(e, name, v)
	}
}

// elbRequest reads "GET http://host:80/path?query HTTP/1.1".
func elbRequest(v string, e *schema.Event, to *named) {
	method, rest, ok := strings.Cut(v, " ")
	if !ok || method == "-" {
		return
	}
	to.put(e, "method", method)
	url, version, _ := strings.Cut(rest, " ")
	to.put(e, "url", url)
	to.put(e, "version", version)
}
