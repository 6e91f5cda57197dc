// The ordered list of schema changes; user_version counts how many of them a file has had.
//
// A migration is never edited after release: files in the world have already had it. A change to the schema is a new
// entry at the end. Each one runs in its own BEGIN IMMEDIATE together with its new user_version, so a file is always
// exactly at version n or n + 1, whatever kills the process.

import type Database from 'better-sqlite3';
import { repetitionOf, sumReals, unpackTokens } from './completions.ts';
import { placeOf } from './items.ts';
import { ANSWERS, fillAnswers } from './migration-answers.ts';
import { OTHER_DATA } from './migration-other-data.ts';
import { PROBES } from './migration-probes.ts';
import { RUN_FACTS } from './migration-run-facts.ts';
import { SWEEPS } from './migration-sweeps.ts';
import { fillTokenizers, TOKENIZERS } from './migration-tokenizers.ts';
import { fillSpelling, SPELLING } from './migration-spelling.ts';

export interface Migration {
  name: string;
  sql: string;
  /**
   * what SQL alone cannot work out, after `sql` and in the same transaction; returns what a person should know, in
   * sentences
   */
  fill?: (db: Database.Database) => string[] | void;
}

const TABLES = `
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
`;

/** A trigram index that stores no text of its own and follows its table by triggers (sqlite.org/fts5.html §4.4.3). */
const searchIndex = (table: 'prompts' | 'completions') => `
CREATE VIRTUAL TABLE ${table}_text USING fts5(text, content = '${table}', content_rowid = 'id', tokenize = 'trigram');
CREATE TRIGGER ${table}_text_insert AFTER INSERT ON ${table} BEGIN
  INSERT INTO ${table}_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER ${table}_text_delete AFTER DELETE ON ${table} BEGIN
  INSERT INTO ${table}_text (${table}_text, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER ${table}_text_update AFTER UPDATE OF id, text ON ${table} BEGIN
  INSERT INTO ${table}_text (${table}_text, rowid, text) VALUES ('delete', old.id, old.text);
  INSERT INTO ${table}_text (rowid, text) VALUES (new.id, new.text);
END;
INSERT INTO ${table}_text (${table}_text) VALUES ('rebuild');
`;

/**
 * What the window needs: items to label, drafts, flags, guidelines, what models say of completions, and runs that wait
 * in a queue.
 */
