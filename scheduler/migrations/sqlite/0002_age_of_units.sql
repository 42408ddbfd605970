-- When a unit was made, by an import or a split: the age of what waits. Not known of units from before.
ALTER TABLE units ADD COLUMN made_at INTEGER;
