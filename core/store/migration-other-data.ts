// Makes room for what other people's files say.

/**
 * What other people's files say and ours could not hold: conversations, writers, ratings on their own scales, fields
 * without a place.
 */
export const OTHER_DATA = `
ALTER TABLE prompts ADD COLUMN messages TEXT CHECK (messages IS NULL OR json_valid(messages)); -- a list of {role, content}; text_hash is then of both
ALTER TABLE prompts ADD COLUMN extra TEXT CHECK (extra IS NULL OR json_valid(extra));
ALTER TABLE completions ADD COLUMN writer TEXT; -- as the file says, whether the project has such a policy or not
ALTER TABLE rankings ADD COLUMN extra TEXT CHECK (extra IS NULL OR json_valid(extra));
CREATE TABLE ratings_new (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  completion_id INTEGER NOT NULL REFERENCES completions (id) ON DELETE RESTRICT,
  labeler_id INTEGER NOT NULL REFERENCES labelers (id) ON DELETE RESTRICT,
  axis TEXT NOT NULL CHECK (axis <> ''),
  value REAL NOT NULL,
  low REAL NOT NULL DEFAULT 1, -- the worst of the scale, which may be the larger number (a rank)
  high REAL NOT NULL DEFAULT 7,
  CHECK (low <> high AND value BETWEEN min(low, high) AND max(low, high)),
  UNIQUE (completion_id, labeler_id, axis)
) STRICT;
INSERT INTO sqlite_sequence (name, seq) SELECT 'ratings_new', seq FROM sqlite_sequence WHERE name = 'ratings'; -- no id is given twice
INSERT INTO ratings_new (id, completion_id, labeler_id, axis, value) SELECT id, completion_id, labeler_id, axis, value FROM ratings;
DROP TABLE ratings;
ALTER TABLE ratings_new RENAME TO ratings;
CREATE INDEX ratings_by_labeler ON ratings (labeler_id);
`;
