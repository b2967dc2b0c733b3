package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"vigil/internal/auth"
	"vigil/internal/auth/perm"
	"vigil/internal/bench"
	"vigil/internal/secret"
	"vigil/schema/flow"
)

// benchVigil is a Vigil with a data folder of its own, which is measured.
type benchVigil struct {
	*app // talks to it
	args []string
	temp bool // the folder goes with it
	up   *upProcess
}

// newBenchVigil has args beside those that keep it from what is not measured. Without a
// folder it gets one that goes with it.
func newBenchVigil(a *app, dir string, args ...string) (v *benchVigil, err error) {
	v = &benchVigil{args: append([]string{"--no-temporal-ui", "--receive", "", "--receive-grpc", ""}, args...), temp: dir == ""}
	if v.temp {
		dir, err = os.MkdirTemp("", "vigil-bench-")
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	v.app = &app{out: a.out, err: a.err, data: dir, org: a.org, output: a.output}
	return v, err
}

func (v *benchVigil) start(ctx context.Context) (err error) {
	v.up, err = startUp(ctx, v.data, v.args...)
	return err
}

func (v *benchVigil) stop() {
	if v.up != nil {
		v.close()
		v.up.stop()
		v.up = nil
	}
}

// end stops it and removes what it was given.
func (v *benchVigil) end() {
	v.stop()
	if v.temp {
		_ = os.RemoveAll(v.data)
	}
}

func (v *benchVigil) usage() (bench.Usage, error) { return bench.UsageOf(v.up.cmd.Process.Pid) }

// signIn makes a user and returns the cookie of a session.
func (v *benchVigil) signIn(ctx context.Context, name string, role perm.Role) (string, error) {
	const password = "only while it is measured 1"
	hash, err := auth.HashPassword(secret.New(password))
	if err != nil {
		return "", err
	}
	if _, err := v.admin(ctx, "user", flow.AdminInput{Verb: "user.put", By: "operator", Key: name, Args: map[string]string{"role": string(role), "hash": hash}}); err != nil {
		return "", err
	}
	ep, err := v.endpoints()
	if err != nil {
		return "", err
	}
	res, err := v.request(ctx, ep, http.MethodPost, "/login", map[string]string{"user": name, "password": password})
	if err != nil {
		return "", err
	}
	_ = res.Body.Close()
	for _, k := range res.Cookies() {
		return k.Name + "=" + k.Value, nil
	}
	return "", fmt.Errorf("%s cannot sign in: %s", name, res.Status)
}

// as makes an API request in a session.
func (v *benchVigil) as(ctx context.Context, cookie, method, path string, in, out any) error {
	ep, err := v.endpoints()
	if err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(ep.API, "/")+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cookie", cookie)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case res.StatusCode >= 300:
		return apiError(res, text)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// spread is the quantiles of durations.
func spread(name string, took []time.Duration) []figure {
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1e3 }
	return []figure{{name + ", times", len(took), ""}, {name + ", p50", at(0.5), "ms"}, {name + ", p95", at(0.95), "ms"}, {name + ", p99", at(0.99), "ms"}, {name + ", slowest", at(1), "ms"}}
}
