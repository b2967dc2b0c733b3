-- What the inbox filters approvals by, read from the document so that old rows have it too.
ALTER TABLE approvals ADD COLUMN IF NOT EXISTS incident String DEFAULT JSONExtractString(doc, 'incident') AFTER id;
ALTER TABLE approvals ADD COLUMN IF NOT EXISTS review LowCardinality(String) DEFAULT JSONExtractString(doc, 'review', 'state') AFTER status;
