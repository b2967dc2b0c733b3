-- Rule sets as chunks pin them, what is laid over them, and what stateful rules took back.
ALTER TABLE rule_versions ADD COLUMN IF NOT EXISTS file String;

ALTER TABLE detections ADD COLUMN IF NOT EXISTS exception LowCardinality(String);

-- A set is which versions of which rules, with the exceptions and the rules switched off
-- at the time; hash is made of all of it.
CREATE TABLE IF NOT EXISTS rule_sets
(
  org LowCardinality(String),
  hash String,
  rules Map(String, String), -- id → version
  overlay String CODEC(ZSTD(3)), -- named lists, exceptions and rules switched off, as JSON
  stored DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, hash)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Which set was put in force by whom; the highest version holds. Hash '': the rule files
-- of the process.
CREATE TABLE IF NOT EXISTS rule_deployments
(
  org LowCardinality(String),
  version UInt64,
  hash String,
  by String,
  reason String,
  doc String CODEC(ZSTD(3)), -- the report of the deployment as JSON
  time DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (org, version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS exceptions
(
  org LowCardinality(String),
  id String,
  rule LowCardinality(String),
  status LowCardinality(String), -- active, expired, removed
  expires DateTime64(3, 'UTC'),
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Rule versions that are switched off, and why.
CREATE TABLE IF NOT EXISTS rule_switches
(
  org LowCardinality(String),
  rule LowCardinality(String),
  rule_version String,
  off Bool,
  reason String,
  time DateTime64(3, 'UTC'),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, rule, rule_version)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Detections of stateful rules that late events proved wrong.
CREATE TABLE IF NOT EXISTS retractions
(
  org LowCardinality(String),
  detection String,
  rule LowCardinality(String),
  withdrawn Bool, -- false: right again
  time DateTime64(3, 'UTC'),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, detection)
SETTINGS fsync_after_insert = 1;
