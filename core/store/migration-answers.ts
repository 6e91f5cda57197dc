// The schema change that makes equal texts one answer: what each completion says as a number, how many answers an item
// has.

import type Database from 'better-sqlite3';
import { answerNumber } from './answers.ts';

const COUNT = `(SELECT count(DISTINCT coalesce(c.answer, -c.id)) FROM item_completions ic JOIN completions c INDEXED BY completions_answers ON c.id = ic.completion_id`;

export const ANSWERS = `
ALTER TABLE completions ADD COLUMN answer INTEGER; -- answers.ts: the same for equal texts; null is equal to nothing
CREATE INDEX completions_answers ON completions (id, answer);
ALTER TABLE items ADD COLUMN answers INTEGER NOT NULL DEFAULT 0; -- how many different ones there are to rank
CREATE TRIGGER items_answers_insert AFTER INSERT ON item_completions BEGIN
  UPDATE items SET answers = ${COUNT} WHERE ic.item_id = new.item_id) WHERE id = new.item_id;
END;
CREATE TRIGGER items_answers_delete AFTER DELETE ON item_completions BEGIN
  UPDATE items SET answers = ${COUNT} WHERE ic.item_id = old.item_id) WHERE id = old.item_id;
END;
-- Items of one answer are in no queue: the indexes of the queues are without them.
DROP INDEX items_by_place;
DROP INDEX items_in_order;
DROP INDEX items_requested;
CREATE INDEX items_by_place ON items (place) WHERE source <> 'inspect' AND answers > 1;
CREATE INDEX items_in_order ON items (id) WHERE source <> 'inspect' AND answers > 1;
CREATE INDEX items_requested ON items (id) WHERE source = 'inspect' AND answers > 1;
CREATE INDEX items_aside ON items (id) WHERE source = 'inspect' OR answers < 2;
-- A hidden repeat measures the labeler, not the completions: it makes no comparisons. Nor do equal texts.
DROP VIEW comparisons;
CREATE VIEW comparisons AS
  SELECT r.id AS ranking_id, r.prompt_id, r.labeler_id, a.completion_id AS chosen_id, b.completion_id AS rejected_id
  FROM rankings r
  JOIN ranking_items a ON a.ranking_id = r.id
  JOIN ranking_items b ON b.ranking_id = r.id AND a.rank < b.rank
  JOIN completions ca INDEXED BY completions_answers ON ca.id = a.completion_id
  JOIN completions cb INDEXED BY completions_answers ON cb.id = b.completion_id AND coalesce(cb.answer, -cb.id) <> coalesce(ca.answer, -ca.id)
  WHERE r.status = 'ranked' AND r.repeat_of IS NULL;
`;

/**
 * Works out what is said and counted, gives equal texts one rank, and has what reward models say of such items worked
 * out anew.
 */
export function fillAnswers(db: Database.Database): string[] {
  db.function('answer_number', { deterministic: true }, (text) => answerNumber(text as string));
  db.exec(`UPDATE completions SET answer = answer_number(text);
    UPDATE items SET answers = ${COUNT} WHERE ic.item_id = items.id);`);
  const repeated = db
    .prepare(
      'SELECT count(*) AS n, count(*) FILTER (WHERE answers < 2) AS one FROM items WHERE answers < (SELECT count(*) FROM item_completions WHERE item_id = items.id)',
    )
    .get() as { n: number; one: number };
  db.exec(`
    CREATE TEMP TABLE said AS SELECT r.ranking_id, r.completion_id, r.rank, min(r.rank) OVER (PARTITION BY r.ranking_id, coalesce(c.answer, -c.id)) AS best
      FROM ranking_items r JOIN completions c INDEXED BY completions_answers ON c.id = r.completion_id;
    DELETE FROM said WHERE rank = best;
    CREATE UNIQUE INDEX said_of ON said (ranking_id, completion_id);
    UPDATE ranking_items SET rank = (SELECT best FROM said s WHERE s.ranking_id = ranking_items.ranking_id AND s.completion_id = ranking_items.completion_id)
      WHERE (ranking_id, completion_id) IN (SELECT ranking_id, completion_id FROM said);
    DELETE FROM item_scores WHERE item_id IN (SELECT id FROM items WHERE answers < (SELECT count(*) FROM item_completions WHERE item_id = items.id));
    DELETE FROM disagreements WHERE item_id IN (SELECT id FROM items WHERE answers < (SELECT count(*) FROM item_completions WHERE item_id = items.id));
    INSERT INTO unsettled SELECT id FROM items WHERE answers < (SELECT count(*) FROM item_completions WHERE item_id = items.id) AND id NOT IN (SELECT item_id FROM unsettled);`);
  const changed = (db.prepare('SELECT count(DISTINCT ranking_id) AS n FROM said').get() as { n: number }).n;
  db.exec('DROP TABLE said');
  const number = (n: number) => n.toLocaleString('en');
  return [
    ...(repeated.n > 0
      ? [
          `${repeated.n === 1 ? '1 item shows' : `${number(repeated.n)} items show`} the same text more than once: equal texts are one answer now, shown once${repeated.one > 0 ? `, and ${repeated.one === 1 ? '1 item' : number(repeated.one)} with nothing to compare ${repeated.one === 1 ? 'is' : 'are'} never asked about` : ''}.`,
        ]
      : []),
    ...(changed > 0
      ? [
          `In ${changed === 1 ? '1 ranking' : `${number(changed)} rankings`} equal texts had different ranks: they share the best of them now and make no comparison. The backup has the ranks as they were.`,
        ]
      : []),
  ];
}
