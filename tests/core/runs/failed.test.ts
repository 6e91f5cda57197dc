// Runs that cannot go on: numbers that are not finite, and files that changed underneath them.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { createRandom } from '#core/random.ts';
import { listCompletions } from '#core/store/completions.ts';
import { addPolicy, getPolicy, listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import { getRun, listRuns } from '#core/store/runs.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import {
  errorFrom,
  makeTinyProject,
  metricsOf,
  newestCheckpoint,
  QUICK_SFT,
  runFile,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
let project: Project;
let base: string;
beforeAll(async () => {
  project = await makeTinyProject(fresh(), { family: 'llama' });
  base = path.join(project.folder, 'models', 'base');
});
afterAll(() => project.close());

function addChanged(name: string, change: (weights: Record<string, Float32Array>) => void): void {
  const folder = path.join(project.folder, 'models', name);
  const checkpoint = loadCheckpoint(base);
  change(checkpoint.weights);
  saveCheckpoint(folder, checkpoint, { tokenizerFrom: base });
  addPolicy(project, { name, kind: 'base', path: folder });
}
const statusOf = (id: string) =>
  JSON.parse(fs.readFileSync(runFile(project, id, 'status.json'), 'utf8')) as { status: string; error: string | null };

test('huge weights and a learning rate of 1: not finite at step 1', async () => {
  addChanged('huge', (weights) => {
    for (const data of Object.values(weights)) data.forEach((value, i) => (data[i] = value * 1e30));
  });
  const error = await errorFrom(() =>
    startRun(project, 'sft', { ...QUICK_SFT, policy: 'huge', learning_rate: 1 }, 'exploded'),
  );
  expect(error.code).toBe('not-finite');
  expect(error.message).toMatch(
    /^The (loss|gradient norm) is (NaN|Infinity|-Infinity) at step 1, batch 1 of the \d+ in this call\.$/,
  );
  expect(error.hint).toContain('learning rate');
  const { id, status, error: sentence } = listRuns(project)[0]!;
  expect({ status, sentence }).toEqual({ status: 'failed', sentence: error.message });
  expect(statusOf(id)).toMatchObject({ status: 'failed', error: error.message });
  expect(fs.existsSync(runFile(project, id, 'model'))).toBe(false);
  expect(listPolicies(project).map(({ name }) => name)).not.toContain('exploded');
});

test('a step that fails later on names itself and leaves the last checkpoint', async () => {
  // one prompt has a token that alone turns a channel on which queries and keys overflow; it comes in the batch of a
  // step we know
  const tokenizer = await loadTokenizer(base);
  const rare = (await tokenizer.encode('ǂ')).at(-1)!;
  addChanged('planted', (weights) => {
    const embedding = weights['model.embed_tokens.weight']!;
    embedding.forEach((_, i) => i % 16 === 15 && (embedding[i] = 0));
    embedding.fill(0, rare * 16, rare * 16 + 15)[rare * 16 + 15] = 1;
    for (const name of ['q_proj', 'k_proj'])
      weights[`model.layers.0.self_attn.${name}.weight`]!.forEach(
        (_, i, matrix) => i % 16 === 15 && (matrix[i] = 3e38),
      );
  });
  addPrompts(project, [{ text: 'ǂ\nTL;DR:', reference: 'i eat alone.', split: 'train', source: 'test' }]);
  const { length } = listPrompts(project, { split: 'train' });
  const stepOf = (seed: number) =>
    Math.floor(
      createRandom(seed, 'sft/order/0')
        .shuffled([...Array(length).keys()])
        .indexOf(length - 1) / 4,
    );
  const seed = [...Array(50).keys()].find((n) => stepOf(n) === 4)!;
  const error = await errorFrom(() =>
    startRun(
      project,
      'sft',
      { batch: 4, steps_a_run: 1, checkpoint_every: 1, policy: 'planted', seed, tune: 'blocks', tuned_blocks: 1 },
      null,
    ),
  );
  expect(error.code).toBe('not-finite');
  expect(error.message).toMatch(/ at step 5, batch \d+ of the \d+ in this call\.$/);
  const { id, status } = listRuns(project)[0]!;
  expect(status).toBe('failed');
  // before the first step the held-out numbers
  expect(metricsOf(project, id).map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
  expect(fs.readdirSync(runFile(project, id, 'checkpoints')).sort()).toEqual([
    '0000003.safetensors',
    '0000004.safetensors',
  ]);
  for (const [name, data] of Object.entries(newestCheckpoint(project, id))) {
    expect(data.every(Number.isFinite), name).toBe(true);
  }
  const again = await errorFrom(() => resumeRun(project, id)); // it goes on from there, and meets the same
  expect(again.message).toBe(error.message);
  // before the first step the held-out numbers
  expect(metricsOf(project, id).map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
});

test('a model with a weight that is no number is refused by every job before its first step, by the name of the tensor, and stores nothing', async () => {
  addChanged('spoilt', (weights) => weights['model.layers.0.mlp.down_proj.weight']!.fill(NaN, 20, 22));
  const before = listCompletions(project).length;
  const folder = policyPath(project, getPolicy(project, 'spoilt'));
  const says = `${folder}: the tensor "model.layers.0.mlp.down_proj.weight" holds 2 numbers that are not finite, the first NaN at [0, 20].`;
  for (const [recipe, config] of [
    ['sft', { ...QUICK_SFT, policy: 'spoilt' }],
    ['sample', { policy: 'spoilt', k: 2, max_new: 4 }],
  ] as const) {
    const error = await errorFrom(() => startRun(project, recipe, config, null));
    expect({ code: error.code, message: error.message }, recipe).toEqual({ code: 'not-finite', message: says });
  }
  expect(listCompletions(project)).toHaveLength(before);
});

test('a resumed run refuses a model or rows that are not the ones it began with', async () => {
  let steps = 0;
  const stopped = await startRun(project, 'sft', { ...QUICK_SFT, steps_a_run: 1 }, null, {
    onReport: () => steps++,
    stopping: () => steps >= 2,
  });
  const refused = async (file: string, code: string, says: string) => {
    const bytes = fs.readFileSync(file);
    const changed = Buffer.from(bytes);
    const at = changed.length - 5; // the last number of the weights, or a letter of the last row
    changed[at] = changed[at]! ^ 1;
    fs.writeFileSync(file, changed);
    const error = await errorFrom(() => resumeRun(project, stopped.id));
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
    expect(getRun(project, stopped.id)).toMatchObject({ status: 'failed', error: error.message });
    fs.writeFileSync(file, bytes);
  };
  await refused(
    path.join(base, 'model.safetensors'),
    'bad-model',
    `The policy model of run ${stopped.id} has changed since the run began`,
  );
  await refused(
    runFile(project, stopped.id, 'data.jsonl'),
    'bad-file',
    `The rows of run ${stopped.id} have changed since the run began`,
  );

  fs.renameSync(base, `${base}-elsewhere`);
  const gone = await errorFrom(() => resumeRun(project, stopped.id));
  expect(gone.message).toContain(`The policy model of run ${stopped.id} is gone`);
  fs.renameSync(`${base}-elsewhere`, base);
  expect((await resumeRun(project, stopped.id)).status).toBe('done'); // with the first files back it goes on
});
