package schema

import "errors"

// Code classes an error by what its reader can do about it. The HTTP edge maps
// it to a status, the Temporal edge to retryable or not.
type Code string

// The error codes.
const (
	Invalid      Code = "invalid"      // the input is wrong; fix it
	NotFound     Code = "not_found"    // no such thing
	Conflict     Code = "conflict"     // the thing changed or is closed
	Denied       Code = "denied"       // the caller may not do this
	Unauthorized Code = "unauthorized" // the caller is not known
	Unavailable  Code = "unavailable"  // an engine or target does not answer; try later
	Exhausted    Code = "exhausted"    // a limit is reached; slow down
	Internal     Code = "internal"     // a defect of ours
)

// Error is an error that somebody can act on.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`        // what happened
	Hint    string `json:"hint,omitempty"` // what to do about it
	Err     error  `json:"-"`              // the cause, if any
}

// Error returns the message, the cause and the hint in one line.
func (e *Error) Error() string {
	s := e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// E builds an Error from a code, what happened, what to do, and an optional cause.
func E(code Code, message, hint string, cause ...error) *Error {
	e := &Error{Code: code, Message: message, Hint: hint}
	if len(cause) > 0 {
		e.Err = cause[0]
	}
	return e
}

// CodeOf returns the code of err, Internal when it carries none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
