-- What analysts may never query: users, sessions, tokens (database vigil_private).
CREATE TABLE IF NOT EXISTS vigil_private.users
(
  org LowCardinality(String),
  name String,
  hash String,
  doc String,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, name)
SETTINGS fsync_after_insert = 1;

CREATE TABLE IF NOT EXISTS vigil_private.sessions
(
  id String, -- hex SHA-256 of the cookie value
  org LowCardinality(String),
  user String,
  created DateTime64(3, 'UTC'),
  expires DateTime64(3, 'UTC'),
  revoked Bool,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS fsync_after_insert = 1;

CREATE TABLE IF NOT EXISTS vigil_private.tokens
(
  id String, -- hex SHA-256 of the token
  org LowCardinality(String),
  user String,
  name String,
  scopes Array(String),
  created DateTime64(3, 'UTC'),
  expires DateTime64(3, 'UTC'),
  revoked Bool,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS fsync_after_insert = 1;

CREATE TABLE IF NOT EXISTS vigil_private.audit_heads
(
  org LowCardinality(String),
  writer String,
  seq UInt64,
  hash String,
  signature String,
  time DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (org, writer, seq)
SETTINGS fsync_after_insert = 1;
