package action

import "context"

// manualAction is a step that a person does. It is in no table: playbooks ask for it,
// and whoever approves says that it was done.
type manualAction struct{}

// Manual returns the action of manual steps, so that it is asked for like others.
func Manual() Action { return manualAction{} }

// Definition implements [Action].
func (manualAction) Definition() Definition {
	return Definition{Verb: "manual", Title: "Do something by hand", Target: "task", Risk: Medium, Inputs: []Input{{"task", Text, true, "what is to be done"}},
		Blast: "whatever the person does"}
}

// Run implements [Action]; the person acts.
func (manualAction) Run(context.Context, Request) (Result, error) {
	return Result{Outcome: DryRun, Outputs: map[string]string{"by": "a person"}}, nil
}

// Undo implements [Action]; there is nothing that we know of.
func (manualAction) Undo(context.Context, Request) (Result, error) {
	return Result{Outcome: AlreadyDone}, nil
}
