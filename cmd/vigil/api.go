package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vigil/schema"
)

// sessionPath is where `vigil login` keeps the session of this user.
func sessionPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the configuration folder: %w", err)
	}
	return filepath.Join(dir, "vigil", "session.json"), nil
}

// session is a signed-in user at one server.
type session struct {
	API    string `json:"api"`
	User   string `json:"user"`
	Cookie string `json:"cookie"` // name=value
}

func loadSession() (session, error) {
	var s session
	path, err := sessionPath()
	if err != nil {
		return s, err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("reading the session: %w", err)
	}
	return s, json.Unmarshal(b, &s)
}

func (s session) save() error {
	path, err := sessionPath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("saving the session: %w", err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// maxAnswer bounds what is read of an API answer, in bytes.
const maxAnswer = 64 << 20

// call makes an API request as the signed-in user: VIGIL_TOKEN, or the session of
// `vigil login`. Problems of the API come back as schema.Error.
func (a *app) call(ctx context.Context, method, path string, in, out any) error {
	e, err := a.endpoints()
	if err != nil {
		return err
	}
	res, err := a.request(ctx, e, method, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", e.API, err)
	}
	if res.StatusCode >= 300 {
		return apiError(res, b)
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, out)
}

// rawBody is a request's body that is sent as it is.
type rawBody []byte

func (a *app) request(ctx context.Context, e endpoints, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	api := e.API
	media := "application/json"
	if raw, ok := in.(rawBody); ok {
		body, media = bytes.NewReader(raw), "application/octet-stream"
	} else if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(api, "/")+"/api/v1"+path, body)
	if err != nil {
		return nil, fmt.Errorf("building the request: %w", err)
	}
	req.Header.Set("Content-Type", media)
	if t := os.Getenv("VIGIL_TOKEN"); t != "" {
		req.Header.Set("Authorization", "Bearer "+t)
	} else if s, err := loadSession(); err == nil && s.Cookie != "" && s.API == api {
		req.Header.Set("Cookie", s.Cookie)
	}
	client := http.Client{Timeout: 5 * time.Minute, Transport: e.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, schema.E(schema.Unavailable, "Vigil does not answer at "+api, "is it running? `vigil doctor` tells", err)
	}
	return res, nil
}

// apiError turns a problem document into an error.
func apiError(res *http.Response, body []byte) error {
	var p struct{ Title, Detail, Code, Hint string }
	if json.Unmarshal(body, &p) != nil || p.Title == "" && p.Detail == "" {
		p.Title = "the server answered " + res.Status
	}
	msg := p.Detail
	if msg == "" {
		msg = p.Title
	}
	if res.StatusCode == http.StatusUnauthorized && p.Hint == "" {
		p.Hint = "sign in with `vigil login NAME`, or set VIGIL_TOKEN"
	}
	code := schema.Code(p.Code)
	if code == "" {
		code = schema.Internal
	}
	return schema.E(code, msg, p.Hint)
}

// readPassword asks without echo at a terminal, and reads a line otherwise.
func (a *app) readPassword(prompt string) (string, error) {
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(a.err, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.err)
		return string(b), err
	}
	b, err := io.ReadAll(io.LimitReader(a.stdin, 4096))
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(line, "\r"), err
}

// newLoginCmd makes `vigil login`: sign in for the commands that act as a person.
func newLoginCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "login NAME", Short: "Sign in, for the commands that act as a person", Args: cobra.ExactArgs(1),
		Long: `Signs in to the web server and keeps the session in your configuration folder, readable by you only.
The password is asked for, or read from standard input. VIGIL_TOKEN, when set, is used instead of a session.`,
		Example: "  vigil login ana\n  pass show vigil/ana | vigil login ana",
		RunE: func(c *cobra.Command, args []string) error {
			e, err := a.endpoints()
			if err != nil {
				return err
			}
			pass, err := a.readPassword("Password of " + args[0] + ": ")
			if err != nil {
				return fmt.Errorf("reading the password: %w", err)
			}
			who := map[string]string{"user": args[0], "password": pass}
			if a.org != schema.DefaultOrg { // the server knows the org that runs it
				who["org"] = a.org
			}
			res, err := a.request(c.Context(), e, "POST", "/login", who)
			if err != nil {
				return err
			}
			defer func() { _ = res.Body.Close() }()
			b, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
			if res.StatusCode >= 300 {
				return apiError(res, b)
			}
			for _, k := range res.Cookies() {
				if strings.Contains(k.Name, "session") {
					fmt.Fprintf(a.err, "Signed in as %s at %s.\n", args[0], e.API)
					return session{API: e.API, User: args[0], Cookie: k.Name + "=" + k.Value}.save()
				}
			}
			return schema.E(schema.Internal, "the server gave no session", "")
		},
	}
}
