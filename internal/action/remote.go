package action

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"vigil/schema"
)

// state is a row of what is switched on and off at another system. Before and after
// each switch the state is read back: a system that says yes and does nothing is found.
type state struct {
	def   Definition
	conn  string
	hours int
	id    func(reply) string                           // with find: the vendor's id
	find  func(value string) call                      // looks the value's id up; nil: the value is the id
	on    func(id string, r Request, u time.Time) call //
	off   func(id string, r Request) call              //
	read  func(id string) call                         //
	isOn  func(reply) bool                             //
}

// remoteState is the effect of a row over its connector.
type remoteState struct {
	state
	c *Connector
	h *http.Client
}

// missing is what an action without its connector says.
func missing(verb, conn string) error {
	return schema.E(schema.Invalid, fmt.Sprintf("%s needs the connector %s, which is not configured", verb, conn), "write it into connectors.yaml of the data folder (docs/guides/response.md)")
}

func (s remoteState) lookUp(ctx context.Context, r Request, value string) (string, error) {
	if s.c == nil {
		return "", missing(s.def.Verb, s.conn)
	}
	if s.find == nil {
		return url.PathEscape(value), nil
	}
	got, err := s.c.do(ctx, s.h, r.Key, s.find(value))
	if err != nil {
		return "", err
	}
	id := s.id(got)
	if id == "" {
		return "", schema.E(schema.NotFound, fmt.Sprintf("%s does not know %s", s.conn, value), "look at how it spells the name")
	}
	return url.PathEscape(id), nil
}

func (s remoteState) now(ctx context.Context, r Request, id string) (bool, error) {
	got, err := s.c.do(ctx, s.h, r.Key, s.read(id))
	return err == nil && s.isOn(got), err
}

func (s remoteState) on(ctx context.Context, r Request, value string, until time.Time) error {
	return s.turn(ctx, r, value, true, func(id string) call { return s.state.on(id, r, until) })
}

func (s remoteState) off(ctx context.Context, r Request, value string) error {
	return s.turn(ctx, r, value, false, func(id string) call { return s.state.off(id, r) })
}

func (s remoteState) turn(ctx context.Context, r Request, value string, want bool, make func(id string) call) error {
	id, err := s.lookUp(ctx, r, value)
	if err != nil {
		return err
	}
	have, err := s.now(ctx, r, id)
	if err != nil || have == want && !r.renew {
		return err
	}
	if _, err := s.c.do(ctx, s.h, r.Key, make(id)); err != nil {
		return err
	}
	if have, err = s.now(ctx, r, id); err == nil && have != want {
		return schema.E(schema.Unavailable, fmt.Sprintf("%s said yes, but %s is as it was", s.conn, value), "it is tried again; look at the other system")
	}
	return err
}

func (s remoteState) dry(ctx context.Context, r Request, value string) (string, error) {
	id, err := s.lookUp(ctx, r, value)
	if err != nil {
		return "", err
	}
	have, err := s.now(ctx, r, id)
	if err != nil {
		return "", err
	}
	if have {
		return value + " is so already", nil
	}
	return s.conn + " knows " + value, nil
}

// remoteActions are the rows that hold a state at another system.
func remoteActions(p Ports) []Action {
	var out []Action
	for _, s := range states() {
		s.def.Connector, s.def.Reversible, s.def.TimeBoxed, s.def.Idempotent = s.conn, true, true, "the state is read before it is changed"
		s.def.Inputs = append(s.def.Inputs, hoursInput(), reasonInput())
		out = append(out, &held{def: s.def, lists: p.Lists, list: "held/" + s.def.Verb, hours: s.hours, eff: remoteState{s, p.Systems[s.conn], client(p)}, mu: &sync.Mutex{}})
	}
	return out
}

