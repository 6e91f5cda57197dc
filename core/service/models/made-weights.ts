// What is known of the very weights of a model: the step at which its run wrote them, and what was measured of them there.

import fs from 'node:fs';
import path from 'node:path';
import type { Policy } from '#core/contract.ts';
import { readMade } from '#core/models/model-notes.ts';
import type { Project } from '#core/store/project.ts';
import { policyPath } from '#core/store/policies.ts';
import { lastMetrics, manifestOf, runFolder } from './run-folder.ts';

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
}

/** The setting that says how many steps a run was asked for. */
const STEPS = ['updates', 'steps'] as const;

/** Null for a model that no run made. Models of 0.1.0 have no note beside them: of those it is what their run's files say. */
export function madeWeights(project: Project, policy: Policy): MadeWeights | null {
  return policy.runId === null ? null : weightsIn(project, policy.runId, policyPath(project, policy));
}

/** The same of a folder of weights that the run made. */
export function weightsIn(project: Project, runId: string, folder: string): MadeWeights {
  const own = runFolder(project, runId), isBest = folder === path.join(own, 'best'), note = readMade(folder);
  if (note?.run === runId) return { ...note, heldOut: true, best: isBest || note.step < lastStep(project, runId), reference: note.reference ?? null };
  const steps = askedFor(project, runId);
  if (isBest) return { run: runId, steps, heldOut: true, best: true, reference: null, ...bestOf(own) };
  const { step = null, seconds: _, ...metrics } = lastMetrics(project, runId) as { step?: number; seconds?: number } & Record<string, number>;
  return { run: runId, step, steps, metrics, heldOut: false, best: false, reference: null };
}

const WORDS: readonly [name: string, word: string, digits: number][] = [['score', 'score', 2], ['kl', 'KL', 2], ['reward', 'score less β·KL', 2], ['gold', 'gold', 2], ['validation_loss', 'validation loss', 3], ['validation_accuracy', 'validation accuracy', 2]];

/** What was measured of them, such as "score 1.71, KL 3.20"; empty where nothing was. */
export const measuredWords = ({ metrics }: MadeWeights): string =>
  WORDS.flatMap(([name, word, digits]) => (metrics[name] === undefined ? [] : [`${word} ${metrics[name].toFixed(digits)}`])).join(', ');

const lastStep = (project: Project, runId: string): number => lastMetrics(project, runId)['step'] ?? 0;

function askedFor(project: Project, runId: string): number | null {
  const config = manifestOf(project, runId)?.config ?? {};
  const found = STEPS.map((name) => config[name]).find((value) => typeof value === 'number');
  return found === undefined ? null : Number(found);
}

type Best = Pick<MadeWeights, 'step' | 'metrics'>;
const known = new Map<string, { stamp: string; best: Best }>();

/** Which step the folder best/ of a run without notes is of: the first that did best by the rule that such a run went by. */
function bestOf(own: string): Best {
  const files = ['samples.jsonl', 'metrics.jsonl'].map((name) => path.join(own, name));
  const stamp = files.map((file) => fs.statSync(file, { throwIfNoEntry: false })).map((stat) => (stat ? `${stat.size}/${stat.mtimeMs}` : '')).join();
  const before = known.get(own);
  if (before?.stamp === stamp) return before.best;
  const best = bestOfSamples(rowsOf(files[0]!), missingEnd(own)) ?? lowestLoss(rowsOf(files[1]!)) ?? { step: null, metrics: {} };
  known.set(own, { stamp, best });
  return best;
}

type Row = Record<string, unknown> & { step?: unknown };
function rowsOf(file: string): Row[] {
  if (!fs.existsSync(file)) return [];
  return fs.readFileSync(file, 'utf8').split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Row];
    } catch {
      return []; // a line that was being written
    }
  });
}
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const numbers = (rows: readonly Row[], name: string): number[] => rows.map((row) => row[name]).filter((value) => typeof value === 'number');

/** What a score counts as where the completion did not end, as `missing_end` says. */
type Penalty = (score: number, finish: unknown) => number;
function missingEnd(own: string): Penalty {
  let config: Record<string, unknown> = {};
  try {
    config = (JSON.parse(fs.readFileSync(path.join(own, 'manifest.json'), 'utf8')) as { config: Record<string, unknown> }).config;
  } catch { /* then nothing is taken off */ }
  const { missing_end: rule = 'keep', missing_end_penalty: penalty = 0 } = config as { missing_end?: string; missing_end_penalty?: number };
  return (score, finish) => (finish === 'stop' || rule === 'keep' ? score : rule === 'replace' ? penalty : score - Math.abs(penalty));
}

/** PPO of 0.1.0: the highest mean on the held-out prompts, of the gold score where there is one, else of the score. */
function bestOfSamples(rows: readonly Row[], penalised: Penalty): Best | null {
  let best: (Best & { value: number }) | null = null;
  for (const [step, samples] of Map.groupBy(rows.filter(({ score }) => typeof score === 'number'), (row) => Number(row.step))) {
    const golds = numbers(samples, 'gold'), kls = numbers(samples, 'kl');
    const value = golds.length ? mean(golds) : mean(samples.map(({ score, finish }) => penalised(Number(score), finish)));
    if (best && value <= best.value) continue;
    const metrics = { score: mean(numbers(samples, 'score')), ...(kls.length ? { kl: mean(kls) } : {}), ...(golds.length ? { gold: mean(golds) } : {}) };
    best = { step, value, metrics };
  }
  return best && { step: best.step, metrics: best.metrics };
}

/** Supervised runs: the lowest validation loss. */
function lowestLoss(rows: readonly Row[]): Best | null {
  let best: Best | null = null;
  for (const { step, validation_loss: loss } of rows) {
    if (typeof loss === 'number' && (!best || loss < best.metrics['validation_loss']!)) best = { step: Number(step), metrics: { validation_loss: loss } };
  }
  return best;
}
