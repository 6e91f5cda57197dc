// The schema change that groups runs into sweeps: the same recipe with some settings varied.

export const SWEEPS = `
CREATE TABLE sweeps (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  recipe TEXT NOT NULL CHECK (recipe <> ''),
  varied TEXT NOT NULL CHECK (json_valid(varied)), -- setting -> the values it is given
  metric TEXT NOT NULL CHECK (metric <> ''), -- what its runs are compared by
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE sweep_runs ( -- a run belongs to one sweep at most
  run_id TEXT NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
  sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX sweep_runs_by_sweep ON sweep_runs (sweep_id, run_id);
`;
