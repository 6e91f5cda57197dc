// The schema change that gives runs notes, tags and results, and lets them be deleted while something still descends
// from them.

export const RUN_FACTS = `
ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT '';
-- NULL: it is there. 'going' and 'with-models': deleted, and what it leaves is being cleared away (remove-runs.ts); 'gone':
-- deleted, and the row stays only because a model or a judged sample says that it is from this run.
ALTER TABLE runs ADD COLUMN removed TEXT CHECK (removed IN ('going', 'with-models', 'gone'));
CREATE TABLE run_tags (
  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  tag TEXT NOT NULL CHECK (tag <> ''),
  PRIMARY KEY (run_id, tag)
) STRICT, WITHOUT ROWID;
CREATE TABLE run_results ( -- filled when a run is recorded; metrics.jsonl stays the source
  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  metric TEXT NOT NULL CHECK (metric <> ''),
  last REAL NOT NULL,
  best REAL NOT NULL,
  best_step INTEGER NOT NULL,
  last_error REAL, -- standard errors, where they were measured
  best_error REAL,
  count REAL, -- samples that the last value rests on
  PRIMARY KEY (run_id, metric)
) STRICT, WITHOUT ROWID;
`;
