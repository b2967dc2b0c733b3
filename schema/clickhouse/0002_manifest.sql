-- The manifest (checkpoint and commit point), failures and the evaluation ledger.
CREATE TABLE IF NOT EXISTS chunks
(
  org LowCardinality(String),
  source LowCardinality(String),
  id String,
  epoch UInt32,
  object String,
  fingerprint String,
  format LowCardinality(String),
  seq Int64,
  `from` Int64,
  `to` Int64,
  records Int64,
  skipped Int64,
  events Int64,
  failures Int64,
  warnings Int64,
  detections Int64,
  bytes Int64,
  hash String,
  last Bool,
  ingested DateTime64(3, 'UTC'),
  rule_set LowCardinality(String),
  intel LowCardinality(String),
  models LowCardinality(String),
  read DateTime64(6, 'UTC'), -- when the worker read its first record
  committed DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, source, id)
SETTINGS non_replicated_deduplication_window = 20000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS parse_failures
(
  org LowCardinality(String),
  source LowCardinality(String),
  chunk LowCardinality(String),
  object String,
  offset Int64,
  format LowCardinality(String),
  reason String,
  raw String CODEC(ZSTD(3)),
  size Int64,
  ingested DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toDate(ingested)
ORDER BY (org, source, chunk, offset)
TTL toDateTime(ingested) + INTERVAL 365 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS evaluations
(
  org LowCardinality(String),
  rule LowCardinality(String),
  rule_version LowCardinality(String),
  chunk String,
  status LowCardinality(String),
  events Int64,
  detections Int64,
  error String,
  time DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (org, rule, rule_version, chunk)
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS rule_versions
(
  org LowCardinality(String),
  rule LowCardinality(String),
  version String,
  title String,
  kind LowCardinality(String),
  severity LowCardinality(String),
  enabled Bool,
  attack Array(LowCardinality(String)),
  dataset LowCardinality(String),
  yaml String CODEC(ZSTD(3)),
  created DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, rule, version);
