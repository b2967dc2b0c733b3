// Package activities does the side effects of workflows: one struct and one file per
// capability, each with explicit dependencies. Exported methods are activities and
// register under their bare names, which are therefore unique.
package activities

import (
	"errors"

	"go.temporal.io/sdk/temporal"

	"vigil/schema"
)

// Retryable translates an error for Temporal: what the caller must change is not
// tried again, everything else is. The code is the error's type, so that workflows
// can tell.
func Retryable(err error) error {
	if err == nil {
		return nil
	}
	var se *schema.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code {
	case schema.Invalid, schema.NotFound, schema.Conflict, schema.Denied, schema.Unauthorized:
		return temporal.NewNonRetryableApplicationError(se.Error(), string(se.Code), err)
	}
	return temporal.NewApplicationErrorWithCause(se.Error(), string(se.Code), err)
}
