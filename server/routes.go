package server

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"vigil/internal/auth/perm"
	"vigil/internal/export"
	"vigil/internal/report"
	"vigil/internal/tables"
	"vigil/schema"
)

// public marks routes that need nobody signed in; signedIn those that need anybody.
const (
	public   perm.Permission = ""
	signedIn perm.Permission = "any"
)

// routes is the table of the API: method and path, what it needs, who answers.
func (s *Server) routes() {
	route(s, "POST /login", public, s.login)
	route(s, "GET /login/options", public, s.getLoginOptions)
	route(s, "POST /login/link", public, s.loginLink)
	route(s, "POST /login/link/passkey/begin", public, s.beginLinkPasskey)
	route(s, "POST /login/link/passkey", public, s.linkPasskey)
	route(s, "POST /login/passkey/begin", public, s.beginPasskeySignIn)
	route(s, "POST /login/passkey", public, s.passkeySignIn)
	route(s, "POST /logout", signedIn, s.logout)
	route(s, "GET /passkeys", signedIn, s.listPasskeys)
	route(s, "POST /passkeys", signedIn, s.addPasskey)
	route(s, "POST /passkeys/begin", signedIn, s.beginPasskey)
	route(s, "POST /passkeys/{id}", signedIn, s.renamePasskey)
	route(s, "DELETE /passkeys/{id}", signedIn, s.removePasskey)
	route(s, "GET /me", signedIn, s.getMe)
	route(s, "POST /tokens", signedIn, s.createToken)
	route(s, "GET /orgs", "admin:orgs", s.listOrgs)
	route(s, "POST /orgs", "admin:orgs", s.addOrg)
	route(s, "POST /orgs/{name}/{verb}", "admin:orgs", s.changeOrg)
	route(s, "GET /home", "read:home", s.home)
	route(s, "GET /alerts", "read:alerts", s.listAlerts)
	route(s, "GET /alerts/{id}", "read:alerts", s.getAlert)
	route(s, "POST /alerts/update", "write:alerts", s.updateAlerts)
	route(s, "GET /incidents", "read:incidents", s.listIncidents)
	route(s, "GET /incidents/{id}", "read:incidents", s.getIncident)
	route(s, "GET /incidents/{id}/actions", "read:incidents", s.listActions)
	route(s, "GET /incidents/{id}/similar", "read:incidents", s.similarIncidents)
	route(s, "GET /incidents/{id}/then", "read:incidents", s.incidentThen)
	routeSized(s, "POST /incidents/{id}/files", "write:incidents", maxFile, s.attachFile)
	route(s, "GET /kpis", "read:incidents", s.kpis)
	route(s, "POST /incidents/{id}/undo", "decide:approvals", s.undoIncident)
	route(s, "POST /incidents/{id}/{verb}", "write:incidents", s.changeIncident)
	route(s, "GET /runs", "read:incidents", s.getRun)
	route(s, "POST /runs/{verb}", "write:incidents", s.changeRun)
	route(s, "POST /playbooks/{name}/run", "write:incidents", s.runPlaybook)
	route(s, "GET /approvals", "read:approvals", s.listApprovals)
	route(s, "GET /approvals/{id}", "read:approvals", s.getApproval)
	route(s, "GET /approvals/metrics", "read:approvals", s.approvalMetrics)
	route(s, "POST /approvals/{id}/look", "read:approvals", s.look)
	route(s, "POST /approvals/{id}/review", "decide:approvals", s.reviewApproval)
	route(s, "POST /approvals/{id}/decide", "decide:approvals", s.decide)
	route(s, "POST /approvals/{id}/step-up", "decide:approvals", s.beginStepUp)
	route(s, "POST /approvals/{id}/sign", "decide:approvals", s.sign)
	route(s, "GET /sources", "read:sources", s.listSources)
	route(s, "GET /sources/{id}", "read:sources", s.getSource)
	route(s, "POST /sources/ingest", "attach:sources", s.startIngest)
	route(s, "POST /sources", "attach:sources", s.addSource)
	route(s, "DELETE /sources/{id}", "write:sources", s.removeSource)
	route(s, "POST /sources/{id}/rewind", "write:sources", s.rewindSource)
	route(s, "POST /sources/{id}/backfill", "write:sources", s.backfillSource)
	route(s, "POST /sources/{id}/schedule", "write:sources", s.scheduleSource)
	route(s, "POST /sources/{id}/{verb}", "write:sources", s.changeSource)
	route(s, "POST /searches", "read:events", s.search)
	route(s, "POST /searches/ocsf", "read:events", s.searchOCSF)
	route(s, "GET /searches/{id}", "read:events", s.searchProgress)
	route(s, "DELETE /searches/{id}", "read:events", s.cancelSearch)
	route(s, "POST /searches/estimate", "read:events", s.estimateSearch)
	route(s, "GET /events/{id}", "read:events", s.getEvent)
	route(s, "GET /events/{id}/around", "read:events", s.aroundEvent)
	route(s, "GET /events/{id}/prevalence", "read:events", s.eventPrevalence)
	route(s, "GET /fields/{name}/values", "read:events", s.fieldValues)
	route(s, "GET /saved/{kind}", "read:events", s.listSaved)
	route(s, "POST /saved/{kind}", "write:saved", s.putSaved)
	route(s, "DELETE /saved/{kind}/{id}", "write:saved", s.deleteSaved)
	route(s, "GET /dashboards", "read:events", s.listDashboards)
	route(s, "GET /dashboards/{id}", "read:events", s.getDashboard)
	route(s, "GET /reports", "write:reports", s.listReports)
	route(s, "GET /reports/{id}", "write:reports", s.getReport)
	route(s, "POST /reports", "write:reports", s.putReport)
	route(s, "POST /reports/{id}/send", "write:reports", s.sendReport)
	route(s, "DELETE /reports/{id}", "write:reports", s.deleteReport)
	route(s, "GET /fields", "read:events", s.listFields)
	route(s, "GET /rules", "read:rules", s.listRules)
	route(s, "GET /rules/coverage", "read:rules", s.getRuleCoverage)
	route(s, "GET /rules/health", "read:rules", s.listRuleHealth)
	route(s, "GET /rules/deployments", "read:rules", s.listDeployments)
	route(s, "POST /rules/deploy", "admin:rules", s.deployRule)
	route(s, "GET /rules/deploy", "read:rules", s.getDeployment)
	route(s, "GET /rules/{id}", "read:rules", s.getRule)
	route(s, "GET /rules/{id}/tuning", "read:rules", s.tuneRule)
	route(s, "POST /rules/check", "read:rules", s.checkRule)
	route(s, "GET /rules/language", "read:rules", s.ruleLanguage)
	route(s, "GET /entities", "read:alerts", s.listSeen)
	route(s, "GET /entities/{kind}/{name}", "read:alerts", s.getSeen)
	route(s, "GET /exceptions", "read:rules", s.listExceptions)
	route(s, "POST /exceptions", "write:exceptions", s.addException)
	route(s, "POST /exceptions/try", "write:exceptions", s.tryException)
	route(s, "POST /exceptions/{id}/remove", "write:exceptions", s.endException)
	route(s, "GET /playbooks", "read:playbooks", s.listPlaybooks)
	route(s, "GET /models", "read:models", s.listModels)
	route(s, "GET /models/{id}", "read:models", s.getModel)
	route(s, "POST /models/train", "admin:models", s.trainModel)
	route(s, "POST /models/{detector}/rollback", "admin:models", s.rollbackModel)
	route(s, "GET /intel/feeds", "read:intel", s.listFeeds)
	route(s, "POST /intel/feeds", "attach:feeds", s.putFeed)
	route(s, "POST /intel/feeds/{id}/{verb}", "admin:intel", s.changeFeed)
	route(s, "GET /intel/indicators", "read:intel", s.listIndicators)
	route(s, "GET /intel/sightings", "read:intel", s.listSightings)
	route(s, "GET /assets", "read:entities", s.listEntities(tables.AssetTable))
	route(s, "GET /identities", "read:entities", s.listEntities(tables.IdentityTable))
	route(s, "GET /tables", "read:entities", s.listTables)
	route(s, "GET /tables/{name}/versions", "read:entities", s.listTableVersions)
	routeSized(s, "POST /tables/{name}", "admin:entities", maxTable, s.putTable)
	route(s, "POST /tables/{name}/rollback", "admin:entities", s.rollbackTable)
	route(s, "GET /hunts", "run:hunts", s.listHunts)
	route(s, "POST /hunts", "run:hunts", s.startHunt)
	route(s, "GET /hunts/{id}", "run:hunts", s.getHunt)
	route(s, "DELETE /hunts/{id}", "run:hunts", s.cancelHunt)
	route(s, "GET /posture", "read:posture", s.getPosture)
	route(s, "GET /posture/coverage", "read:posture", s.getCoverage)
	route(s, "GET /posture/findings", "read:posture", s.listFindings)
	route(s, "POST /posture/assess", "run:posture", s.assessPosture)
	route(s, "GET /samples", "read:posture", s.listSamples)
	route(s, "POST /samples", "run:posture", s.putSample)
	route(s, "POST /samples/test", "run:posture", s.testDetections)
	route(s, "DELETE /samples/{id}", "run:posture", s.deleteSample)
	route(s, "GET /audit", "read:audit", s.listAudit)
	route(s, "GET /audit/verify", "read:audit", s.verifyAudit)
	route(s, "GET /users", "admin:users", s.listUsers)
	route(s, "POST /users", "admin:users", s.createUser)
	route(s, "GET /users/{user}/passkeys", "admin:users", s.listUserPasskeys)
	route(s, "DELETE /users/{user}/passkeys/{id}", "admin:users", s.removeUserPasskey)
	s.file("GET /login/oidc/{id}", public, s.serveOIDC, nil)
	s.file("GET /login/oidc/{id}/callback", public, s.serveOIDCCallback, []*huma.Param{takes("code"), takes("state"), takes("error")})
	s.file("GET /export", "read:events", s.serveExport, []*huma.Param{takes("query"), takes("from"), takes("to"), takes("format", export.Formats()...), takes("columns"), takes("limit")},
		"application/x-ndjson", "text/csv", "application/vnd.apache.parquet")
	s.file("GET /incidents/{id}/report", "read:incidents", s.serveReport, []*huma.Param{takes("format", report.Formats()...)}, "text/markdown", "application/json", "application/stix+json")
	s.file("GET /incidents/{id}/files/{hash}", "read:incidents", s.serveFile, nil, "application/octet-stream")
}

