-- Tables that events are enriched with. Their contents are named by their hash: a chunk
-- names the tables that its events were enriched with, and a retry loads those again,
-- whatever is in force by then.
CREATE TABLE IF NOT EXISTS table_parts
(
  org LowCardinality(String),
  hash String,
  n UInt32,
  body String CODEC(ZSTD(3)), -- a piece of the file as it was uploaded
  stored DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (org, hash, n)
SETTINGS fsync_after_insert = 1;

-- What was in force from when: the row with the highest number of a table is in force.
CREATE TABLE IF NOT EXISTS table_versions
(
  org LowCardinality(String),
  name LowCardinality(String),
  number UInt64,
  hash String, -- '': the table was emptied
  doc String -- the version as JSON
)
ENGINE = ReplacingMergeTree
ORDER BY (org, name, number)
SETTINGS fsync_after_insert = 1;

-- What a chunk was made with besides rules, indicators and models: name=hash, …
ALTER TABLE chunks ADD COLUMN IF NOT EXISTS tables String CODEC(ZSTD(1));

-- Generated from the field table (schema/fields.go): `go test ./schema` prints it when it differs.
ALTER TABLE events
  ADD COLUMN IF NOT EXISTS source_geo_city_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS source_as_organization_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS destination_geo_city_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS destination_as_organization_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS host_asset_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS host_asset_criticality LowCardinality(String),
  ADD COLUMN IF NOT EXISTS host_asset_owner LowCardinality(String),
  ADD COLUMN IF NOT EXISTS host_asset_department LowCardinality(String),
  ADD COLUMN IF NOT EXISTS host_asset_tags Array(String) CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS source_asset_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS source_asset_criticality LowCardinality(String),
  ADD COLUMN IF NOT EXISTS source_asset_owner LowCardinality(String),
  ADD COLUMN IF NOT EXISTS source_asset_tags Array(String) CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS destination_asset_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS destination_asset_criticality LowCardinality(String),
  ADD COLUMN IF NOT EXISTS destination_asset_owner LowCardinality(String),
  ADD COLUMN IF NOT EXISTS destination_asset_tags Array(String) CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS user_identity_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user_identity_criticality LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user_identity_department LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user_identity_privileged Bool,
  ADD COLUMN IF NOT EXISTS user_identity_tags Array(String) CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS user_target_identity_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user_target_identity_criticality LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user_target_identity_privileged Bool,
  ADD COLUMN IF NOT EXISTS process_known_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS process_known_owner LowCardinality(String),
  ADD COLUMN IF NOT EXISTS process_known_status LowCardinality(String),
  ADD COLUMN IF NOT EXISTS file_known_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS file_known_owner LowCardinality(String),
  ADD COLUMN IF NOT EXISTS file_known_status LowCardinality(String),
  ADD COLUMN IF NOT EXISTS dns_question_subdomain String CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS dns_question_top_level_domain LowCardinality(String),
  ADD COLUMN IF NOT EXISTS url_registered_domain String CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS url_subdomain String CODEC(ZSTD(1)),
  ADD COLUMN IF NOT EXISTS url_top_level_domain LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user_agent_version LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user_agent_os_name LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user_agent_device_name LowCardinality(String);
