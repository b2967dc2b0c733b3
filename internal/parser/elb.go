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
	host, port := hostPort(word[i+2])
	e.Set(schema.FSourceIP, host)
	setPort(e, schema.FSourcePort, port)
	if host, port = hostPort(word[i+3]); looksLikeIP(host) {
		e.Set(schema.FDestinationIP, host)
		setPort(e, schema.FDestinationPort, port)
	}
	if word[i+7] != "-" {
		e.Set(schema.FHttpResponseStatusCode, word[i+7])
	}
	e.Set(schema.FSourceBytes, word[i+9])
	e.Set(schema.FDestinationBytes, word[i+10])
	elbRequest(word[i+11], e)
	if len(word) > i+12 {
		e.SetStr(schema.FUserAgentOriginal, dash(word[i+12]))
	}
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