const WORKSTATION = `
CREATE TABLE runs_new (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind <> ''),
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'paused', 'stopping', 'cancelling', 'done', 'stopped', 'failed', 'cancelled')),
  created_at INTEGER NOT NULL,
  ended_at INTEGER,
  error TEXT,
  request TEXT CHECK (request IS NULL OR json_valid(request)) -- what was asked for, until the run folder exists
) STRICT;
INSERT INTO runs_new (id, kind, name, status, created_at, ended_at, error) SELECT id, kind, name, status, created_at, ended_at, error FROM runs ORDER BY rowid;
DROP TABLE runs;
ALTER TABLE runs_new RENAME TO runs;

ALTER TABLE completions ADD COLUMN step INTEGER;
ALTER TABLE completions ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE completions ADD COLUMN logprob REAL NOT NULL DEFAULT 0; -- sum at temperature 1
ALTER TABLE completions ADD COLUMN repetition REAL NOT NULL DEFAULT 0; -- share of three-token sequences seen before in it
UPDATE completions SET tokens = length(token_ids) / 4;
-- One narrow index for every order of the list of samples, and one that answers its filters without reading the texts.
CREATE INDEX completions_by_id ON completions (id);
CREATE INDEX completions_by_tokens ON completions (tokens);
CREATE INDEX completions_by_repetition ON completions (repetition);
CREATE INDEX completions_by_logprob ON completions (logprob);
CREATE INDEX completions_by_step ON completions (step);
CREATE INDEX completions_facets ON completions (policy_id, run_id, step, finish, tokens, repetition, logprob, prompt_id);
CREATE INDEX prompts_by_id ON prompts (id);

-- What the desk shows at once.
CREATE TABLE items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  prompt_id INTEGER NOT NULL REFERENCES prompts (id) ON DELETE RESTRICT,
  source TEXT NOT NULL CHECK (source IN ('sample', 'import', 'inspect')),
  reason TEXT,
  policy_id INTEGER REFERENCES policies (id) ON DELETE RESTRICT, -- whose samples, where all are of one policy
  place INTEGER NOT NULL, -- where it stands in the shuffled queue
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX items_by_prompt ON items (prompt_id);
CREATE INDEX items_by_policy ON items (policy_id);
CREATE INDEX items_by_place ON items (place) WHERE source <> 'inspect';
CREATE INDEX items_in_order ON items (id) WHERE source <> 'inspect';
CREATE INDEX items_requested ON items (id) WHERE source = 'inspect';
CREATE TABLE item_completions (
  item_id INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  completion_id INTEGER NOT NULL REFERENCES completions (id) ON DELETE RESTRICT,
  PRIMARY KEY (item_id, completion_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_completions_by_completion ON item_completions (completion_id);
-- What was there before becomes items of at most nine and of even sizes, for each prompt and policy that has two completions or more.
CREATE TEMP TABLE placed AS
  SELECT id, prompt_id, policy_id, (row_number() OVER (w ORDER BY id) - 1) * ((count(*) OVER w + 8) / 9) / count(*) OVER w AS part
  FROM completions WINDOW w AS (PARTITION BY prompt_id, policy_id);
INSERT INTO items (prompt_id, source, policy_id, place, created_at)
  SELECT prompt_id, CASE WHEN policy_id IS NULL THEN 'import' ELSE 'sample' END, policy_id, 0, CAST(unixepoch('subsec') * 1000 AS INTEGER)
  FROM placed GROUP BY prompt_id, policy_id, part HAVING count(*) > 1 ORDER BY min(id);
CREATE TEMP TABLE parts AS
  SELECT prompt_id, policy_id, part, row_number() OVER (ORDER BY min(id)) AS item_id FROM placed GROUP BY prompt_id, policy_id, part HAVING count(*) > 1;
INSERT INTO item_completions (item_id, completion_id)
  SELECT parts.item_id, placed.id FROM placed JOIN parts ON parts.prompt_id = placed.prompt_id AND parts.policy_id IS placed.policy_id AND parts.part = placed.part;
DROP TABLE placed;
DROP TABLE parts;

DROP VIEW comparisons;
ALTER TABLE rankings ADD COLUMN item_id INTEGER REFERENCES items (id) ON DELETE RESTRICT;
ALTER TABLE rankings ADD COLUMN naive TEXT;
ALTER TABLE rankings ADD COLUMN repeat_of INTEGER REFERENCES rankings (id) ON DELETE CASCADE;
ALTER TABLE rankings ADD COLUMN guidelines INTEGER;
ALTER TABLE rankings ADD COLUMN confirmed_at INTEGER; -- when the labeler submitted it again, or knew that a reward model contradicts it
-- An old ranking belongs to the item that holds the most of what it ranks (or, skipped, of what it showed), two completions at least.
CREATE TEMP TABLE ranked AS
  SELECT ranking_id, completion_id FROM ranking_items UNION SELECT rankings.id, value FROM rankings, json_each(shown_order) WHERE status = 'skipped';
UPDATE rankings SET item_id = found.item_id FROM (
  SELECT ranking_id, item_id, row_number() OVER (PARTITION BY ranking_id ORDER BY count(*) DESC, item_id) AS place
  FROM ranked JOIN item_completions USING (completion_id) GROUP BY ranking_id, item_id HAVING count(*) > 1) found
WHERE found.ranking_id = rankings.id AND found.place = 1;
DROP TABLE ranked;
CREATE INDEX rankings_by_item ON rankings (item_id, labeler_id);
CREATE INDEX rankings_by_repeat ON rankings (repeat_of) WHERE repeat_of IS NOT NULL;
CREATE INDEX rankings_first ON rankings (labeler_id, item_id, repeat_of) WHERE repeat_of IS NULL AND item_id IS NOT NULL;
CREATE INDEX rankings_skipped ON rankings (labeler_id) WHERE status = 'skipped' AND repeat_of IS NULL AND item_id IS NOT NULL;
CREATE INDEX rankings_confirmed ON rankings (labeler_id, item_id, confirmed_at, repeat_of) WHERE confirmed_at IS NOT NULL AND repeat_of IS NULL;
CREATE INDEX rankings_repeats ON rankings (labeler_id, repeat_of) WHERE repeat_of IS NOT NULL;
-- A hidden repeat measures the labeler, not the completions: it makes no comparisons.
CREATE VIEW comparisons AS
  SELECT r.id AS ranking_id, r.prompt_id, r.labeler_id, a.completion_id AS chosen_id, b.completion_id AS rejected_id
  FROM rankings r
  JOIN ranking_items a ON a.ranking_id = r.id
  JOIN ranking_items b ON b.ranking_id = r.id AND a.rank < b.rank
  WHERE r.status = 'ranked' AND r.repeat_of IS NULL;

CREATE TABLE drafts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  item_id INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  labeler_id INTEGER NOT NULL REFERENCES labelers (id) ON DELETE RESTRICT,
  ranks TEXT NOT NULL CHECK (json_valid(ranks)),
  confidence INTEGER CHECK (confidence BETWEEN 1 AND 9),
  note TEXT,
  naive TEXT,
  duration_ms REAL NOT NULL CHECK (duration_ms >= 0),
  repeat_of INTEGER REFERENCES rankings (id) ON DELETE CASCADE, -- it is a hidden repeat of this ranking
  since_event INTEGER, -- shown since this event: what the labeler did before stays hidden
  UNIQUE (item_id, labeler_id)
) STRICT;
CREATE INDEX drafts_of_repeats ON drafts (repeat_of) WHERE repeat_of IS NOT NULL;
CREATE INDEX drafts_by_labeler ON drafts (labeler_id);

CREATE TABLE flags (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  labeler_id INTEGER NOT NULL REFERENCES labelers (id) ON DELETE RESTRICT,
  item_id INTEGER REFERENCES items (id) ON DELETE CASCADE,
  completion_id INTEGER REFERENCES completions (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  CHECK ((item_id IS NULL) <> (completion_id IS NULL)),
  UNIQUE (labeler_id, item_id),
  UNIQUE (labeler_id, completion_id)
) STRICT;
CREATE INDEX flags_by_item ON flags (item_id);
CREATE INDEX flags_by_completion ON flags (completion_id);

CREATE TABLE guidelines (
  version INTEGER PRIMARY KEY AUTOINCREMENT,
  text TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- What a model says of a completion: a reward model its score, a reference its log-probabilities, a critic its values.
CREATE TABLE measures (
  completion_id INTEGER NOT NULL REFERENCES completions (id) ON DELETE CASCADE,
  model_id INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  score REAL,
  logprob REAL, -- sum over the tokens
  kl REAL, -- the completion's own logprob minus this one, kept so that it can be sorted by
  token_logprobs BLOB, -- as completions.logprobs
  token_values BLOB,
  PRIMARY KEY (completion_id, model_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX measures_by_score ON measures (model_id, score);
CREATE INDEX measures_by_kl ON measures (model_id, kl);

-- What reward models say of items, derived from scores and rankings: item-scores.ts settles the items that triggers name here.
-- (Not INSERT OR IGNORE: in a trigger the conflict rule of the statement that fires it holds, and an upsert's is to abort.)
CREATE TABLE item_scores (
  item_id INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  model_id INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  gap REAL NOT NULL, -- between the two best scores
  agreed REAL, -- the smallest share of a ranking's pairs that the scores order the same way; null where none is ordered
  PRIMARY KEY (item_id, model_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_scores_by_gap ON item_scores (model_id, gap, item_id);
CREATE INDEX item_scores_by_agreed ON item_scores (model_id, agreed, item_id) WHERE agreed < 1;
CREATE TABLE disagreements ( -- the labelers whose rankings the scores contradict
  item_id INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  model_id INTEGER NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
  labeler_id INTEGER NOT NULL REFERENCES labelers (id) ON DELETE CASCADE,
  agreed REAL NOT NULL CHECK (agreed < 1),
  PRIMARY KEY (item_id, model_id, labeler_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE unsettled (item_id INTEGER PRIMARY KEY REFERENCES items (id) ON DELETE CASCADE) STRICT;
CREATE TRIGGER measures_unsettle_insert AFTER INSERT ON measures WHEN new.score IS NOT NULL BEGIN
  INSERT INTO unsettled SELECT item_id FROM item_completions c WHERE completion_id = new.completion_id AND NOT EXISTS (SELECT 1 FROM unsettled u WHERE u.item_id = c.item_id);
END;
CREATE TRIGGER measures_unsettle_update AFTER UPDATE OF score ON measures WHEN old.score IS NOT new.score BEGIN
  INSERT INTO unsettled SELECT item_id FROM item_completions c WHERE completion_id = new.completion_id AND NOT EXISTS (SELECT 1 FROM unsettled u WHERE u.item_id = c.item_id);
END;
CREATE TRIGGER measures_unsettle_delete AFTER DELETE ON measures WHEN old.score IS NOT NULL BEGIN
  INSERT INTO unsettled SELECT item_id FROM item_completions c WHERE completion_id = old.completion_id AND NOT EXISTS (SELECT 1 FROM unsettled u WHERE u.item_id = c.item_id);
END;
CREATE TRIGGER items_unsettle_insert AFTER INSERT ON item_completions WHEN EXISTS (SELECT 1 FROM measures WHERE completion_id = new.completion_id AND score IS NOT NULL) BEGIN
  INSERT INTO unsettled SELECT new.item_id WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE item_id = new.item_id);
END;
CREATE TRIGGER rankings_unsettle_insert AFTER INSERT ON rankings WHEN EXISTS (SELECT 1 FROM item_scores WHERE item_id = new.item_id) BEGIN
  INSERT INTO unsettled SELECT new.item_id WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE item_id = new.item_id);
END;
CREATE TRIGGER rankings_unsettle_update AFTER UPDATE ON rankings WHEN EXISTS (SELECT 1 FROM item_scores WHERE item_id = new.item_id) BEGIN
  INSERT INTO unsettled SELECT new.item_id WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE item_id = new.item_id);
END;
CREATE TRIGGER rankings_unsettle_delete AFTER DELETE ON rankings WHEN EXISTS (SELECT 1 FROM item_scores WHERE item_id = old.item_id) BEGIN
  INSERT INTO unsettled SELECT old.item_id WHERE NOT EXISTS (SELECT 1 FROM unsettled WHERE item_id = old.item_id);
END;
`;

