package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// Users lists the users of an organisation by name, with their password hashes.
func (s *Store) Users(ctx context.Context, org string) ([]schema.User, error) {
	return s.users(ctx, org, "")
}

func (s *Store) users(ctx context.Context, org, name string) ([]schema.User, error) {
	out := []schema.User{}
	err := s.each(ctx, `SELECT hash, doc FROM vigil_private.users FINAL WHERE org = {org:String} AND ({name:String} = '' OR name = {name:String}) ORDER BY name`,
		P{"org": org, "name": name}, func(r driver.Rows) error {
			var hash, text string
			if err := r.Scan(&hash, &text); err != nil {
				return err
			}
			var u schema.User
			if err := json.Unmarshal([]byte(text), &u); err != nil {
				return fmt.Errorf("a stored user is damaged: %w", err)
			}
			u.Hash = hash
			out = append(out, u)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("reading users: %w", err)
	}
	return out, nil
}

// User returns one user; NotFound when there is none.
func (s *Store) User(ctx context.Context, org, name string) (schema.User, error) {
	list, err := s.users(ctx, org, name)
	if err != nil {
		return schema.User{}, err
	}
	if name == "" || len(list) == 0 {
		return schema.User{}, schema.E(schema.NotFound, "there is no user "+name, "an admin adds users with `vigil users add`")
	}
	return list[0], nil
}

// PutUser stores a user; the highest Version holds.
func (s *Store) PutUser(ctx context.Context, u schema.User) error {
	err := s.insert(ctx, "vigil_private.users", "org, name, hash, doc, version", "", [][]any{{u.Org, u.Name, u.Hash, asJSON(u), u.Version}})
	if err != nil {
		return fmt.Errorf("writing user %s: %w", u.Name, err)
	}
	return nil
}

// Session is a signed-in browser, or an API token; its id is the hash of its secret.
type Session struct {
	ID, Org, User    string
	Name             string // tokens only
	Method           string // sessions only: how it was signed in
	Scopes           []string
	Created, Expires time.Time
	Revoked          bool
	Version          uint64
}

// Valid says whether the session may still be used.
func (x Session) Valid(now time.Time) bool { return x.ID != "" && !x.Revoked && now.Before(x.Expires) }

// PutSession stores a session; the highest Version holds.
func (s *Store) PutSession(ctx context.Context, x Session) error {
	return s.insert(ctx, "vigil_private.sessions", "id, org, user, method, created, expires, revoked, version", "",
		[][]any{{x.ID, x.Org, x.User, x.Method, x.Created, x.Expires, x.Revoked, x.Version}})
}

// Session returns the session with that id; NotFound when there is none.
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	var x Session
	ok, err := s.row(ctx, `SELECT id, org, user, method, created, expires, revoked, version FROM vigil_private.sessions FINAL WHERE id = {id:String}`,
		P{"id": id}, &x.ID, &x.Org, &x.User, &x.Method, &x.Created, &x.Expires, &x.Revoked, &x.Version)
	if err == nil && !ok {
		err = schema.E(schema.NotFound, "there is no such session", "sign in again")
	}
	return x, err
}

// PutToken stores an API token; the highest Version holds.
func (s *Store) PutToken(ctx context.Context, x Session) error {
	if x.Scopes == nil {
		x.Scopes = []string{}
	}
	return s.insert(ctx, "vigil_private.tokens", "id, org, user, name, scopes, created, expires, revoked, version", "",
		[][]any{{x.ID, x.Org, x.User, x.Name, x.Scopes, x.Created, x.Expires, x.Revoked, x.Version}})
}

// Token returns the API token with that id; NotFound when there is none.
func (s *Store) Token(ctx context.Context, id string) (Session, error) {
	var x Session
	ok, err := s.row(ctx, `SELECT id, org, user, name, scopes, created, expires, revoked, version FROM vigil_private.tokens FINAL WHERE id = {id:String}`,
		P{"id": id}, &x.ID, &x.Org, &x.User, &x.Name, &x.Scopes, &x.Created, &x.Expires, &x.Revoked, &x.Version)
	if err == nil && !ok {
		err = schema.E(schema.NotFound, "there is no such token", "")
	}
	return x, err
}

// SubjectUser returns the name of the user that a provider's subject is; NotFound when
// it is nobody yet.
func (s *Store) SubjectUser(ctx context.Context, org, issuer, subject string) (string, error) {
	var user string
	ok, err := s.row(ctx, `SELECT user FROM vigil_private.subjects FINAL WHERE org = {org:String} AND issuer = {issuer:String} AND subject = {subject:String}`,
		P{"org": org, "issuer": issuer, "subject": subject}, &user)
	if err == nil && !ok {
		err = schema.E(schema.NotFound, "nobody here is this subject", "")
	}
	return user, err
}

// PutSubject says who a provider's subject is.
func (s *Store) PutSubject(ctx context.Context, org, issuer, subject, user string, now time.Time) error {
	err := s.insert(ctx, "vigil_private.subjects", "org, issuer, subject, user, created, version", "", [][]any{{org, issuer, subject, user, now, uint64(now.UnixMilli())}})
	if err != nil {
		return fmt.Errorf("linking %s: %w", user, err)
	}
	return nil
}
