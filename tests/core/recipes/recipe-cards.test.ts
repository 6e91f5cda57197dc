// What the window is told of recipes and runs: what is missing, defaults that work, estimates, and what follows by
// itself.

import type { RecipeName } from '#core/recipes/table.ts';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkArguments } from '#core/contract/calls.ts';
import type { Config, RecipeCard } from '#core/contract/recipes.ts';
import type { RunKind } from '#core/contract/runs.ts';
import { labelGold } from '#core/recipes/demo/label-gold.ts';
import { startRun } from '#core/runs/start.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { writeArchitecture } from '#core/models/config-json.ts';
import { freshWeights, loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { PROCESSOR } from '#core/autodiff/device.ts';
import { estimateRun } from '#core/service/runs/estimate.ts';
import { machineNow } from '#core/service/runs/machine.ts';
import type { Context } from '#core/service/handlers.ts';
import { changeProjectSettings } from '#core/service/project.ts';
import { checkStart, recipeCards } from '#core/service/runs/recipes.ts';
import { runHandlers } from '#core/service/runs/runs.ts';
import { listCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { listMeasures } from '#core/store/measures.ts';
import { addPolicy, getPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { openQueue } from '#tests/core/runs/run-queue.ts';
import type { TestQueue } from '#tests/core/runs/run-queue.ts';
import { makeTinyProject, metricsOf, runFile, temporaryProjects } from './tiny-project.ts';

const fresh = temporaryProjects();
const card = async (project: Project, name: RunKind): Promise<RecipeCard> =>
  (await recipeCards(project)).find((one) => one.name === name)!;
const missing = async (project: Project, name: RunKind): Promise<string[]> =>
  (await card(project, name)).needs.filter(({ state }) => state === 'missing').map(({ sentence }) => sentence);

describe('what is missing', () => {
  test('in an empty project, and with too few rankings', async () => {
    const empty = createProject(fresh());
    expect(await missing(empty, 'sample')).toEqual([
      'needs a base model: add one on the Models screen',
      'needs 1 prompt: import some on the Data screen',
    ]);
    expect(await missing(empty, 'sft')).toContain(
      'needs 4 train prompts with a reference: import references with the prompts',
    );
    expect(await missing(empty, 'reward')).toContain('needs 10 rankings');
    expect(await missing(empty, 'ppo')).toContain('needs a reward model: train one first');
    expect(await missing(empty, 'pretrain')).toEqual([]);
    // no card names a model that is not there
    expect((await recipeCards(empty)).flatMap(({ models }) => models)).toEqual([]);
    expect(() => checkStart(empty, 'ppo', {})).toThrow('PPO needs a base model: add one on the Models screen.');
    expect(() => checkStart(empty, 'pretrain', {})).toThrow('No texts to train on were named.');
    empty.close();

    const few = await makeTinyProject(fresh());
    few.db.exec('DELETE FROM ranking_items WHERE ranking_id > 7; DELETE FROM rankings WHERE id > 7');
    const tests = new Set(listPrompts(few, { split: 'test' }).map(({ id }) => id));
    const prefer = listRankings(few).filter(
      ({ promptId, ranks }) => !tests.has(promptId) && new Set(ranks.map(({ rank }) => rank)).size > 1,
    ).length; // the others teach nothing
    expect(await missing(few, 'reward')).toEqual([`needs ${10 - prefer} more rankings`]);
    expect(() => checkStart(few, 'reward', {})).toThrow(`Reward model needs ${10 - prefer} more rankings.`);
    labelGold(few, { taste: 'crowd_b', labelers: 1, noise: 0, seed: 1 });
    expect(await missing(few, 'reward')).toEqual([]);
    expect((await card(few, 'reward')).needs.at(-1)).toMatchObject({
      state: 'warn',
      sentence: expect.stringContaining('enough to try'),
    });
    expect(() => checkStart(few, 'reward', { policy: 'nobody' })).toThrow('There is no model called "nobody".');
    few.close();
  });

  test('every card: its fields are the settings with sentences and ranges, and its defaults fit them', async () => {
    const project = await makeTinyProject(fresh());
    for (const { name, fields, defaults, title, sentence } of await recipeCards(project)) {
      expect(fields.map((field) => field.name).sort(), name).toEqual(Object.keys(defaults).sort());
      expect([title, sentence].every((text) => text.length > 2)).toBe(true);
      for (const field of fields) {
        expect(field.sentence.length, field.name).toBeGreaterThan(5);
        const given = defaults[field.name];
        const [least, most] = field.range ?? [-Infinity, Infinity];
        expect(field.range === null || (Number(given) >= least && Number(given) <= most), `${name} ${field.name}`).toBe(
          true,
        );
        expect(field.kind === 'choice' ? field.choices : [given]).toContain(given);
      }
      expect(checkArguments('runs.start', { recipe: name, config: defaults, name: null }).ok).toBe(true);
    }
    expect((await card(project, 'ppo')).fields.find(({ name }) => name === 'policy')).toMatchObject({
      kind: 'model',
      choices: ['base'],
    });
    expect((await card(project, 'ppo')).fields.find(({ name }) => name === 'updates')).toMatchObject({
      kind: 'whole',
      range: [1, 1e6],
    });
    project.close();
  });
});

test('one click trains a part of a large model, and all of a small one', async () => {
  const project = createProject(fresh());
  const shapes = { small: { layers: 2, channels: 64 }, large: { layers: 30, channels: 576 } };
  for (const [name, shape] of Object.entries(shapes)) {
    // sizes are read from config.json alone
    const folder = path.join(project.folder, 'models', name);
    const architecture = newArchitecture({
      family: 'llama',
      vocabulary: 1000,
      heads: 8,
      feedForward: 1536,
      context: 512,
      endOfText: 0,
      ...shape,
    });
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(writeArchitecture(architecture)));
    changeProjectSettings(project, { currentPolicyId: addPolicy(project, { name, kind: 'base', path: folder }) });
    const isLarge = name === 'large';
    expect((await card(project, 'sft')).defaults).toMatchObject({
      policy: name,
      tune: isLarge ? 'lora' : 'full',
      micro_batch: isLarge ? 1 : 0,
    });
    expect((await card(project, 'reward')).defaults).toMatchObject({ policy: name, tune: isLarge ? 'blocks' : 'full' });
    expect((await card(project, 'ppo')).defaults).toMatchObject({
      policy: name,
      tune: isLarge ? 'lora' : 'full',
      micro_batch: isLarge ? 1 : 0,
    });
  }
  project.close();
});

describe('estimates', () => {
  let project: Project;
  /** On this machine, with as much memory as it has, or as is said. */
  const estimate = async (recipe: RecipeName, config: Config, availableBytes?: number) => {
    const machine = await machineNow({
      memoryInUse: () => 0,
      computing: () => Promise.resolve({ device: PROCESSOR, cardFreeBytes: null }),
    });
    return estimateRun(
      project,
      { ...machine, availableBytes: availableBytes ?? machine.availableBytes },
      recipe,
      config,
    );
  };
  beforeAll(async () => {
    project = await makeTinyProject(fresh());
    const { architecture } = loadCheckpoint(path.join(project.folder, 'models', 'base'));
    const wide = { ...architecture, channels: 64, feedForward: 256, headWidth: 32 };
    const folder = path.join(project.folder, 'models', 'wide');
    saveCheckpoint(
      folder,
      { architecture: wide, head: 'language-model', weights: freshWeights(parameters(wide), 2, 1) },
      { tokenizerFrom: path.join(project.folder, 'models', 'base') },
    );
    addPolicy(project, { name: 'wide', kind: 'base', path: folder });
    addPolicy(project, { name: 'reward', kind: 'reward', path: path.join(project.folder, 'models', 'base') });
  });
  afterAll(() => project.close());

  test('more of anything takes more memory and more time', async () => {
    // the pace comes from runs of its kind
    await startRun(project, 'sft', { batch: 2, epochs: 8, steps_a_run: 2, show_prompts: 0 }, null);
    const of = async (config: Config) => estimate('sft', { batch: 4, show_prompts: 0, policy: 'base', ...config });
    const small = await of({});
    expect(small.verdict).toBe('fits');
    expect(small.fixes).toEqual([]);
    expect(small.seconds).toBeGreaterThan(0);
    for (const [config, both] of [
      [{ batch: 16 }, false],
      [{ policy: 'wide' }, true],
      [{ show_prompts: 8 }, true],
    ] as const) {
      const larger = await of(config);
      expect(larger.bytes).toBeGreaterThan(small.bytes);
      expect(both ? larger.seconds : Infinity).toBeGreaterThan(small.seconds!);
    }
    // each pass the same, beside what is validated once
    const [two, three] = [(await of({ epochs: 2 })).seconds!, (await of({ epochs: 3 })).seconds!];
    expect(three - two).toBeCloseTo(two - small.seconds!, 6);
    expect(three).toBeGreaterThan(2.5 * small.seconds!);
    const ppo: Config[] = [
      { episodes: 16, minibatches: 4 },
      { episodes: 16, minibatches: 1 },
      { episodes: 64 },
      { episodes: 64, max_new: 60 },
      { episodes: 64, max_new: 60, policy: 'wide' },
    ];
    const bytes = await Promise.all(
      ppo.map(async (config) => (await estimate('ppo', { evaluate_prompts: 4, ...config })).bytes),
    );
    expect(bytes.toSorted((a, b) => a - b)).toEqual(bytes);
    expect((await estimate('ppo', {})).seconds).toBe(null); // nothing to go by, and the machine is busy
  });

  test('what cannot fit is refused with three ways out', async () => {
    const huge = await estimate('pretrain', {
      layers: 80,
      channels: 8192,
      heads: 64,
      batch: 64,
      context: 4096,
      vocabulary: 100000,
    });
    expect(huge.verdict).toBe('wont-fit');
    expect(huge.bytes).toBeGreaterThan(huge.availableBytes);
    expect(huge.fixes).toHaveLength(3);
    expect(huge.fixes[0]).toMatch(/^Set \w+ from \d+ to \d+ \(.*\): about [\d.]+ GB\.$/);
    const wide = { policy: 'wide', batch: 4096 };
    const { bytes } = await estimate('sft', wide, 1e15);
    const tight = await estimate('sft', wide, 1.2 * bytes);
    expect(tight.verdict).toBe('tight');
    expect(tight.fixes.some((fix) => fix.includes('"base"'))).toBe(true);
  });
});

describe('one click after another, as the window does it', () => {
  let project: Project, runs: TestQueue, context: Context;
  beforeAll(async () => {
    project = await makeTinyProject(fresh());
    addPrompts(
      project,
      Array.from({ length: 120 }, (_, i) => ({
        text: `A short post, number ${i}.\nTL;DR:`,
        split: 'train' as const,
        source: 'demo',
      })),
    );
    runs = openQueue(project, { tickMs: 20 });
    context = { project, runs: runs.queue, emit: () => {}, home: project.folder } as unknown as Context;
  });
  afterAll(async () => {
    await runs.queue.close();
    project.close();
  });
  const idle = () => runs.until(() => runs.queue.list().every(({ endedAt }) => endedAt !== null), 'all runs to end');
  const start = async (recipe: RunKind, changes: Config = {}) =>
    runHandlers['runs.start'](context, {
      recipe: recipe as 'ppo',
      config: { ...(await card(project, recipe)).defaults, ...changes },
      name: null,
    });

  test('a reward model from few rankings is scored with by itself', async () => {
    const { id } = await start('reward');
    await idle();
    expect(runs.queue.get(id).run).toMatchObject({ status: 'done', name: 'reward' });
    const [score] = runs.queue.list();
    expect(score).toMatchObject({ kind: 'score', status: 'done', name: 'scores by reward' });
    const ids = listCompletions(project).map((one) => one.id);
    expect(listMeasures(project, { completionIds: ids, modelId: getPolicy(project, 'reward').id })).toHaveLength(
      ids.length,
    );
  });

  test('samples come in while they are drawn, and are scored too', async () => {
    const before = listCompletions(project).length;
    const counts = new Set<number>();
    const { id } = await start('sample', { prompts: 0, k: 4, max_new: 24, seed: 77 });
    await runs.until(() => {
      if (runs.queue.get(id).run.status === 'running') counts.add(listCompletions(project, { runId: id }).length);
      return runs.queue.get(id).run.endedAt !== null;
    }, 'the samples');
    expect([...counts].filter((count) => count > 0 && count < 154 * 4)).not.toEqual([]);
    expect([...counts].every((count) => count % 4 === 0)).toBe(true);
    await idle();
    expect(listCompletions(project).length - before).toBe(154 * 4);
    expect(runs.queue.list().filter(({ kind }) => kind === 'score')).toHaveLength(2);
    const sampling = await card(project, 'sample');
    expect(sampling.defaults).toMatchObject({ policy: 'base', split: '', prompts: 100 });
    expect(sampling.needs.map(({ sentence }) => sentence).join(', ')).toMatch(
      /^has [\d,]+ prompts, answers (100 of them|each) (once|twice|\d+ times)$/,
    ); // what the time on the card is for
  });

  test('PPO: numbers, samples and the log can be asked for', async () => {
    const { id } = await start('ppo', { updates: 4, episodes: 16, max_new: 12, temperature: 1, evaluate_every: 2 });
    await idle();
    expect(runs.queue.get(id).run).toMatchObject({
      status: 'done',
      summary: expect.stringContaining('4 updates'),
      name: 'ppo',
    });
    const all = metricsOf(project, id);
    expect(await runHandlers['runs.metrics'](context, { runId: id, from: 0 })).toEqual({
      rows: all,
      total: all.length,
    });
    expect(await runHandlers['runs.metrics'](context, { runId: id, from: all.length - 2 })).toEqual({
      rows: all.slice(-2),
      total: all.length,
    });
    const { samples, prompts } = await runHandlers['runs.samples'](context, { runId: id });
    // validation prompts only
    expect(samples.map(({ step }) => step)).toEqual([0, 2, 4].flatMap((step) => Array(6).fill(step)));
    expect(prompts).toHaveLength(6);
    const stored = listCompletions(project, { runId: id });
    for (const { completionId, text, step, promptId, score, kl, gold } of samples) {
      expect(stored.find((one) => one.id === completionId)).toMatchObject({ text, step, promptId });
      expect([score, kl, gold].every(Number.isFinite)).toBe(true);
    }
    expect(
      runs.heard.flatMap(({ event, data }) => (event === 'run.samples' && data.runId === id ? [data.step] : [])),
    ).toEqual([0, 2, 4]);
    fs.appendFileSync(runFile(project, id, 'log.txt'), Array.from({ length: 600 }, (_, i) => `line ${i}\n`).join(''));
    const { lines } = await runHandlers['runs.log'](context, { runId: id });
    expect(lines).toHaveLength(500);
    expect(lines.at(-1)).toBe('line 599');
    await expect(async () => runHandlers['runs.log'](context, { runId: 'none' })).rejects.toThrow(
      'There is no run none',
    );
  });
});
