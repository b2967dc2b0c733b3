package parser

import (
	"bytes"
	"errors"
	"strings"

	"vigil/schema"
)

// elbParser reads access logs of AWS load balancers: values apart by blanks, some in
// quotes. Application load balancers name the protocol first, classic ones do not.
type elbParser struct{ zone Options }

func newELB(o Options) Parser { return &elbParser{zone: o} }

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
	if len(word) < i+12 {
		return errors.New("the line has fewer values than a load balancer writes: it is cut off")
	}
	timeField(schema.FTimestamp, p.zone.zone())(e, word[i])
	e.SetStr(schema.FServiceName, word[i+1])
	e.AddExtra("aws.elb.name", word[i+1])
	if i == 1 {
		e.AddExtra("aws.elb.type", word[0])
		e.AddExtra("aws.elb.protocol", word[0])
	}
	host, port := hostPort(word[i+2])
	e.Set(schema.FSourceIP, host)
	setPort(e, schema.FSourcePort, port)
	if host, port = hostPort(word[i+3]); looksLikeIP(host) {
		e.Set(schema.FDestinationIP, host)
		setPort(e, schema.FDestinationPort, port)
		e.AddExtra("aws.elb.backend.ip", host)
		e.AddExtra("aws.elb.backend.port", port)
	}
	e.AddExtra("aws.elb.request_processing_time.sec", word[i+4])
	e.AddExtra("aws.elb.backend_processing_time.sec", word[i+5])
	e.AddExtra("aws.elb.response_processing_time.sec", word[i+6])
	e.AddExtra("aws.elb.backend.http.response.status_code", dash(word[i+8]))
	if word[i+7] != "-" {
		e.Set(schema.FHttpResponseStatusCode, word[i+7])
	}
	e.Set(schema.FSourceBytes, word[i+9])
	e.Set(schema.FHttpRequestBodyBytes, word[i+9])
	e.Set(schema.FDestinationBytes, word[i+10])
	e.Set(schema.FHttpResponseBodyBytes, word[i+10])
	elbRequest(word[i+11], e)
	if len(word) > i+12 {
		e.SetStr(schema.FUserAgentOriginal, dash(word[i+12]))
	}
	p.behind(word[i+12:], e)
	setAll(e, pair{schema.FEventModule, "aws"}, pair{schema.FEventDataset, "aws.elb"}, pair{schema.FEventKind, "event"}, pair{schema.FCloudProvider, "aws"}, pair{schema.FNetworkProtocol, "http"})
	e.Add(schema.FEventCategory, "web")
	e.Add(schema.FEventType, "access")
	outcome := "success"
	if e.Int(schema.FHttpResponseStatusCode) >= 400 {
		outcome = "failure"
	}
	e.SetStr(schema.FEventOutcome, outcome)
	settleFlow(e)
	return nil
}

// elbBehind are the values that application load balancers put behind the user agent;
// "" stands for those that have a field.
var elbBehind = []string{"", "", "", "aws.elb.target_group.arn", "aws.elb.trace_id", "aws.elb.sni", "aws.elb.chosen_cert.arn", "aws.elb.matched_rule_priority", "",
	"aws.elb.action_executed", "aws.elb.redirect_url", "aws.elb.error.reason", "aws.elb.target_port", "aws.elb.target_status_code", "aws.elb.classification", "aws.elb.classification_reason"}

func (p *elbParser) behind(word []string, e *schema.Event) {
	if len(word) < 9 {
		return // a classic load balancer
	}
	e.SetStr(schema.FTlsCipher, dash(word[1]))
	e.SetStr(schema.FTlsVersion, dash(word[2]))
	for i, v := range word[:min(len(word), len(elbBehind))] {
		if name := elbBehind[i]; name != "" {
			e.AddExtra(name, dash(v))
		}
	}
	if micro, ok := isoTime(word[8], p.zone.zone()); ok {
		setTime(e, schema.FEventStart, micro, word[8])
	}
	if e.Has(schema.FTimestamp) {
		e.SetInt(schema.FEventEnd, e.Int(schema.FTimestamp))
	}
}

// elbRequest reads "GET http://host:80/path?query HTTP/1.1".
func elbRequest(v string, e *schema.Event) {
	method, rest, ok := strings.Cut(v, " ")
	if !ok || method == "-" {
		return
	}
	e.SetStr(schema.FHttpRequestMethod, method)
	url, version, _ := strings.Cut(rest, " ")
	webAddress(e, url)
	e.SetStr(schema.FHttpVersion, strings.TrimPrefix(version, "HTTP/"))
}
