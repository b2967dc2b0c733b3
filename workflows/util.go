package workflows

import (
	"errors"
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"

	"vigil/internal/playbook"
)

// actHeartbeat is how long a lost worker goes unnoticed while it waits for another
// run's action.
const actHeartbeat = 20 * time.Second

// alreadyStarted says whether a child was refused because its id is taken.
func alreadyStarted(err error) bool {
	var already *temporal.ChildWorkflowExecutionAlreadyStartedError
	return errors.As(err, &already)
}

// atoi reads a number, 0 when it is none.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// variable takes the underscores off a variable's name.
func variable(name string) string { return playbook.Bare(name) }
