// A stand-in for people: ranks samples by ROUGE-L against the prompt's reference completion, to try a whole loop on
// real texts.

import { createRandom } from '#core/random.ts';
import { rougeL } from '#core/evaluation/rouge.ts';
import { listCompletions } from '#core/store/completions.ts';
import { listItems } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { addRankings, listRankings } from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import { need } from '#core/recipes/parts/need.ts';

export const ROUGE_LABELER = 'rouge-l';

/**
 * Ranks every item that has no ranking and whose prompt has a reference; equal scores tie. Returns how many, and the
 * mean score.
 */
export function labelRouge(project: Project, { seed }: { seed: number }): { added: number; mean: number } {
  const ranked = new Set(listRankings(project).map(({ itemId }) => itemId));
  const references = new Map(
    listPrompts(project).flatMap(({ id, reference }) => (reference === null ? [] : [[id, reference] as const])),
  );
  const items = listItems(project).filter(
    ({ id, promptId, source }) => source !== 'inspect' && !ranked.has(id) && references.has(promptId),
  );
  need(
    items.length,
    1,
    'items (two samples or more of one prompt that has a reference) without a ranking',
    'Import prompts with references, and sample.',
    '`tastemaker sample` samples.',
  );
  const texts = new Map(
    listCompletions(project, { ids: items.flatMap(({ completionIds }) => completionIds) }).map(({ id, text }) => [
      id,
      text,
    ]),
  );
  const labelerId = ensureLabeler(project, ROUGE_LABELER, 'program').id;
  const all: number[] = [];
  const rows = items.map(({ id: itemId, promptId, completionIds }): NewRanking => {
    const scores = completionIds.map((id) => rougeL(texts.get(id)!, references.get(promptId)!));
    all.push(...scores);
    const ranks = completionIds.map((completionId, k) => ({
      completionId,
      rank: 1 + scores.filter((score) => score > scores[k]!).length,
    }));
    return {
      promptId,
      itemId,
      labelerId,
      status: 'ranked',
      ranks,
      shownOrder: createRandom(seed, `rouge/${itemId}`).shuffled(completionIds),
    };
  });
  addRankings(project, rows);
  return { added: rows.length, mean: all.reduce((a, b) => a + b, 0) / all.length };
}
