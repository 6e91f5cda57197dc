// Prompts in the window: pages, one prompt with all its answers, splits, removal, and searching everything.

import { createHash } from 'node:crypto';
import type { Prompt, Split } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { countPrompts, idsBySpelling, listPrompts, setSplit } from '#core/store/prompts.ts';
import { shownPrompt } from '#core/store/excerpts.ts';
import { listMarks } from '#core/store/marks.ts';
import { listRankings } from '#core/store/rankings.ts';
import { listRatings } from '#core/store/ratings.ts';
import { removePrompts, weighPrompts } from '#core/store/remove-prompts.ts';
import { pageSamples } from '#core/store/samples.ts';
import { search } from '#core/store/search.ts';
import { uniteSpellings } from '#core/store/straddling.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { projectChanged } from '#core/service/project-summary.ts';
import { promptPage } from './prompt-page.ts';
import { sampleModels, withGold } from './sample-models.ts';

const MOST_ANSWERS = 1000;

export const promptHandlers = {
  'prompts.page': ({ project }, { offset, limit, ...wanted }) => promptPage(project, wanted, offset, limit),

  'prompts.weigh': ({ project }, { promptIds: ids }) => weighPrompts(project, ids),

  'prompts.get': ({ project }, { promptId, scoredBy }) => {
    const prompt = promptOf(project, promptId);
    const { rows } = pageSamples(
      project,
      { promptId },
      'id',
      false,
      0,
      MOST_ANSWERS,
      sampleModels(project, { scoredBy }),
    );
    return {
      prompt,
      completions: withGold(rows),
      rankings: listRankings(project, { promptIds: [promptId] }),
      ...judgedApart(
        project,
        rows.map(({ id }) => id),
      ),
    };
  },

  'prompts.setSplit': ({ project, emit }, { promptIds: ids, split }) => {
    const eventId = setSplit(project, ids, split);
    emit('data.changed', {});
    return { at: Date.now(), eventId };
  },

  'prompts.divide': ({ project, emit }, { validation, test, seed }) => {
    if (validation + test > 1)
      throw new TastemakerError(
        'bad-argument',
        `Validation and test together are ${Math.round((validation + test) * 100)} % of the prompts.`,
        'Choose shares that are at most 100 % together; what is over goes to train.',
      );
    transaction(project, () => divide(project, { validation, test }, seed));
    emit('data.changed', {});
    return countPrompts(project);
  },

  'prompts.unite': ({ project, emit }) => {
    const united = uniteSpellings(project);
    emit('data.changed', {});
    emit('project.changed', projectChanged(project));
    return united;
  },

  'prompts.remove': ({ project, emit }, { promptIds: ids }) => {
    const { removed, eventId } = removePrompts(project, ids);
    emit('data.changed', {});
    return { at: Date.now(), removed, eventId };
  },

  'search.find': ({ project }, { text, limit }) => ({ hits: search(project, text, { limit }) }),
} satisfies Partial<Handlers>;

/** Marks and ratings of these answers, whoever gave them. */
const judgedApart = (project: Project, completionIds: number[]) => ({
  marks: listMarks(project, { completionIds }),
  ratings: listRatings(project, { completionIds }),
});

function promptOf(project: Project, id: number): Prompt {
  const [prompt] = listPrompts(project, { ids: [id] });
  if (!prompt)
    throw new TastemakerError(
      'bad-data',
      `There is no prompt ${id} in the project.`,
      'It may have been removed; look at the list again.',
    );
  return shownPrompt(prompt);
}

/**
 * Deals all prompts out by a hash of seed and text: the first to validation, the next to test, the rest to train, in
 * shares that are exact. All spellings of a prompt go together; where they are too many for what a share has left, to
 * the next.
 */
function divide(project: Project, shares: Record<'validation' | 'test', number>, seed: number): void {
  const bySpelling = idsBySpelling(project);
  const all = [...bySpelling.values()].flat().length;
  const place = (spelling: string) => createHash('sha256').update(`divide/${seed}/${spelling}`).digest('hex');
  const order = [...bySpelling]
    .map(([spelling, ids]) => ({ ids, at: place(spelling) }))
    .sort((a, b) => (a.at < b.at ? -1 : 1));
  const validation = Math.round(all * shares.validation);
  const room = { validation, test: Math.min(all - validation, Math.round(all * shares.test)), train: Infinity };
  const parts: Record<Split, number[]> = { validation: [], test: [], train: [] };
  for (const { ids } of order) {
    const split = (['validation', 'test', 'train'] as const).find((one) => ids.length <= room[one])!;
    parts[split].push(...ids);
    room[split] -= ids.length;
  }
  for (const [split, ids] of Object.entries(parts) as [Split, number[]][])
    if (ids.length > 0) setSplit(project, ids, split, { event: false });
}
