// The calls about the inside of a model: what the inspector is asked of a stored sample, by models of the project.

import type { Credit } from '#core/contract/inspect.ts';
import type { Policy } from '#core/contract/models.ts';
import type { Completion } from '#core/contract/samples.ts';
import { TastemakerError } from '#core/errors.ts';
import type { ModelPlace } from '#core/inspection/held-models.ts';
import { storedCompletion, storedSample } from '#core/inspection/stored-sample.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { RECIPES } from '#core/recipes/table.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { currentPolicy, currentReward } from '#core/service/current-models.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { listPolicies, policyById, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';

export const insideHandlers = {
  'inspect.models': ({ project }, { completionId }) => {
    const { policyId } = storedCompletion(project, completionId);
    const policy = listPolicies(project).find(({ id }) => id === policyId) ?? currentPolicy(project);
    return {
      policyId: policy?.id ?? null,
      referenceId: referenceOf(project, policy)?.id ?? null,
      rewardId: currentReward(project)?.id ?? null,
    };
  },

  'inspect.lens': async ({ project, inspector }, { completionId, modelId, besideId, from, size, count, place }) =>
    inspector.ask(
      'lens',
      {
        ...(await storedSample(project, completionId)),
        model: placeOf(project, modelId),
        beside: besideId === null ? null : placeOf(project, besideId),
        layers: null,
        positions: { from, size },
        count,
      },
      `lens ${place}`,
    ),

  'inspect.attribution': async ({ project, inspector }, { completionId, modelId, place }) =>
    inspector.ask(
      'attribution',
      { ...(await storedSample(project, completionId)), model: placeOf(project, modelId) },
      `attribution ${place}`,
    ),

  'inspect.strips': async ({ project, inspector }, { completionId, modelId, referenceId, rewardId, place }) => {
    const completion = storedCompletion(project, completionId);
    const sample = await storedSample(project, completionId);
    const credit = creditOf(project, [completion.runId, policyById(project, modelId).runId]);
    const strips = await inspector.ask(
      'strips',
      {
        ...sample,
        policy: placeOf(project, modelId),
        reference: referenceId === null ? null : placeOf(project, referenceId),
        reward: rewardId === null ? null : placeOf(project, rewardId),
        credit: { ...credit, limit: mostTokens(completion) },
      },
      `strips ${place}`,
    );
    return { ...strips, credit };
  },
} satisfies Partial<Handlers>;

/** A model of the project by its place. 'bad-argument' where there is none of this id. */
function placeOf(project: Project, modelId: number): ModelPlace {
  const model: Policy = policyById(project, modelId);
  return { name: model.name, folder: policyPath(project, model) };
}

/** How long the sample was allowed to be; one from a file says nothing, and had an end. */
const mostTokens = ({ sampling, tokenIds }: Completion): number => Math.max(sampling.maxNew, tokenIds.length);

const SHARED_OUT = ['beta', 'gamma', 'lambda', 'score_placement'] as const;

/** How the first of these runs that says so shared its scores out; else as a new run would by its defaults. */
function creditOf(project: Project, runIds: readonly (string | null)[]): Credit & { from: string | null } {
  for (const id of runIds) {
    const config = id === null ? undefined : manifestOf(project, id)?.config;
    const credit = config && creditIn(config);
    if (credit) return { ...credit, from: id };
  }
  for (const { settings } of Object.values(RECIPES)) {
    const defaults = Object.entries(settings).map(([name, setting]) => [name, setting.default]);
    const credit = creditIn(Object.fromEntries(defaults) as Record<string, unknown>);
    if (credit) return { ...credit, from: null };
  }
  throw new TastemakerError('bad-data', 'No recipe shares a score out over tokens.', 'Nothing can be shown here.');
}

/** Null where the settings do not say. */
export function creditIn(config: Readonly<Record<string, unknown>>): Credit | null {
  if (!SHARED_OUT.every((name) => name in config)) return null;
  const { beta, gamma, lambda, score_placement: placement } = config;
  const numbers = [beta, gamma, lambda];
  if (!numbers.every((value): value is number => typeof value === 'number' && Number.isFinite(value))) return null;
  const atEnd = config['fixed_length'] === true || placement === 'at-end';
  return { beta: numbers[0]!, gamma: numbers[1]!, lambda: numbers[2]!, placement: atEnd ? 'at-end' : 'after-end' };
}
