-- Read models of incidents, runs and approvals; the audit chain; the live outbox.
CREATE TABLE IF NOT EXISTS incidents
(
  org LowCardinality(String),
  id String,
  key String,
  severity LowCardinality(String),
  status LowCardinality(String),
  opened DateTime64(3, 'UTC'),
  last_seen DateTime64(6, 'UTC'),
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS runs
(
  org LowCardinality(String),
  id String,
  incident String,
  playbook LowCardinality(String),
  status LowCardinality(String),
  started DateTime64(3, 'UTC'),
  doc String CODEC(ZSTD(1)),
  history String CODEC(ZSTD(3)), -- exported workflow history JSON once the run is closed
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1;

CREATE TABLE IF NOT EXISTS approvals
(
  org LowCardinality(String),
  id String,
  status LowCardinality(String),
  created DateTime64(3, 'UTC'),
  deadline DateTime64(3, 'UTC'),
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS audit
(
  org LowCardinality(String),
  writer String,
  seq UInt64,
  id String,
  time DateTime64(6, 'UTC'),
  actor String,
  verb LowCardinality(String),
  object String,
  outcome LowCardinality(String),
  details Map(LowCardinality(String), String),
  prev String,
  hash String
)
ENGINE = MergeTree
ORDER BY (org, writer, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS updates
(
  org LowCardinality(String),
  offset String,
  topic LowCardinality(String),
  kind LowCardinality(String),
  id String,
  data String,
  time DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (org, offset)
TTL toDateTime(time) + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 1000;

-- Values published for firewalls to poll, watch list entries, tags set by actions.
CREATE TABLE IF NOT EXISTS blocklist
(
  org LowCardinality(String),
  list LowCardinality(String),
  value String,
  reason String,
  run String,
  added DateTime64(3, 'UTC'),
  expires DateTime64(3, 'UTC'),
  removed Bool,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, list, value)
SETTINGS fsync_after_insert = 1;
