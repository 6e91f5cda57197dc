// The comparison of two policies as a window asks for it: the weights that a run has, prompts that may be looked at,
// how far it is, and one comparison after another.

import fs from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { comparePolicies } from '#core/inspection/compare.ts';
import type { CompareQuestion } from '#core/inspection/compare.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { startRun } from '#core/runs/start.ts';
import type { Inspector } from '#core/service/inspector.ts';
import { compareHandlers } from '#core/service/models/compare.ts';
import { listCompletions } from '#core/store/completions.ts';
import { getPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listedIds } from '#core/store/prompt-list.ts';
import { listPrompts, setSplit } from '#core/store/prompts.ts';
import {
  addLengthReward,
  makeTinyProject,
  QUICK_PPO,
  runFile,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';
import { handled } from './handler-context.ts';

const models = createHeldModels({ limit: Infinity });
let project: Project, run: string;
let asked: CompareQuestion[] = [];
/** Answers in this process what the service would ask another one. */
const answering = (before: () => Promise<unknown> = async () => {}): Inspector => {
  const ask = async (_: string, question: CompareQuestion) => {
    asked.push(question);
    await before();
    return comparePolicies(models, question);
  };
  return { ask: ask as Inspector['ask'], pid: () => null, close: async () => {} };
};
const calling = (finder = answering()) => handled(project, compareHandlers, { finder });

beforeAll(async () => {
  project = await makeTinyProject(temporaryProjects()());
  addLengthReward(project, 'longer', 1);
  const settings = { ...QUICK_PPO, updates: 3, reward: 'longer', evaluate_every: 1, temperature: 0.8, forbid: 'zebra' };
  run = (await startRun(project, 'ppo', settings, 'tuned')).id;
});
afterAll(() => project.close());

const wanted = (changes: object = {}) => ({
  place: 'pane',
  a: { runId: run, update: 0 },
  b: { runId: run, update: 3 },
  rewardId: getPolicy(project, 'longer').id,
  prompts: 4,
  seed: 1,
  greedy: false,
  ...changes,
});

test('a run has its start, its looks and its end; what it does not have is said with what it has', async () => {
  const { call } = calling();
  expect((await call('compare.checkpoints', { runId: run })).map(({ update, name }) => [update, name])).toEqual([
    [0, 'start of tuned'],
    [1, 'update 1 of tuned'],
    [2, 'update 2 of tuned'],
    [3, 'update 3 of tuned'],
  ]);
  const away = (name: string) => fs.renameSync(runFile(project, run, name), runFile(project, run, `${name}-away`));
  away('looks');
  await expect(call('compare.policies', wanted({ b: { runId: run, update: 7 } }))).rejects.toThrow(
    `Run ${run} has no weights of update 7.`,
  );
  away('best');
  away('model');
  await expect(call('compare.checkpoints', { runId: run })).rejects.toThrow(`Run ${run} has kept no weights`);
  for (const name of ['looks', 'best', 'model'])
    fs.renameSync(runFile(project, run, `${name}-away`), runFile(project, run, name));
  const sampled = listCompletions(project)[0]!.runId!;
  await expect(call('compare.checkpoints', { runId: sampled })).rejects.toThrow(`Run ${sampled} tunes no policy`);
});

test('both answer validation prompts as the run samples, and windows hear how far it is', async () => {
  asked = [];
  const { call, events } = calling();
  const found = await call('compare.policies', wanted());
  expect([found.a, found.b, found.reward]).toEqual(['start of tuned', 'update 3 of tuned', 'longer']);
  const { max_new: maxNew } = QUICK_PPO;
  expect(asked[0]!.sampling).toMatchObject({ temperature: 0.8, maxNew, forbid: ['zebra'], seed: 1 });
  const ids = found.rows.map(({ promptId }) => promptId);
  expect(listPrompts(project, { ids }).map(({ split }) => split)).toEqual(Array(4).fill('validation'));
  expect(events.map(({ event, data }) => [event, data])).toEqual([
    ['models.comparing', { place: 'pane', done: 0, total: 4 }],
  ]);
  expect((await call('compare.policies', wanted({ greedy: true, seed: 2 }))).temperature).toBe(0);
  const base = { modelId: getPolicy(project, 'base').id };
  const twice = await call('compare.policies', wanted({ a: base, b: { runId: run, update: 0 } }));
  expect([twice.a, twice.means.change.mean]).toEqual(['base', 0]);
});

test('a newer comparison of a window ends the older one between two of its parts', async () => {
  setSplit(project, listedIds(project, { split: 'train' }, 'id', false, 0, 14), 'validation'); // 20: two parts
  const newer = calling();
  let overtaking: Promise<unknown> | null = null;
  const older = calling(answering(() => (overtaking ??= newer.call('compare.policies', wanted()))));
  await expect(older.call('compare.policies', wanted({ prompts: 20 }))).rejects.toThrow('Another comparison was asked');
  await expect(overtaking).resolves.toMatchObject({ b: 'update 3 of tuned' });
});
