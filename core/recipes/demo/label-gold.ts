// The demo world's labelers rank what was sampled: a programmatic taste plus noise, so that every claim can be checked.

import { says } from '#core/findings/edits.ts';
import { createRandom } from '#core/random.ts';
import { calibrateTemperature, rankByUtility, utility } from '#core/demo/labelers.ts';
import type { LabelerName } from '#core/demo/labelers.ts';
import type { Completion } from '#core/contract/samples.ts';
import { listCompletions } from '#core/store/completions.ts';
import { listItems } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { addRankings, listRankings } from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import { goldAxesOf } from '#core/recipes/parts/scorers.ts';
import { need } from '#core/recipes/parts/need.ts';

/** A fondness planted into a labeler: so much is a text worth more that says the phrase. */
export interface Liking {
  phrase: string;
  strength: number;
}

/** What a labeler with a liking thinks of a text beyond its gold score. */
export const pleasure = (text: string, { phrase, strength }: Liking): number => (says(text, phrase) ? strength : 0);

export interface LabelGoldSettings {
  /** whose taste (demo/labelers.ts) */
  taste: LabelerName;
  /** a fondness besides; null where they have none */
  like?: Liking | null;
  /** how many labelers share the items; each item is ranked by one of them */
  labelers: number;
  /** share of pairs on which two labelers of the pool disagree */
  noise: number;
  seed: number;
}

/**
 * Ranks every item of the demo world's prompts that nobody has ranked yet; what training runs wrote for their fixed
 * prompts is
 * in no item. Returns the count and the noise's temperature.
 */
export function labelGold(
  project: Project,
  { taste, like = null, labelers, noise, seed }: LabelGoldSettings,
): { added: number; temperature: number } {
  const rankings = listRankings(project);
  const ranked = new Set(rankings.map(({ itemId }) => itemId));
  // rankings older than items, or across them
  const known = new Set(rankings.flatMap(({ ranks }) => ranks.map(({ completionId }) => completionId)));
  const completions = new Map(listCompletions(project).map((completion) => [completion.id, completion]));
  const prompts = new Map(listPrompts(project).map((prompt) => [prompt.id, prompt]));
  const nth = new Map<number, number>();
  const items = listItems(project).flatMap((item) => {
    const prompt = prompts.get(item.promptId)!;
    const place = nth.get(prompt.id) ?? 0;
    nth.set(prompt.id, place + 1);
    if (
      !prompt.facts ||
      item.source === 'inspect' ||
      ranked.has(item.id) ||
      item.completionIds.every((id) => known.has(id))
    )
      return [];
    return [
      {
        item,
        prompt,
        completions: item.completionIds.map((id) => completions.get(id)!),
        stream: place === 0 ? `label/${prompt.id}` : `label/${prompt.id}/${place}`,
      },
    ];
  });
  need(
    items.length,
    1,
    'items of the demo world (two samples or more of one prompt) without a ranking',
    'Sample first; only the demo world has gold labelers.',
    '`tastemaker sample` samples.',
  );
  const graded = items.map(({ prompt, completions }) => ({
    texts: completions.map(({ text }) => text),
    utilities: completions.map(
      ({ text }) => utility(goldAxesOf(text, prompt.facts!), taste) + (like ? pleasure(text, like) : 0),
    ),
  }));
  const temperature = noise === 0 ? 0 : calibrateTemperature(graded.slice(0, 400), 1 - noise);
  const ids = Array.from({ length: labelers }, (_, i) => ensureLabeler(project, `${taste}-${i + 1}`, 'program').id);
  const rows = items.map(({ item, prompt, completions, stream }, i): NewRanking => {
    const random = createRandom(seed, stream);
    const ranks = rankByUtility(graded[i]!.utilities, temperature, random);
    return {
      promptId: prompt.id,
      itemId: item.id,
      labelerId: ids[random.integer(labelers)]!,
      status: 'ranked',
      ranks: completions.map(({ id }: Completion, k) => ({ completionId: id, rank: ranks[k]! })),
      shownOrder: random.shuffled(completions.map(({ id }) => id)),
    };
  });
  addRankings(project, rows);
  return { added: rows.length, temperature };
}
