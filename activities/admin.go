package activities

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"vigil/internal/approval"
	"vigil/internal/auth/perm"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// AdminStore keeps users and exported histories.
type AdminStore interface {
	User(ctx context.Context, org, name string) (schema.User, error)
	PutUser(ctx context.Context, u schema.User) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
	PutToken(ctx context.Context, x store.Session) error
	SubjectUser(ctx context.Context, org, issuer, subject string) (string, error)
	PutSubject(ctx context.Context, org, issuer, subject, user string, now time.Time) error
	Passkey(ctx context.Context, org, id string) (schema.Passkey, error)
	PasskeyAnywhere(ctx context.Context, id string) (schema.Passkey, error)
	PutPasskey(ctx context.Context, k schema.Passkey) error
	RunsWithoutHistory(ctx context.Context, org string, limit int) ([]store.ClosedRun, error)
	PutRun(ctx context.Context, r schema.Run, history string, version uint64) error
}

// Operator talks to running workflows; the Temporal client is one.
type Operator interface {
	UpdateWorkflow(ctx context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error)
	GetWorkflowHistory(ctx context.Context, id, runID string, long bool, filter HistoryFilter) client.HistoryEventIterator
}

// Admin changes rows for people.
type Admin struct {
	Store    AdminStore
	Trail    Trail
	Temporal Operator
	Public   string // public decision key
}

