-- A source that is removed is not started again; what is stored of it stays, and so does
-- the kind that it had.
ALTER TABLE sources ADD COLUMN IF NOT EXISTS removed Bool DEFAULT false;
