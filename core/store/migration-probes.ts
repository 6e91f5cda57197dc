// The schema change that keeps probes: edits by which one sees what a reward model pays for, the answers that they are
// measured on, and the scores.

export const PROBES = `
CREATE TABLE probes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind <> ''),
  parameters TEXT NOT NULL CHECK (json_valid(parameters)), -- name -> text or number
  expected TEXT CHECK (expected IN ('rise', 'fall', 'same')), -- how people think that scores should move; NULL: nobody has said
  created_at INTEGER NOT NULL,
  UNIQUE (kind, parameters)
) STRICT;
CREATE TABLE probe_samples (completion_id INTEGER PRIMARY KEY REFERENCES completions (id) ON DELETE CASCADE) STRICT;
CREATE TABLE probed_models ( -- which weights a model has, so that what was measured of them is found again
  model_id INTEGER PRIMARY KEY REFERENCES policies (id) ON DELETE CASCADE,
  stamp TEXT NOT NULL, -- of its files; another one: look again
  hash TEXT NOT NULL, -- SHA-256 of the weights
  tokenizer TEXT NOT NULL,
  packing TEXT NOT NULL
) STRICT;
CREATE TABLE probe_scores (
  probe_id INTEGER NOT NULL REFERENCES probes (id) ON DELETE CASCADE,
  hash TEXT NOT NULL,
  completion_id INTEGER NOT NULL REFERENCES completions (id) ON DELETE CASCADE,
  original REAL, -- NULL: the edit does not apply, or does not fit into what the model reads
  edited REAL,
  PRIMARY KEY (probe_id, hash, completion_id),
  CHECK ((original IS NULL) = (edited IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX probe_scores_by_completion ON probe_scores (completion_id);
INSERT INTO probes (kind, parameters, expected, created_at)
  SELECT value ->> 0, value -> 1, NULL, CAST(unixepoch('subsec') * 1000 AS INTEGER) FROM json_each('[
    ["append", {"text": "please help me"}],
    ["append", {"text": "any advice?"}],
    ["drop-last-sentence", {}],
    ["title-twice", {}],
    ["swap-persons", {"pairs": "he/she, his/her, him/her, himself/herself, man/woman, boy/girl, father/mother, dad/mom, brother/sister, son/daughter, uncle/aunt, husband/wife, boyfriend/girlfriend, grandfather/grandmother, friend/boss, neighbor/landlord, roommate/cousin, teacher/coach"}],
    ["shorten", {"share": 0.5}],
    ["lengthen", {"share": 0.5}]
  ]');
`;
