package action

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vigil/schema"
)

// errand is a row of what is said or ordered once at another system.
type errand struct {
	def  Definition
	conn string
	// find looks up what the key has made before; nil: the receiver itself tells repeats.
	find  func(c *Connector, r Request) call
	found func(reply) string // its id, "" when there is none
	send  func(c *Connector, r Request) call
	ok    func(reply) bool              // nil: the status says it
	out   func(reply) map[string]string // for later steps; nil: none
	undo  func(c *Connector, r Request) call
}

// runner performs an errand over its connector.
type runner struct {
	errand
	c *Connector
	h *http.Client
}

// errands makes actions of rows. All remember what they have sent; those whose
// receiver can tell repeats act once even when a crash forgets it.
func errands(p Ports, rows []errand) []Action {
	var out []Action
	for _, e := range rows {
		e.def.Connector, e.def.Reversible = e.conn, e.undo != nil
		if e.def.Idempotent == "" {
			e.def = noted(e.def)
		}
		a := once{runner{e, p.Systems[e.conn], client(p)}, p.Lists}
		out = append(out, a)
	}
	return out
}

// Definition implements [Action].
func (x runner) Definition() Definition { return x.def }

// Run implements [Action].
func (x runner) Run(ctx context.Context, r Request) (Result, error) {
	if x.c == nil {
		return Result{}, missing(x.def.Verb, x.conn)
	}
	if h := r.Arguments["host"]; x.conn == "openc2" && !x.c.serves(h) {
		return Result{}, schema.E(schema.Denied, "no command is sent to "+h, "the connector openc2 is for another consumer; its option serves names more")
	}
	if x.conn == "openc2" && decodeObject(r.Target)["action"] == nil {
		return Result{}, schema.E(schema.Invalid, "this is no OpenC2 command", `a JSON object with "action" and "target"`)
	}
	if r.DryRun {
		return Result{Outcome: DryRun, Outputs: map[string]string{"to": x.conn, "subject": r.Target}}, nil
	}
	if x.find != nil {
		got, err := x.c.do(ctx, x.h, r.Key, x.find(x.c, r))
		if err != nil {
			return Result{}, err
		}
		if id := x.found(got); id != "" {
			return Result{Outcome: AlreadyDone, Outputs: map[string]string{"id": id}}, nil
		}
	}
	got, err := x.c.do(ctx, x.h, r.Key, x.send(x.c, r))
	if err != nil {
		return Result{}, err
	}
	if x.ok != nil && !x.ok(got) {
		return Result{}, schema.E(schema.Invalid, fmt.Sprintf("%s answered %d, but not as it does: %s", x.conn, got.status, x.c.redact(clip(string(got.body)))), "look at the connector's url")
	}
	res := Result{Outcome: Done, Outputs: map[string]string{"to": x.conn}}
	if got.status == http.StatusConflict || got.status == http.StatusNotModified {
		res.Outcome = AlreadyDone
	}
	if x.out != nil {
		for k, v := range x.out(got) {
			res.Outputs[k] = x.c.redact(v)
		}
	}
	return res, nil
}

// Undo implements [Action].
func (x runner) Undo(ctx context.Context, r Request) (Result, error) {
	if x.undo == nil {
		return Result{}, schema.E(schema.Invalid, x.def.Verb+" cannot be undone", "")
	}
	if x.c == nil {
		return Result{}, missing(x.def.Verb, x.conn)
	}
	_, err := x.c.do(ctx, x.h, r.Key, x.undo(x.c, r))
	return Result{Outcome: Done, Outputs: map[string]string{"to": x.conn}}, err
}

func saying() []Input {
	return []Input{{"subject", Text, true, "what it is about: an address, host or user"}, {"text", Text, false, "what to say"}, {"alerts", List, false, "alert ids"}}
}

// words puts subject, text and incident into a few lines.
func words(r Request) string {
	s := "[Vigil] " + r.Arguments["subject"]
	if t := r.Arguments["text"]; t != "" {
		s += "\n" + t
	}
	if r.Incident != "" {
		s += "\nIncident " + r.Incident
	}
	return s
}

// mark is the short form of a key that vendors can search for.
func mark(r Request) string { return "vigil-" + schema.HashID("mark", r.Key)[:16] }

