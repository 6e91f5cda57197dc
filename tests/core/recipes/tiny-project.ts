// A tiny project with everything a run needs: a random model of two layers, demo prompts, sampled completions, gold
// labels.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import type { Split } from '#core/contract/prompts.ts';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';
import type { Facts } from '#core/demo/world.ts';
import type { TastemakerError } from '#core/errors.ts';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { labelGold } from '#core/recipes/demo/label-gold.ts';
import { startRun } from '#core/runs/start.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import type { FamilyName } from '#core/models/families.ts';
import { freshWeights, loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { createRandom } from '#core/random.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

export const CONTEXT = 192;
export const MAX_NEW = 12;
const SPLITS: [Split, number][] = [
  ['train', 28],
  ['validation', 6],
  ['test', 6],
];
const LONGEST_PROMPT = 124; // tokens: room for a reference

export interface TinySettings {
  family: FamilyName;
  /** the probability of end-of-text at every token (gpt2 only; else about 1 in 300), by the final norm's bias */
  ends: number;
  seed: number;
}

/** Fresh paths ending in .tastemaker, removed after the test file. */
export function temporaryProjects(): () => string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'jobs-'));
  let count = 0;
  afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
  return () => path.join(root, `p${++count}.tastemaker`);
}

/**
 * The project with the model "base", 40 prompts (28 train, 6 validation, 6 test), 4 completions of each and a ranking
 * of each; the caller closes it.
 */
export async function makeTinyProject(
  folder: string,
  { family = 'gpt2', ends = 0.12, seed = 1 }: Partial<TinySettings> = {},
): Promise<Project> {
  const project = createProject(folder);
  const base = path.join(folder, 'models', 'base');
  const random = createRandom(seed, 'tiny');
  const drawn = Array.from({ length: 900 }, () => {
    const facts = drawRecord(random);
    return { facts, text: writePost(facts, random), reference: writeSummary(facts, random, 'good').text };
  });
  await writeTokenizer(
    base,
    trainBpe(
      drawn.slice(0, 60).flatMap(({ text, reference }) => [text, reference]),
      300,
    ),
  );
  const tokenizer = await loadTokenizer(base);
  const lengths = (await tokenizer.encodeBatch(drawn.map(({ text }) => text))).map((ids) => ids.length);
  const short = drawn.filter((_, i) => lengths[i]! <= LONGEST_PROMPT);
  let at = 0;
  addPrompts(
    project,
    SPLITS.flatMap(([split, count]) =>
      Array.from({ length: count }, () => ({
        split,
        source: 'demo',
        ...(short[at++] as { facts: Facts; text: string; reference: string }),
      })),
    ),
  );

  const architecture = newArchitecture({
    family,
    vocabulary: 300,
    channels: 16,
    layers: 2,
    heads: 2,
    keyValueHeads: family === 'llama' ? 1 : 2,
    feedForward: 32,
    context: CONTEXT,
    tied: family === 'gpt2',
    endOfText: tokenizer.endOfText,
    pad: tokenizer.pad,
  });
  const weights = freshWeights(parameters(architecture), architecture.layers, seed, 0.1);
  if (family === 'gpt2') {
    // the norm's output has a constant part along one channel, and only end-of-text's row of the tied embedding answers
    // to it
    const embedding = weights['transformer.wte.weight']!;
    for (let id = 0; id < 300; id++) embedding[id * 16] = id === tokenizer.endOfText ? 1 : 0;
    weights['transformer.ln_f.weight']![0] = 0;
    weights['transformer.ln_f.bias']![0] = Math.log((300 * ends) / (1 - ends));
  }
  saveCheckpoint(base, { architecture, head: 'language-model', weights }, { tokenizerFrom: base });
  addPolicy(project, { name: 'base', kind: 'base', path: base });
  await startRun(project, 'sample', { policy: 'base', k: 4, temperature: 1, max_new: MAX_NEW, seed }, null);
  labelGold(project, { taste: 'crowd_b', labelers: 2, noise: 0, seed });
  return project;
}

/**
 * What every PPO test starts from: fast, and at temperature 1 so that completions end as often as the model was made
 * to.
 */
