// Prompts in the window: pages, one prompt with all its answers, splits, removal, and searching everything.

import type { Prompt, Split } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { countPrompts, listPrompts, pagePrompts, promptIds, setSplit } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { removePrompts } from '#core/store/remove-prompts.ts';
import { pageSamples } from '#core/store/samples.ts';
import { search } from '#core/store/search.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { sampleModels, withGold } from './sample-models.ts';

const MOST_ANSWERS = 1000;

export const promptHandlers = {
  'prompts.page': ({ project }, { split, search: text, offset, limit }) => pagePrompts(project, { split, search: text }, offset, limit),

  'prompts.get': ({ project }, { promptId }) => {
    const prompt = promptOf(project, promptId);
    const { rows } = pageSamples(project, { promptId }, 'id', false, 0, MOST_ANSWERS, sampleModels(project));
    return { prompt, completions: withGold(rows), rankings: listRankings(project, { promptIds: [promptId] }) };
  },

  'prompts.setSplit': ({ project, emit }, { promptIds: ids, split }) => {
    const eventId = setSplit(project, ids, split);
    emit('data.changed', {});
    return { at: Date.now(), eventId };
  },

  'prompts.divide': ({ project, emit }, { validation, test, seed }) => {
    if (validation + test > 1) throw new TastemakerError('bad-argument', `Validation and test together are ${Math.round((validation + test) * 100)} % of the prompts.`, 'Choose shares that are at most 100 % together; what is over goes to train.');
    transaction(project, () => divide(project, { validation, test }, seed));
    emit('data.changed', {});
    return countPrompts(project);
  },

  'prompts.remove': ({ project, emit }, { promptIds: ids }) => {
    const { removed, eventId } = removePrompts(project, ids);
    emit('data.changed', {});
    return { at: Date.now(), removed, eventId };
  },

  'search.find': ({ project }, { text, limit }) => ({ hits: search(project, text, { limit }) }),
} satisfies Partial<Handlers>;

function promptOf(project: Project, id: number): Prompt {
  const [prompt] = listPrompts(project, { ids: [id] });
  if (!prompt) throw new TastemakerError('bad-data', `There is no prompt ${id} in the project.`, 'It may have been removed; look at the list again.');
  return prompt;
}

/** Deals all prompts out: the first of a seeded order to validation, the next to test, the rest to train. */
function divide(project: Project, shares: Record<'validation' | 'test', number>, seed: number): void {
  const order = createRandom(seed, 'prompts/divide').shuffled(promptIds(project));
  const first = Math.round(order.length * shares.validation), second = Math.min(order.length, first + Math.round(order.length * shares.test));
  const parts: Record<Split, number[]> = { validation: order.slice(0, first), test: order.slice(first, second), train: order.slice(second) };
  for (const [split, ids] of Object.entries(parts) as [Split, number[]][]) if (ids.length > 0) setSplit(project, ids, split, { event: false });
}
