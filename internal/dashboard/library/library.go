// Package library holds the dashboards that come with Vigil.
package library

import "embed"

// FS holds the dashboards, one a file.
//
//go:embed *.yaml
var FS embed.FS
