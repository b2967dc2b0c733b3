package approval

import (
	"fmt"
	"slices"
	"strings"

	"vigil/internal/auth/perm"
	"vigil/schema"
)

// mayDecide refuses people who may decide nothing here, whatever the policy says.
func (r *reduction) mayDecide(p Person) error { return may(*r.a, p) }

func may(a schema.Approval, p Person) error {
	switch {
	case p.Name == "":
		return schema.E(schema.Unauthorized, "this user does not exist", "an admin adds users with `vigil users add`")
	case p.Disabled:
		return schema.E(schema.Denied, p.Name+" is disabled", "")
	case !perm.May(perm.Role(p.Role), "decide:approvals"):
		return schema.E(schema.Denied, fmt.Sprintf("%s has the role %s, which may not decide approvals", p.Name, p.Role), "the role approver may")
	case strings.EqualFold(p.Name, a.Requester):
		return schema.E(schema.Denied, p.Name+" asked for this run and may not approve it", "a second user is needed")
	case slices.ContainsFunc(a.Facts.Authors, func(n string) bool { return strings.EqualFold(n, p.Name) }):
		return schema.E(schema.Denied, p.Name+" wrote the rule behind it and may not decide it", "somebody else is needed")
	}
	return nil
}

// in says whether the person is in the set.
func in(w schema.ApprovalWho, p Person, owner string) bool {
	return w.Anybody() || w.Owner && owner != "" && strings.EqualFold(owner, p.Name) ||
		slices.ContainsFunc(w.Users, func(u string) bool { return strings.EqualFold(u, p.Name) }) || slices.Contains(w.Roles, p.Role) ||
		slices.ContainsFunc(w.Groups, func(g string) bool { return slices.Contains(p.Groups, g) })
}

// asked says whether the person is asked in the current stage or was in one before.
func asked(a schema.Approval, p Person) bool {
	last := a.Stage + 1
	if a.Terms.EveryStage {
		return in(a.Terms.Stages[a.Stage].Eligible, p, a.Facts.Owner)
	}
	return slices.ContainsFunc(a.Terms.Stages[:last], func(s schema.ApprovalStage) bool { return in(s.Eligible, p, a.Facts.Owner) })
}

// eligible says in whose place the user may act: "" for the user's own.
func (r *reduction) eligible() (behalf string, err error) {
	p := r.people[r.act.User]
	if err := r.mayDecide(p); err != nil {
		return "", err
	}
	if asked(*r.a, p) {
		return "", nil
	}
	for _, d := range r.a.Delegations {
		from := r.people[d.From]
		if strings.EqualFold(d.To, p.Name) && d.Until.After(r.now) && r.mayDecide(from) == nil && asked(*r.a, from) {
			return d.From, nil
		}
	}
	return "", schema.E(schema.Denied, p.Name+" is not asked in this stage", "the policy "+r.a.Terms.Policy+" names "+describe(r.a.Terms.Stages[r.a.Stage].Eligible))
}

// seat is eligible for a vote: each person and each delegator has one, and teams
// may have to differ.
func (r *reduction) seat() (string, error) {
	behalf, err := r.eligible()
	if err != nil {
		return "", err
	}
	for _, name := range []string{r.act.User, behalf} {
		if name != "" && voteOf(*r.a, name) >= 0 {
			return "", schema.E(schema.Conflict, name+" has decided already", "")
		}
	}
	team := r.people[r.act.User].Team
	if !r.a.Terms.Teams || r.act.Verdict != "approve" {
		return behalf, nil
	}
	if team == "" {
		return "", schema.E(schema.Denied, r.act.User+" has no team, and the policy asks for different ones", "an admin sets it: vigil users add --team")
	}
	if team == r.a.Facts.Team || slices.ContainsFunc(r.a.Decisions, func(d schema.Decision) bool { return d.Verdict == "approve" && d.Team == team }) {
		return "", schema.E(schema.Denied, "the team "+team+" has a say in it already, and the policy asks for different teams", "somebody of another team is needed")
	}
	return behalf, nil
}

// describe names a set for people.
func describe(w schema.ApprovalWho) string {
	if w.Anybody() {
		return "everybody who may decide approvals"
	}
	var parts []string
	for name, list := range map[string][]string{"users": w.Users, "roles": w.Roles, "groups": w.Groups} {
		if len(list) > 0 {
			parts = append(parts, name+" "+strings.Join(list, ", "))
		}
	}
	slices.Sort(parts)
	if w.Owner {
		parts = append(parts, "the asset's owner")
	}
	return strings.Join(parts, "; ")
}