// states is the table of states at other systems.
func states() []state {
	return []state{
		{conn: "edr", hours: 8, def: Definition{Verb: "isolate-host", Title: "Isolate hosts from the network", Target: "hosts", Risk: High,
			Inputs: []Input{{"hosts", List, true, "the hosts, as the EDR names them"}}, Undo: "the hosts are released",
			Blast: "the hosts lose every connection but the one to the EDR; whoever works on them is cut off", Honesty: "Isolation ends by itself with its time box unless it is renewed."},
			on:   func(id string, r Request, u time.Time) call { return post("/hosts/"+id+"/isolate", reasonBody(r, u)) },
			off:  func(id string, r Request) call { return post("/hosts/"+id+"/release", reasonBody(r, time.Time{})) },
			read: func(id string) call { return get("/hosts/" + id) }, isOn: func(g reply) bool { return g.field("isolated") == "true" }},
		{conn: "edr", hours: 24 * 30, def: Definition{Verb: "quarantine-hash", Title: "Quarantine a file everywhere", Target: "sha256", Risk: High,
			Inputs: []Input{{"sha256", Hash, true, "SHA-256 of the file"}}, Undo: "the hash is allowed again, and quarantined files are restored",
			Blast: "every host with that file: whatever needs it stops working"},
			on: func(id string, r Request, u time.Time) call { return put("/quarantine/"+id, reasonBody(r, u)) },
			off: func(id string, _ Request) call {
				return call{method: "DELETE", path: "/quarantine/" + id, accept: []int{404}}
			},
			read: func(id string) call { return known("/quarantine/" + id) }, isOn: func(g reply) bool { return g.status == 200 }},
		{conn: "firewall", hours: 24, def: Definition{Verb: "firewall-block", Title: "Block an address at the firewall", Target: "address", Risk: High,
			Inputs: []Input{{"address", Address, true, "the address to block"}}, Undo: "the block is taken away",
			Blast: "traffic of everybody behind the firewall, with this address"},
			on: func(id string, r Request, u time.Time) call { return put("/blocks/"+id, reasonBody(r, u)) },
			off: func(id string, _ Request) call {
				return call{method: "DELETE", path: "/blocks/" + id, accept: []int{404}}
			},
			read: func(id string) call { return known("/blocks/" + id) }, isOn: func(g reply) bool { return g.status == 200 }},
		{conn: "scim", hours: 24, def: Definition{Verb: "disable-user", Title: "Disable a user", Target: "user", Risk: High,
			Inputs: []Input{{"user", Name, true, "the user name at the identity provider"}}, Undo: "the user is enabled again",
			Blast: "one person cannot sign in anywhere", Honesty: "Sessions that are open stay open: revoke them too."},
			find: func(v string) call {
				return call{method: "GET", path: "/Users", query: url.Values{"filter": {fmt.Sprintf("userName eq %q", v)}}}
			},
			id: func(g reply) string { return g.field("Resources", "id") },
			on: func(id string, _ Request, _ time.Time) call { return active(id, false) }, off: func(id string, _ Request) call { return active(id, true) },
			read: func(id string) call { return get("/Users/" + id) }, isOn: func(g reply) bool { return g.field("active") == "false" }},
	}
}

func get(path string) call            { return call{method: "GET", path: path} }
func known(path string) call          { return call{method: "GET", path: path, accept: []int{404}} }
func post(path string, body any) call { return call{method: "POST", path: path, body: body} }
func put(path string, body any) call  { return call{method: "PUT", path: path, body: body} }

func reasonBody(r Request, until time.Time) map[string]any {
	m := map[string]any{"reason": r.Arguments["reason"], "by": "vigil", "incident": r.Incident, "key": r.Key}
	if !until.IsZero() {
		m["until"] = until.UTC().Format(time.RFC3339)
	}
	return m
}

// active is the SCIM patch that enables or disables a user (RFC 7644, section 3.5.2).
func active(id string, on bool) call {
	return call{method: "PATCH", path: "/Users/" + id, media: "application/scim+json", body: map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": []map[string]any{{"op": "replace", "path": "active", "value": on}}}}
}
