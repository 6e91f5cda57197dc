// What learns: adapters and last blocks in SFT, reward model and PPO, what stays as it was to the bit, and runs that
// are stopped.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import { adapterBase, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { isAdapterTensor } from '#core/models/adapter.ts';
import { blockParameters } from '#core/models/architecture.ts';
import { loadCheckpoint, loadShared } from '#core/models/checkpoint.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { saveGguf } from '#core/models/gguf-model.ts';
import { addPolicy, getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import {
  errorFrom,
  makeTinyProject,
  metricsOf,
  QUICK_PPO,
  QUICK_SFT,
  runFile,
  temporaryProjects,
  timeless,
} from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
const REWARD = { batch: 4, learning_rate: 3e-3, steps_a_run: 2, validation: 0.25, seed: 2 };
const LORA = { tune: 'lora', lora_rank: 2, lora_alpha: 4 };
const RECIPES = [
  ['sft', QUICK_SFT],
  ['reward', REWARD],
  ['ppo', { ...QUICK_PPO, reward: 'judge' }],
] as const;

let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
  await startRun(project, 'reward', { ...REWARD, ...LORA }, 'judge');
}, 120_000);
afterAll(() => project.close());

const folderOf = (name: string) => policyPath(project, getPolicy(project, name));
const modelOf = (id: string) => runFile(project, id, 'model');
const sameBits = (a: Float32Array, b: Float32Array) =>
  Buffer.compare(
    Buffer.from(a.buffer, a.byteOffset, a.byteLength),
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  ) === 0;
const changed = (before: WeightArrays, after: WeightArrays) =>
  Object.keys(before).filter((name) => name in after && !sameBits(before[name]!, after[name]!));
function expectClose(a: WeightArrays, b: WeightArrays): void {
  expect(Object.keys(a).toSorted()).toEqual(Object.keys(b).toSorted());
  for (const [name, data] of Object.entries(a))
    data.forEach((value, i) =>
      expect(Math.abs(value - b[name]![i]!), `${name}[${i}]`).toBeLessThan(1e-5 + 1e-3 * Math.abs(value)),
    );
}

describe.each(RECIPES)('%s', (recipe, quick) => {
  test('lora: a folder that holds an adapter and nothing of its base, which it is over', async () => {
    const { id } = await startRun(project, recipe, { ...quick, ...LORA }, null);
    const folder = modelOf(id);
    const base = loadCheckpoint(folderOf('base'));
    expect(isAdapterFolder(folder)).toBe(true);
    expect(fs.existsSync(path.join(folder, 'model.safetensors'))).toBe(false);
    expect(fs.existsSync(path.join(folder, 'tokenizer.json'))).toBe(true);
    expect(fs.realpathSync(adapterBase(folder))).toBe(fs.realpathSync(folderOf('base')));
    const { weights } = loadShared(folder);
    const learnt = Object.entries(weights).filter(([name]) => name.endsWith('.lora_B.weight'));
    expect(learnt.length).toBeGreaterThan(0);
    for (const [name, data] of learnt)
      expect(
        data.some((value) => value !== 0),
        `${name} has learnt`,
      ).toBe(true);
    expect(changed(base.weights, weights), 'the base is as it was').toEqual([]);
  });

  // only a reward model has a head that learns without any block
  test.each(recipe === 'reward' ? [0, 1, 99] : [1, 99])(
    'blocks: all but the last %d are as they were, to the bit',
    async (blocks) => {
      const { id } = await startRun(project, recipe, { ...quick, tune: 'blocks', tuned_blocks: blocks }, null);
      const base = loadCheckpoint(folderOf('base'));
      const { weights } = loadCheckpoint(modelOf(id));
      const last = Array.from({ length: Math.min(blocks, 2) }, (_, i) =>
        blockParameters(base.architecture, 1 - i).map(({ name }) => name),
      ).flat();
      const may = new Set([...last, ...(blocks > 0 ? ['transformer.ln_f.weight', 'transformer.ln_f.bias'] : [])]);
      const moved = changed(base.weights, weights);
      expect(
        moved.filter((name) => !may.has(name)),
        'frozen',
      ).toEqual([]);
      expect(moved.length > 0, 'something learnt').toBe(blocks > 0);
      expect(fs.existsSync(runFile(project, id, 'features.f32')), 'features are gone').toBe(false);
    },
  );

  test('stopped and resumed, an adapter ends in the same bits', async () => {
    const settings = { ...quick, ...LORA, checkpoint_every: 1 };
    const whole = await startRun(project, recipe, settings, null);
    let reports = 0;
    const stopped = await startRun(project, recipe, settings, null, {
      onReport: () => void reports++,
      stopping: () => reports >= 1,
    });
    expect(stopped.status).toBe('stopped');
    await resumeRun(project, stopped.id);
    const [a, b] = [whole, stopped].map(({ id }) =>
      fs.readFileSync(path.join(modelOf(id), 'adapter_model.safetensors')),
    );
    expect(a!.equals(b!)).toBe(true);
    expect(timeless(metricsOf(project, stopped.id))).toEqual(timeless(metricsOf(project, whole.id)));
  });

  test('micro-batches of one row learn what the whole batch does', async () => {
    const [whole, parts] = [
      await startRun(project, recipe, { ...quick, ...LORA }, null),
      await startRun(project, recipe, { ...quick, ...LORA, micro_batch: 1 }, null),
    ];
    expectClose(loadShared(modelOf(whole.id)).weights, loadShared(modelOf(parts.id)).weights);
  });
});

