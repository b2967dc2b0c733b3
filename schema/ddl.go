package schema

import (
	"fmt"
	"iter"
	"strings"
)

// ColumnType returns the ClickHouse type of the field's column.
func (f *Field) ColumnType() string {
	base := map[Kind]string{
		Keyword: "String", LowCard: "LowCardinality(String)", Text: "String",
		IP: "IPv6", Long: "Int64", Double: "Float64", Bool: "Bool", Date: "DateTime64(6, 'UTC')",
	}[f.Kind]
	if f.Multi {
		return "Array(String)"
	}
	return base
}

// codec is chosen by kind: dates and counters delta-compress, text takes ZSTD.
func (f *Field) codec() string {
	switch {
	case f.Multi:
		return " CODEC(ZSTD(1))"
	case f.Kind == Date:
		return " CODEC(Delta, ZSTD(1))"
	case f.Kind == LowCard, f.Kind == Bool:
		return ""
	default:
		return " CODEC(ZSTD(1))"
	}
}

func (f *Field) index() string {
	switch {
	case f.Kind == Text:
		return fmt.Sprintf("  INDEX idx_%s %s TYPE text(tokenizer = 'splitByNonAlpha'),\n", f.Column, f.Column)
	case f.Index:
		return fmt.Sprintf("  INDEX idx_%s %s TYPE bloom_filter(0.01) GRANULARITY 4,\n", f.Column, f.Column)
	default:
		return ""
	}
}

// EventsDDL returns the CREATE TABLE statement of the events table, generated
// from the field table. schema/clickhouse/0001_events.sql must equal it; a field that
// came later (Since) is in the ALTER TABLE of its migration, see AddColumnsDDL.
//
// Partition and TTL are by ingest day, never event time: a deduplication token
// works only inside one partition, and old recordings must survive (decisions 1, 2).
func EventsDDL() string {
	var b strings.Builder
	b.WriteString("-- Generated from the field table (schema/fields.go) by `go test ./schema -update`. Do not edit.\n")
	b.WriteString("CREATE TABLE IF NOT EXISTS events\n(\n")
	b.WriteString("  org LowCardinality(String),\n")
	b.WriteString("  source LowCardinality(String),\n")
	b.WriteString("  chunk LowCardinality(String),\n")
	b.WriteString("  id FixedString(16) CODEC(ZSTD(1)),\n")
	b.WriteString("  offset Int64 CODEC(Delta, ZSTD(1)),\n")
	b.WriteString("  ingested DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),\n")
	for f := range addedBy(0) {
		fmt.Fprintf(&b, "  %s %s%s,\n", f.Column, f.ColumnType(), f.codec())
	}
	b.WriteString("  attrs Map(LowCardinality(String), String) CODEC(ZSTD(1)),\n")
	b.WriteString("  raw String CODEC(ZSTD(1)),\n")
	b.WriteString("  INDEX idx_id id TYPE bloom_filter(0.01) GRANULARITY 4,\n")
	b.WriteString("  INDEX idx_timestamp timestamp TYPE minmax GRANULARITY 1,\n")
	b.WriteString("  INDEX idx_chunk chunk TYPE bloom_filter(0.01) GRANULARITY 1,\n")
	for f := range addedBy(0) {
		b.WriteString(f.index())
	}
	out := strings.TrimSuffix(b.String(), ",\n") + "\n)\n"
	return out + `ENGINE = MergeTree
PARTITION BY toDate(ingested)
ORDER BY (org, toStartOfHour(timestamp), event_dataset, timestamp)
TTL toDateTime(ingested) + INTERVAL 365 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 20000, min_bytes_for_wide_part = 268435456, map_serialization_version = 'with_buckets';
`
}

// addedBy yields the fields whose columns a migration added, in order.
func addedBy(migration int) iter.Seq[*Field] {
	return func(yield func(*Field) bool) {
		for i := range fieldTable {
			if fieldTable[i].Since == migration && !yield(&fieldTable[i]) {
				return
			}
		}
	}
}

// AddColumnsDDL returns the ALTER TABLE statement of the fields that a migration adds. The
// migration's file must contain it.
func AddColumnsDDL(migration int) string {
	var b strings.Builder
	b.WriteString("-- Generated from the field table (schema/fields.go): `go test ./schema` prints it when it differs.\nALTER TABLE events\n")
	for f := range addedBy(migration) {
		fmt.Fprintf(&b, "  ADD COLUMN IF NOT EXISTS %s %s%s,\n", f.Column, f.ColumnType(), f.codec())
	}
	for f := range addedBy(migration) {
		if index := strings.TrimSpace(f.index()); index != "" {
			fmt.Fprintf(&b, "  ADD INDEX IF NOT EXISTS %s\n", strings.TrimPrefix(index, "INDEX "))
		}
	}
	return strings.TrimSuffix(b.String(), ",\n") + ";\n"
}
