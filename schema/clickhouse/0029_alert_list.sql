-- The alert list: a copy of every alert, newest first, so that a page reads what it shows
-- and no more. `alerts` stays the truth; the view keeps the copy, of whoever writes.
CREATE TABLE IF NOT EXISTS alert_list
(
  org LowCardinality(String),
  back Int64, -- milliseconds of created, negated: FINAL reads in order only upwards
  id String,
  rule LowCardinality(String),
  title String,
  severity LowCardinality(String),
  status LowCardinality(String),
  incident String,
  search String, -- title, rule and entities in small letters
  doc String CODEC(ZSTD(1)),
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (org, back, id)
SETTINGS index_granularity = 256;

CREATE MATERIALIZED VIEW IF NOT EXISTS alert_list_filler TO alert_list AS
SELECT org, -toUnixTimestamp64Milli(created) AS back, id, rule, JSONExtractString(doc, 'title') AS title, severity, status, incident,
  lowerUTF8(concat(title, ' ', rule, ' ', arrayStringConcat(mapValues(entities), ' '))) AS search, doc, version
FROM alerts;

-- What there was before the view; what is copied twice is replaced.
INSERT INTO alert_list
SELECT org, -toUnixTimestamp64Milli(created) AS back, id, rule, JSONExtractString(doc, 'title') AS title, severity, status, incident,
  lowerUTF8(concat(title, ' ', rule, ' ', arrayStringConcat(mapValues(entities), ' '))) AS search, doc, version
FROM alerts;