/**
 * What older files never stored: how likely and how repetitive each completion is, and the shuffled order of the items.
 */
function fillWorkstation(db: Database.Database): void {
  db.function('sum_reals', { deterministic: true }, (blob, count) => sumReals(blob as Uint8Array, count as number));
  db.function('repetition_of', { deterministic: true }, (blob) => repetitionOf(unpackTokens(blob as Uint8Array)));
  db.function('place_of', { deterministic: true }, (id) => placeOf(id as number));
  db.exec(
    'UPDATE completions SET logprob = sum_reals(logprobs, tokens), repetition = repetition_of(token_ids); UPDATE items SET place = place_of(id)',
  );
}

export const MIGRATIONS: readonly Migration[] = [
  { name: 'tables', sql: TABLES },
  { name: 'full-text search', sql: searchIndex('prompts') + searchIndex('completions') },
  { name: 'workstation', sql: WORKSTATION, fill: fillWorkstation },
  { name: "other people's data", sql: OTHER_DATA },
  { name: 'equal texts are one answer', sql: ANSWERS, fill: fillAnswers },
  { name: 'tokenizers', sql: TOKENIZERS, fill: fillTokenizers },
  { name: 'spelling', sql: SPELLING, fill: fillSpelling },
  { name: 'notes, tags and results of runs', sql: RUN_FACTS },
  { name: 'sweeps', sql: SWEEPS },
  { name: 'probes', sql: PROBES },
];
