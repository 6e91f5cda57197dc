// The calls that compare two policies: which prompts both answer, how they are sampled, and how far it is.

import type { PolicySide } from '#core/contract/compare.ts';
import type { SamplingParameters } from '#core/contract/samples.ts';
import { TastemakerError } from '#core/errors.ts';
import { compareInParts } from '#core/inspection/compare.ts';
import type { CompareQuestion, PromptToCompare } from '#core/inspection/compare.ts';
import type { ModelPlace } from '#core/inspection/held-models.ts';
import { createRandom } from '#core/random.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { forbids } from '#core/recipes/parts/forbidden-texts.ts';
import { RECIPES } from '#core/recipes/table.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { policyById, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listedIds } from '#core/store/prompt-list.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { getRun } from '#core/store/runs.ts';
import { checkpointsOf, sideOf } from './policy-sides.ts';

/** What is asked of two policies of a project. */
export interface Wanted {
  a: PolicySide;
  b: PolicySide;
  rewardId: number | null;
  prompts: number;
  seed: number;
  greedy: boolean;
}

/** Prompts drawn by the seed from those held out for choosing, else from those to learn from; never test prompts. */
function drawPrompts(project: Project, count: number, seed: number): PromptToCompare[] {
  const held = listedIds(project, { split: 'validation' }, 'id', false);
  const ids = held.length > 0 ? held : listedIds(project, { split: 'train' }, 'id', false);
  const chosen = createRandom(seed, 'compare').shuffled(ids).slice(0, count);
  return listPrompts(project, { ids: chosen }).map(({ id, text, messages }) => ({ id, text, messages }));
}

/** As the first of these runs sampled that says so; else as a run would by the defaults. */
function samplingOf(project: Project, runIds: readonly (string | null)[]): Omit<SamplingParameters, 'seed'> {
  const asked = runIds.map((id) => (id === null ? undefined : manifestOf(project, id)?.config));
  const defaults = Object.values(RECIPES).map(({ settings }) =>
    Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, setting.default])),
  );
  for (const config of [...asked, ...defaults] as (Record<string, unknown> | undefined)[]) {
    const { temperature, max_new: maxNew, forbid } = config ?? {};
    if (typeof temperature === 'number' && typeof maxNew === 'number')
      return { temperature, topK: 0, topP: 1, maxNew, ...(typeof forbid === 'string' ? forbids(forbid) : {}) };
  }
  throw new TastemakerError('bad-data', 'No recipe samples from a policy.', 'Nothing can be compared here.');
}

/** The question that both are asked. */
export function questionOf(project: Project, { a, b, rewardId, prompts, seed, greedy }: Wanted): CompareQuestion {
  const [first, second] = [sideOf(project, a), sideOf(project, b)];
  const sampling = samplingOf(project, [second.runId, first.runId]);
  const place = ({ name, folder }: ModelPlace): ModelPlace => ({ name, folder });
  const reward = rewardId === null ? null : policyById(project, rewardId);
  return {
    a: place(first),
    b: place(second),
    reward: reward && { name: reward.name, folder: policyPath(project, reward) },
    prompts: drawPrompts(project, prompts, seed),
    sampling: { ...sampling, seed, ...(greedy ? { temperature: 0 } : {}) },
  };
}

/** The newest comparison of each place that is under way: an older one ends between two of its parts. */
const newest = new Map<string, symbol>();

export const compareHandlers = {
  'compare.checkpoints': ({ project }, { runId }) =>
    checkpointsOf(project, getRun(project, runId).id).map(({ update, name }) => ({ update, name })),

  'compare.policies': async ({ project, finder, emit }, { place, ...wanted }) => {
    const own = Symbol(place);
    newest.set(place, own);
    try {
      return await compareInParts(
        questionOf(project, wanted),
        (part) => finder.ask('compare', part),
        (done, total) => {
          if (newest.get(place) !== own) throw overtaken();
          emit('models.comparing', { place, done, total });
        },
      );
    } finally {
      if (newest.get(place) === own) newest.delete(place);
    }
  },
} satisfies Partial<Handlers>;

const overtaken = (): TastemakerError =>
  new TastemakerError('stopped', 'Another comparison was asked for meanwhile.', 'The newer one is being made.');
