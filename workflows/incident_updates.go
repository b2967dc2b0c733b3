package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// verdicts are what an incident can be closed with.
func verdicts() []string { return []string{"true_positive", "false_positive", "benign"} }

func (x *incident) handlers(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, flow.QueryState, func() (schema.Incident, error) { return x.doc, nil },
		workflow.QueryHandlerOptions{Description: "The incident as it stands"}); err != nil {
		return err
	}
	opt := func(text string, validator any) workflow.UpdateHandlerOptions {
		return workflow.UpdateHandlerOptions{Description: text, Validator: validator}
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, flow.UpdateComment, x.comment, opt("Add a comment to the timeline", x.checkComment)); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, flow.UpdateAck, x.ack, opt("Take the incident", x.checkAck)); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, flow.UpdateClose, x.close, opt("Close the incident with a verdict", x.checkClose)); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, flow.UpdateRespond, x.respond, opt("Start a playbook", x.checkRespond)); err != nil {
		return err
	}
	return x.caseHandlers(ctx)
}

func (x *incident) open(by string) error {
	if strings.TrimSpace(by) == "" {
		return refuse(schema.Invalid, `"by" is empty`, "name who asks")
	}
	if x.doc.Status == schema.IncidentClosed {
		return refuse(schema.Conflict, "the incident is closed", "")
	}
	return nil
}

func (x *incident) state() flow.IncidentState {
	return flow.IncidentState{ID: x.doc.ID, Status: string(x.doc.Status), Version: x.doc.Version}
}

// audited records what a person did and saves the incident.
func (x *incident) audited(ctx workflow.Context, by, verb string, details map[string]string) error {
	var a *activities.Audit
	seq := fmt.Sprint(x.doc.Version + 1)
	r := schema.AuditRecord{Org: x.in.Org, ID: schema.HashID("audit", "incident."+verb, x.doc.ID, seq, by), Time: workflow.Now(ctx).UTC(), Actor: by,
		Verb: "incident." + verb, Object: x.doc.ID, Outcome: "ok", Details: details}
	if err := x.save(ctx); err != nil {
		return err
	}
	return do(ctx, respondOptions("audit "+verb), a.RecordAudit, nil, r)
}

// alerts changes the incident's alerts along with it.
func (x *incident) alerts(ctx workflow.Context, c activities.AlertChange) error {
	return x.change(ctx, x.doc.Alerts, c)
}

func (x *incident) change(ctx workflow.Context, ids []string, c activities.AlertChange) error {
	var a *activities.Incidents
	for part := range slices.Chunk(ids, 200) {
		c.Org, c.IDs, c.Now = x.in.Org, part, workflow.Now(ctx).UTC()
		c.Key = fmt.Sprintf("%s %s %d", x.doc.ID, c.Status, x.doc.Version)
		if err := do(ctx, respondOptions("change the incident's alerts"), a.UpdateAlerts, nil, c); err != nil {
			return err
		}
	}
	return nil
}

func (x *incident) checkComment(_ workflow.Context, c flow.IncidentComment) error {
	if strings.TrimSpace(c.Text) == "" || len(c.Text) > 10_000 {
		return refuse(schema.Invalid, "a comment has 1 to 10000 bytes", "")
	}
	return x.open(c.By)
}

func (x *incident) comment(ctx workflow.Context, c flow.IncidentComment) (flow.IncidentState, error) {
	x.touched(ctx)
	x.note(ctx, "comment", c.By, c.Text, "")
	err := x.audited(ctx, c.By, "comment", map[string]string{"text": c.Text})
	return x.state(), err
}

func (x *incident) checkAck(_ workflow.Context, a flow.IncidentAck) error { return x.open(a.By) }

