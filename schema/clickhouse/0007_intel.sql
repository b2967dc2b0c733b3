-- Indicator sets as they are matched. A chunk names the version its events were matched
-- with; a retry loads that version again, whatever the feeds say by then.
-- Parts are named by their content: a feed that did not change adds nothing.
CREATE TABLE IF NOT EXISTS intel_parts
(
  org LowCardinality(String),
  part String,
  n UInt32,
  body String CODEC(ZSTD(3)), -- JSON array of entries
  stored DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, part, n)
SETTINGS fsync_after_insert = 1;

-- A set is which part of which feed: version = hash of them.
CREATE TABLE IF NOT EXISTS intel_sets
(
  org LowCardinality(String),
  version String,
  parts Map(String, String), -- feed → part
  stored DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, version)
SETTINGS fsync_after_insert = 1;
