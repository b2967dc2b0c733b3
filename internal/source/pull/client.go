package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"vigil/internal/secret"
	"vigil/schema"
)

// Client asks one API.
type Client struct {
	doc    *Document
	http   *http.Client
	secret secret.Value
	token  oauth2.TokenSource // oauth2 only
	last   time.Time          // of the last request
}

// Later says that the API asks to be left alone for a while.
type Later struct {
	Status string
	Wait   time.Duration
}

// Error tells the status and the time.
func (l *Later) Error() string {
	return fmt.Sprintf("the API answers %s; it is asked again in %s", l.Status, l.Wait.Round(time.Second))
}

// NewClient resolves the document's secret and makes a client. Its connections end with
// it.
func NewClient(ctx context.Context, d *Document) (*Client, error) {
	c := &Client{doc: d, http: &http.Client{Timeout: d.Timeout, Transport: transport(), CheckRedirect: sameHost}}
	if d.auth.secret == "" {
		return c, nil
	}
	var err error
	if c.secret, err = secret.FromRef(d.auth.secret); err != nil {
		return nil, schema.E(schema.Invalid, "the secret cannot be read", "the reference is one of the worker's host", err)
	}
	if c.secret.Empty() {
		return nil, schema.E(schema.Invalid, "the secret "+d.auth.secret+" is empty", "")
	}
	if d.auth.kind == authOAuth2 {
		cfg := clientcredentials.Config{ClientID: d.auth.clientID, ClientSecret: c.secret.Reveal(), TokenURL: d.auth.tokenURL.render(values{vars: d.vars}), Scopes: d.auth.scopes}
		own := &http.Client{Timeout: d.Timeout, Transport: c.http.Transport, CheckRedirect: sameHost}
		c.token = cfg.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, own))
	}
	return c, nil
}

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// transport refuses link-local addresses, because credentials of cloud machines are
// served there.
func transport() *http.Transport {
	dial := &net.Dialer{Timeout: 15 * time.Second, Control: func(_, addr string, _ syscall.RawConn) error {
		if a, err := netip.ParseAddrPort(addr); err == nil && (a.Addr().Unmap().IsLinkLocalUnicast() || a.Addr().IsUnspecified()) {
			return schema.E(schema.Denied, "link-local addresses are not asked", "")
		}
		return nil
	}}
	return &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext, TLSHandshakeTimeout: 15 * time.Second,
		MaxResponseHeaderBytes: 256 << 10, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
}

// sameHost follows redirects within one host only: the secret is for nobody else.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return schema.E(schema.Invalid, "the API redirects more than five times", "use its final address")
	}
	return sameOrigin(via[0].URL, req.URL)
}

func sameOrigin(a, b *url.URL) error {
	if a.Scheme != b.Scheme || a.Host != b.Host {
		return schema.E(schema.Denied, fmt.Sprintf("the API sends on to another host, %s://%s", b.Scheme, b.Host), "the secret is not taken there; write that address into url if it is right")
	}
	return nil
}

// get makes one request; next is the address that the answer before it named, "" at
// first.
func (c *Client) get(ctx context.Context, v values, next string) (body []byte, header http.Header, err error) {
	if err := c.pace(ctx); err != nil {
		return nil, nil, err
	}
	req, err := c.request(ctx, v, next)
	if err != nil {
		return nil, nil, err
	}
	if err := c.authorize(req); err != nil {
		return nil, nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		if se, ok := errors.AsType[*schema.Error](err); ok {
			return nil, nil, se
		}
		return nil, nil, schema.E(schema.Unavailable, "the API does not answer", "", plain(err))
	}
	defer func() { _ = res.Body.Close() }()
	if err := refused(res, time.Now()); err != nil {
		return nil, nil, err
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, c.doc.MaxBytes+1))
	switch {
	case err != nil:
		return nil, nil, schema.E(schema.Unavailable, "the answer broke off", "", err)
	case int64(len(body)) > c.doc.MaxBytes:
		return nil, nil, schema.E(schema.Invalid, fmt.Sprintf("the answer is larger than %d bytes", c.doc.MaxBytes), "ask for fewer records a page, or raise limits.max_bytes")
	}
	return body, res.Header, nil
}

