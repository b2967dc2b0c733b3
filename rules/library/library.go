// Package library holds Vigil's own rules, embedded.
package library

import "embed"

// FS holds the rule files, one per log family.
//
//go:embed *.yaml
var FS embed.FS
