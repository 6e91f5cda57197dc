-- A project as version 1 wrote it, frozen: newer programs must open it without losing a row.

CREATE TABLE prompts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  text TEXT NOT NULL CHECK (text <> ''),
  text_hash BLOB NOT NULL UNIQUE, -- SHA-256 of the UTF-8 text
  reference TEXT,
  split TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test')),
  source TEXT NOT NULL,
  facts TEXT CHECK (facts IS NULL OR json_valid(facts))
) STRICT;
CREATE INDEX prompts_by_split ON prompts (split);

CREATE TABLE labelers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  kind TEXT NOT NULL CHECK (kind IN ('person', 'program'))
) STRICT;

CREATE TABLE runs (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind <> ''),
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('running', 'done', 'stopped', 'failed', 'cancelled')),
  created_at INTEGER NOT NULL, -- milliseconds since 1970, like every time here
  ended_at INTEGER,
  error TEXT
) STRICT;

CREATE TABLE policies (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  kind TEXT NOT NULL CHECK (kind IN ('base', 'policy', 'reward')),
  path TEXT NOT NULL,
  parent_id INTEGER REFERENCES policies (id) ON DELETE RESTRICT,
  run_id TEXT REFERENCES runs (id) ON DELETE RESTRICT,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE completions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  prompt_id INTEGER NOT NULL REFERENCES prompts (id) ON DELETE RESTRICT,
  policy_id INTEGER REFERENCES policies (id) ON DELETE RESTRICT,
  text TEXT NOT NULL,
  token_ids BLOB NOT NULL, -- uint32, little-endian
  logprobs BLOB NOT NULL, -- float32 where that is exact, else float64
  sampling_logprobs BLOB NOT NULL,
  finish TEXT NOT NULL CHECK (finish IN ('stop', 'length')),
  sampling TEXT NOT NULL CHECK (json_valid(sampling)),
  run_id TEXT REFERENCES runs (id) ON DELETE RESTRICT
) STRICT;
CREATE INDEX completions_by_prompt ON completions (prompt_id);
CREATE INDEX completions_by_policy ON completions (policy_id);
CREATE INDEX completions_by_run ON completions (run_id);

CREATE TABLE rankings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  prompt_id INTEGER NOT NULL REFERENCES prompts (id) ON DELETE RESTRICT,
  labeler_id INTEGER NOT NULL REFERENCES labelers (id) ON DELETE RESTRICT,
  status TEXT NOT NULL CHECK (status IN ('ranked', 'none-acceptable', 'skipped')),
  confidence INTEGER CHECK (confidence BETWEEN 1 AND 9),
  duration_ms REAL CHECK (duration_ms >= 0),
  shown_order TEXT NOT NULL CHECK (json_valid(shown_order)),
  note TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX rankings_by_prompt ON rankings (prompt_id, labeler_id);
CREATE INDEX rankings_by_labeler ON rankings (labeler_id);

CREATE TABLE ranking_items (
  ranking_id INTEGER NOT NULL REFERENCES rankings (id) ON DELETE CASCADE,
  completion_id INTEGER NOT NULL REFERENCES completions (id) ON DELETE RESTRICT,
  rank INTEGER NOT NULL CHECK (rank >= 1),
  PRIMARY KEY (ranking_id, completion_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ranking_items_by_completion ON ranking_items (completion_id);

-- Pairs are derived, never stored: a lower rank beats a higher one, equal ranks make none.
CREATE VIEW comparisons AS
  SELECT r.id AS ranking_id, r.prompt_id, r.labeler_id, a.completion_id AS chosen_id, b.completion_id AS rejected_id
  FROM rankings r
  JOIN ranking_items a ON a.ranking_id = r.id
  JOIN ranking_items b ON b.ranking_id = r.id AND a.rank < b.rank
  WHERE r.status = 'ranked';

CREATE TABLE ratings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  completion_id INTEGER NOT NULL REFERENCES completions (id) ON DELETE RESTRICT,
  labeler_id INTEGER NOT NULL REFERENCES labelers (id) ON DELETE RESTRICT,
  axis TEXT NOT NULL CHECK (axis <> ''),
  value INTEGER NOT NULL CHECK (value BETWEEN 1 AND 7),
  UNIQUE (completion_id, labeler_id, axis)
) STRICT;
CREATE INDEX ratings_by_labeler ON ratings (labeler_id);

CREATE TABLE marks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  completion_id INTEGER NOT NULL REFERENCES completions (id) ON DELETE RESTRICT,
  labeler_id INTEGER NOT NULL REFERENCES labelers (id) ON DELETE RESTRICT,
  start INTEGER NOT NULL CHECK (start >= 0), -- UTF-16 offsets, end excluded
  "end" INTEGER NOT NULL CHECK ("end" > start),
  label TEXT NOT NULL CHECK (label <> ''),
  note TEXT
) STRICT;
CREATE INDEX marks_by_completion ON marks (completion_id);
CREATE INDEX marks_by_labeler ON marks (labeler_id);

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  labeler_id INTEGER REFERENCES labelers (id) ON DELETE RESTRICT,
  kind TEXT NOT NULL CHECK (kind <> ''),
  detail TEXT NOT NULL CHECK (json_valid(detail)),
  inverse TEXT NOT NULL CHECK (json_valid(inverse)),
  undoes INTEGER UNIQUE REFERENCES events (id) ON DELETE RESTRICT
) STRICT;
CREATE INDEX events_by_labeler ON events (labeler_id);
CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TABLE settings (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL CHECK (json_valid(value))
) STRICT, WITHOUT ROWID;

PRAGMA application_id = 1380730950;
PRAGMA user_version = 1;

INSERT INTO prompts (id, text, text_hash, reference, split, source, facts) VALUES
  (1, 'My neighbour plays the trumpet at night.', x'48cc3702683c20d4c280ab41e258199f8d37e3ab425a6f593d61d4af7765f0ff', 'Talk to him first.', 'train', 'old', NULL),
  (2, 'Ich suche einen Rat über Äpfel und 猫の手.', x'd2480e43c7e015d7dcc0d7ed2bc25fce111bfbdea3ebff607dfd35501ab9de40', NULL, 'test', 'old', '{"fruit":"apple"}');
INSERT INTO labelers (id, name, kind) VALUES (1, 'ada', 'person');
INSERT INTO runs VALUES ('sample-1', 'sample', 'first', 'done', 1700000000000, 1700000001000, NULL);
INSERT INTO policies VALUES (1, 'base', 'base', 'models/base', NULL, NULL, 1700000000000);
INSERT INTO completions VALUES
  (1, 1, 1, 'Ask him to stop.', x'0100000002000000', x'000000bf000080bf', x'000000bf000080bf', 'stop', '{"temperature":1,"topK":0,"topP":1,"maxNew":8,"seed":1}', 'sample-1'),
  (2, 1, 1, 'Move away.', x'03000000', x'000000c0', x'000000c0', 'length', '{"temperature":1,"topK":0,"topP":1,"maxNew":1,"seed":1}', 'sample-1');
INSERT INTO rankings VALUES (1, 1, 1, 'ranked', 7, 5200.5, '[2,1]', 'clear', 1700000002000);
INSERT INTO ranking_items VALUES (1, 1, 1), (1, 2, 2);
INSERT INTO events (id, at, labeler_id, kind, detail, inverse) VALUES
  (1, 1700000002000, 1, 'ranking.add', '{"rankingId":1}', '[{"table":"rankings","key":1,"rows":[]},{"table":"ranking_items","key":1,"rows":[]}]');
