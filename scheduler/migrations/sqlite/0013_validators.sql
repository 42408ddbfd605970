-- What runs after the job's pack, in order, each as `name@version`: a JSON list.
ALTER TABLE jobs ADD COLUMN validators TEXT NOT NULL DEFAULT '[]';
