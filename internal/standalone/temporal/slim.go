//go:build slim

// Package temporal, built with the tag "slim", leaves the embedded server out.
package temporal

import (
	"context"

	"vigil/internal/secret"
	"vigil/schema"
)

// Server is never running in a slim build.
type Server struct {
	HostPort, UIAddr, Namespace      string
	WorkerToken, CLIToken, ReadToken secret.Value
}

// Start says that this binary carries no Temporal.
func Start(context.Context, Options) (*Server, error) {
	return nil, schema.E(schema.Unavailable, "this slim build carries no embedded Temporal", "name a server: --temporal HOST:7233")
}

// Stop does nothing.
func (*Server) Stop() {}
