-- Attack samples that people keep; the doc is the whole of schema.Sample as JSON. They hold
-- records as they arrived, so they are private data.
CREATE TABLE IF NOT EXISTS vigil_private.samples
(
  org LowCardinality(String),
  id String,
  doc String CODEC(ZSTD(3)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1;

-- How the newest test of each sample went; the doc is schema.SampleResult as JSON.
CREATE TABLE IF NOT EXISTS vigil.sample_results
(
  org LowCardinality(String),
  sample String,
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, sample)
SETTINGS fsync_after_insert = 1;
