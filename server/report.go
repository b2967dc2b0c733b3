package server

import (
	"net/http"

	"vigil/internal/report"
)

// serveReport hands an incident out as a file: Markdown, JSON or STIX. It is audited.
func (s *Server) serveReport(w http.ResponseWriter, r *http.Request) {
	d, err := s.incidentDetail(r.Context(), r.PathValue("id"))
	if err != nil {
		writeProblem(w, problem(err))
		return
	}
	text, media, ending, err := report.Write(report.Case(d), r.URL.Query().Get("format"))
	if err != nil {
		writeProblem(w, problem(err))
		return
	}
	s.audit(r.Context(), callerOf(r.Context()).user.Name, "incident.export", d.Incident.ID, "ok", map[string]string{"format": ending})
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Disposition", `attachment; filename="incident-`+d.Incident.ID+"."+ending+`"`)
	_, _ = w.Write(text)
}
