package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema"
	"vigil/schema/flow"
)

// exceptionNotice is how long before its end an exception is announced to expire.
const exceptionNotice = 24 * time.Hour

// Exception keeps one exception in force until it expires: its end is announced a day
// before, and comes by itself. The update "remove" ends it earlier.
func Exception(ctx workflow.Context, in flow.ExceptionInput) (schema.Exception, error) {
	in.Org = org(in.Org)
	w := &exception{in: in}
	if err := workflow.SetQueryHandler(ctx, flow.QueryState, func() (schema.Exception, error) { return w.st, nil }); err != nil {
		return w.st, err
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, flow.UpdateRemove, func(_ workflow.Context, e flow.ExceptionEnd) (schema.Exception, error) {
		w.end = &e
		return w.st, nil
	}, workflow.UpdateHandlerOptions{Description: "End the exception before its time", Validator: w.validate})
	if err != nil {
		return w.st, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attrOrg.ValueSet(in.Org), attrRule.ValueSet(in.Rule)); err != nil {
		return w.st, err
	}
	return w.st, w.run(ctx)
}

// exception is the state of one Exception.
type exception struct {
	in  flow.ExceptionInput
	st  schema.Exception
	end *flow.ExceptionEnd // by a person
}

func (w *exception) validate(_ workflow.Context, e flow.ExceptionEnd) error {
	switch {
	case w.end != nil || w.st.Status != schema.ExceptionActive:
		return refuse(schema.Conflict, "the exception has ended, or was never in force", "vigil exceptions list --all")
	case e.By == "":
		return refuse(schema.Invalid, "nobody is named who ends the exception", `in "by"`)
	}
	return nil
}

func (w *exception) run(ctx workflow.Context) error {
	var x *activities.Exceptions
	if err := do(ctx, respondOptions("put exception "+w.in.ID), x.PutException, &w.st, w.in, changeKey(ctx), workflow.Now(ctx)); err != nil {
		return err
	}
	ended := func() bool { return w.end != nil }
	if notice := w.st.Expires.Add(-exceptionNotice); notice.After(workflow.Now(ctx)) {
		done, err := workflow.AwaitWithTimeout(ctx, notice.Sub(workflow.Now(ctx)), ended)
		if err != nil {
			return err
		}
		if !done {
			if err := do(ctx, respondOptions("announce the end"), x.AnnounceException, nil, w.st, changeKey(ctx), workflow.Now(ctx)); err != nil {
				return err
			}
		}
	}
	if left := w.st.Expires.Sub(workflow.Now(ctx)); left > 0 && w.end == nil {
		if _, err := workflow.AwaitWithTimeout(ctx, left, ended); err != nil {
			return err
		}
	}
	if w.end == nil {
		w.end = &flow.ExceptionEnd{By: "system", Reason: "expired"}
		w.st.Status = schema.ExceptionExpired
	} else {
		w.st.Status = schema.ExceptionRemoved
	}
	err := do(ctx, respondOptions("end exception "+w.in.ID), x.EndException, &w.st, w.st, *w.end, changeKey(ctx), workflow.Now(ctx))
	if err != nil {
		return err
	}
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}
