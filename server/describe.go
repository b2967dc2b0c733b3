package server

import (
	"cmp"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"vigil/internal/auth/perm"
	"vigil/schema"
)

// schemaPrefix begins the references to the components of the API's description.
const schemaPrefix = "#/components/schemas/"

// words are the types of text of which only these values are sent, by their names in the
// description.
func words() map[reflect.Type]*huma.Schema {
	return map[reflect.Type]*huma.Schema{
		reflect.TypeFor[schema.Severity]():        oneOf(schema.Severities()...),
		reflect.TypeFor[schema.AlertStatus]():     oneOf(schema.AlertOpen, schema.AlertAcknowledged, schema.AlertClosed),
		reflect.TypeFor[schema.IncidentStatus]():  oneOf(schema.IncidentOpen, schema.IncidentResponding, schema.IncidentAwaiting, schema.IncidentContained, schema.IncidentClosed),
		reflect.TypeFor[schema.ApprovalStatus]():  oneOf(schema.ApprovalPending, schema.ApprovalApproved, schema.ApprovalDenied, schema.ApprovalExpired, schema.ApprovalVoid),
		reflect.TypeFor[schema.ExceptionStatus](): oneOf(schema.ExceptionActive, schema.ExceptionExpired, schema.ExceptionRemoved),
		reflect.TypeFor[schema.ObjectiveStatus](): oneOf(schema.ObjectiveMet, schema.ObjectiveMissed, schema.ObjectiveUnknown),
		reflect.TypeFor[schema.PresenceState]():   oneOf(schema.Present, schema.Stale, schema.Silent),
		reflect.TypeFor[schema.CoverageState]():   oneOf(schema.Covered, schema.CoveredUntest, schema.CoveredSilent, schema.NotCovered),
		reflect.TypeFor[schema.ProofState]():      oneOf(schema.ProofGreen, schema.ProofRed, schema.ProofStale),
		reflect.TypeFor[schema.SavedKind]():       oneOf(schema.SavedSearch, schema.SavedDashboard),
		reflect.TypeFor[perm.Permission]():        oneOf(perm.Of(perm.Admin)...),
	}
}

func oneOf[T ~string](values ...T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

// describer makes the description of the API say of answers what huma does not: which
// texts are one of a few words, and what may be null. What is asked is left alone, because
// requests are checked against it.
type describer struct {
	components huma.Registry
	words      map[reflect.Type]*huma.Schema
	asked      map[string]bool // components that are part of requests
	done       map[string]bool
}

func (s *Server) describe() {
	api := s.api.OpenAPI()
	d := &describer{components: api.Components.Schemas, words: words(), asked: map[string]bool{}, done: map[string]bool{}}
	// The frames of the live connection, which is no route.
	d.components.Schema(reflect.TypeFor[frame](), true, "")
	d.answered(d.components.Schema(reflect.TypeFor[reply](), true, ""))
	problem := d.components.Schema(reflect.TypeFor[Problem](), true, "")
	for _, op := range operations(api) {
		if op.RequestBody != nil {
			for _, m := range op.RequestBody.Content {
				d.ask(m.Schema)
			}
		}
	}
	for _, op := range operations(api) {
		for _, r := range op.Responses {
			for media, m := range r.Content {
				if strings.HasSuffix(media, "problem+json") {
					m.Schema = problem
				}
				d.answered(m.Schema)
			}
		}
	}
	// What huma would answer with by itself; typed makes it a Problem.
	delete(d.components.Map(), schemaName(reflect.TypeFor[huma.ErrorModel](), ""))
	delete(d.components.Map(), schemaName(reflect.TypeFor[huma.ErrorDetail](), ""))
}

// operations are those of the description, in no order.
func operations(api *huma.OpenAPI) []*huma.Operation {
	var out []*huma.Operation
	for _, item := range api.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op != nil {
				out = append(out, op)
			}
		}
	}
	return out
}

// ask notes the components of a request.
func (d *describer) ask(s *huma.Schema) {
	if s == nil {
		return
	}
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok && !d.asked[name] {
		d.asked[name] = true
		d.ask(d.components.Map()[name])
	}
	for _, p := range s.Properties {
		d.ask(p)
	}
	d.ask(s.Items)
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		d.ask(more)
	}
}

