-- What is sent by e-mail, to whom and when; the doc is the whole of schema.Report as JSON.
CREATE TABLE IF NOT EXISTS vigil_private.reports
(
  org LowCardinality(String),
  id String,
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1;

-- What was sent; the doc is the whole of schema.Sending as JSON.
CREATE TABLE IF NOT EXISTS vigil_private.sendings
(
  org LowCardinality(String),
  report String,
  at DateTime64(3, 'UTC'),
  id String,
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, report, at, id)
SETTINGS fsync_after_insert = 1;