export const QUICK_PPO = {
  updates: 2,
  episodes: 16,
  epochs: 1,
  max_new: MAX_NEW,
  temperature: 1,
  learning_rate: 1e-3,
  evaluate_every: 0,
  checkpoint_every: 1,
  seed: 3,
};
export const QUICK_SFT = { batch: 4, learning_rate: 3e-3, steps_a_run: 4, checkpoint_every: 4 };

/**
 * A reward model that likes every further token (`sign` 1) or every one fewer (-1): the blocks add nothing and the
 * learned positions turn by an equal angle a token, so that the score is sign · 10 · sin(angle).
 */
export function addLengthReward(project: Project, name: string, sign: 1 | -1): void {
  const base = path.join(project.folder, 'models', 'base');
  const folder = path.join(project.folder, 'models', name);
  const architecture = newArchitecture({
    family: 'gpt2',
    vocabulary: 300,
    channels: 16,
    layers: 2,
    heads: 2,
    feedForward: 32,
    context: CONTEXT,
    endOfText: 0,
    pad: 1,
  });
  const weights = freshWeights(parameters(architecture), 2, 1, 0);
  for (let t = 0; t < CONTEXT; t++) {
    const angle = (t / CONTEXT - 0.5) * 2;
    // two orthogonal patterns of mean 0 and equal size: the norm changes neither
    for (let c = 0; c < 16; c++)
      weights['transformer.wpe.weight']![t * 16 + c] =
        Math.cos(angle) * (c % 2 ? 1 : -1) + Math.sin(angle) * (c % 4 < 2 ? 1 : -1);
  }
  const score = Float32Array.from({ length: 16 }, (_, c) => (sign * 10 * (c % 4 < 2 ? 1 : -1)) / 16);
  saveCheckpoint(
    folder,
    { architecture, head: 'linear', weights: { ...weights, 'score.weight': score, 'score.bias': new Float32Array(1) } },
    { tokenizerFrom: base },
  );
  addPolicy(project, { name, kind: 'reward', path: folder });
}

/** "endless": the base model, except that it never ends an answer. */
export function addEndless(project: Project): void {
  const base = path.join(project.folder, 'models', 'base');
  const folder = path.join(project.folder, 'models', 'endless');
  const checkpoint = loadCheckpoint(base);
  checkpoint.weights['transformer.ln_f.bias']![0] = -30;
  saveCheckpoint(folder, checkpoint, { tokenizerFrom: base });
  addPolicy(project, { name: 'endless', kind: 'base', path: folder });
}

/** A reward model trained on the project's rankings. */
export const addTrainedReward = (project: Project) =>
  startRun(project, 'reward', { batch: 4, learning_rate: 3e-3, validation: 0.2, steps_a_run: 4 }, 'reward');

export const runFile = (project: Project, id: string, name: string): string =>
  path.join(project.folder, 'runs', id, name);
const rowsOf = <T>(file: string): T[] =>
  fs.existsSync(file)
    ? fs
        .readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as T)
    : [];
export type Metrics = Record<string, number> & { step: number };
export const metricsOf = (project: Project, id: string): Metrics[] => rowsOf(runFile(project, id, 'metrics.jsonl'));
export const jsonRows = <T>(project: Project, id: string, name: string): T[] => rowsOf(runFile(project, id, name));
/** The metrics that do not depend on the clock. */
export const timeless = (rows: readonly Metrics[]): Metrics[] =>
  rows.map((row) => {
    const { seconds: _seconds, tokens_per_second: _rate, ...kept } = row;
    return kept as Metrics;
  });
export const modelBytes = (project: Project, id: string, folder = 'model'): Buffer =>
  fs.readFileSync(runFile(project, id, path.join(folder, 'model.safetensors')));

/** The tensors of a run's newest checkpoint. */
export function newestCheckpoint(project: Project, id: string): Record<string, Float32Array> {
  const folder = runFile(project, id, 'checkpoints');
  return Object.fromEntries(
    [...readSafetensors(path.join(folder, fs.readdirSync(folder).sort().at(-1)!)).tensors].map(([name, tensor]) => [
      name,
      tensor.load(),
    ]),
  );
}

/** The error that `work` ends with; fails where it ends well. */
export async function errorFrom(work: () => unknown): Promise<TastemakerError> {
  try {
    await work();
  } catch (error) {
    return error as TastemakerError;
  }
  throw new Error('expected an error, and there was none');
}
