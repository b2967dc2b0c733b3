package action

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/internal/secret"
	"vigil/schema"
)

// poster posts to URLs that the operator allows, with a signature.
type poster struct {
	def  Definition
	hook Webhook
	api  *Connector // whose addresses http-api may call
	http *http.Client
	body func(r Request) any
	to   func(r Request) string
}

func client(p Ports) *http.Client {
	if p.HTTP != nil {
		return p.HTTP
	}
	return &http.Client{Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func notifyAction(p Ports) Action {
	return &poster{hook: p.Webhook, http: client(p), to: func(Request) string { return p.Webhook.URL }, body: notification, def: Definition{
		Verb: "notify", Title: "Notify people", Target: "subject", Risk: Low, Blast: "people read it", Idempotent: "the receiver tells repeats by the key",
		Inputs: []Input{{"subject", Text, true, "what it is about: an address, host or user"}, {"text", Text, false, "what to say"}, {"alerts", List, false, "alert ids"}},
	}}
}

func webhookAction(p Ports) Action {
	return &poster{hook: p.Webhook, http: client(p), to: func(r Request) string { return r.Arguments["url"] }, body: notification, def: Definition{
		Verb: "webhook", Title: "Post to a webhook", Target: "url", Risk: Low, Blast: "one request to the receiver", Idempotent: "the receiver tells repeats by the key",
		Inputs:  []Input{{"url", URL, true, "one of the configured URLs"}, {"subject", Text, false, "what it is about"}, {"text", Text, false, "what to say"}},
		Honesty: "Posts only to URLs that the operator has configured.",
	}}
}

func httpAction(p Ports) Action {
	return &poster{hook: p.Webhook, api: p.Systems["http"], http: client(p), to: func(r Request) string { return r.Arguments["url"] }, body: func(r Request) any { return json.RawMessage(cmp.Or(r.Arguments["body"], "{}")) }, def: Definition{
		Verb: "http-api", Title: "Call an HTTP API", Target: "url", Risk: Medium, Blast: "whatever the other side does with it", Idempotent: "the receiver tells repeats by the key",
		Inputs:  []Input{{"url", URL, true, "one of the configured URLs"}, {"method", Text, false, "POST"}, {"body", Text, false, "JSON"}},
		Honesty: "Posts only to URLs that the operator has configured; what the other side does with it cannot be undone from here.",
	}}
}

func notification(r Request) any {
	return map[string]any{"key": r.Key, "org": r.Org, "incident": r.Incident, "run": r.Run, "step": r.Step,
		"subject": r.Arguments["subject"], "text": r.Arguments["text"], "alerts": r.Arguments["alerts"], "time": r.Now.UTC().Format(time.RFC3339)}
}

// Definition implements [Action].
func (p *poster) Definition() Definition { return p.def }

// Run implements [Action]. The receiver tells repeats by the Idempotency-Key.
func (p *poster) Run(ctx context.Context, r Request) (Result, error) {
	target := p.to(r)
	if target == "" {
		return Result{Outcome: Done, Outputs: map[string]string{"channel": "ui"}}, nil
	}
	if target != p.hook.URL && !slices.Contains(p.hook.Allow, target) && !p.api.covers(target) {
		return Result{}, schema.E(schema.Denied, "no request is sent to "+hostOf(target), "the operator allows URLs with --webhook, or below the url of the connector http")
	}
	body, err := json.Marshal(p.body(r))
	if err != nil {
		return Result{}, schema.E(schema.Invalid, p.def.Verb+": the body is no JSON", "", err)
	}
	if r.DryRun {
		return Result{Outcome: DryRun, Outputs: map[string]string{"host": hostOf(target), "bytes": strconv.Itoa(len(body))}}, nil
	}
	return p.send(ctx, r, target, body)
}

func (p *poster) send(ctx context.Context, r Request, target string, body []byte) (Result, error) {
	method := "POST"
	if m := strings.ToUpper(r.Arguments["method"]); m == "GET" || m == "PUT" || m == "PATCH" || m == "DELETE" {
		method = m
	}
	c := &Connector{Name: hostOf(target), URL: secret.New(target), Auth: "none", Timeout: 15 * time.Second}
	if p.api.covers(target) { // its sign-in goes to its own addresses only
		api := *p.api
		api.URL = c.URL
		c = &api
	}
	x := call{method: method, header: map[string]string{}, accept: []int{http.StatusConflict}}
	if method != "GET" {
		x.body = json.RawMessage(body)
	}
	if !p.hook.Secret.Empty() {
		stamp := strconv.FormatInt(r.Now.Unix(), 10)
		x.header["X-Vigil-Timestamp"] = stamp
		x.header["X-Vigil-Signature"] = "sha256=" + Signature(p.hook.Secret.Reveal(), stamp, body)
	}
	got, err := c.do(ctx, p.http, r.Key, x)
	if err != nil {
		return Result{}, err
	}
	out := map[string]string{"host": hostOf(target), "status": strconv.Itoa(got.status)}
	if p.api != nil {
		out["body"] = p.api.redact(clipTo(string(got.body), 4096))
	}
	if got.status == http.StatusConflict {
		return Result{Outcome: AlreadyDone, Outputs: out}, nil // the receiver knows the key
	}
	return Result{Outcome: Done, Outputs: out}, nil
}

// Undo implements [Action]; what was said cannot be unsaid.
func (p *poster) Undo(context.Context, Request) (Result, error) {
	return Result{}, schema.E(schema.Invalid, p.def.Verb+" cannot be undone", "")
}

// Signature is the hex HMAC-SHA256 over "timestamp.body", for receivers to compare
// with X-Vigil-Signature.
func Signature(key, timestamp string, body []byte) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(timestamp + "."))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// hostOf names a target without its path and query, where tokens are kept.
func hostOf(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "the given URL"
	}
	return u.Host
}

// scrub drops the URL that net/http puts into its errors.
func scrub(err error) error {
	if ue, ok := err.(*url.Error); ok {
		return ue.Err
	}
	return err
}
