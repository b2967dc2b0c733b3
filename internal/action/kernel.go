package action

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vigil/schema"
)

// call is one request to a connector.
type call struct {
	method string
	path   string // below the connector's URL; "" is the URL itself
	query  url.Values
	body   any // JSON; nil for none
	media  string
	header map[string]string
	accept []int // statuses beside 2xx that are answers, not errors
}

// reply is what came back.
type reply struct {
	status int
	body   []byte
}

// field reads a value of a JSON answer by its path; "" when there is none.
func (r reply) field(path ...string) string {
	var v any
	if json.Unmarshal(r.body, &v) != nil {
		return ""
	}
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			if len(x) == 0 {
				return ""
			}
			v = x[0]
			if m, ok := v.(map[string]any); ok {
				v = m[p]
			}
		default:
			return ""
		}
	}
	switch x := v.(type) {
	case string:
		return x
	case nil:
		return ""
	default:
		b, _ := json.Marshal(x) // it came out of JSON
		return string(b)
	}
}

// maxReply bounds what is read of an answer, in bytes.
const maxReply = 1 << 20

// do is the one way by which actions speak HTTP: a time limit, no redirects (they
// would carry the secret elsewhere), the idempotency key as a header, secrets taken
// out of errors, and errors that say whether it is worth trying again.
func (c *Connector) do(ctx context.Context, h *http.Client, key string, x call) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := c.request(ctx, key, x)
	if err != nil {
		return reply{}, err
	}
	res, err := h.Do(req)
	if err != nil {
		return reply{}, schema.E(schema.Unavailable, "no answer from "+c.Name, "it is tried again; look whether it is up", fmt.Errorf("%s", c.redact(scrub(err).Error())))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return reply{}, schema.E(schema.Unavailable, "the answer of "+c.Name+" broke off", "it is tried again")
	}
	r := reply{res.StatusCode, body}
	return r, c.refused(r, x)
}

func (c *Connector) request(ctx context.Context, key string, x call) (*http.Request, error) {
	var body io.Reader
	if x.body != nil {
		b, err := json.Marshal(x.body)
		if err != nil {
			return nil, schema.E(schema.Invalid, "the request to "+c.Name+" is no JSON", "", err)
		}
		body = bytes.NewReader(b)
	}
	target := c.URL.Reveal()
	if x.path != "" {
		target = strings.TrimSuffix(target, "/") + x.path
	}
	if len(x.query) > 0 {
		target += "?" + x.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, x.method, target, body)
	if err != nil {
		return nil, schema.E(schema.Invalid, "the request to "+c.Name+" cannot be built", "look at its url")
	}
	// net/http would by itself send again what carries an Idempotency-Key when a kept
	// connection breaks, also to vendors that never heard of the header. Our own retry
	// looks first.
	req.GetBody = nil
	media := x.media
	if media == "" {
		media = "application/json"
	}
	if body != nil {
		req.Header.Set("Content-Type", media)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "vigil")
	req.Header.Set("Idempotency-Key", key)
	for k, v := range x.header {
		req.Header.Set(k, v)
	}
	switch c.Auth {
	case "bearer":
		req.Header.Set("Authorization", "Bearer "+c.Secret.Reveal())
	case "basic":
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Secret.Reveal())))
	case "header":
		req.Header.Set(c.User, c.Secret.Reveal())
	}
	return req, nil
}

// refused gives a status its retry class.
func (c *Connector) refused(r reply, x call) error {
	if slices.Contains(x.accept, r.status) {
		return nil
	}
	said := strings.TrimSpace(c.redact(clip(string(r.body))))
	message := fmt.Sprintf("%s answered %d: %s", c.Name, r.status, said)
	switch {
	case r.status >= 200 && r.status < 300:
		return nil
	case r.status == http.StatusTooManyRequests, r.status == http.StatusRequestTimeout, r.status == http.StatusTooEarly, r.status >= 500:
		return schema.E(schema.Unavailable, message, "it is tried again")
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		return schema.E(schema.Denied, message, "look at the secret of the connector "+c.Name)
	case r.status == http.StatusNotFound:
		return schema.E(schema.NotFound, message, "look at the target and at the connector's url")
	default:
		return schema.E(schema.Invalid, message, "")
	}
}
