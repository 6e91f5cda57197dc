// The memory that a run is said to take, against the peak of the process that ran it; and runs that do not fit.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Config } from '#core/contract/recipes.ts';
import type { TastemakerError } from '#core/errors.ts';
import { PROCESSOR, readDevice } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { isLarge } from '#core/plans/large-models.ts';
import { bytesOf } from '#core/plans/memory.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { RECIPES } from '#core/recipes/table.ts';
import { blockParameters, parameters } from '#core/models/architecture.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import type { Context } from '#core/service/handlers.ts';
import { checkFits, estimateRun, planner } from '#core/service/runs/estimate.ts';
import type { Machine } from '#core/service/runs/machine.ts';
import { weightBytes } from '#core/service/runs/model-arrays.ts';
import { runHandlers } from '#core/service/runs/runs.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';
import { errorFrom, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';
import { addRandomModel, makeProject, peakOfRun } from './measured-run.ts';

const fresh = temporaryProjects();
const peaksAreToBeHad = fs.existsSync('/proc/self/status');
let project: Project;
beforeAll(async () => {
  project = await makeProject(fresh());
  const shapes = {
    // 2 million numbers
    gpt2: { family: 'gpt2', vocabulary: 2048, channels: 192, layers: 4, heads: 3, feedForward: 768, context: 256 },
    llama: {
      family: 'llama',
      vocabulary: 8192,
      channels: 256,
      layers: 6,
      heads: 4,
      keyValueHeads: 2,
      feedForward: 704,
      context: 256,
    }, // 6 million
    pythia: {
      family: 'gpt_neox',
      vocabulary: 1024,
      channels: 256,
      layers: 3,
      heads: 4,
      feedForward: 1024,
      context: 256,
    }, // 3 million
  } as const;
  for (const [name, shape] of Object.entries(shapes)) {
    addRandomModel(project, name, shape);
    addRandomModel(project, `${name}-judge`, shape, 'reward');
  }
}, 120_000);
afterAll(() => project.close());

const bytesOn = async (device: Device, recipe: RecipeName, given: Config) => {
  const config = readConfig(RECIPES[recipe].settings, given) as Config;
  const planFor = await planner(project, recipe, config);
  return bytesOf(planFor(config), (names) => weightBytes(project, names), device);
};
const bytesFor = async (recipe: RecipeName, config: Config) => (await bytesOn(PROCESSOR, recipe, config)).host;

const LORA = { tune: 'lora' };
const PPO = { updates: 2, max_new: 32, epochs: 1, evaluate_every: 0, checkpoint_every: 100 };
const MEASURED: readonly (readonly [RecipeName, Config])[] = [
  ['sft', { policy: 'gpt2', batch: 8, show_prompts: 4 }],
  ['sft', { policy: 'llama', batch: 8, micro_batch: 2, show_prompts: 0 }],
  ['sft', { policy: 'pythia', batch: 8, show_prompts: 0, ...LORA }],
  ['reward', { policy: 'gpt2', batch: 8, ...LORA }],
  ['reward', { policy: 'llama', batch: 4, tune: 'blocks', tuned_blocks: 1 }],
  ['reward', { policy: 'gpt2', batch: 8, head: 'scalar-mix' }],
  ['reward', { policy: 'llama', batch: 4, tune: 'blocks', tuned_blocks: 1, head: 'scalar-mix' }],
  ['preference', { policy: 'gpt2', batch: 8 }],
  ['preference', { policy: 'llama', batch: 4, ...LORA }],
  ['sample', { policy: 'llama', k: 4, max_new: 40, prompts: 16 }],
  ['ppo', { ...PPO, policy: 'gpt2', reward: 'gpt2-judge', episodes: 8 }],
  [
    'ppo',
    {
      ...PPO,
      policy: 'llama',
      reward: 'llama-judge',
      episodes: 16,
      samples_per_prompt: 4,
      micro_batch: 1,
      evaluate_every: 2,
      evaluate_prompts: 4,
      ...LORA,
    },
  ],
];

describe.skipIf(!peaksAreToBeHad)(
  peaksAreToBeHad
    ? 'measured'
    : 'SKIPPED, NOT MEASURED: this system has no /proc, which says how much memory a process took',
  () => {
    test.each(MEASURED)('%s %o: within a quarter of the peak', async (recipe, config) => {
      const said = await bytesFor(recipe, config);
      const { name: _, ...settings } = { name: '', ...config };
      const taken = await peakOfRun(project, recipe, settings, `${recipe} ${listRuns(project).length}`);
      expect(said / taken, `said ${Math.round(said / 1e6)} MB, took ${Math.round(taken / 1e6)} MB`).toSatisfy(
        (share: number) => share > 0.75 && share < 1.25,
      );
    });

    test('adapters over one base, and a copy of which two blocks were tuned, are counted once with it', async () => {
      await peakOfRun(project, 'reward', { policy: 'llama', batch: 4, ...LORA }, 'adapter');
      await peakOfRun(project, 'reward', { policy: 'llama', batch: 4, tune: 'blocks', tuned_blocks: 2 }, 'two blocks');
      const file = (...parts: string[]) => fs.statSync(path.join(project.folder, ...parts)).size;
      const base = file('models', 'llama', 'model.safetensors');
      const beside = (name: string) => weightBytes(project, ['llama', name]) / base;
      expect(beside('llama-judge')).toBeCloseTo(2, 2);
      expect(beside('adapter')).toBeCloseTo(
        1 + file('runs', getPolicy(project, 'adapter').runId!, 'model', 'adapter_model.safetensors') / base,
        2,
      );
      const { architecture } = loadCheckpoint(policyPath(project, getPolicy(project, 'llama')));
      const block = blockParameters(architecture, 5).reduce(
        (sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1),
        0,
      );
      expect(beside('two blocks')).toBeCloseTo(1 + (2 * block) / base, 2);
    });
  },
);

/** A machine on which `free` bytes are free, and `cardFreeBytes` on its card; how fast it is nobody knows. */
const machineWith = (free: number, device: Device, cardFreeBytes: number | null): Machine => ({
  availableBytes: free,
  device,
  cardFreeBytes,
  pace: null,
});

describe('what does not fit', () => {
  const machine = (free: number) => machineWith(free, PROCESSOR, null);
  const estimate = (recipe: RecipeName, config: Config, free: number) =>
    estimateRun(project, machine(free), recipe, config);

  test.each<[RecipeName, Config]>([
    ['sft', { policy: 'llama', show_prompts: 0 }],
    ['reward', { policy: 'llama' }],
    ['ppo', { ...PPO, policy: 'llama', reward: 'llama-judge' }],
  ])('%s %o: three ways out, adapters and micro-batches first, and they keep their word', async (recipe, config) => {
    const bytes = await bytesFor(recipe, config);
    const { verdict, fixes } = await estimate(recipe, config, 0.8 * bytes);
    expect(verdict).toBe('wont-fit');
    expect(fixes).toHaveLength(3);
    expect(fixes[0]).toMatch(/^Set (tune from full to (lora|blocks)|micro_batch from 0 to 1)/);
    for (const fix of fixes.filter((one) => one.startsWith('Set'))) {
      const changes = Object.fromEntries(
        Array.from(fix.matchAll(/(\w+) from \S+ to (\w+)/g), ([, name, value]) => [name, value]),
      );
      const after = await bytesFor(recipe, { ...config, ...changes });
      expect(after).toBeLessThan(bytes);
      expect(fix).toContain(
        after < 0.95e9 ? `about ${Math.round(after / 1e6)} MB` : `about ${(after / 1e9).toFixed(1)} GB`,
      );
    }
  });

  test('is not started, and the sentence says what to do instead', async () => {
    const config = { policy: 'llama', show_prompts: 0 };
    const bytes = await bytesFor('sft', config);
    const runs = {
      memoryInUse: () => 0.5 * bytes - process.availableMemory(),
      computing: () => Promise.resolve({ device: PROCESSOR, cardFreeBytes: null }),
      start: () => Promise.reject(new Error('it was started')),
    };
    const before = listRuns(project).length;
    const error: TastemakerError = await errorFrom(() =>
      runHandlers['runs.start']({ project, runs } as unknown as Context, { recipe: 'sft', config, name: null }),
    );
    expect(error.message).toMatch(
      /^This run does not fit into memory: it takes about [\d.]+ [MG]B, and [\d.]+ [MG]B are free\.$/,
    );
    expect(error.hint).toMatch(/Set .*: about/);
    expect(listRuns(project)).toHaveLength(before);
    await checkFits(project, machine(2 * bytes), 'sft', config);
    await checkFits(project, machine(1), 'sft', { policy: 'not there yet' }); // another run may still make it
  });

  test('even a model that nobody has is estimated in a moment', async () => {
    const begun = performance.now();
    const { verdict, fixes } = await estimate(
      'pretrain',
      { layers: 60, channels: 8192, heads: 64, batch: 64, context: 32768, vocabulary: 200000 },
      64e9,
    );
    expect(verdict).toBe('wont-fit');
    expect(fixes).toHaveLength(3);
    expect(performance.now() - begun).toBeLessThan(30_000);
  });
});

describe('on a card', () => {
  const CUDA = readDevice('cuda');
  const FULL = { policy: 'llama', show_prompts: 0 };
  const MANY = 64e9;
  const estimate = (config: Config, free: number, cardFreeBytes: number | null, device = CUDA) =>
    estimateRun(project, machineWith(free, device, cardFreeBytes), 'sft', config);
  const numbers = () =>
    parameters(loadCheckpoint(policyPath(project, getPolicy(project, 'llama'))).architecture).reduce(
      (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    );
  const CONTEXT = 0.5e9; // what CUDA and its libraries take

  test('a state that learns is there four times, adapters take little beside the weights', async () => {
    const S = 12 * numbers();
    const full = (await bytesOn(CUDA, 'sft', { ...FULL, batch: 1 })).device - CONTEXT;
    const lora = (await bytesOn(CUDA, 'sft', { ...FULL, batch: 1, ...LORA })).device - CONTEXT;
    expect(full).toBeGreaterThan(4 * S);
    expect(lora).toBeGreaterThan(S / 3);
    expect(lora).toBeLessThan(full / 2);
  });

  test('the machine’s memory is spared what the card holds, and the processor’s numbers are those of the processor', async () => {
    const there = await bytesOn(CUDA, 'sft', FULL);
    const here = await bytesOn(PROCESSOR, 'sft', FULL);
    expect(here.device).toBe(0);
    expect(there.host).toBeLessThan(here.host);
  });

  test('more rows never need less of a CUDA card', async () => {
    for (const device of [CUDA, readDevice('cuda:bf16')]) {
      const taken = await Promise.all(
        [1, 2, 4, 8, 16].map((batch) => bytesOn(device, 'sft', { ...FULL, batch, steps_a_run: 2 })),
      );
      taken
        .slice(1)
        .forEach((now, i) =>
          expect(now.device, `${device.provider} ${device.precision}`).toBeGreaterThanOrEqual(0.999 * taken[i]!.device),
        ); // an arena whose first tensor is large has no small region
    }
  });

  test('the worse of both memories decides, and the ways out are about that one', async () => {
    const { host, device } = await bytesOn(CUDA, 'sft', FULL);
    const roomy = await estimate(FULL, MANY, 2 * device);
    const tight = await estimate(FULL, MANY, 1.2 * device);
    const small = await estimate(FULL, MANY, 0.9 * device);
    const poor = await estimate(FULL, 0.9 * host, 2 * device);
    expect([roomy, tight, small, poor].map(({ verdict }) => verdict)).toEqual([
      'fits',
      'tight',
      'wont-fit',
      'wont-fit',
    ]);
    expect(roomy.card).toEqual({ bytes: device, availableBytes: 2 * device });
    expect(roomy.sentence).toMatch(
      /^It takes about [\d.]+ GB of the [\d.]+ GB that are free on the card and [\d.]+ [MG]B of memory, /,
    );
    expect(small.fixes).toHaveLength(3);
    expect(small.fixes[0]).toMatch(/^Set .*: about [\d.]+ [MG]B on the card\.$/);
    expect(poor.fixes[0]).toMatch(/^Set .*: about [\d.]+ [MG]B( on the card)?\.$/);
    const error: TastemakerError = await errorFrom(() =>
      checkFits(project, machineWith(MANY, CUDA, 0.9 * device), 'sft', FULL),
    );
    expect(error.message).toMatch(
      /^This run does not fit into the card's memory: it takes about [\d.]+ GB, and [\d.]+ [MG]B are free\.$/,
    );
  });

  test('a card whose memory nobody tells is counted with the machine’s', async () => {
    const webgpu = readDevice('webgpu');
    const { host, device } = await bytesOn(webgpu, 'sft', FULL);
    const said = await estimate(FULL, MANY, null, webgpu);
    expect(said.card).toBeNull();
    expect(said.bytes).toBe(host + device);
    expect(said.sentence).toContain('of it for the graphics card');
    expect((await estimate(FULL, host + 0.5 * device, null, webgpu)).verdict).toBe('wont-fit');
  });

  test('graphs are given back after their turn on CUDA, whatever the size', () => {
    const { architecture } = loadCheckpoint(policyPath(project, getPolicy(project, 'gpt2')));
    expect([CUDA, readDevice('webgpu'), PROCESSOR].map((device) => isLarge(architecture, device))).toEqual([
      true,
      false,
      false,
    ]);
  });
});
