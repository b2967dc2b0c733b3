-- Threat intelligence, models and scores, posture.
CREATE TABLE IF NOT EXISTS indicators
(
  org LowCardinality(String),
  id String,
  feed LowCardinality(String),
  type LowCardinality(String),
  value String,
  name String,
  confidence Int32,
  labels Array(LowCardinality(String)),
  valid_from DateTime64(3, 'UTC'),
  valid_until DateTime64(3, 'UTC'), -- 1970-01-01: never expires
  revoked Bool,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, type, value, feed, id);

CREATE TABLE IF NOT EXISTS feeds
(
  org LowCardinality(String),
  id String,
  status LowCardinality(String),
  indicators Int64,
  error String,
  synced DateTime64(3, 'UTC'),
  doc String, -- feed settings as JSON
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id);

CREATE TABLE IF NOT EXISTS sightings
(
  org LowCardinality(String),
  indicator String,
  value String,
  feed LowCardinality(String),
  event_id String,
  source LowCardinality(String),
  chunk LowCardinality(String),
  time DateTime64(6, 'UTC'),
  ingested DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toDate(ingested)
ORDER BY (org, value, time)
SETTINGS non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS models
(
  org LowCardinality(String),
  detector LowCardinality(String),
  id String,
  status LowCardinality(String),
  created DateTime64(3, 'UTC'),
  doc String, -- the model card as JSON
  body String CODEC(ZSTD(3)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, detector, id)
SETTINGS fsync_after_insert = 1;

CREATE TABLE IF NOT EXISTS scores
(
  org LowCardinality(String),
  model String,
  detector LowCardinality(String),
  event_id String,
  source LowCardinality(String),
  chunk LowCardinality(String),
  score Float32,
  time DateTime64(6, 'UTC'),
  ingested DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toDate(ingested)
ORDER BY (org, detector, time)
TTL toDateTime(ingested) + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 20000;

CREATE TABLE IF NOT EXISTS entities
(
  org LowCardinality(String),
  kind LowCardinality(String),
  name String,
  criticality LowCardinality(String),
  owner String,
  facts Map(LowCardinality(String), String),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, kind, name);

-- Weaknesses of software or posture, and each assessment of the objectives.
CREATE TABLE IF NOT EXISTS findings
(
  org LowCardinality(String),
  id String,
  kind LowCardinality(String),
  subject String,
  severity LowCardinality(String),
  status LowCardinality(String),
  text String,
  time DateTime64(3, 'UTC'),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, kind, id);

CREATE TABLE IF NOT EXISTS posture
(
  org LowCardinality(String),
  assessment String,
  objective LowCardinality(String),
  status LowCardinality(String), -- met, missed, unknown
  target Float64,
  measured Float64,
  text String,
  time DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (org, time, objective);