var userName = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,62}$`)

func goodName(name string) bool {
	return userName.MatchString(name) && name != "system" && name != "unknown"
}

// PutUser creates or changes a user. Args: role, full_name, email, groups, team, hash (argon2id;
// passwords are hashed before they enter a workflow). Empty ones stay as they are.
func (x *Admin) PutUser(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	if !goodName(in.Key) {
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, fmt.Sprintf("a user cannot be named %q", in.Key), "small letters, digits, dot, hyphen, @; not system or unknown"))
	}
	u, err := x.Store.User(ctx, in.Org, in.Key)
	if err != nil && schema.CodeOf(err) != schema.NotFound {
		return flow.AdminResult{}, Retryable(err)
	}
	if u.Name == "" {
		u = schema.User{Name: in.Key, Org: in.Org, Role: string(perm.Viewer), Created: now.UTC()}
	}
	for name, to := range map[string]*string{"role": &u.Role, "full_name": &u.FullName, "email": &u.Email, "hash": &u.Hash, "team": &u.Team} {
		if v := in.Args[name]; v != "" {
			*to = v
		}
	}
	if perm.Of(perm.Role(u.Role)) == nil {
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, fmt.Sprintf("there is no role %q", u.Role), "viewer, analyst, approver or admin"))
	}
	if g := in.Args["groups"]; g != "" {
		u.Groups = approval.Split(g)
	}
	u.Disabled = in.Args["disabled"] == "true"
	return x.save(ctx, u, in, key, "user.put")
}

// DisableUser takes a user's rights away; the row stays.
func (x *Admin) DisableUser(ctx context.Context, in flow.AdminInput, key string) (flow.AdminResult, error) {
	u, err := x.Store.User(ctx, in.Org, in.Key)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	u.Disabled = true
	return x.save(ctx, u, in, key, "user.disable")
}

func (x *Admin) save(ctx context.Context, u schema.User, in flow.AdminInput, key, verb string) (flow.AdminResult, error) {
	u.Version++
	if err := x.Store.PutUser(ctx, u); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	// The servers check the user's live connections at once.
	if err := x.Store.PutNotes(ctx, note(u.Org, "users", "changed", u.Name, nil, time.Now())); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	err := x.Trail.record(ctx, schema.AuditRecord{Org: u.Org, ID: auditID(verb, key), Actor: by(in.By), Verb: verb, Object: u.Name, Outcome: "ok",
		Details: map[string]string{"role": u.Role, "groups": strings.Join(u.Groups, ","), "team": u.Team, "disabled": fmt.Sprint(u.Disabled), "password_changed": fmt.Sprint(in.Args["hash"] != "")}})
	return flow.AdminResult{Changed: 1}, Retryable(err)
}

var (
	sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	tokenID    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// PutPushToken gives a push source a token, or takes it away. Args: id (the hash of the
// token; its text never enters a workflow), kind, format, hours of validity, revoked, and
// the source's limits: quota and rate in bytes, weight. The token may send to that source,
// and nothing else.
func (x *Admin) PutPushToken(ctx context.Context, in flow.AdminInput, key string, now time.Time) (flow.AdminResult, error) {
	hours, err := strconv.Atoi(in.Args["hours"])
	switch {
	case !sourceName.MatchString(in.Key):
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, fmt.Sprintf("a source cannot be named %q", in.Key), "letters, digits, dot, hyphen and underscore"))
	case !tokenID.MatchString(in.Args["id"]):
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, "the id of the token is missing", "it is the hex SHA-256 of the token: use `vigil sources add-push`"))
	case err != nil || hours < 1:
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, "the token's validity is missing", "hours, at least 1", err))
	}
	revoked := in.Args["revoked"] == "true"
	version := uint64(1)
	if revoked {
		version = 2
	}
	now = now.UTC().Truncate(time.Millisecond)
	t := store.Session{ID: in.Args["id"], Org: in.Org, Name: "push to " + in.Key, Created: now, Expires: now.Add(time.Duration(hours) * time.Hour), Revoked: revoked, Version: version,
		Scopes: []string{"ingest:" + in.Key, "kind:" + in.Args["kind"], "format:" + in.Args["format"]}}
	for _, limit := range []string{"quota", "rate", "weight"} { // of the source, for its receiver
		text, ok := in.Args[limit]
		if n, err := strconv.ParseInt(text, 10, 64); ok && (err != nil || n < 0) {
			return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, fmt.Sprintf("the %s %q is no number", limit, text), "bytes; a weight is a plain number", err))
		} else if ok {
			t.Scopes = append(t.Scopes, fmt.Sprintf("%s:%d", limit, n))
		}
	}
	if err := x.Store.PutToken(ctx, t); err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	verb := "source.add-push"
	if revoked {
		verb = "source.revoke-push"
	}
	err = x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID(verb, key), Actor: by(in.By), Verb: verb, Object: in.Key, Outcome: "ok",
		Details: map[string]string{"token": t.ID[:12], "kind": in.Args["kind"], "format": in.Args["format"], "expires": t.Expires.Format(time.RFC3339)}})
	return flow.AdminResult{Changed: 1}, Retryable(err)
}

func by(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}

// UpdateIncident sends an update to an Incident workflow on behalf of a person.
// Args: workflow, and the fields of the update.
func (x *Admin) UpdateIncident(ctx context.Context, in flow.AdminInput, update, key string) (flow.AdminResult, error) {
	var arg any
	switch update {
	case flow.UpdateComment:
		arg = flow.IncidentComment{By: in.By, Text: in.Args["text"]}
	case flow.UpdateAck:
		arg = flow.IncidentAck{By: in.By}
	case flow.UpdateClose, flow.UpdateQualify:
		arg = flow.IncidentClose{By: in.By, Verdict: in.Args["verdict"], Reason: in.Args["reason"]}
	case flow.UpdateAssign:
		arg = flow.IncidentAssign{By: in.By, To: in.Args["to"]}
	case flow.UpdateTask:
		t := flow.IncidentTask{By: in.By, ID: in.Args["task"], Title: in.Args["title"], Owner: in.Args["owner"], State: in.Args["state"]}
		if due := in.Args["due"]; due != "" {
			var err error
			if t.Due, err = time.Parse(time.RFC3339, due); err != nil {
				return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, "due is no time", "2026-03-01T10:00:00Z"))
			}
		}
		arg = t
	case flow.UpdateMerge:
		arg = flow.IncidentMerge{By: in.By, Into: in.Args["into"], Reason: in.Args["reason"]}
	case flow.UpdateSplit:
		arg = flow.IncidentSplit{By: in.By, Alerts: in.IDs, Title: in.Args["title"], Reason: in.Args["reason"]}
	default:
		return flow.AdminResult{}, Retryable(schema.E(schema.Invalid, "an incident has no update "+update, "ack, assign, close, comment, merge, qualify, split or task"))
	}
	h, err := x.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{UpdateID: key, WorkflowID: in.Args["workflow"], UpdateName: update, Args: []any{arg},
		WaitForStage: client.WorkflowUpdateStageCompleted})
	if err != nil {
		return flow.AdminResult{}, fmt.Errorf("updating the incident: %w", err)
	}
	var st flow.IncidentState
	if err := h.Get(ctx, &st); err != nil {
		return flow.AdminResult{}, Retryable(schema.E(schema.Conflict, "the incident refused", "", err))
	}
	return flow.AdminResult{Changed: 1}, nil
}

// exportBatch is how many histories one round exports.
const exportBatch = 20

// ExportHistories keeps the workflow histories of closed runs, because Temporal
// deletes them after its retention.
func (x *Admin) ExportHistories(ctx context.Context, org string) (int, error) {
	list, err := x.Store.RunsWithoutHistory(ctx, org, exportBatch)
	if err != nil {
		return 0, Retryable(err)
	}
	for i, c := range list {
		text, err := x.history(ctx, c.Run.ID)
		if err != nil {
			text = fmt.Sprintf(`{"error":%q}`, err.Error()) // gone from Temporal; do not ask again
			if errors.Is(err, errOpen) {
				continue
			}
		}
		if err := x.Store.PutRun(ctx, c.Run, text, c.Version+1); err != nil {
			return i, Retryable(err)
		}
	}
	return len(list), nil
}