// route registers one row: it checks the permission before the handler runs, and
// turns errors into problem answers.
func route[I, O any](s *Server, methodPath string, need perm.Permission, fn func(context.Context, *I) (*O, error)) {
	routeSized(s, methodPath, need, 1<<20, fn)
}

// routeSized is route with another bound on what is sent.
func routeSized[I, O any](s *Server, methodPath string, need perm.Permission, maxBody int64, fn func(context.Context, *I) (*O, error)) {
	method, path, _ := strings.Cut(methodPath, " ")
	op := huma.Operation{OperationID: operationID(method, path), Method: method, Path: "/api/v1" + path, MaxBodyBytes: maxBody, Errors: []int{401, 403, 404, 422},
		Metadata: map[string]any{"permission": string(need)}, Summary: methodPath + " (" + string(need) + ")"}
	op.Middlewares = huma.Middlewares{s.permit(need, methodPath)}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		if need == public { // who signs in has no org yet, whoever was signed in before
			ctx = inOrg(ctx, s.o.Org)
		}
		out, err := fn(ctx, in)
		if err != nil {
			p := problem(err)
			if p.Status == http.StatusInternalServerError && ctx.Err() == nil {
				s.o.Log.Error("answering a request", "route", methodPath, "error", err)
			}
			return nil, p
		}
		return out, nil
	})
}

