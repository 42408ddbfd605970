-- The W3C trace context of the call that made the job: its units are worked on in the same trace.
ALTER TABLE jobs ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
