package workflows

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/internal/action"
	"vigil/internal/approval"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/playbook"
	"vigil/schema"
	"vigil/schema/flow"
)

// memory keeps what the store would keep. The activities over it are the real ones.
type memory struct {
	mu        sync.Mutex
	alerts    map[string]schema.Alert
	incidents map[string]schema.Incident
	runs      map[string]schema.Run
	approvals map[string]schema.Approval
	users     map[string]schema.User
	passkeys  []schema.Passkey
	entries   map[string]action.Entry
	trail     []schema.AuditRecord
	actions   []schema.ActionRecord
	notes     []schema.Note
	puts      int // entries written
}

func newMemory() *memory {
	m := &memory{alerts: map[string]schema.Alert{}, incidents: map[string]schema.Incident{}, runs: map[string]schema.Run{}, approvals: map[string]schema.Approval{},
		users: map[string]schema.User{}, entries: map[string]action.Entry{}}
	for name, role := range map[string]string{"ana": "approver", "ben": "approver", "cy": "analyst", "root": "admin"} {
		m.users[name] = schema.User{Name: name, Role: role, Org: "main"}
	}
	return m
}

func (m *memory) lock() func() { m.mu.Lock(); return m.mu.Unlock }

func (m *memory) PutAlerts(_ context.Context, list []schema.Alert) error {
	defer m.lock()()
	for _, a := range list {
		if a.Version >= m.alerts[a.ID].Version {
			m.alerts[a.ID] = a
		}
	}
	return nil
}

func (m *memory) AlertsByID(_ context.Context, _ string, ids []string) ([]schema.Alert, error) {
	defer m.lock()()
	var out []schema.Alert
	for _, id := range ids {
		if a, ok := m.alerts[id]; ok {
			out = append(out, a)
		}
	}
	return out, nil
}

func (m *memory) PutIncident(_ context.Context, i schema.Incident) error {
	defer m.lock()()
	if i.Version > m.incidents[i.ID].Version {
		m.incidents[i.ID] = i
	}
	return nil
}

func (m *memory) PutRun(_ context.Context, r schema.Run, _ string, _ uint64) error {
	defer m.lock()()
	r.Steps = slices.Clone(r.Steps)
	m.runs[r.ID] = r
	return nil
}

func (m *memory) PutNotes(_ context.Context, notes ...schema.Note) error {
	defer m.lock()()
	m.notes = append(m.notes, notes...)
	return nil
}

func (m *memory) PutApproval(_ context.Context, a schema.Approval) error {
	defer m.lock()()
	if a.Revision > m.approvals[a.ID].Revision {
		m.approvals[a.ID] = a
	}
	return nil
}

func (m *memory) Approval(_ context.Context, _, id string) (schema.Approval, error) {
	defer m.lock()()
	a, ok := m.approvals[id]
	if !ok {
		return a, schema.E(schema.NotFound, "there is no approval "+id, "")
	}
	return a, nil
}

func (m *memory) Passkeys(_ context.Context, _, user string) ([]schema.Passkey, error) {
	defer m.lock()()
	var out []schema.Passkey
	for _, k := range m.passkeys {
		if k.User == user {
			out = append(out, k)
		}
	}
	return out, nil
}

func (m *memory) User(_ context.Context, _, name string) (schema.User, error) {
	defer m.lock()()
	u, ok := m.users[name]
	if !ok {
		return u, schema.E(schema.NotFound, "there is no user "+name, "")
	}
	return u, nil
}

func (m *memory) InsertAudit(_ context.Context, list []schema.AuditRecord) error {
	defer m.lock()()
	m.trail = append(m.trail, list...)
	return nil
}

func (m *memory) HaveAudit(_ context.Context, _ string, ids []string) (map[string]bool, error) {
	defer m.lock()()
	have := map[string]bool{}
	for _, r := range m.trail {
		have[r.ID] = slices.Contains(ids, r.ID)
	}
	return have, nil
}

func (m *memory) PutEntry(_ context.Context, e action.Entry) error {
	defer m.lock()()
	m.puts++
	m.entries[e.List+" "+e.Value] = e
	return nil
}

func (m *memory) Entry(_ context.Context, _, list, value string) (action.Entry, error) {
	defer m.lock()()
	return m.entries[list+" "+value], nil
}

func (m *memory) Entries(_ context.Context, _, list string) ([]action.Entry, error) {
	defer m.lock()()
	var out []action.Entry
	for _, e := range m.entries {
		if e.List == list && !e.Removed {
			out = append(out, e)
		}
	}
	return out, nil
}

func (m *memory) TagAlerts(ctx context.Context, org string, ids []string, tag string) (int, error) {
	list, _ := m.AlertsByID(ctx, org, ids)
	for i := range list {
		list[i].Tags = append(list[i].Tags, tag)
		list[i].Version++
	}
	return len(list), m.PutAlerts(ctx, list)
}

func (m *memory) TalkedTo(context.Context, string, string, int) ([]action.Peer, error) {
	return []action.Peer{{Peer: "10.0.0.7", Events: 3}}, nil
}

func (m *memory) Incident(_ context.Context, _, id string) (schema.Incident, error) {
	defer m.lock()()
	i, ok := m.incidents[id]
	if !ok {
		return i, schema.E(schema.NotFound, "there is no incident "+id, "")
	}
	return i, nil
}

// Blob knows one file.
func (m *memory) Blob(_ context.Context, _, hash string) ([]byte, error) {
	if hash != knownFile {
		return nil, schema.E(schema.NotFound, "there is no file of the hash "+hash, "")
	}
	return []byte("evidence"), nil
}

