// What reward models say of items: how close the best two answers are, and how far the scores agree with the rankings.
//
// Derived from `measures` and `rankings`. Triggers name the items whose figures may have changed in the table
// `unsettled`;
// settling works them out anew, a few milliseconds at a time, so that a hundred thousand new scores block nobody. Equal
// texts are one answer here too.

import { ANSWER } from './answers.ts';
import { query, transaction } from './project.ts';
import type { Project } from './project.ts';

interface Score {
  modelId: number;
  answer: number;
  score: number;
}
interface Placed {
  rankingId: number;
  labelerId: number;
  answer: number;
  rank: number;
}

const IN_ONE_TRANSACTION = 64;

/**
 * Share of a ranking's pairs that the scores order the same way (equal scores order neither); null where it has no such
 * pair.
 */
function agreement(placed: readonly Placed[], scores: ReadonlyMap<number, number>): number | null {
  let pairs = 0;
  let same = 0;
  for (const better of placed)
    for (const worse of placed) {
      const [a, b] = [scores.get(better.answer), scores.get(worse.answer)];
      if (better.answer === worse.answer || better.rank >= worse.rank || a === undefined || b === undefined) continue;
      pairs++;
      if (a > b) same++;
    }
  return pairs === 0 ? null : same / pairs;
}

/** Works out one item; returns whether a gap is another than before. */
function settleItem(project: Project, itemId: number): boolean {
  const before = new Map(
    query<{ modelId: number; gap: number }>(
      project,
      'SELECT model_id AS modelId, gap FROM item_scores WHERE item_id = ?',
    )
      .all(itemId)
      .map(({ modelId, gap }) => [modelId, gap]),
  );
  const scores = query<Score>(
    project,
    `SELECT m.model_id AS modelId, ${ANSWER('c')} AS answer, max(m.score) AS score FROM item_completions i
    CROSS JOIN measures m ON m.completion_id = i.completion_id CROSS JOIN completions c INDEXED BY completions_answers ON c.id = i.completion_id
    WHERE i.item_id = ? AND m.score IS NOT NULL GROUP BY 1, 2`,
  ).all(itemId);
  if (before.size > 0) {
    query(project, 'DELETE FROM item_scores WHERE item_id = ?').run(itemId);
    query(project, 'DELETE FROM disagreements WHERE item_id = ?').run(itemId);
  }
  query(project, 'DELETE FROM unsettled WHERE item_id = ?').run(itemId);
  const placed = query<Placed>(
    project,
    `SELECT r.id AS rankingId, r.labeler_id AS labelerId, ${ANSWER('c')} AS answer, min(i.rank) AS rank FROM rankings r
    JOIN ranking_items i ON i.ranking_id = r.id CROSS JOIN completions c INDEXED BY completions_answers ON c.id = i.completion_id WHERE r.item_id = ? AND r.status = 'ranked' AND r.repeat_of IS NULL GROUP BY 1, 2, 3`,
  ).all(itemId);
  const rankings = [...Map.groupBy(placed, ({ rankingId }) => rankingId).values()];
  const known = new Map<number, number>();
  for (const [modelId, own] of Map.groupBy(scores, (score) => score.modelId)) {
    const [first, second] = own.map(({ score }) => score).sort((a, b) => b - a);
    if (second === undefined || !Number.isFinite(first! - second)) continue;
    const scoreOf = new Map(own.map(({ answer, score }) => [answer, score]));
    known.set(modelId, first! - second);
    const agreed = new Map<number, number>(); // by labeler, of several rankings the worst
    for (const ranking of rankings) {
      const share = agreement(ranking, scoreOf);
      if (share !== null) agreed.set(ranking[0]!.labelerId, Math.min(share, agreed.get(ranking[0]!.labelerId) ?? 1));
    }
    query(project, 'INSERT INTO item_scores (item_id, model_id, gap, agreed) VALUES (?, ?, ?, ?)').run(
      itemId,
      modelId,
      first! - second,
      agreed.size > 0 ? Math.min(...agreed.values()) : null,
    );
    for (const [labelerId, share] of agreed)
      if (share < 1)
        query(project, 'INSERT INTO disagreements (item_id, model_id, labeler_id, agreed) VALUES (?, ?, ?, ?)').run(
          itemId,
          modelId,
          labelerId,
          share,
        );
  }
  return before.size !== known.size || [...known].some(([modelId, gap]) => before.get(modelId) !== gap);
}

/** Works out one item at once, if something changed for it. */
export function settleOne(project: Project, itemId: number): void {
  if (query(project, 'SELECT 1 FROM unsettled WHERE item_id = ?').get(itemId)) settleItem(project, itemId);
}

/**
 * Works out items that something changed for, for about `milliseconds` at most. Returns whether none is left, and
 * whether
 * the order by gap is another than before.
 */
export function settleItems(project: Project, milliseconds = Infinity): { settled: boolean; moved: boolean } {
  const until = performance.now() + milliseconds;
  const next = query<{ id: number }>(project, 'SELECT item_id AS id FROM unsettled LIMIT ?');
  let moved = false;
  while (next.get(1)) {
    if (performance.now() >= until) return { settled: false, moved };
    transaction(project, () => {
      for (const { id } of next.all(IN_ONE_TRANSACTION)) {
        moved = settleItem(project, id) || moved;
        if (performance.now() >= until) break;
      }
    });
  }
  return { settled: true, moved };
}
