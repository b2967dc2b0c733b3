// Package schema holds Vigil's nouns: the field table and the in-memory event,
// what is derived from events (detections, alerts, incidents, approvals …), their
// ids, their errors and the database migrations. It does no I/O and reads no clock.
package schema

import "embed"

// Migrations are the numbered ClickHouse migrations, applied once, in order.
//
//go:embed clickhouse/*.sql
var Migrations embed.FS
