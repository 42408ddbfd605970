-- What a worker holds, by its requests: see `held_from` in the store.
DROP INDEX units_by_holder;
CREATE INDEX units_by_holder ON units (holder, lease_request) WHERE state = 'leased';
-- Only what is leased has an expiry. The condition is another than that of `units_by_holder`, or a planner that believes that
-- nothing is leased may take this index, with what every lease left behind, to find what one worker holds.
DROP INDEX units_by_expiry;
CREATE INDEX units_by_expiry ON units (expires_at) WHERE expires_at IS NOT NULL;