// permit refuses before the input is even looked at. A refused change is audited.
func (s *Server) permit(need perm.Permission, methodPath string) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		c := callerOf(hc.Context())
		err := allowed(c, need)
		if err == nil {
			next(hc)
			return
		}
		if c != nil && !strings.HasPrefix(methodPath, "GET ") {
			u := hc.URL()
			s.audit(hc.Context(), c.user.Name, "api.refused", u.Path, "refused", map[string]string{"needs": string(need), "role": c.user.Role, "channel": c.channel})
		}
		p := problem(err)
		hc.SetHeader("Content-Type", p.ContentType(""))
		hc.SetStatus(p.Status)
		_ = json.NewEncoder(hc.BodyWriter()).Encode(p)
	}
}

func operationID(method, path string) string {
	return strings.ToLower(method) + strings.NewReplacer("/", "-", "{", "", "}", "").Replace(path)
}

func allowed(c *caller, need perm.Permission) error {
	switch {
	case need == public:
		return nil
	case c == nil:
		return schema.E(schema.Unauthorized, "nobody is signed in", "sign in in the web UI, or run `vigil login`")
	case need == signedIn || c.may(need):
		return nil
	default:
		return schema.E(schema.Denied, "your role "+c.user.Role+" may not do this in the org "+c.user.Org, "it needs the permission "+string(need)+"; ask an admin")
	}
}

// list is a page of a list.
type list[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next"`
}

// body wraps a JSON answer.
type body[T any] struct{ Body T }

func answer[T any](v T) *body[T] { return &body[T]{v} }

func answerList[T any](items []T, next string) *body[list[T]] {
	if items == nil {
		items = []T{}
	}
	return &body[list[T]]{list[T]{items, next}}
}

type byID struct {
	ID string `path:"id" maxLength:"200"`
}

func (s *Server) getMe(ctx context.Context, _ *struct{}) (*body[me], error) {
	return answer(s.me(callerOf(ctx).user)), nil
}

// serveList serves a published list to firewalls that poll it: the platform's as /lists/NAME.txt,
// that of another org as /lists/ORG/NAME.txt.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request) {
	org := cmp.Or(r.PathValue("org"), s.o.Org)
	name, ok := strings.CutSuffix(r.PathValue("list"), ".txt")
	if !ok {
		http.NotFound(w, r)
		return
	}
	entries, err := s.o.Store.ListEntries(r.Context(), org, name)
	if err != nil {
		http.Error(w, "the list cannot be read", http.StatusServiceUnavailable)
		return
	}
	var b strings.Builder
	for _, e := range entries {
		if listed(e) {
			b.WriteString(e.Value + "\n")
		}
	}
	etag := `"` + schema.HashID("list", b.String()) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write([]byte(b.String()))
}
