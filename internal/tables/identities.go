package tables

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vigil/schema"
)

// Identity is one person or account.
type Identity struct {
	Name, FullName, Department, Manager, Criticality string
	Privileged                                       bool
	IDs, Emails, Domains, Aliases, Tags              []string
	Facts                                            map[string]string
}

// Identities looks people and accounts up.
type Identities struct {
	list   []*Identity
	names  map[string][]*Identity
	ids    map[string]*Identity
	emails map[string]*Identity
}

func identitySheet() *sheet[Identity] {
	return &sheet[Identity]{key: "name", columns: []column[Identity]{
		text("name", func(i *Identity) *string { return &i.Name }),
		texts("aliases", func(i *Identity) *[]string { return &i.Aliases }),
		texts("domain", func(i *Identity) *[]string { return &i.Domains }),
		texts("id", func(i *Identity) *[]string { return &i.IDs }),
		texts("email", func(i *Identity) *[]string { return &i.Emails }),
		text("full_name", func(i *Identity) *string { return &i.FullName }),
		text("department", func(i *Identity) *string { return &i.Department }),
		text("manager", func(i *Identity) *string { return &i.Manager }),
		choice("criticality", func(i *Identity) *string { return &i.Criticality }, criticalities...),
		{"privileged", func(i *Identity, cell string) (err error) { i.Privileged, err = yesNo(cell); return err }},
		texts("tags", func(i *Identity) *[]string { return &i.Tags }),
	}, fact: func(i *Identity, column, cell string) {
		if i.Facts == nil {
			i.Facts = map[string]string{}
		}
		i.Facts[column] = cell
	}}
}

func parseIdentities(body []byte) (*Identities, error) {
	t := &Identities{names: map[string][]*Identity{}, ids: map[string]*Identity{}, emails: map[string]*Identity{}}
	lines := map[*Identity]int{}
	err := identitySheet().parse(body, func(row *Identity, line int) error {
		i := *row
		lines[&i] = line
		if len(i.Name) > maxKey {
			return fmt.Errorf("the name has more than %d bytes", maxKey)
		}
		if other, what := t.put(&i); other != nil {
			return fmt.Errorf("%s is already that of %s in line %d", what, other.Name, lines[other])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Identities) put(i *Identity) (other *Identity, what string) {
	t.list = append(t.list, i)
	for _, n := range append([]string{i.Name}, i.Aliases...) {
		k := folded(n)
		for _, o := range t.names[k] {
			if o != i && o.shares(i) {
				return o, "the name " + n
			}
		}
		t.names[k] = append(t.names[k], i)
	}
	for _, id := range i.IDs {
		if o := t.ids[folded(id)]; o != nil {
			return o, "the id " + id
		}
		t.ids[folded(id)] = i
	}
	for _, m := range i.Emails {
		if o := t.emails[folded(m)]; o != nil {
			return o, "the e-mail address " + m
		}
		t.emails[folded(m)] = i
	}
	return nil, ""
}

// shares says whether one name would mean both.
func (i *Identity) shares(o *Identity) bool {
	if len(i.Domains) == 0 && len(o.Domains) == 0 {
		return true
	}
	return slices.ContainsFunc(i.Domains, o.in)
}

func (i *Identity) in(domain string) bool {
	return slices.ContainsFunc(i.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// Len implements Table.
func (t *Identities) Len() int { return len(t.list) }

// ID finds an identity by its id (SID, uid, ARN).
func (t *Identities) ID(id string) *Identity {
	var buf key
	return t.ids[string(buf.fold(id))]
}

// Email finds an identity by e-mail address.
func (t *Identities) Email(address string) *Identity {
	var buf key
	return t.emails[string(buf.fold(address))]
}

// Name finds an identity by login name; DOMAIN\name and name@domain are understood. Of
// several with the name, it is the one in the domain; without a domain, the only one.
func (t *Identities) Name(name, domain string) *Identity {
	if d, n, ok := strings.Cut(name, `\`); ok {
		name, domain = n, d
	} else if n, d, ok := strings.Cut(name, "@"); ok {
		if i := t.Email(name); i != nil {
			return i
		}
		name, domain = n, d
	}
	var buf key
	list := t.names[string(buf.fold(name))]
	if domain == "" && len(list) == 1 {
		return list[0]
	}
	var any *Identity
	for _, i := range list {
		if domain != "" && i.in(domain) {
			return i
		}
		if len(i.Domains) == 0 {
			any = i
		}
	}
	return any
}

// Entities implements Table.
func (t *Identities) Entities() []schema.Entity {
	out := make([]schema.Entity, len(t.list))
	for n, i := range t.list {
		facts := map[string]string{}
		maps.Copy(facts, i.Facts)
		for k, v := range map[string]string{"aliases": strings.Join(i.Aliases, " "), "domain": strings.Join(i.Domains, " "), "id": strings.Join(i.IDs, " "), "email": strings.Join(i.Emails, " "),
			"full_name": i.FullName, "department": i.Department, "privileged": fmt.Sprint(i.Privileged), "tags": strings.Join(i.Tags, " ")} {
			if v != "" {
				facts[k] = v
			}
		}
		name := i.Name
		if len(t.names[folded(name)]) > 1 && len(i.Domains) > 0 {
			name = i.Domains[0] + `\` + name // each entity needs a name of its own
		}
		out[n] = schema.Entity{Kind: "identity", Name: name, Criticality: i.Criticality, Owner: i.Manager, Facts: facts}
	}
	return out
}
