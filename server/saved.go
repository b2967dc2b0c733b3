package server

import (
	"context"
	"io/fs"
	"strings"

	"vigil/internal/auth/perm"
	"vigil/internal/dashboard"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

type savedKind struct {
	Kind string `path:"kind" enum:"search,dashboard"`
}

// listSaved lists what the caller may see: what is shared, and what is theirs.
func (s *Server) listSaved(ctx context.Context, in *savedKind) (*body[list[schema.Saved]], error) {
	all, err := s.o.Store.Saved(ctx, orgOf(ctx), schema.SavedKind(in.Kind))
	if err != nil {
		return nil, err
	}
	me := callerOf(ctx).user.Name
	var mine []schema.Saved
	for _, d := range all {
		if d.Shared || d.Owner == me {
			mine = append(mine, d)
		}
	}
	return answerList(mine, ""), nil
}

type savedInput struct {
	Kind string `path:"kind" enum:"search,dashboard"`
	Body struct {
		ID      string   `json:"id" maxLength:"64"`
		Title   string   `json:"title,omitempty" maxLength:"200" doc:"of a search; a dashboard's is in its document"`
		Doc     string   `json:"doc" maxLength:"65536" doc:"the query, or the dashboard's YAML"`
		Shared  bool     `json:"shared,omitempty"`
		Range   string   `json:"range,omitempty" maxLength:"100"`
		Columns []string `json:"columns,omitempty" maxItems:"40"`
	}
}

// putSaved keeps a search or a dashboard. What is kept already only its owner and admins change.
func (s *Server) putSaved(ctx context.Context, in *savedInput) (*body[schema.Saved], error) {
	b := in.Body
	if err := s.ownsSaved(ctx, in.Kind, b.ID); err != nil {
		return nil, err
	}
	args := map[string]string{"kind": in.Kind, "title": b.Title, "doc": b.Doc, "range": b.Range, "columns": strings.Join(b.Columns, ",")}
	if b.Shared {
		args["shared"] = "true"
	}
	if _, err := s.admin(ctx, "saved", in.Kind+"-"+b.ID, flow.AdminInput{Verb: "saved.put", Key: b.ID, Args: args}); err != nil {
		return nil, err
	}
	d, err := s.o.Store.SavedOne(ctx, orgOf(ctx), schema.SavedKind(in.Kind), b.ID)
	if err != nil {
		return nil, err
	}
	return answer(d), nil
}

type savedByID struct {
	Kind string `path:"kind" enum:"search,dashboard"`
	ID   string `path:"id" maxLength:"64"`
}

func (s *Server) deleteSaved(ctx context.Context, in *savedByID) (*body[changed], error) {
	if err := s.ownsSaved(ctx, in.Kind, in.ID); err != nil {
		return nil, err
	}
	res, err := s.admin(ctx, "saved", in.Kind+"-"+in.ID, flow.AdminInput{Verb: "saved.delete", Key: in.ID, Args: map[string]string{"kind": in.Kind}})
	if err != nil {
		return nil, err
	}
	return answer(changed{res.Changed}), nil
}

// ownsSaved refuses to change another person's document. One that is not shared is not
// even said to exist.
func (s *Server) ownsSaved(ctx context.Context, kind, id string) error {
	d, err := s.o.Store.SavedOne(ctx, orgOf(ctx), schema.SavedKind(kind), id)
	if schema.CodeOf(err) == schema.NotFound || err == nil && d.Deleted {
		return nil
	}
	if err != nil {
		return err
	}
	c := callerOf(ctx)
	if d.Owner == c.user.Name || perm.Role(c.user.Role) == perm.Admin {
		return nil
	}
	return schema.E(schema.Denied, kind+" "+id+" belongs to somebody else", "save it under a name of your own")
}

// board is a dashboard as the API shows it.
type board struct {
	dashboard.Dashboard
	Origin string `json:"origin" enum:"file,saved" doc:"file or saved"`
	Owner  string `json:"owner,omitempty"`
	Shared bool   `json:"shared"`
	YAML   string `json:"yaml,omitempty"`
}

// boards are the dashboard files and the saved dashboards that the caller may see; a saved
// one stands before a file of the same id.
func (s *Server) boards(ctx context.Context) ([]board, error) {
	query := func(q string) error { return store.CheckQuery(store.SearchRequest{Query: q, CEL: s.o.CEL}) }
	var systems []fs.FS
	if s.o.Dashboards != nil {
		systems = s.o.Dashboards()
	}
	files, errs := dashboard.Load(query, systems...)
	for _, err := range errs {
		s.o.Log.Error("a dashboard is not used", "error", err)
	}
	saved, err := s.listSaved(ctx, &savedKind{string(schema.SavedDashboard)})
	if err != nil {
		return nil, err
	}
	var out []board
	taken := map[string]bool{}
	for _, d := range saved.Body.Items {
		parsed, err := dashboard.Parse([]byte(d.Doc), func(string) error { return nil })
		if err != nil {
			s.o.Log.Error("a saved dashboard is damaged", "id", d.ID, "error", err)
			continue
		}
		taken[d.ID] = true
		out = append(out, board{Dashboard: parsed, Origin: "saved", Owner: d.Owner, Shared: d.Shared, YAML: d.Doc})
	}
	for _, f := range files {
		if !taken[f.ID] {
			out = append(out, board{Dashboard: f.Dashboard, Origin: "file", Shared: true, YAML: f.Text})
		}
	}
	return out, nil
}

func (s *Server) listDashboards(ctx context.Context, _ *struct{}) (*body[list[board]], error) {
	all, err := s.boards(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].YAML = ""
	}
	return answerList(all, ""), nil
}

func (s *Server) getDashboard(ctx context.Context, in *byID) (*body[board], error) {
	all, err := s.boards(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if b.ID == in.ID {
			return answer(b), nil
		}
	}
	return nil, schema.E(schema.NotFound, "there is no dashboard "+in.ID, "GET /dashboards lists them")
}
