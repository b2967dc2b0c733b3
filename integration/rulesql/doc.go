// Package rulesql proves that a rule asked of stored events in SQL fires on
// exactly the events on which the interpreter fires in the stream.
package rulesql