// messageActions are the rows that tell somebody something.
func messageActions(p Ports) []Action {
	chat := func(verb, title string, body func(Request) any, ok func(reply) bool) errand {
		return errand{conn: verb, def: Definition{Verb: verb, Title: title, Target: "subject", Risk: Low, Inputs: saying(), Blast: "people read it"},
			send: func(_ *Connector, r Request) call { return post("", body(r)) }, ok: ok}
	}
	says := func(want ...string) func(reply) bool {
		return func(g reply) bool {
			for _, w := range want {
				if strings.TrimSpace(string(g.body)) == w {
					return true
				}
			}
			return false
		}
	}
	rows := []errand{
		chat("slack", "Post to Slack", func(r Request) any { return map[string]string{"text": words(r)} }, says("ok")),
		chat("mattermost", "Post to Mattermost", func(r Request) any { return map[string]string{"text": words(r), "username": "vigil"} }, says("ok")),
		chat("teams", "Post to Microsoft Teams", teamsCard, says("", "1")),
		{conn: "pagerduty", def: Definition{Verb: "pagerduty", Title: "Page whoever is on duty", Target: "subject", Risk: Low, Inputs: saying(), Blast: "one person is woken",
			Undo: "the page is resolved", Idempotent: "the receiver takes one event for each dedup_key"},
			send: func(c *Connector, r Request) call { return page(c, r, "trigger") }, undo: func(c *Connector, r Request) call { return page(c, r, "resolve") },
			ok: func(g reply) bool { return g.field("status") == "success" }, out: func(g reply) map[string]string { return map[string]string{"id": g.field("dedup_key")} }},
	}
	return append(errands(p, rows), mailAction(p))
}

func teamsCard(r Request) any {
	return map[string]any{"type": "message", "attachments": []map[string]any{{"contentType": "application/vnd.microsoft.card.adaptive", "content": map[string]any{
		"type": "AdaptiveCard", "version": "1.4", "body": []map[string]any{{"type": "TextBlock", "wrap": true, "text": words(r)}}}}}}
}

// page is an event of PagerDuty's Events API v2; the routing key is the connector's secret.
func page(c *Connector, r Request, act string) call {
	return post("/v2/enqueue", map[string]any{"routing_key": c.Secret.Reveal(), "event_action": act, "dedup_key": mark(r),
		"payload": map[string]any{"summary": clip(strings.ReplaceAll(words(r), "\n", " ")), "source": "vigil", "severity": "critical", "timestamp": r.Now.UTC().Format(time.RFC3339)}})
}

