-- Searches and dashboards that people keep; the doc is the whole of schema.Saved as JSON.
CREATE TABLE IF NOT EXISTS vigil_private.saved
(
  org LowCardinality(String),
  kind LowCardinality(String),
  id String,
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, kind, id)
SETTINGS fsync_after_insert = 1;