test('reward: a run on features that is stopped leaves none behind, and ends in the same bits', async () => {
  const settings = { ...REWARD, tune: 'blocks', tuned_blocks: 1, checkpoint_every: 1 };
  const whole = await startRun(project, 'reward', settings, null);
  let reports = 0;
  const stopped = await startRun(project, 'reward', settings, null, {
    onReport: () => void reports++,
    stopping: () => reports >= 1,
  });
  expect(fs.existsSync(runFile(project, stopped.id, 'features.f32'))).toBe(false);
  await resumeRun(project, stopped.id);
  expect(
    fs
      .readFileSync(path.join(modelOf(stopped.id), 'model.safetensors'))
      .equals(fs.readFileSync(path.join(modelOf(whole.id), 'model.safetensors'))),
  ).toBe(true);
});

test('a second lora run on an adapter goes on with it, and its start is the reference', async () => {
  const { name } = await startRun(project, 'sft', { ...QUICK_SFT, ...LORA }, null);
  const { id } = await startRun(
    project,
    'ppo',
    { ...QUICK_PPO, ...LORA, lora_rank: 5, policy: name, reward: 'judge', learning_rate: 1e-3 },
    null,
  );
  const [before, after] = [loadShared(folderOf(name)), loadShared(modelOf(id))];
  expect(after.adapter!.settings.rank, 'the rank it has, not the one asked for').toBe(2);
  expect(changed(before.weights, after.weights).filter((tensor) => !isAdapterTensor(tensor))).toEqual([]);
  expect(changed(before.weights, after.weights).length).toBeGreaterThan(0);
  expect(Math.abs(metricsOf(project, id)[0]!.kl!), 'no distance from its start').toBeLessThan(1e-3);
  expect(metricsOf(project, id)[0]!.first_ratio_max).toBeCloseTo(1, 4);
});

test('adapters over one base, and a copy tuned in part, hold its arrays once', async () => {
  const { id } = await startRun(project, 'reward', { ...REWARD, tune: 'blocks', tuned_blocks: 1 }, null);
  const shared = new Map<string, Float32Array[]>();
  const base = loadShared(folderOf('base'), shared);
  const judge = loadShared(folderOf('judge'), shared);
  const part = loadShared(modelOf(id), shared);
  for (const name of Object.keys(base.weights))
    expect(judge.weights[name] ?? base.weights[name], name).toBe(base.weights[name]);
  const first = blockParameters(base.architecture, 0).map(({ name }) => name);
  for (const name of ['transformer.wte.weight', ...first]) expect(part.weights[name], name).toBe(base.weights[name]);
});

test('reward: stopped while the frozen blocks are still reading, a run leaves nothing half-read behind and ends in the same bits', async () => {
  const settings = { ...REWARD, tune: 'blocks', tuned_blocks: 1 };
  const whole = await startRun(project, 'reward', settings, null);
  const stopped = await startRun(project, 'reward', settings, null, { stopping: () => true });
  expect([stopped.status, metricsOf(project, stopped.id)]).toEqual(['stopped', []]);
  expect(fs.existsSync(runFile(project, stopped.id, 'features.f32'))).toBe(false);
  await resumeRun(project, stopped.id);
  expect(
    fs
      .readFileSync(path.join(modelOf(stopped.id), 'model.safetensors'))
      .equals(fs.readFileSync(path.join(modelOf(whole.id), 'model.safetensors'))),
  ).toBe(true);
});

test('no block and no head of its own: a language model of which nothing would learn is refused', async () => {
  const error = await errorFrom(() =>
    startRun(project, 'sft', { ...QUICK_SFT, tune: 'blocks', tuned_blocks: 0 }, null),
  );
  expect([error.code, error.message]).toEqual(['bad-argument', expect.stringContaining('its head is its embedding')]);
});

describe('a llama whose output matrix is its own, as a GGUF file', () => {
  let llama: Project, file: string;
  beforeAll(async () => {
    llama = await makeTinyProject(fresh(), { family: 'llama' });
    const base = path.join(llama.folder, 'models', 'base');
    const json = (name: string) =>
      JSON.parse(fs.readFileSync(path.join(base, name), 'utf8')) as Record<string, unknown>;
    const model = loadCheckpoint(base);
    file = path.join(llama.folder, 'models', 'base.gguf');
    saveGguf(file, model, {
      type: 'F16',
      name: 'base',
      tokenizer: ggufTokenizerFields(
        { tokenizer: json('tokenizer.json'), config: json('tokenizer_config.json'), chatTemplate: null },
        { vocabulary: 300, stops: model.architecture.stops, file: base },
      ),
    });
    addPolicy(llama, { name: 'packed', kind: 'base', path: file });
  }, 120_000);
  afterAll(() => llama.close());
  const tune = async (changes: Record<string, unknown>) =>
    runFile(llama, (await startRun(llama, 'sft', { ...QUICK_SFT, policy: 'packed', ...changes }, null)).id, 'model');

  test('lora: an adapter over the file, with a tokenizer of its own', async () => {
    const folder = await tune(LORA);
    expect(fs.realpathSync(adapterBase(folder))).toBe(fs.realpathSync(file));
    expect(fs.existsSync(path.join(folder, 'tokenizer.json'))).toBe(true);
    expect(changed(loadCheckpoint(file).weights, loadShared(folder).weights)).toEqual([]);
  });

  test('no block: the output matrix learns, and nothing else', async () => {
    const folder = await tune({ tune: 'blocks', tuned_blocks: 0 });
    expect(changed(loadCheckpoint(file).weights, loadCheckpoint(folder).weights)).toEqual(['lm_head.weight']);
    expect(fs.existsSync(path.join(folder, 'tokenizer.json'))).toBe(true);
  });
});