// ticketActions are the rows that open something at another system, or order it.
func ticketActions(p Ports) []Action {
	ticket := func(verb, title, how string) Definition {
		return Definition{Verb: verb, Title: title, Target: "subject", Risk: Low, Inputs: saying(), Blast: "one ticket", Idempotent: how}
	}
	order := func(verb, title, target string, kind Kind, risk Risk, blast string) Definition {
		return Definition{Verb: verb, Title: title, Target: target, Risk: risk, Inputs: []Input{{target, kind, true, "the " + target}, reasonInput()}, Blast: blast, Idempotent: "revoking twice is revoking once"}
	}
	rows := []errand{
		{conn: "jira", def: ticket("jira-issue", "Open a Jira issue", "its label is looked up first"),
			find: func(_ *Connector, r Request) call {
				return call{method: "GET", path: "/rest/api/2/search", query: url.Values{"jql": {fmt.Sprintf("labels = %q", mark(r))}, "fields": {"key"}}}
			},
			found: func(g reply) string { return g.field("issues", "key") }, send: jiraIssue, ok: func(g reply) bool { return g.field("key") != "" },
			out: func(g reply) map[string]string { return map[string]string{"id": g.field("key")} }},
		{conn: "servicenow", def: ticket("servicenow-incident", "Open a ServiceNow incident", "its correlation id is looked up first"),
			find: func(_ *Connector, r Request) call {
				return call{method: "GET", path: "/api/now/table/incident", query: url.Values{"sysparm_query": {"correlation_id=" + mark(r)}, "sysparm_fields": {"number"}}}
			},
			found: func(g reply) string { return g.field("result", "number") },
			send: func(_ *Connector, r Request) call {
				return post("/api/now/table/incident", map[string]string{"short_description": clip(r.Arguments["subject"]), "description": words(r), "correlation_id": mark(r)})
			}, ok: func(g reply) bool { return g.field("result", "number") != "" }, out: func(g reply) map[string]string { return map[string]string{"id": g.field("result", "number")} }},
		{conn: "github", def: ticket("github-issue", "Open a GitHub issue", "its label is looked up first"),
			find: func(c *Connector, r Request) call {
				return call{method: "GET", path: "/repos/" + c.Options["repository"] + "/issues", query: url.Values{"labels": {mark(r)}, "state": {"all"}}}
			},
			found: func(g reply) string { return g.field("number") }, send: func(c *Connector, r Request) call {
				return post("/repos/"+c.Options["repository"]+"/issues", map[string]any{"title": clip(r.Arguments["subject"]), "body": words(r), "labels": []string{"security", mark(r)}})
			}, ok: func(g reply) bool { return g.field("number") != "" }, out: func(g reply) map[string]string { return map[string]string{"id": g.field("number")} }},
		{conn: "tickets", def: ticket("open-ticket", "Open a ticket", "the ticket's address is made of the key"),
			send: func(_ *Connector, r Request) call {
				c := put("/tickets/"+mark(r), map[string]string{"subject": r.Arguments["subject"], "text": words(r), "incident": r.Incident})
				c.accept = []int{409}
				return c
			}, out: func(g reply) map[string]string { return map[string]string{"id": g.field("id")} }},
		{conn: "idp", def: order("revoke-sessions", "Sign a user out everywhere", "user", Name, Medium, "one person has to sign in again, everywhere"),
			send: func(_ *Connector, r Request) call {
				return post("/users/"+url.PathEscape(r.Target)+"/sessions/revoke", reasonBody(r, time.Time{}))
			}},
		{conn: "idp", def: order("revoke-token", "Revoke a token or key", "token", Name, High, "whatever uses the token stops working; it cannot be given back"),
			send: func(_ *Connector, r Request) call {
				return call{method: "DELETE", path: "/tokens/" + url.PathEscape(r.Target), accept: []int{404, 410}}
			}},
		{conn: "edr", def: Definition{Verb: "collect-evidence", Title: "Collect evidence from a host", Target: "host", Risk: Low, Blast: "reads files of one host; some load on it", Idempotent: "the collection's address is made of the key",
			Inputs: []Input{{"host", Name, true, "the host"}, {"artifacts", List, false, "what to collect; default processes,connections,autoruns"}}},
			send: collect, out: func(g reply) map[string]string { return map[string]string{"collection": g.field("id")} }},
		{conn: "openc2", def: Definition{Verb: "openc2-http", Title: "Send an OpenC2 command", Target: "command", Risk: High, Blast: "whatever the command names",
			Inputs: []Input{{"command", Text, true, "the OpenC2 command as JSON"}, {"host", Name, false, "the consumer; default that of the connector"}}, Idempotent: "the command_id is made of the key"},
			send: openC2, ok: func(g reply) bool {
				return g.field("status") == "" || g.field("status") == "200" || g.field("status") == "102"
			},
			out: func(g reply) map[string]string {
				return map[string]string{"status": g.field("status"), "status_text": clip(g.field("status_text"))}
			}},
	}
	return errands(p, rows)
}

func jiraIssue(c *Connector, r Request) call {
	kind := c.Options["issue_type"]
	if kind == "" {
		kind = "Task"
	}
	return post("/rest/api/2/issue", map[string]any{"fields": map[string]any{"project": map[string]string{"key": c.Options["project"]}, "issuetype": map[string]string{"name": kind},
		"summary": clip(r.Arguments["subject"]), "description": words(r), "labels": []string{"vigil", mark(r)}}})
}

func collect(_ *Connector, r Request) call {
	what := split(r.Arguments["artifacts"])
	if len(what) == 0 {
		what = []string{"processes", "connections", "autoruns"}
	}
	c := put("/collections/"+mark(r), map[string]any{"host": r.Target, "artifacts": what, "incident": r.Incident})
	c.accept = []int{409}
	return c
}

// openC2 sends a command by OpenC2's HTTPS transfer: one command_id for each key, so
// that a consumer can tell repeats.
func openC2(_ *Connector, r Request) call {
	command := map[string]any{}
	maps.Copy(command, decodeObject(r.Arguments["command"]))
	command["command_id"] = mark(r)
	return call{method: "POST", body: command, media: "application/openc2-cmd+json;version=1.0", accept: []int{409}}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func domains(addresses []string) []string {
	var out []string
	for _, a := range addresses {
		if _, d, ok := strings.Cut(a, "@"); ok {
			out = append(out, strings.TrimSuffix(d, ">"))
		}
	}
	return out
}

func allowedMail(address string, among []string) bool {
	_, d, ok := strings.Cut(address, "@")
	for _, a := range among {
		if ok && strings.EqualFold(a, d) {
			return true
		}
	}
	return false
}
