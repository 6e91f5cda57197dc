// What is known of the very weights of a model: the step at which its run wrote them, and what was measured of them
// there.

import fs from 'node:fs';
import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import { TastemakerError } from '#core/errors.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { readMade } from '#core/models/model-notes.ts';
import type { Made } from '#core/models/model-notes.ts';
import type { Project } from '#core/store/project.ts';
import { policyPath } from '#core/store/policies.ts';
import { refuseLink } from '#core/unlinked.ts';
import { heldOutOf, jsonLines } from './held-out.ts';
import type { HeldOut } from './held-out.ts';
import { lastMetrics, lastStep } from './run-folder.ts';
import { mean } from '#core/evaluation/mean.ts';

export interface MadeWeights {
  run: string;
  /** null: nothing says at which step they were written */
  step: number | null;
  /** that the run was asked for */
  steps: number | null;
  metrics: Readonly<Partial<Record<string, number>>>;
  /** measured on prompts that the run held out, not on those it trained on */
  heldOut: boolean;
  /** its run kept them on the way, because they did best */
  best: boolean;
  /** the model that their KL is measured from, where the note beside them says it */
  reference: string | null;
  /** why the note beside them cannot be read; then nothing else is known of them */
  fault: string | null;
}

/** The setting that says how many steps a run was asked for. */
const STEPS = ['updates', 'steps'] as const;

/**
 * Null for a model that no run made. Models of 0.1.0 have no note beside them: of those it is what their run's files
 * say.
 */
export function madeWeights(project: Project, policy: Policy): MadeWeights | null {
  return policy.runId === null ? null : weightsIn(project, policy.runId, policyPath(project, policy));
}

/** The same of a folder of weights that the run made. */
export function weightsIn(project: Project, runId: string, folder: string): MadeWeights {
  const isBest = folder === path.join(project.folder, 'runs', runId, 'best');
  const { own, note, fault } = noteOf(project, runId, folder);
  if (fault !== null)
    return { run: runId, step: null, steps: null, metrics: {}, heldOut: false, best: isBest, reference: null, fault };
  if (note?.run === runId)
    return {
      ...note,
      ...preferHeldOut(note.metrics),
      best: isBest || (note.kept !== 'look' && note.step < lastStep(project, runId)),
      reference: note.reference ?? null,
      fault,
    };
  const steps = askedFor(project, runId);
  if (isBest) return { run: runId, steps, heldOut: true, best: true, reference: null, fault, ...bestOf(own) };
  const metrics = lastMetrics(project, runId);
  const step = lastStep(project, runId) || null;
  return { run: runId, step, steps, ...preferHeldOut(metrics), best: false, reference: null, fault };
}

/**
 * The run's folder and the note beside its weights, or what is wrong with them: a model with a broken note stays in its
 * lists.
 */
function noteOf(
  project: Project,
  runId: string,
  folder: string,
): { own: string; note: Made | null; fault: string | null } {
  try {
    const own = runFolderOf(project.folder, runId);
    if (path.dirname(folder) === own) refuseLink(folder);
    return { own, note: readMade(folder), fault: null };
  } catch (error) {
    if (error instanceof TastemakerError) return { own: '', note: null, fault: error.message };
    throw error;
  }
}

/**
 * Score, KL and reward on held-out prompts, where they were measured at that step: those of the training batch are of
 * the weights before it.
 */
function preferHeldOut(metrics: MadeWeights['metrics']): Pick<MadeWeights, 'metrics' | 'heldOut'> {
  const { held_out_score: score, held_out_kl: kl, held_out_reward: reward } = metrics;
  const found = { score, kl, reward };
  if (kl === undefined) return { metrics, heldOut: false };
  const held = Object.entries(found).filter((entry): entry is [string, number] => entry[1] !== undefined);
  const { score: _, kl: __, reward: ___, ...rest } = metrics;
  return { metrics: { ...rest, ...Object.fromEntries(held) }, heldOut: true };
}

const WORDS: readonly [name: string, word: string, digits: number][] = [
  ['score', 'score', 2],
  ['kl', 'KL', 2],
  ['reward', 'score less β·KL', 2],
  ['gold', 'gold', 2],
  ['validation_loss', 'validation loss', 3],
  ['validation_accuracy', 'validation accuracy', 2],
];

/** What was measured of them, such as "score 1.71, KL 3.20"; empty where nothing was. */
export const measuredWords = ({ metrics }: MadeWeights): string =>
  WORDS.flatMap(([name, word, digits]) =>
    metrics[name] === undefined ? [] : [`${word} ${metrics[name].toFixed(digits)}`],
  ).join(', ');

function askedFor(project: Project, runId: string): number | null {
  const config = manifestOf(project, runId)?.config ?? {};
  const found = STEPS.map((name) => config[name]).find((value) => typeof value === 'number');
  return found === undefined ? null : Number(found);
}

type Best = Pick<MadeWeights, 'step' | 'metrics'>;

/**
 * Which step the folder best/ of a run without notes is of: the first that did best by the rule that such a run went
 * by.
 */
function bestOf(own: string): Best {
  const metrics = path.join(own, 'metrics.jsonl');
  const stat = fs.statSync(metrics, { throwIfNoEntry: false });
  const stamp = `${stat?.size}/${stat?.mtimeMs}`;
  const samples = bestOfSamples(heldOutOf(own));
  if (samples) return samples;
  const before = known.get(metrics);
  if (before?.stamp === stamp) return before.best;
  const best = lowestLoss(jsonLines(metrics)) ?? { step: null, metrics: {} };
  known.set(metrics, { stamp, best });
  return best;
}
const known = new Map<string, { stamp: string; best: Best }>();

/** PPO of 0.1.0: the highest mean on the held-out prompts, of the gold score where there is one, else of the score. */
function bestOfSamples(all: readonly HeldOut[]): Best | null {
  let best: (Best & { value: number }) | null = null;
  for (const [step, rows] of Map.groupBy(all, (row) => row.step)) {
    const golds = rows.flatMap(({ gold }) => gold ?? []);
    const kls = rows.flatMap(({ kl }) => kl ?? []);
    const value = golds.length ? mean(golds) : mean(rows.map(({ penalised }) => penalised));
    if (best && value <= best.value) continue;
    const metrics = {
      score: mean(rows.map(({ score }) => score)),
      ...(kls.length ? { kl: mean(kls) } : {}),
      ...(golds.length ? { gold: mean(golds) } : {}),
    };
    best = { step, value, metrics };
  }
  return best && { step: best.step, metrics: best.metrics };
}

/** Supervised runs: the lowest validation loss. */
function lowestLoss(rows: readonly object[]): Best | null {
  let best: { step: number; loss: number } | null = null;
  for (const { step, validation_loss: loss } of rows as { step?: number; validation_loss?: number }[]) {
    if (loss !== undefined && (!best || loss < best.loss)) best = { step: Number(step), loss };
  }
  return best && { step: best.step, metrics: { validation_loss: best.loss } };
}
