package server

import (
	"context"

	"vigil/internal/auth"
	"vigil/internal/secret"
	"vigil/schema"
	"vigil/schema/flow"
)

// listOrgs lists the orgs of this installation: the platform's, and those that were added.
func (s *Server) listOrgs(ctx context.Context, _ *struct{}) (*body[list[schema.Org]], error) {
	added, err := s.o.Store.Orgs(ctx)
	if err != nil {
		return nil, err
	}
	return answerList(append([]schema.Org{{Name: s.o.Org, Title: "runs this installation"}}, added...), ""), nil
}

type addOrgInput struct {
	Body struct {
		Name     string `json:"name" minLength:"2" maxLength:"31" doc:"small letters and digits; never changes"`
		Title    string `json:"title,omitempty" maxLength:"200"`
		Admin    string `json:"admin" minLength:"1" maxLength:"63" doc:"name of its first admin"`
		Password string `json:"password" maxLength:"1024" doc:"of the first admin"`
	}
}

// addOrg adds an org with its first admin.
func (s *Server) addOrg(ctx context.Context, in *addOrgInput) (*body[schema.Org], error) {
	b := in.Body
	if err := schema.CheckOrgName(b.Name); err != nil { // before it is in the id of a workflow
		return nil, err
	}
	hash, err := auth.HashPassword(secret.New(b.Password))
	if err != nil {
		return nil, schema.E(schema.Invalid, err.Error(), "choose a longer password")
	}
	if _, err := s.admin(ctx, "org", b.Name, flow.AdminInput{Verb: "org.add", Key: b.Name, Args: map[string]string{"title": b.Title, "admin": b.Admin, "hash": hash}}); err != nil {
		return nil, err
	}
	return s.org(ctx, b.Name)
}

type changeOrgInput struct {
	Name string `path:"name" maxLength:"31"`
	Verb string `path:"verb" enum:"close,open"`
	Body struct{}
}

// changeOrg closes an org, or opens it again.
func (s *Server) changeOrg(ctx context.Context, in *changeOrgInput) (*body[schema.Org], error) {
	if _, err := s.admin(ctx, "org", in.Name, flow.AdminInput{Verb: "org." + in.Verb, Key: in.Name}); err != nil {
		return nil, err
	}
	return s.org(ctx, in.Name)
}

func (s *Server) org(ctx context.Context, name string) (*body[schema.Org], error) {
	o, err := s.o.Store.Org(ctx, name)
	if err != nil {
		return nil, err
	}
	return answer(o), nil
}
