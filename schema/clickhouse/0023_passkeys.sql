-- Passkeys of users, how they were used, and what a ceremony in two steps keeps between them.
CREATE TABLE IF NOT EXISTS vigil_private.passkeys
(
  org LowCardinality(String),
  user String,
  id String, -- credential id, base64url
  doc String,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Uses only grow, whichever server writes them: no use can be lost to another.
CREATE TABLE IF NOT EXISTS vigil_private.passkey_uses
(
  org LowCardinality(String),
  id String,
  count SimpleAggregateFunction(max, UInt32),
  used SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
  cloned SimpleAggregateFunction(max, UInt8)
)
ENGINE = AggregatingMergeTree
ORDER BY (org, id)
SETTINGS fsync_after_insert = 1;

-- A row with a taker says that somebody claims the ceremony; who finds itself alone has it.
CREATE TABLE IF NOT EXISTS vigil_private.ceremonies
(
  org LowCardinality(String),
  id String, -- hex SHA-256 of what the browser holds
  kind LowCardinality(String),
  user String,
  state String,
  expires DateTime64(3, 'UTC'),
  taker String
)
ENGINE = MergeTree
ORDER BY (org, id, taker)
TTL toDateTime(expires) + INTERVAL 1 DAY
SETTINGS fsync_after_insert = 1;

-- How the session was signed in: password, link, passkey, or oidc:PROVIDER.
ALTER TABLE vigil_private.sessions ADD COLUMN IF NOT EXISTS method LowCardinality(String) AFTER user;