// plain takes the address, which may carry a cursor, off an error of net/http.
func plain(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// pace keeps the document's rate.
func (c *Client) pace(ctx context.Context) error {
	if wait := c.doc.Gap - time.Since(c.last); !c.last.IsZero() && wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	c.last = time.Now()
	return nil
}

func (c *Client) request(ctx context.Context, v values, next string) (*http.Request, error) {
	base, err := url.Parse(c.doc.url.render(v))
	if err != nil {
		return nil, schema.E(schema.Invalid, "the address is no URL", "", err)
	}
	u := base
	if next != "" {
		if u, err = base.Parse(next); err != nil {
			return nil, schema.E(schema.Invalid, "the answer names a next page that is no URL", "", err)
		}
		if err := sameOrigin(base, u); err != nil {
			return nil, err
		}
	} else {
		q := u.Query()
		for _, f := range c.doc.query {
			if s := f.value.render(v); s != "" {
				q.Set(f.name, s)
			}
		}
		u.RawQuery = q.Encode()
	}
	var body io.Reader
	if len(c.doc.body) > 0 {
		body = strings.NewReader(c.doc.body.render(v))
	}
	req, err := http.NewRequestWithContext(ctx, c.doc.method, u.String(), body)
	if err != nil {
		return nil, schema.E(schema.Invalid, "the request cannot be made", "", err)
	}
	req.Header.Set("User-Agent", "vigil")
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range c.doc.headers {
		req.Header.Set(f.name, f.value.render(v))
	}
	return req, nil
}

func (c *Client) authorize(req *http.Request) error {
	switch a := c.doc.auth; a.kind {
	case authBearer:
		req.Header.Set("Authorization", a.prefix+" "+c.secret.Reveal())
	case authBasic:
		req.SetBasicAuth(a.user, c.secret.Reveal())
	case authKey:
		req.Header.Set(a.header, c.secret.Reveal())
	case authOAuth2:
		t, err := c.token.Token()
		if re, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
			return schema.E(schema.Denied, "no token is given: "+re.Response.Status, "check client_id, client_secret and scopes")
		}
		if err != nil {
			return schema.E(schema.Unavailable, "the token server does not answer", "", plain(err))
		}
		t.SetAuthHeader(req)
	}
	return nil
}

// refused is the error of an answer that carries no records.
func refused(res *http.Response, now time.Time) error {
	c := res.StatusCode
	limited := c == http.StatusTooManyRequests || c == http.StatusServiceUnavailable || c == http.StatusForbidden && res.Header.Get("X-RateLimit-Remaining") == "0"
	switch {
	case c == http.StatusOK:
		return nil
	case limited:
		return &Later{Status: res.Status, Wait: retryAfter(res.Header, now)}
	case c == http.StatusUnauthorized, c == http.StatusForbidden:
		return schema.E(schema.Denied, "the API refuses: "+res.Status, "check auth")
	case c == http.StatusRequestTimeout, c >= 500:
		return schema.E(schema.Unavailable, "the API answers "+res.Status, "")
	default:
		return schema.E(schema.Invalid, "the API answers "+res.Status, "check url and query")
	}
}

// maxWait is the longest wait that an API is believed to mean.
const maxWait = time.Hour

// retryAfter reads how long to wait: Retry-After in seconds or as a date, or the time
// when the rate limit starts anew; a minute when nothing is said.
func retryAfter(h http.Header, now time.Time) time.Duration {
	wait := time.Minute
	if s := h.Get("Retry-After"); s != "" {
		if n, err := strconv.Atoi(s); err == nil {
			wait = time.Duration(n) * time.Second
		} else if at, err := http.ParseTime(s); err == nil {
			wait = at.Sub(now)
		}
	} else {
		for _, name := range []string{"X-Rate-Limit-Reset", "X-RateLimit-Reset"} {
			if n, err := strconv.ParseInt(h.Get(name), 10, 64); err == nil {
				wait = time.Unix(n, 0).Sub(now)
			}
		}
	}
	return min(max(wait, time.Second), maxWait)
}
