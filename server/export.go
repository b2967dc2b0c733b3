package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vigil/internal/export"
	"vigil/internal/store"
	"vigil/schema"
)

// exportInput is what GET /export takes: query, from, to, format, columns, limit.
type exportInput struct {
	search  store.SearchRequest
	format  string
	columns []string
	limit   int
}

func (s *Server) exportInput(ctx context.Context, v url.Values) (exportInput, error) {
	in := exportInput{format: v.Get("format"), search: s.request(ctx, SearchBody{Query: v.Get("query")})}
	if in.format == "" {
		in.format = "ndjson"
	}
	for name, to := range map[string]*time.Time{"from": &in.search.From, "to": &in.search.To} {
		if text := v.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return in, schema.E(schema.Invalid, name+" is no time such as 2026-01-31T12:00:00Z", "", err)
			}
			*to = t
		}
	}
	if c := v.Get("columns"); c != "" {
		in.columns = strings.Split(c, ",")
	}
	if l := v.Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 1 || n > store.MaxExport {
			return in, schema.E(schema.Invalid, fmt.Sprintf("limit is from 1 to %d", store.MaxExport), "")
		}
		in.limit = n
	}
	return in, nil
}

// serveExport streams what a search finds as a file. It is no huma route, because its
// answer is not a document. Every export is audited before its first byte.
func (s *Server) serveExport(w http.ResponseWriter, r *http.Request) {
	who := callerOf(r.Context())
	in, err := s.exportInput(r.Context(), r.URL.Query())
	if err == nil {
		err = store.CheckQuery(in.search)
	}
	out := &exportFile{w: w, format: in.format}
	if err == nil {
		s.audit(r.Context(), who.user.Name, "search.export", in.format, "ok", map[string]string{"query": clipTo(in.search.Query, 2000), "from": in.search.From.Format(time.RFC3339), "to": in.search.To.Format(time.RFC3339)})
		err = s.export(r, in, out)
	}
	if err != nil && out.writer == nil {
		writeProblem(w, problem(err))
		return
	}
	if err != nil {
		// Half a file must not look like a whole one.
		s.o.Log.Warn("an export was cut", "error", err)
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) export(r *http.Request, in exportInput, out *exportFile) error {
	q := in.search
	if strings.HasPrefix(strings.TrimSpace(q.Query), "sql:") || store.HasStages(q.Query) {
		res, err := s.o.Store.Search(r.Context(), q)
		if err != nil {
			return err
		}
		return out.table(res.Table)
	}
	columns, err := store.ExportColumns(in.columns)
	if err != nil {
		return err
	}
	cols := make([]export.Column, len(columns))
	for i, c := range columns {
		cols[i] = export.Column{Name: c.Name, Kind: c.Kind}
	}
	_, err = s.o.Store.Export(r.Context(), q, columns, in.limit, func(row []any) error {
		if err := out.open(cols); err != nil {
			return err
		}
		return out.writer.Write(row)
	})
	if err != nil {
		return err
	}
	if err := out.open(cols); err != nil { // nothing was found: still a file
		return err
	}
	return out.writer.Close()
}

// exportFile opens the answer with its first row, so that a refusal before it still is one.
type exportFile struct {
	w      http.ResponseWriter
	format string
	writer export.Writer
}

func (f *exportFile) open(cols []export.Column) error {
	if f.writer != nil {
		return nil
	}
	writer, media, err := export.New(f.format, f.w, cols)
	if err != nil {
		return err
	}
	h := f.w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", `attachment; filename="vigil-`+time.Now().UTC().Format("20060102-150405")+"."+f.format+`"`)
	f.writer = writer
	return nil
}

// table writes a statistic. Its numbers are written as they are.
func (f *exportFile) table(t *store.Table) error {
	columns, rows := t.Typed()
	cols := make([]export.Column, len(columns))
	for i, c := range columns {
		cols[i] = export.Column{Name: c.Name, Kind: c.Kind}
	}
	if err := f.open(cols); err != nil {
		return err
	}
	for _, r := range rows {
		if err := f.writer.Write(r); err != nil {
			return err
		}
	}
	return f.writer.Close()
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
