-- The orgs that were added to an installation. The one that runs it needs no row.
CREATE TABLE IF NOT EXISTS vigil_private.orgs
(
  name String,
  doc String,
  version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Events of inline tests of rules in SQL are where those may read who run what people type.
DROP TABLE IF EXISTS vigil_private.rule_test_events;
