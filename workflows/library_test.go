package workflows

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/activities"
	"vigil/internal/action"
	"vigil/internal/action/actiontest"
	"vigil/internal/auth"
	"vigil/internal/playbook"
	"vigil/internal/secret"
	"vigil/schema"
	"vigil/schema/flow"
)

func TestLibrary(t *testing.T) {
	s, errs := playbook.Load(activities.PlaybookVerbs(nil))
	for _, err := range errs {
		t.Error(err)
	}
	want := "beaconing-host brute-force-spray contain-address contain-host-account isolate-host leaked-cloud-key low-risk-notify ransomware-host vulnerable-package web-attack"
	if got := strings.Join(s.Names(), " "); got != want {
		t.Errorf("library: %s", got)
	}
	for _, name := range s.Names() {
		if s.LowRisk(name) != (name == "low-risk-notify") {
			t.Errorf("%s: low risk %t", name, s.LowRisk(name))
		}
	}
	if _, err := s.Get("contain-adress"); err == nil || !strings.Contains(err.Error(), `did you mean "contain-address"`) {
		t.Errorf("%v", err)
	}
}

// withVendor gives the world's actions the systems of a listener.
func (w *world) withVendor(v *actiontest.Vendor, names ...string) {
	systems := action.Connectors{}
	for _, name := range names {
		systems[name] = &action.Connector{Name: name, URL: secret.New(v.URL + "/" + name), Auth: "bearer", Secret: secret.New(actiontest.Secret), Timeout: 2 * time.Second}
	}
	maps.Copy(w.act.Table, action.NewTable(action.Ports{Lists: w.mem, Tags: w.mem, Peers: w.mem, Publish: w.pub, Systems: systems}))
}

// approveAll lets ana approve whatever waits, every minute; manual steps get values.
func (w *world) approveAll(deny string, values map[string]string) {
	for n := 1; n <= 40; n++ {
		w.env.RegisterDelayedCallback(func() {
			unlock := w.mem.lock()
			var open []schema.Approval
			for _, a := range w.mem.approvals {
				if a.Status == schema.ApprovalPending {
					open = append(open, a)
				}
			}
			unlock()
			for _, a := range open {
				verdict := "approve"
				if deny != "" && a.Action == deny {
					verdict = "deny"
				}
				tok := w.token(a, "ana", verdict, func(c *auth.Claims) {
					if a.Action == playbook.Manual {
						c.Args = values
					}
				})
				if err := w.env.UpdateWorkflowByID(a.Workflow, flow.UpdateDecide, fmt.Sprint(a.ID, n), &updates{w}, flow.Vote{Approval: a.ID, Token: tok}); err != nil {
					w.t.Error(err)
				}
			}
		}, time.Duration(n)*time.Minute)
	}
}

// updates takes the answers to decisions; one that comes too late is no fault here.
type updates struct{ w *world }

func (updates) Accept()                     {}
func (u updates) Reject(err error)          { u.w.t.Errorf("a decision was rejected: %v", err) }
func (u updates) Complete(_ any, err error) { _ = err }

