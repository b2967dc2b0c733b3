//go:build !slim

package temporal

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/log/tag"

	"vigil/schema"
)

// tokens are the bearer tokens of the embedded server, kept in the data folder.
type tokens struct {
	Worker string `json:"worker"`
	CLI    string `json:"cli"`
	Read   string `json:"read"`
}

func loadTokens(path string) (tokens, error) {
	var t tokens
	b, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(b, &t); err != nil {
			return t, fmt.Errorf("reading %s: %w", path, err)
		}
		return t, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	t = tokens{Worker: rand.Text(), CLI: rand.Text(), Read: rand.Text()}
	if b, err = json.Marshal(t); err != nil {
		return t, err
	}
	return t, os.WriteFile(path, b, 0o600)
}

// claims maps a bearer token to what its holder may do. A claimed identity plays
// no part: who decided something is proved by decision tokens, not by this.
type claims struct{ t tokens }

// GetClaims implements authorization.ClaimMapper.
func (c claims) GetClaims(a *authorization.AuthInfo) (*authorization.Claims, error) {
	got := []byte(strings.TrimPrefix(a.AuthToken, "Bearer "))
	for _, row := range []struct {
		token, name string
		role        authorization.Role
	}{
		{c.t.Worker, "vigil-worker", authorization.RoleAdmin | authorization.RoleWorker | authorization.RoleWriter | authorization.RoleReader},
		{c.t.CLI, "operator", authorization.RoleWriter | authorization.RoleReader},
		{c.t.Read, "reader", authorization.RoleReader},
	} {
		if row.token != "" && subtle.ConstantTimeCompare([]byte(row.token), got) == 1 {
			return &authorization.Claims{Subject: row.name, System: row.role, AuthType: "token"}, nil
		}
	}
	return nil, serviceerror.NewPermissionDenied("unknown token", "")
}

// lockFile makes this process the only user of the database. SQLite itself would
// let two servers share it, and both would believe they own the shard.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, schema.E(schema.Conflict, "another process uses the Temporal database "+path, "stop the other Vigil, or name another data folder", err)
	}
	return f, nil
}

// logger hands the server's warnings and errors to slog.
type logger struct{ l *slog.Logger }

func (s logger) log(level slog.Level, msg string, tags []tag.Tag) {
	if !s.l.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, len(tags)+1)
	attrs = append(attrs, slog.String("from", "temporal"))
	for _, t := range tags {
		attrs = append(attrs, slog.Any(t.Key(), t.Value()))
	}
	s.l.LogAttrs(context.Background(), level, msg, attrs...)
}

func (logger) Debug(string, ...tag.Tag)        {}
func (logger) Info(string, ...tag.Tag)         {}
func (s logger) Warn(m string, t ...tag.Tag)   { s.log(slog.LevelDebug, m, t) }
func (s logger) Error(m string, t ...tag.Tag)  { s.log(slog.LevelWarn, m, t) }
func (s logger) DPanic(m string, t ...tag.Tag) { s.log(slog.LevelError, m, t) }
func (s logger) Panic(m string, t ...tag.Tag)  { s.log(slog.LevelError, m, t) }
func (s logger) Fatal(m string, t ...tag.Tag)  { s.log(slog.LevelError, m, t) }
