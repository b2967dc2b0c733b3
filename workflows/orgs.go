package workflows

import (
	"go.temporal.io/sdk/workflow"

	"vigil/activities"
	"vigil/schema/flow"
)

func adminOrgAdd(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
	var a *activities.Orgs
	err = do(ctx, respondOptions("add org "+clip(in.Key, 80)), a.AddOrg, &res, in, changeKey(ctx), workflow.Now(ctx))
	return res, err
}

func adminOrgClose(closed bool) func(workflow.Context, flow.AdminInput) (flow.AdminResult, error) {
	return func(ctx workflow.Context, in flow.AdminInput) (res flow.AdminResult, err error) {
		var a *activities.Orgs
		err = do(ctx, respondOptions("change org "+clip(in.Key, 80)), a.CloseOrg, &res, in, closed, changeKey(ctx))
		return res, err
	}
}
