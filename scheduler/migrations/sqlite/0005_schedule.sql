-- Which job's units go first: the higher priority, then by weight, then the earlier deadline.
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN weight INTEGER NOT NULL DEFAULT 100;
ALTER TABLE jobs ADD COLUMN deadline_at INTEGER;
