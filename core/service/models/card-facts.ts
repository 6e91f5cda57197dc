// What a project, or a folder alone, knows of a model for its card: lineage, rankings, reward model, KL, β, seeds,
// settings.

import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import { adapterBase, hubName, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { lineageOf } from './lineage.ts';
import type { CardFacts } from './model-card.ts';
import { madeWeights } from './made-weights.ts';
import { chainOf, modelOfRun } from '#core/runs/model-chain.ts';
import { licenceOf } from './model-look.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { rankingsOf } from './run-folder.ts';
import { VERSION } from '#core/version.ts';

const counted = (n: number, one: string) => `${n.toLocaleString('en')} ${n === 1 ? one : `${one}s`}`;

async function licenceOfOne(places: readonly string[]): Promise<string | null> {
  for (const place of places) {
    const licence = await licenceOf(place);
    if (licence) return licence;
  }
  return null;
}

/** The model's own place, and those of what it descends from whose licence counts for it too. */
export const originsOf = (project: Project, policy: Policy): string[] => {
  const places = chainOf(listPolicies(project), policy)
    .map((one) => policyPath(project, one))
    .reverse();
  return [...new Set([...places, ...places.flatMap(baseOf)])];
};
const baseOf = (place: string): string[] => {
  try {
    return isAdapterFolder(place) ? [adapterBase(place)] : [];
  } catch {
    return []; // an ancestor whose base has gone; the model itself is checked when it is opened
  }
};

export async function cardFacts(project: Project, policy: Policy): Promise<CardFacts> {
  const chain = chainOf(listPolicies(project), policy);
  const base = chain[0]!;
  const steps = await lineageOf(project, policy);
  const runs = steps.flatMap(({ runId }) => (runId === null ? [] : [runId]));
  const numbers: CardFacts['numbers'] = [];
  const reward = policy.runId === null ? null : modelOfRun(project, policy.runId, 'reward');
  const learned = policy.kind === 'reward' ? policy.runId : (reward?.runId ?? null);
  if (learned !== null) {
    const { rankings, comparisons } = await rankingsOf(project, learned);
    numbers.push(['Rankings', `${rankings.toLocaleString('en')} (${counted(comparisons, 'comparison')})`]);
  }
  if (reward) numbers.push(['Reward model', reward.name]);
  if (policy.runId !== null) {
    const weights = madeWeights(project, policy)!;
    const {
      kl,
      score,
      beta = manifestOf(project, policy.runId)?.config['beta'],
    } = weights.metrics as Record<string, number | undefined>;
    const where = weights.heldOut ? ' on held-out prompts' : '';
    const reference = weights.reference ?? referenceOf(project, null, { runId: policy.runId })?.name;
    const { step, steps, best } = weights;
    if (step !== null || best)
      numbers.push([
        'Weights',
        `${best ? 'the best of its run, ' : ''}${step === null ? 'step not recorded' : `step ${step}${steps === null ? '' : ` of ${steps}`}`}`,
      ]);
    if (score !== undefined && policy.kind === 'policy')
      numbers.push([`Score${where}`, String(Number(score.toPrecision(4)))]);
    if (kl !== undefined)
      numbers.push([
        `KL from ${reference ? `"${reference}"` : 'the model it started from'}${where}`,
        `${Number(kl.toPrecision(4))} nats`,
      ]);
    if (typeof beta === 'number') numbers.push(['β', String(Number(beta.toPrecision(4)))]);
  }
  const seeds = runs.flatMap((id) => {
    const seed = manifestOf(project, id)?.config['seed'];
    return seed === undefined ? [] : [`${seed} (run ${id})`];
  });
  if (seeds.length) numbers.push(['Seeds', seeds.join(', ')]);
  const manifest = policy.runId === null ? null : manifestOf(project, policy.runId);
  const baseFolder = policyPath(project, base);
  return {
    name: policy.name,
    base: base.id === policy.id ? null : (hubName(baseFolder) ?? base.name),
    licence: await licenceOfOne(originsOf(project, policy)),
    version: VERSION,
    steps: steps.map(({ name, sentence }) => ({ name, sentence })),
    numbers,
    run: manifest && { id: manifest.id, config: manifest.config },
  };
}

/** A model that no project knows: what its folder or file says. */
export async function cardFactsOf(model: string): Promise<CardFacts> {
  const place = path.resolve(model);
  const base = baseOf(place)[0] ?? null;
  return {
    name: path.basename(place).replace(isGguf(place) ? /\.gguf$/i : /$^/, ''),
    base: base === null ? null : (hubName(base) ?? path.basename(base)),
    licence: await licenceOfOne([place, ...(base === null ? [] : [base])]),
    version: VERSION,
    steps: [],
    numbers: [],
    run: null,
  };
}
