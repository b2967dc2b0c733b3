package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// Passkeys lists a user's passkeys, oldest first, removed ones too.
func (s *Store) Passkeys(ctx context.Context, org, user string) ([]schema.Passkey, error) {
	return s.passkeys(ctx, "user = {user:String}", P{"org": org, "user": user})
}

// Passkey returns the passkey with that credential id, removed or not; NotFound when
// there is none.
func (s *Store) Passkey(ctx context.Context, org, id string) (schema.Passkey, error) {
	list, err := s.passkeys(ctx, "id = {id:String}", P{"org": org, "id": id})
	if err == nil && len(list) == 0 {
		err = schema.E(schema.NotFound, "there is no such passkey", "sign in otherwise, and add it")
	}
	if err != nil {
		return schema.Passkey{}, err
	}
	return list[0], nil
}

// PasskeyAnywhere returns the passkey with that credential id of whichever org; NotFound when
// there is none, or when two orgs have it: authenticators make no id twice, so that somebody
// copied one.
func (s *Store) PasskeyAnywhere(ctx context.Context, id string) (schema.Passkey, error) {
	var orgs []string
	_, err := s.row(ctx, "SELECT groupUniqArray(2)(toString(org)) FROM vigil_private.passkeys WHERE id = {id:String}", P{"id": id}, &orgs)
	if err != nil {
		return schema.Passkey{}, fmt.Errorf("looking for a passkey: %w", err)
	}
	if len(orgs) != 1 {
		return schema.Passkey{}, schema.E(schema.NotFound, "there is no such passkey", "sign in otherwise, and add it")
	}
	return s.Passkey(ctx, orgs[0], id)
}

func (s *Store) passkeys(ctx context.Context, where string, p P) ([]schema.Passkey, error) {
	out := []schema.Passkey{}
	err := s.each(ctx, `SELECT k.doc, u.count, u.used, u.cloned FROM (SELECT id, doc FROM vigil_private.passkeys FINAL WHERE org = {org:String} AND `+where+`) AS k
		LEFT JOIN (SELECT id, max(count) AS count, max(used) AS used, max(cloned) AS cloned FROM vigil_private.passkey_uses WHERE org = {org:String} GROUP BY id) AS u ON u.id = k.id`,
		p, func(r driver.Rows) error {
			var text string
			var count uint32
			var used time.Time
			var cloned uint8
			if err := r.Scan(&text, &count, &used, &cloned); err != nil {
				return err
			}
			var k schema.Passkey
			if err := json.Unmarshal([]byte(text), &k); err != nil {
				return fmt.Errorf("a stored passkey is damaged: %w", err)
			}
			k.Count, k.Cloned, k.Used = count, cloned > 0, time.Time{}
			if used.Unix() > 0 {
				k.Used = used
			}
			out = append(out, k)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("reading passkeys: %w", err)
	}
	slices.SortFunc(out, func(a, b schema.Passkey) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// PutPasskey stores a passkey; the highest Version holds.
func (s *Store) PutPasskey(ctx context.Context, k schema.Passkey) error {
	k.Count, k.Used, k.Cloned = 0, time.Time{}, false // kept apart
	err := s.insert(ctx, "vigil_private.passkeys", "org, user, id, doc, version", "", [][]any{{k.Org, k.User, k.ID, asJSON(k), k.Version}})
	if err != nil {
		return fmt.Errorf("writing a passkey of %s: %w", k.User, err)
	}
	return nil
}

// UsedPasskey records a use: the authenticator's counter, and whether it went back.
func (s *Store) UsedPasskey(ctx context.Context, org, id string, count uint32, cloned bool, now time.Time) error {
	var flag uint8
	if cloned {
		flag = 1
	}
	err := s.insert(ctx, "vigil_private.passkey_uses", "org, id, count, used, cloned", "", [][]any{{org, id, count, now, flag}})
	if err != nil {
		return fmt.Errorf("recording the use of a passkey: %w", err)
	}
	return nil
}

// Ceremony is what the first step of a sign-in or registration keeps for the second,
// which may come to another server.
type Ceremony struct {
	ID      string // hash of a secret that the browser holds
	Org     string
	Kind    string // which second step may take it
	User    string // "" when it is not known yet
	State   string // JSON
	Expires time.Time
}

// PutCeremony stores a ceremony.
func (s *Store) PutCeremony(ctx context.Context, c Ceremony) error {
	err := s.insert(ctx, "vigil_private.ceremonies", "org, id, kind, user, state, expires, taker", "", [][]any{{c.Org, c.ID, c.Kind, c.User, c.State, c.Expires, ""}})
	if err != nil {
		return fmt.Errorf("writing a ceremony: %w", err)
	}
	return nil
}

// TakeCeremony returns a ceremony once: of several takers at most one gets it, on
// whichever server. The others, unknown ids, other kinds and what has expired are
// Unauthorized.
func (s *Store) TakeCeremony(ctx context.Context, org, kind, id string, now time.Time) (Ceremony, error) {
	c := Ceremony{ID: id, Org: org}
	gone := schema.E(schema.Unauthorized, "this attempt is used up, expired or unknown", "begin again")
	ok, err := s.row(ctx, `SELECT kind, user, state, expires FROM vigil_private.ceremonies WHERE org = {org:String} AND id = {id:String} AND taker = ''`, P{"org": org, "id": id}, &c.Kind, &c.User, &c.State, &c.Expires)
	switch {
	case err != nil:
		return Ceremony{}, fmt.Errorf("reading a ceremony: %w", err)
	case !ok || c.Kind != kind || !now.Before(c.Expires):
		return Ceremony{}, gone
	}
	// Claim it, then look who else has: whoever finds another claim gives up, so that two
	// can both lose and never both win.
	if err := s.insert(ctx, "vigil_private.ceremonies", "org, id, kind, user, state, expires, taker", "", [][]any{{org, id, kind, "", "", c.Expires, rand.Text()}}); err != nil {
		return Ceremony{}, fmt.Errorf("taking a ceremony: %w", err)
	}
	var takers uint64
	if _, err := s.row(ctx, `SELECT uniqExact(taker) FROM vigil_private.ceremonies WHERE org = {org:String} AND id = {id:String} AND taker != ''`, P{"org": org, "id": id}, &takers); err != nil {
		return Ceremony{}, fmt.Errorf("taking a ceremony: %w", err)
	}
	if takers != 1 {
		return Ceremony{}, gone
	}
	return c, nil
}
