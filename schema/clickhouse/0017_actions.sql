-- Every action that was performed, by its idempotency key: what an incident's undo takes
-- back, and what the screens show. The document is schema.ActionRecord.
CREATE TABLE IF NOT EXISTS actions
(
  org LowCardinality(String),
  key String,
  incident String,
  action LowCardinality(String),
  at DateTime64(3, 'UTC'),
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, key)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
