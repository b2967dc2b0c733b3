package action

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"

	"vigil/schema"
)

// mailer sends e-mail. The Message-ID is made of the key, so that mailboxes tell
// repeats, and what was sent is remembered besides.
type mailer struct {
	def Definition
	c   *Connector
}

func mailAction(p Ports) Action {
	d := noted(Definition{Verb: "email", Title: "Send an e-mail", Target: "subject", Risk: Low, Connector: "smtp", Blast: "people read it",
		Inputs:  append(saying(), Input{"to", Text, false, "addresses, comma-separated; default: those of the connector"}),
		Honesty: "Goes only to addresses of the domains that the operator allows, by default those of the connector's own recipients."})
	return once{mailer{d, p.Systems["smtp"]}, p.Lists}
}

// Definition implements [Action].
func (m mailer) Definition() Definition { return m.def }

// Run implements [Action].
func (m mailer) Run(ctx context.Context, r Request) (Result, error) {
	return m.post(ctx, r, Letter{To: split(r.Arguments["to"]), Subject: r.Arguments["subject"], Text: words(r)})
}

// post sends a letter under the key of a request.
func (m mailer) post(ctx context.Context, r Request, l Letter) (Result, error) {
	if m.c == nil {
		return Result{}, missing("email", "smtp")
	}
	if len(l.To) == 0 {
		l.To = split(m.c.Options["to"])
	}
	msg, err := m.message(r, l)
	if err != nil {
		return Result{}, err
	}
	out := map[string]string{"recipients": strconv.Itoa(len(l.To)), "message_id": mark(r) + "@vigil"}
	if r.DryRun {
		return Result{Outcome: DryRun, Outputs: out}, nil
	}
	limit := m.c.Timeout + l.slack()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := m.client(ctx, limit)
	if err != nil {
		return Result{}, err
	}
	if err := c.DialAndSendWithContext(ctx, msg); err != nil {
		return Result{}, m.failed(err)
	}
	return Result{Outcome: Done, Outputs: out}, nil
}

// allows refuses addresses outside of what the operator allows.
func (m mailer) allows(to []string) error {
	among := append(split(m.c.Options["domains"]), domains(split(m.c.Options["to"]))...)
	for _, a := range to {
		if !allowedMail(a, among) {
			return schema.E(schema.Denied, fmt.Sprintf("no e-mail is sent to %q", clip(a)), "the operator allows domains with the option domains of the connector smtp")
		}
	}
	return nil
}

func (m mailer) message(r Request, l Letter) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := msg.From(m.c.Options["from"]); err != nil {
		return nil, schema.E(schema.Invalid, "the option from of the connector smtp is no address", "", err)
	}
	if err := m.allows(l.To); err != nil {
		return nil, err
	}
	if err := msg.To(l.To...); err != nil {
		return nil, schema.E(schema.Invalid, "a recipient is no address", "", err)
	}
	msg.Subject(Subject(l.Subject))
	msg.SetMessageIDWithValue(mark(r) + "@vigil")
	msg.SetDateWithValue(r.Now)
	msg.SetBodyString(mail.TypeTextPlain, l.Text)
	if l.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, l.HTML)
	}
	for _, f := range l.Files {
		if err := msg.AttachReader(f.Name, bytes.NewReader(f.Body), mail.WithFileContentType(mail.ContentType(f.Media))); err != nil {
			return nil, schema.E(schema.Internal, "a file cannot be attached", "", err)
		}
	}
	return msg, nil
}

func (m mailer) client(ctx context.Context, limit time.Duration) (*mail.Client, error) {
	u, err := url.Parse(m.c.URL.Reveal())
	if err != nil {
		return nil, schema.E(schema.Invalid, "the url of the connector smtp cannot be read", "smtp://mail.example:587 or smtps://mail.example:465")
	}
	safe := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() }) // a cancelled action waits for no server
		if u.Scheme == "smtps" {
			return tls.Client(conn, safe), nil
		}
		return conn, nil
	}
	opts := []mail.Option{mail.WithTimeout(limit), mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTLSConfig(safe), mail.WithDialContextFunc(dial)}
	if u.Scheme == "smtps" {
		opts = append(opts, mail.WithSSL())
	}
	if m.c.Options["tls"] == "none" { // for a relay on this machine
		opts = append(opts, mail.WithTLSPolicy(mail.NoTLS))
	}
	if p, err := strconv.Atoi(u.Port()); err == nil {
		opts = append(opts, mail.WithPort(p))
	}
	if m.c.Auth == "basic" {
		opts = append(opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.c.User), mail.WithPassword(m.c.Secret.Reveal()))
	}
	c, err := mail.NewClient(u.Hostname(), opts...)
	if err != nil {
		return nil, schema.E(schema.Invalid, "the connector smtp cannot be used", "", errors.New(m.c.redact(err.Error())))
	}
	return c, nil
}

// failed gives an error of the mail server its retry class: what it calls permanent is.
func (m mailer) failed(err error) error {
	cause := errors.New(m.c.redact(err.Error()))
	var se *mail.SendError
	if errors.As(err, &se) && !se.IsTemp() && se.ErrorCode() >= 500 {
		return schema.E(schema.Invalid, "the mail server refuses: "+clip(cause.Error()), "look at sender and recipients", cause)
	}
	return schema.E(schema.Unavailable, "the mail server did not take it", "it is tried again", cause)
}

// Undo implements [Action].
func (mailer) Undo(context.Context, Request) (Result, error) {
	return Result{}, schema.E(schema.Invalid, "email cannot be undone", "")
}