func (x *incident) ack(ctx workflow.Context, a flow.IncidentAck) (flow.IncidentState, error) {
	x.taken(ctx)
	x.doc.Assignee = a.By
	x.note(ctx, "status", a.By, a.By+" took the incident", "")
	if err := x.audited(ctx, a.By, "ack", nil); err != nil {
		return x.state(), err
	}
	return x.state(), x.alerts(ctx, activities.AlertChange{By: a.By, Status: schema.AlertAcknowledged, Assignee: a.By})
}

func (x *incident) checkClose(_ workflow.Context, c flow.IncidentClose) error {
	if !slices.Contains(verdicts(), c.Verdict) {
		return refuse(schema.Invalid, fmt.Sprintf("an incident cannot be closed as %q", c.Verdict), strings.Join(verdicts(), ", "))
	}
	if strings.TrimSpace(c.Reason) == "" {
		return refuse(schema.Invalid, "closing needs a reason", "say what was found")
	}
	return x.open(c.By)
}

func (x *incident) close(ctx workflow.Context, c flow.IncidentClose) (flow.IncidentState, error) {
	now := workflow.Now(ctx).UTC()
	x.taken(ctx)
	x.verdict(ctx, c)
	x.met(ctx, schema.ClockResolve)
	x.doc.Status, x.doc.Closed = schema.IncidentClosed, now
	x.note(ctx, "status", c.By, "Closed as "+c.Verdict+": "+c.Reason, "")
	x.attributes(ctx)
	if err := x.audited(ctx, c.By, "close", map[string]string{"verdict": c.Verdict, "reason": c.Reason}); err != nil {
		return x.state(), err
	}
	return x.state(), x.alerts(ctx, activities.AlertChange{By: c.By, Status: schema.AlertClosed, Verdict: c.Verdict, Reason: c.Reason})
}

func (x *incident) checkRespond(_ workflow.Context, r flow.IncidentRespond) error {
	if r.Playbook == "" {
		return refuse(schema.Invalid, `"playbook" is empty`, "vigil playbooks list")
	}
	if x.doc.Status == schema.IncidentClosed {
		return refuse(schema.Conflict, "the incident is closed", "")
	}
	return nil
}

// respond starts a playbook by hand. Who asked counts only with a token.
func (x *incident) respond(ctx workflow.Context, r flow.IncidentRespond) (flow.IncidentState, error) {
	var a *activities.Incidents
	who := ""
	if err := do(ctx, respondOptions("check who asks"), a.VerifyRequester, &who, r.Token, r.Playbook, x.doc.ID, workflow.Now(ctx)); err != nil {
		return x.state(), err
	}
	if who == "" {
		who = "unknown"
	}
	vars := map[string]string{"alerts": strings.Join(x.doc.Alerts[:min(len(x.doc.Alerts), 50)], ","), "title": x.doc.Title, "severity": string(x.doc.Severity), "risk": fmt.Sprint(x.doc.Risk)}
	_, vars["subject"], _ = strings.Cut(x.doc.Key, ":")
	var known []activities.KnownAlert
	refs := make([]flow.AlertRef, 0, 20)
	for _, id := range x.doc.Alerts[:min(len(x.doc.Alerts), 20)] {
		refs = append(refs, flow.AlertRef{ID: id})
	}
	if err := do(ctx, respondOptions("read alerts"), a.KnownAlerts, &known, x.in.Org, refs); err != nil {
		return x.state(), err
	}
	for _, k := range known {
		for _, name := range workflow.DeterministicKeys(k.Variables) {
			if vars[name] == "" {
				vars[name] = k.Variables[name]
			}
		}
	}
	for _, name := range workflow.DeterministicKeys(r.Variables) {
		vars[name] = r.Variables[name]
	}
	id, err := x.start(ctx, wantedRun{playbook: r.Playbook, requester: who, token: r.Token, vars: vars, dryRun: r.DryRun})
	if err != nil {
		return x.state(), err
	}
	err = x.audited(ctx, who, "respond", map[string]string{"playbook": r.Playbook, "run": id})
	st := x.state()
	st.Run = id
	return st, err
}
