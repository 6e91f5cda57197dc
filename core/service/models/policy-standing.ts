// Whether a policy has earned to be started from: its run came to its end in good health, and it does better than its
// start by a measured margin.

import type { Policy } from '#core/contract/models.ts';
import type { Run } from '#core/contract/runs.ts';
import { clusteredInterval, FEWEST_CLUSTERS } from '#core/evaluation/interval.ts';
import type { Project } from '#core/store/project.ts';
import { heldOutOf } from './held-out.ts';
import type { HeldOut } from './held-out.ts';
import { madeWeights } from './made-weights.ts';
import type { MadeWeights } from './made-weights.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { mean } from '#core/evaluation/mean.ts';

export interface Standing {
  /** it may take the place of what it started from */
  better: boolean;
  /** nothing speaks against it, though it may not have been measured to be better */
  sound: boolean;
  /** why, or why not, as the rest of a sentence about it */
  clause: string;
}

/**
 * Nats a completion: beyond, a policy has left what its reference knows (the glossary of metrics says "below about
 * 20").
 */
const HEALTHY_KL = 20;

/** How a policy stands to the model that its run began with. `run`: the run that made it. */
export function standingOf(project: Project, policy: Policy, run: Run): Standing {
  const weights = madeWeights(project, policy)!;
  const recipe = recipeOf(run.kind);
  const far = `${recipe?.words.step ?? 'step'} ${weights.step ?? '?'}${weights.steps === null ? '' : ` of ${weights.steps}`}`;
  const no = (clause: string): Standing => ({ better: false, sound: false, clause });
  if (weights.fault !== null)
    return no(`what its run measured of it cannot be told: ${weights.fault.replace(/\.$/, '')}`);
  if (run.status !== 'done') return no(`its run was ${run.status === 'stopped' ? 'stopped' : run.status} at ${far}`);
  if (weights.step !== null && weights.steps !== null && weights.step < weights.steps)
    return no(`a stop rule ended its run at ${far}`);
  if (recipe?.model?.from !== 'rewards')
    return { better: false, sound: true, clause: 'whether it writes better than its start was not measured' };
  const beta = Number(manifestOf(project, run.id)?.config['beta'] ?? 0);
  return beta > 0
    ? measuredStanding(runFolderOf(project.folder, run.id), weights, beta)
    : no('its run had no price on KL (β = 0), so its score says little');
}

/** Score less β·KL of the held-out prompts, at the end against the start, prompt by prompt. */
function measuredStanding(folder: string, { step }: MadeWeights, beta: number): Standing {
  const samples = heldOutOf(folder);
  const last = samples.at(-1)?.step;
  const end = samples.filter((row) => row.step === last);
  const start = samples.filter((row) => row.step === 0);
  if (last === undefined || last === 0 || start.length === 0 || last !== step)
    return {
      better: false,
      sound: true,
      clause: 'its run measured nothing on held-out prompts at its start and at its end',
    };
  const kl = mean(end.map((row) => row.kl ?? 0));
  if (kl > HEALTHY_KL)
    return {
      better: false,
      sound: false,
      clause: `its KL is ${kl.toFixed(1)} nats, above ${HEALTHY_KL}: it may please the reward model with worse texts`,
    };
  const valueOf = ({ penalised, kl: own }: HeldOut) => penalised - beta * (own ?? 0);
  const before = byPrompt(start, valueOf);
  const now = byPrompt(end, valueOf);
  const both = [...now].flatMap(([id, value]) => (before.has(id) ? [{ sum: value - before.get(id)!, size: 1 }] : []));
  const interval = clusteredInterval(both);
  if (!interval)
    return {
      better: false,
      sound: true,
      clause: `its run held out ${both.length} prompts, and a comparison takes ${FEWEST_CLUSTERS}`,
    };
  const two = (value: number) => value.toFixed(2).replace('-', '−');
  const moved = `${interval.mean < 0 ? 'fell' : 'rose'} by ${two(Math.abs(interval.mean))}`;
  const measured = `its score less β·KL ${moved} on ${interval.clusters} held-out prompts (95 %: ${two(interval.low)} to ${two(interval.high)})`;
  return { better: interval.low > 0, sound: interval.high > 0, clause: measured };
}

function byPrompt(rows: readonly HeldOut[], valueOf: (row: HeldOut) => number): Map<number, number> {
  return new Map([...Map.groupBy(rows, ({ promptId }) => promptId)].map(([id, own]) => [id, mean(own.map(valueOf))]));
}

/** A model that a run made at its end, or that a person added: not the best weights that were kept beside it. */
export const isOwn = ({ runId, path }: Policy): boolean => runId === null || path === `runs/${runId}/model`;