// TestOwnPlaybooks runs each of ours against listeners, from start to end: what is
// automatic happens before anybody is asked, what is approved happens, in its order.
func TestOwnPlaybooks(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	everything := []string{"edr", "scim", "idp", "tickets", "firewall"}
	for _, c := range []struct {
		name, playbook, deny string
		systems              []string
		vars, values         map[string]string
		does                 []string // at the listeners
		lists                []string // list and value
		asks                 string   // actions that were asked about, in their order
	}{
		{name: "ransomware", playbook: "ransomware-host", systems: everything, vars: map[string]string{"host": "ws1", "user": "mira", "hash": hash}, values: map[string]string{"backups": "whole"},
			does: []string{"ws1 isolate", "/quarantine/" + hash, "scimfalse", "/collections/"}, lists: []string{"watch ws1"}, asks: "isolate-host quarantine-hash disable-user manual"},
		{name: "ransomware without an EDR", playbook: "ransomware-host", vars: map[string]string{"host": "ws1", "user": "mira"},
			lists: []string{"watch ws1", "hosts ws1", "accounts mira"}, asks: "contain-host contain-account manual"},
		{name: "ransomware, isolation denied", playbook: "ransomware-host", deny: "isolate-host", systems: everything, vars: map[string]string{"host": "ws1"},
			lists: []string{"watch ws1", "hosts ws1"}, asks: "isolate-host contain-host manual"},
		{name: "brute force", playbook: "brute-force-spray", systems: everything, vars: map[string]string{"address": bad, "user": "mira", "severity": "high"},
			does: []string{"/users/mira/sessions/revoke"}, lists: []string{"watch " + bad, "addresses " + bad, "accounts mira"}, asks: "block-address revoke-sessions contain-account"},
		{name: "spray that failed", playbook: "brute-force-spray", vars: map[string]string{"address": bad, "user": "mira", "severity": "medium"}, lists: []string{"addresses " + bad}, asks: "block-address"},
		{name: "beaconing", playbook: "beaconing-host", systems: everything, vars: map[string]string{"address": bad, "host": "ws1"}, does: []string{"ws1 isolate", "/collections/"},
			lists: []string{"watch " + bad, "addresses " + bad}, asks: "block-address isolate-host"},
		{name: "leaked key", playbook: "leaked-cloud-key", systems: everything, vars: map[string]string{"user": "ci", "token": "AKIA1"}, does: []string{"/tokens/AKIA1", "/users/ci/sessions/revoke", "/tickets/"},
			asks: "revoke-token revoke-sessions manual"},
		{name: "leaked key that a person finds", playbook: "leaked-cloud-key", systems: everything, vars: map[string]string{"user": "ci"}, values: map[string]string{"key_id": "AKIA2"},
			does: []string{"/tokens/AKIA2"}, asks: "manual revoke-token revoke-sessions manual"},
		{name: "web attack", playbook: "web-attack", systems: everything, vars: map[string]string{"address": bad, "host": "web1"}, values: map[string]string{"succeeded": "false"},
			does: []string{"/blocks/" + bad}, lists: []string{"watch " + bad}, asks: "firewall-block manual"},
		{name: "vulnerable package", playbook: "vulnerable-package", systems: everything, vars: map[string]string{"host": "web1", "package": "log4j 2.14"},
			does: []string{"web1 isolate", "/tickets/", "/collections/"}, asks: "isolate-host manual"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			v := actiontest.New(t)
			w.withVendor(v, c.systems...)
			w.mem.alerts["a1"] = schema.Alert{ID: "a1", Version: 1}
			vars := map[string]string{"alerts": "a1", "title": "Attack", "severity": "high", "risk": "80"}
			maps.Copy(vars, c.vars)
			w.env.RegisterDelayedCallback(func() { // before anybody has decided
				for what := range v.Acts {
					if !strings.HasPrefix(what, "/collections/") && !strings.HasPrefix(what, "/tickets/") {
						t.Errorf("%s happened before anybody approved", what)
					}
				}
			}, 30*time.Second)
			w.approveAll(c.deny, c.values)
			w.env.ExecuteWorkflow(RunPlaybook, flow.RunPlaybookInput{Playbook: c.playbook, Incident: "i1", Variables: vars, Requester: "cy", Token: w.runToken("cy", c.playbook)})
			if err := w.env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.does {
				if n := acts(v, want); n != 1 {
					t.Errorf("%s was done %d times: %v", want, n, v.Acts)
				}
			}
			for _, l := range c.lists {
				if !w.mem.entries[l].Active(time.Now()) {
					t.Errorf("%s is on no list", l)
				}
			}
			var asked []schema.Approval
			for _, a := range w.mem.approvals {
				asked = append(asked, a)
			}
			slices.SortFunc(asked, func(a, b schema.Approval) int { return a.Created.Compare(b.Created) })
			var names []string
			for _, a := range asked {
				names = append(names, a.Action)
			}
			if got := strings.Join(names, " "); got != c.asks {
				t.Errorf("asked about %q, want %q", got, c.asks)
			}
			if len(w.mem.alerts["a1"].Tags) == 0 && c.playbook != "beaconing-host" {
				t.Error("the alerts were not tagged")
			}
			w.checkTrail()
			w.nothingSecret()
		})
	}
}

// acts is how often something of that beginning was done.
func acts(v *actiontest.Vendor, want string) int {
	n := 0
	for what, times := range v.Acts {
		if strings.HasPrefix(what, want) {
			n += times
		}
	}
	return n
}

func (w *world) runToken(user, name string) string {
	tok, _, err := w.key.SignDecision(auth.RequestClaims(user, name, "i1", w.env.Now()), w.env.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return tok
}

// nothingSecret looks through everything that was stored.
func (w *world) nothingSecret() {
	if text := fmt.Sprintf("%+v %+v %+v %+v", w.mem.runs, w.mem.approvals, w.mem.trail, w.mem.actions); strings.Contains(text, actiontest.Secret) {
		w.t.Error("the listener's secret is in what was stored")
	}
}
