package actiontest

import (
	"errors"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// Mailbox is a mail server. It keeps one mail for each Message-ID, as mailboxes show them,
// and counts how often it took one.
type Mailbox struct {
	Addr   string
	mu     sync.Mutex
	mails  map[string]string // Message-ID → text
	taken  int
	refuse error
	stuck  chan struct{}
}

// NewMailbox starts the server; it ends with the test.
func NewMailbox(t testing.TB) *Mailbox {
	m := &Mailbox{mails: map[string]string{}}
	s := smtp.NewServer(m)
	s.Domain, s.AllowInsecureAuth = "localhost", true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.Addr = l.Addr().String()
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return m
}

// Hang lets the server not answer from now on.
func (m *Mailbox) Hang() { m.mu.Lock(); m.stuck = make(chan struct{}); m.mu.Unlock() }

// Refuse lets the server answer every recipient with err; nil: it takes them again.
func (m *Mailbox) Refuse(err error) { m.mu.Lock(); m.refuse = err; m.mu.Unlock() }

// Mails are the mails by Message-ID.
func (m *Mailbox) Mails() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mails)
}

// Taken is how many mails were taken, repeats too.
func (m *Mailbox) Taken() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taken
}

// NewSession implements [smtp.Backend].
func (m *Mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{m}, nil }

type session struct{ m *Mailbox }

func (s *session) Reset()                               {}
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Rcpt(string, *smtp.RcptOptions) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.m.refuse
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.m.mu.Lock()
	stuck := s.m.stuck
	s.m.mu.Unlock()
	if stuck != nil {
		select {
		case <-stuck:
		case <-time.After(5 * time.Second):
		}
		return errors.New("stuck")
	}
	head, _, _ := strings.Cut(string(b), "\r\n\r\n")
	for line := range strings.Lines(head) {
		if id, ok := strings.CutPrefix(line, "Message-ID: "); ok {
			s.m.mu.Lock()
			s.m.mails[strings.TrimSpace(id)] = string(b)
			s.m.taken++
			s.m.mu.Unlock()
		}
	}
	return err
}
