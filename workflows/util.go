package workflows

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
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

// cut splits "POST https://…".
func cut(command string) (method, target string, ok bool) {
	f := strings.Fields(command)
	if len(f) != 2 {
		return "", "", false
	}
	return f[0], f[1], true
}

// variable takes the underscores off a variable's name.
func variable(name string) string { return strings.TrimSuffix(strings.TrimPrefix(name, "__"), "__") }
