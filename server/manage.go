package server

import (
	"context"
	"strings"
	"time"

	"vigil/internal/approval"
	"vigil/internal/audit"
	"vigil/internal/auth"
	"vigil/internal/auth/perm"
	"vigil/internal/playbook"
	"vigil/internal/secret"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/schema"
	"vigil/schema/flow"
)

// ruleRow is a rule as the list shows it.
type ruleRow struct {
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	Kind     string          `json:"kind"`
	Status   string          `json:"status"`
	Severity schema.Severity `json:"severity"`
	Risk     int             `json:"risk"`
	Datasets []string        `json:"dataset"`
	Attack   []string        `json:"attack" nullable:"false"`
	Author   string          `json:"author"`
	Playbook string          `json:"playbook"`
	Version  string          `json:"version"`
	YAML     string          `json:"yaml,omitempty"`
}

func row(r *rules.Rule) ruleRow {
	return ruleRow{ID: r.ID, Title: r.Title, Kind: string(r.Kind), Status: string(r.Status), Severity: r.Severity, Risk: r.Risk, Datasets: r.Datasets, Attack: append([]string{}, r.Attack...),
		Author: r.Author, Playbook: r.Playbook, Version: r.Version}
}

func (s *Server) listRules(ctx context.Context, _ *struct{}) (*body[list[ruleRow]], error) {
	var rows []ruleRow
	for _, r := range s.o.Rules(orgOf(ctx)).Rules() {
		rows = append(rows, row(r))
	}
	return answerList(rows, ""), nil
}

func (s *Server) getRule(ctx context.Context, in *byID) (*body[ruleRow], error) {
	r, ok := s.o.Rules(orgOf(ctx)).Rule(in.ID)
	if !ok {
		return nil, schema.E(schema.NotFound, "there is no rule "+in.ID, "")
	}
	v := row(r)
	v.YAML = r.YAML
	return answer(v), nil
}

// playbookRow is a playbook as the list shows it.
type playbookRow struct {
	ID          string                   `json:"id"`
	Title       string                   `json:"title"`
	Description string                   `json:"description"`
	Version     string                   `json:"version"`
	Start       string                   `json:"start"`
	Steps       map[string]playbook.Step `json:"steps" nullable:"false"`
}

func (s *Server) listPlaybooks(context.Context, *struct{}) (*body[list[playbookRow]], error) {
	var rows []playbookRow
	for _, name := range s.o.Playbooks.Names() {
		d, err := s.o.Playbooks.Get(name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, playbookRow{ID: d.Slug(), Title: d.Name, Description: d.Description, Version: d.Hash(), Start: d.WorkflowStart, Steps: d.Workflow})
	}
	return answerList(rows, ""), nil
}

type auditInput struct {
	Cursor time.Time `query:"cursor"`
	Limit  int       `query:"limit" minimum:"0" maximum:"1000"`
}

