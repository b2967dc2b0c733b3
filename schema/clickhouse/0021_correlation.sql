-- Alerts that correlation has looked at, and what it made of them: the ledger that the next
-- round anti-joins with, and why an alert is in its incident.
CREATE TABLE IF NOT EXISTS correlated
(
  org LowCardinality(String),
  alert String,
  incident String, -- '': it is in none
  role LowCardinality(String),
  bits Float32, -- how unusual it was
  time DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(time)
ORDER BY (org, alert)
SETTINGS fsync_after_insert = 1;