var knownFile = strings.Repeat("ab", 32)

func (m *memory) PutAction(_ context.Context, a schema.ActionRecord) error {
	defer m.lock()()
	m.actions = slices.DeleteFunc(m.actions, func(x schema.ActionRecord) bool { return x.Key == a.Key })
	m.actions = append(m.actions, a)
	return nil
}

func (m *memory) Action(_ context.Context, _, key string) (schema.ActionRecord, error) {
	defer m.lock()()
	for _, a := range m.actions {
		if a.Key == key {
			return a, nil
		}
	}
	return schema.ActionRecord{}, schema.E(schema.NotFound, "there is no action "+key, "")
}

func (m *memory) Actions(_ context.Context, _, incident string) ([]schema.ActionRecord, error) {
	defer m.lock()()
	return slices.DeleteFunc(slices.Clone(m.actions), func(a schema.ActionRecord) bool { return a.Incident != incident }), nil
}

func (m *memory) verbs() []string {
	defer m.lock()()
	var out []string
	for _, r := range m.trail {
		out = append(out, r.Verb+":"+r.Outcome)
	}
	return out
}

// world is a test environment with the real workflows and activities.
type world struct {
	t   *testing.T
	env *testsuite.TestWorkflowEnvironment
	mem *memory
	key auth.DecisionKey
	pub *action.Publisher
	act *activities.Actions
	log *audit.Log

	undoes bool               // undos are real
	boxes  []flow.ActionInput // ends of time boxes that were arranged
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, approval.Default())
}

func newWorldWith(t *testing.T, policies *approval.Policies) *world {
	t.Helper()
	set, errs := playbook.Load(activities.PlaybookVerbs(nil))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return newWorldOf(t, policies, set)
}

func newWorldFrom(t *testing.T, set *playbook.Set) *world {
	t.Helper()
	return newWorldOf(t, approval.Default(), set)
}

func newWorldOf(t *testing.T, policies *approval.Policies, set *playbook.Set) *world {
	t.Helper()
	key, err := auth.LoadDecisionKey(filepath.Join(t.TempDir(), "decision.key"))
	if err != nil {
		t.Fatal(err)
	}
	var s testsuite.WorkflowTestSuite
	w := &world{t: t, env: s.NewTestWorkflowEnvironment(), mem: newMemory(), key: key, pub: action.NewPublisher(t.TempDir())}
	w.log = audit.NewLog(w.mem, key, "test", "")
	trail := activities.Trail{Log: w.log}
	table := action.NewTable(action.Ports{Lists: w.mem, Tags: w.mem, Peers: w.mem, Publish: w.pub})
	w.act = &activities.Actions{Table: table, Store: w.mem, Trail: trail, Policies: policies, Public: key.Public()}
	for _, a := range []any{
		&activities.Playbooks{Store: w.mem, Playbooks: set, Public: key.Public(), Policies: policies},
		&activities.Approvals{Store: w.mem, Trail: trail, Policies: policies, Table: table, Public: key.Public(), Authors: func(_, rule string) []string { return []string{rule} }}, w.act,
		&activities.Incidents{Store: w.mem, Playbooks: set, Trail: trail, Public: key.Public()}, &activities.Audit{Trail: trail},
	} {
		w.env.RegisterActivity(a)
	}
	for _, wf := range []any{RunPlaybook, Incident, Admin} {
		w.env.RegisterWorkflow(wf)
	}
	w.env.RegisterWorkflowWithOptions(w.action, workflow.RegisterOptions{Name: flow.Action})
	return w
}

// action is Action, but for the workflow that waits for the end of a time box: the
// test clock jumps as soon as nothing runs, and would end the box while the
// playbook goes on. TestTimeBox runs the real one.
func (w *world) action(ctx workflow.Context, in flow.ActionInput) (flow.ActionResult, error) {
	if in.Undo && !w.undoes {
		w.boxes = append(w.boxes, in)
		return flow.ActionResult{Outcome: "done"}, nil
	}
	return Action(ctx, in)
}

// pending returns the open approval; there must be exactly one.
func (w *world) pending() schema.Approval {
	w.t.Helper()
	defer w.mem.lock()()
	var open []schema.Approval
	for _, a := range w.mem.approvals {
		if a.Status == schema.ApprovalPending {
			open = append(open, a)
		}
	}
	if len(open) != 1 {
		w.t.Fatalf("%d open approvals", len(open))
	}
	return open[0]
}

// token signs a decision of the user.
func (w *world) token(a schema.Approval, user, verdict string, change func(*auth.Claims)) string {
	w.t.Helper()
	c := auth.Claims{Approval: a.ID, Binding: a.Binding, User: user, Verdict: verdict, Reason: "seen", Channel: "temporal"}
	if change != nil {
		change(&c)
	}
	tok, _, err := w.key.SignDecision(c, w.env.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return tok
}

// published returns the lines of a list as a firewall reads them.
func (w *world) published(list, value string) bool {
	w.t.Helper()
	ok, err := w.pub.Contains("main", list, value)
	if err != nil {
		w.t.Fatal(err)
	}
	return ok
}

func (w *world) checkTrail() {
	w.t.Helper()
	rep := audit.Verify(w.mem.trail, w.log.Heads(), func(h audit.Head) bool {
		return auth.VerifySignature(w.key.Public(), audit.HeadDomain, h.Message(), h.Signature)
	})
	if !rep.OK {
		w.t.Errorf("the audit trail does not verify: %v", rep.Problems)
	}
}

func count(list []string, want string) int {
	n := 0
	for _, s := range list {
		if strings.HasPrefix(s, want) {
			n++
		}
	}
	return n
}
