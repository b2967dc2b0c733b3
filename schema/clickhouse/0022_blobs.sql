-- What people attach to incidents, under the SHA-256 of its bytes. Analysts' SQL never sees it.
CREATE TABLE IF NOT EXISTS vigil_private.blobs
(
  org LowCardinality(String),
  hash String,
  n UInt32,
  body String CODEC(ZSTD(1)), -- a piece
  stored DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, hash, n)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