func (s *Server) listAudit(ctx context.Context, in *auditInput) (*body[list[schema.AuditRecord]], error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	items, err := s.o.Store.Audit(ctx, orgOf(ctx), in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	next := ""
	if n := len(items); n == in.Limit {
		next = items[n-1].Time.Format(time.RFC3339Nano)
	}
	return answerList(items, next), nil
}

func (s *Server) verifyAudit(ctx context.Context, _ *struct{}) (*body[audit.Report], error) {
	stored, err := s.o.Store.AuditHeads(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	heads := make([]audit.Head, len(stored))
	for i, h := range stored {
		heads[i] = audit.Head{Org: h.Org, Writer: h.Writer, Seq: h.Seq, Hash: h.Hash, Signature: h.Signature, Time: h.Time}
	}
	v := audit.NewVerifier(heads, func(h audit.Head) bool {
		return auth.VerifySignature(s.o.Decisions.Public(), audit.HeadDomain, h.Message(), h.Signature)
	})
	if err := s.o.Store.EachAudit(ctx, orgOf(ctx), func(r schema.AuditRecord) error { v.Add(r); return nil }); err != nil {
		return nil, err
	}
	return answer(v.Report()), nil
}

func (s *Server) listUsers(ctx context.Context, _ *struct{}) (*body[list[schema.User]], error) {
	users, err := s.o.Store.Users(ctx, orgOf(ctx))
	if err != nil {
		return nil, err
	}
	return answerList(users, ""), nil
}

type userInput struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"64"`
		Role     string `json:"role" enum:"viewer,analyst,approver,admin"`
		Password string `json:"password,omitempty" maxLength:"1024"`
		FullName string `json:"full_name,omitempty" maxLength:"200"`
		Email    string `json:"email,omitempty" maxLength:"200"`
		Disabled bool   `json:"disabled,omitempty"`
		Groups   string `json:"groups,omitempty" maxLength:"1000" doc:"comma-separated; approval policies name them"`
		Team     string `json:"team,omitempty" maxLength:"100"`
	}
}

func (s *Server) createUser(ctx context.Context, in *userInput) (*body[schema.User], error) {
	b := in.Body
	u := schema.User{Name: b.Name, Org: orgOf(ctx), Role: b.Role, FullName: b.FullName, Email: b.Email, Disabled: b.Disabled, Team: b.Team, Groups: approval.Split(b.Groups)}
	if b.Password != "" {
		hash, err := auth.HashPassword(secret.New(b.Password))
		if err != nil {
			return nil, schema.E(schema.Invalid, err.Error(), "choose a longer password")
		}
		u.Hash = hash
	}
	if err := s.putUser(ctx, u, callerOf(ctx).user.Name); err != nil {
		return nil, err
	}
	u, err := s.o.Store.User(ctx, orgOf(ctx), b.Name)
	if err != nil {
		return nil, err
	}
	return answer(u), nil
}

// putUser changes a user through the Admin workflow. The password is hashed before
// it gets there: histories keep their inputs.
func (s *Server) putUser(ctx context.Context, u schema.User, by string) error {
	args := map[string]string{"role": u.Role, "hash": u.Hash, "full_name": u.FullName, "email": u.Email, "groups": strings.Join(u.Groups, ","), "team": u.Team}
	if u.Disabled {
		args["disabled"] = "true"
	}
	_, err := s.admin(ctx, "user", u.Name, flow.AdminInput{Verb: "user.put", Key: u.Name, By: by, Args: args})
	return err
}

type tokenInput struct {
	Body struct {
		Name  string `json:"name" minLength:"1" maxLength:"100"`
		Hours int    `json:"hours,omitempty" minimum:"0" maximum:"8760" doc:"default 30 days"`
	}
}

// apiToken is shown once.
type apiToken struct {
	Token   string    `json:"token"`
	Name    string    `json:"name"`
	Expires time.Time `json:"expires"`
}

// createToken makes an API token with the caller's own rights. Only a session makes
// one: a stolen token cannot renew itself.
func (s *Server) createToken(ctx context.Context, in *tokenInput) (*body[apiToken], error) {
	c := callerOf(ctx)
	if c.channel != "web" {
		return nil, schema.E(schema.Denied, "a token cannot make tokens", "sign in with your password: `vigil login`")
	}
	hours := in.Body.Hours
	if hours == 0 {
		hours = 30 * 24
	}
	token, id := auth.NewToken("vgl_")
	now := time.Now().UTC().Truncate(time.Millisecond)
	x := store.Session{ID: id, Org: orgOf(ctx), User: c.user.Name, Name: in.Body.Name, Created: now, Expires: now.Add(time.Duration(hours) * time.Hour), Version: 1,
		Scopes: []string{string(perm.Role(c.user.Role))}}
	if err := s.o.Store.PutToken(ctx, x); err != nil {
		return nil, err
	}
	s.audit(ctx, c.user.Name, "token.create", in.Body.Name, "ok", map[string]string{"expires": x.Expires.Format(time.RFC3339)})
	return answer(apiToken{Token: token.Reveal(), Name: x.Name, Expires: x.Expires}), nil
}
