-- The whole assessment as JSON, in the row of each assessment without objective.
ALTER TABLE posture ADD COLUMN IF NOT EXISTS doc String CODEC(ZSTD(3));
