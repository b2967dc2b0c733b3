// Package integration holds Vigil's end-to-end tests: the real binary against real
// engines in containers, and the harness that builds the images where none can be
// pulled. They run with `make integration` (build tag "integration").
package integration