// answered refines the component of an answer, and those that it is made of.
func (d *describer) answered(s *huma.Schema) {
	if s == nil {
		return
	}
	if name, ok := strings.CutPrefix(s.Ref, schemaPrefix); ok && !d.done[name] && !d.asked[name] {
		d.done[name] = true
		if t := d.components.TypeFromRef(s.Ref); t != nil {
			d.object(d.components.Map()[name], t)
		}
	}
	d.answered(s.Items)
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		d.answered(more)
	}
}

func (d *describer) object(s *huma.Schema, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		name = cmp.Or(name, f.Name)
		p := s.Properties[name]
		if p == nil {
			continue
		}
		s.Properties[name] = d.value(p, f.Type, strings.HasPrefix(options, "omit"), f.Tag.Get("nullable"))
		d.answered(s.Properties[name])
	}
}

// value refines what is said of a value. encoding/json writes null for a list, a map or a
// pointer that is not there, unless it is left out. What is in a list or map is there.
func (d *describer) value(s *huma.Schema, t reflect.Type, omitted bool, nullable string) *huma.Schema {
	null := !omitted && nullable != "false"
	switch t.Kind() {
	case reflect.Pointer:
		inner := d.value(s, t.Elem(), true, "")
		if null && inner.Ref != "" {
			return &huma.Schema{AnyOf: []*huma.Schema{inner, {Type: "null"}}, Description: s.Description}
		}
		inner.Nullable = null
		return inner
	case reflect.Slice:
		s.Nullable = null && t.Elem().Kind() != reflect.Uint8
		if s.Items != nil {
			s.Items = d.value(s.Items, t.Elem(), true, "")
		}
	case reflect.Map:
		s.Nullable = null
		if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
			s.AdditionalProperties = d.value(more, t.Elem(), true, "")
		}
	case reflect.String:
		if word, ok := d.words[t]; ok && len(s.Enum) == 0 {
			d.components.Map()[t.Name()] = word
			return &huma.Schema{Ref: schemaPrefix + t.Name(), Description: s.Description}
		}
	}
	return s
}

// file registers a route that answers a file or sends the browser on, and so is no row of
// route: what it takes is all text.
func (s *Server) file(methodPath string, need perm.Permission, fn http.HandlerFunc, takes []*huma.Param, media ...string) {
	method, path, _ := strings.Cut(methodPath, " ")
	op := &huma.Operation{OperationID: operationID(method, path), Method: method, Path: "/api/v1" + path, Metadata: map[string]any{"permission": string(need)},
		Summary: methodPath + " (" + string(need) + ")", Parameters: append(pathParams(path), takes...), Responses: map[string]*huma.Response{}}
	answer := &huma.Response{Description: "a file", Content: map[string]*huma.MediaType{}}
	for _, m := range media {
		answer.Content[m] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	code := "200"
	if len(media) == 0 {
		answer, code = &huma.Response{Description: "the browser is sent on"}, "303"
	}
	op.Responses[code] = answer
	s.api.OpenAPI().AddOperation(op)
	s.mux.HandleFunc(method+" /api/v1"+path, func(w http.ResponseWriter, r *http.Request) {
		if err := allowed(callerOf(r.Context()), need); err != nil {
			writeProblem(w, problem(err))
			return
		}
		fn(w, r)
	})
}

func pathParams(path string) []*huma.Param {
	var out []*huma.Param
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			out = append(out, &huma.Param{Name: strings.TrimSuffix(name, "}"), In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
		}
	}
	return out
}

// takes is a parameter of a file's query; of has the texts it may be, none: any.
func takes(name string, of ...string) *huma.Param {
	p := &huma.Param{Name: name, In: "query", Schema: &huma.Schema{Type: huma.TypeString}}
	if len(of) > 0 {
		p.Schema = oneOf(of...)
	}
	return p
}

// typed gives the refusals that huma makes by itself, of requests that do not fit the
// description, the form that all others have.
func typed(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	var why []string
	for _, e := range m.Errors {
		if e != nil {
			why = append(why, strings.TrimSpace(strings.TrimPrefix(e.Location+": ", ": ")+e.Message))
		}
	}
	return &Problem{Status: m.Status, Title: m.Title, Detail: m.Detail, Code: string(codeOf(m.Status)), Hint: strings.Join(why, "; ")}, nil
}

// codeOf is the code of a status that huma answers with.
func codeOf(status int) schema.Code {
	switch status {
	case http.StatusNotFound:
		return schema.NotFound
	case http.StatusRequestEntityTooLarge:
		return schema.Exhausted
	case http.StatusInternalServerError:
		return schema.Internal
	default:
		return schema.Invalid
	}
}
