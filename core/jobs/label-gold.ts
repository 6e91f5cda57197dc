// The demo world's labelers rank what was sampled: a programmatic taste plus noise, so that every claim can be checked.

import { createRandom } from '#core/random.ts';
import { gold } from '#core/demo/gold.ts';
import { calibrateTemperature, rankByLabeler } from '#core/demo/labelers.ts';
import type { LabelerName } from '#core/demo/labelers.ts';
import type { Completion } from '#core/contract.ts';
import { listCompletions } from '#core/store/completions.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { addRankings, listRankings } from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import { need } from './job.ts';

export interface LabelGoldSettings {
  /** whose taste (demo/labelers.ts) */
  taste: LabelerName;
  /** how many labelers share the prompts; each prompt is ranked by one of them */
  labelers: number;
  /** share of pairs on which two labelers of the pool disagree */
  noise: number;
  seed: number;
}

/** Ranks every prompt of the demo world that has two or more completions and no ranking yet. Returns the count and the noise's temperature. */
export function labelGold(project: Project, { taste, labelers, noise, seed }: LabelGoldSettings): { added: number; temperature: number } {
  const ranked = new Set(listRankings(project).map(({ promptId }) => promptId));
  const byPrompt = Map.groupBy(listCompletions(project), ({ promptId }) => promptId);
  const items = listPrompts(project).flatMap((prompt) => {
    const completions = byPrompt.get(prompt.id) ?? [];
    return prompt.facts && completions.length >= 2 && !ranked.has(prompt.id) ? [{ prompt, completions }] : [];
  });
  need(items.length, 1, 'sampled prompts of the demo world without a ranking', 'Sample first (`tastemaker sample`); only the demo world has gold labelers.');
  const graded = items.map(({ prompt, completions }) => ({ texts: completions.map(({ text }) => text), golds: completions.map(({ text }) => gold(text.trim(), prompt.facts!)) }));
  const temperature = noise === 0 ? 0 : calibrateTemperature(graded.slice(0, 400), taste, 1 - noise);
  const ids = Array.from({ length: labelers }, (_, i) => ensureLabeler(project, `${taste}-${i + 1}`, 'program').id);
  const rows = items.map(({ prompt, completions }, i): NewRanking => {
    const random = createRandom(seed, `label/${prompt.id}`);
    const ranks = rankByLabeler(graded[i]!.golds, taste, temperature, random);
    return { promptId: prompt.id, labelerId: ids[random.integer(labelers)]!, status: 'ranked', ranks: completions.map(({ id }: Completion, k) => ({ completionId: id, rank: ranks[k]! })), shownOrder: random.shuffled(completions.map(({ id }) => id)) };
  });
  addRankings(project, rows);
  return { added: rows.length, temperature };
}
