-- Who somebody at a sign-in provider is here. The subject is the key: names and addresses change hands.
CREATE TABLE IF NOT EXISTS vigil_private.subjects
(
  org LowCardinality(String),
  issuer String,
  subject String,
  user String,
  created DateTime64(3, 'UTC'),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, issuer, subject)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
