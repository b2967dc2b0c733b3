-- Definitions of the sources that Vigil pulls from. Secrets are references.
CREATE TABLE IF NOT EXISTS sources
(
  org LowCardinality(String),
  id String,
  kind LowCardinality(String),
  doc String CODEC(ZSTD(3)),
  created DateTime64(3, 'UTC'),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1;
