-- Detections, the alerts folded from them, and the link between.
CREATE TABLE IF NOT EXISTS detections
(
  org LowCardinality(String),
  id String,
  source LowCardinality(String),
  chunk LowCardinality(String),
  rule LowCardinality(String),
  rule_version LowCardinality(String),
  kind LowCardinality(String),
  severity LowCardinality(String),
  risk Int32,
  event_id String,
  dataset LowCardinality(String),
  time DateTime64(6, 'UTC'),
  ingested DateTime64(3, 'UTC'),
  dedup_key String,
  entities Map(LowCardinality(String), String),
  doc String CODEC(ZSTD(1)) -- the whole detection as JSON
)
ENGINE = MergeTree
PARTITION BY toDate(ingested)
ORDER BY (org, rule, time, id)
TTL toDateTime(ingested) + INTERVAL 365 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS alerts
(
  org LowCardinality(String),
  id String,
  rule LowCardinality(String),
  severity LowCardinality(String),
  risk Int32,
  status LowCardinality(String),
  incident String,
  dedup_key String,
  entities Map(LowCardinality(String), String),
  first_seen DateTime64(6, 'UTC'),
  last_seen DateTime64(6, 'UTC'),
  created DateTime64(3, 'UTC'),
  doc String CODEC(ZSTD(1)), -- the whole alert as JSON
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per detection folded into an alert; counts are derived from here.
CREATE TABLE IF NOT EXISTS alert_members
(
  org LowCardinality(String),
  alert String,
  detection String,
  event_id String,
  time DateTime64(6, 'UTC'),
  chunk LowCardinality(String)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, alert, detection)
SETTINGS fsync_after_insert = 1;

-- Chunks whose detections are folded (what the Detect sweep anti-joins with).
CREATE TABLE IF NOT EXISTS folds
(
  org LowCardinality(String),
  chunk String,
  alerts UInt32,
  time DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, chunk)
SETTINGS fsync_after_insert = 1;
