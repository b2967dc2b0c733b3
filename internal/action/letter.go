package action

import (
	"context"
	"time"

	"github.com/wneessen/go-mail"

	"vigil/schema"
)

// Letter is an e-mail that answers to no incident: a report.
type Letter struct {
	To      []string
	Subject string
	Text    string
	HTML    string // the same once more; "" for none
	Files   []File
}

// File is a file that goes along.
type File struct {
	Name, Media string
	Body        []byte
}

// Subject is the subject line that a mail about something gets.
func Subject(about string) string { return "[Vigil] " + clip(oneLine(about)) }

// Size is how many bytes a letter has before it is encoded.
func (l Letter) Size() int {
	n := len(l.Text) + len(l.HTML)
	for _, f := range l.Files {
		n += len(f.Body)
	}
	return n
}

// slack is what a large letter may take longer than a line of text: it still goes over a
// line of 100 KB a second.
func (l Letter) slack() time.Duration { return time.Duration(l.Size()/(100<<10)) * time.Second }

// Post sends letters by the connector smtp: by the same rules as the action email.
type Post struct {
	mailer mailer
	lists  Lists
}

// NewPost returns the post over the ports of the actions.
func NewPost(p Ports) Post {
	return Post{mailer{Definition{Verb: "email"}, p.Systems["smtp"]}, p.Lists}
}

// Allows says whether letters may go to the addresses.
func (p Post) Allows(to []string) error {
	if p.mailer.c == nil {
		return missing("email", "smtp")
	}
	if err := mail.NewMsg().To(to...); err != nil {
		return schema.E(schema.Invalid, "a recipient is no address", "such as soc@example.org", err)
	}
	return p.mailer.allows(to)
}

// Send sends a letter once for each key: a repeat says what came of the first. The Message-ID
// is made of the key, so that mailboxes tell a repeat too where the process died in the
// instant between sending and remembering.
func (p Post) Send(ctx context.Context, org, key string, l Letter, now time.Time) (Result, error) {
	return once{posting{p.mailer, l}, p.lists}.Run(ctx, Request{Org: org, Run: key, Key: key, Now: now})
}

// posting is one letter as an action.
type posting struct {
	mailer
	letter Letter
}

// Run implements [Action].
func (p posting) Run(ctx context.Context, r Request) (Result, error) { return p.post(ctx, r, p.letter) }
