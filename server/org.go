package server

import (
	"context"

	"vigil/schema"
)

type orgKey struct{}

// inOrg makes a request one of an org: from then on it reads and changes that org's rows only.
func inOrg(ctx context.Context, org string) context.Context {
	return context.WithValue(ctx, orgKey{}, org)
}

// orgOf is the org whose rows a request reads and changes: that of the session or token, and
// the platform's where nobody is signed in. It never comes from the body or the address of
// what a signed-in caller asks. The zero value is nobody's org, which has no rows.
func orgOf(ctx context.Context) string {
	org, _ := ctx.Value(orgKey{}).(string)
	return org
}

// openOrg says whether people of the org may work: it is the platform's, or one that was
// added and is not closed.
func (s *Server) openOrg(ctx context.Context, org string) (bool, error) {
	if org == s.o.Org {
		return true, nil
	}
	o, err := s.o.Store.Org(ctx, org)
	if schema.CodeOf(err) == schema.NotFound {
		return false, nil
	}
	return err == nil && !o.Closed, err
}

// signingIn returns the user who signs in to an org; NotFound also when there is no such org,
// so that orgs cannot be found out by asking.
func (s *Server) signingIn(ctx context.Context, org, user string) (schema.User, error) {
	open, err := s.openOrg(ctx, org)
	if err == nil && !open {
		err = schema.E(schema.NotFound, "there is no such org", "")
	}
	if err != nil {
		return schema.User{}, err
	}
	return s.o.Store.User(ctx, org, user)
}

// accountOf names an account for limits: users of two orgs may have one name. Neither a name
// of an org nor of a user has a slash.
func accountOf(org, user string) string {
	if user == "" {
		return ""
	}
	return org + "/" + user
}
