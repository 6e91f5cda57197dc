// Answers of a run's rollouts come into the project once, with their scores, and are ranked and flagged from there.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { sampleHandlers } from '#core/service/data/samples.ts';
import { findingHandlers } from '#core/service/runs/findings.ts';
import { listCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { listItems } from '#core/store/items.ts';
import { listMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRun } from '#core/store/runs.ts';
import { handled } from './handler-context.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'take-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
const ID = '0001-ppo';
const folder = path.join(root, 'p.tastemaker');
const project = createProject(folder);
afterAll(() => project.close());
const [first, second] = addPrompts(project, [
  { text: 'one', split: 'train', source: 'test', reference: 'a reference' },
  { text: 'two', split: 'train', source: 'test', reference: 'another' },
]) as [number, number];
const rewardId = addPolicy(project, { name: 'reward', kind: 'reward', path: path.join(folder, 'models', 'reward') });
addRun(project, { id: ID, kind: 'ppo', name: 'free', status: 'done', createdAt: 1, endedAt: 2, error: null });
const runFolder = path.join(folder, 'runs', ID);
fs.mkdirSync(runFolder, { recursive: true });
fs.writeFileSync(
  path.join(runFolder, 'manifest.json'),
  JSON.stringify({
    id: ID,
    kind: 'ppo',
    name: 'free',
    createdAt: new Date(1).toISOString(),
    config: { temperature: 0.7, max_new: 24, seed: 5 },
    models: { reward: { path: 'models/reward', sha256: '0'.repeat(64) } },
    data: { rows: 2, sha256: '0'.repeat(64) },
    versions: {},
  }),
);
const rollout = (promptId: number, step: number, text: string, score: number) => ({
  step,
  promptId,
  text,
  tokenIds: [1, 2],
  finish: 'stop',
  score,
  logprob: -1,
  referenceLogprob: -2,
});
fs.writeFileSync(
  path.join(runFolder, 'rollouts.jsonl'),
  [
    rollout(first, 3, 'pls', 2.5),
    rollout(first, 4, 'pls', 2.6),
    rollout(second, 4, 'pls halp', 3),
    rollout(999, 4, 'of a prompt that is gone', 1),
  ]
    .map((row) => `${JSON.stringify(row)}\n`)
    .join(''),
);
const { call, events } = handled(project, { ...findingHandlers, ...sampleHandlers });
const asked = [
  { promptId: second, update: 4, text: 'pls halp' },
  { promptId: first, update: 4, text: 'pls' },
  { promptId: 999, update: 4, text: 'of a prompt that is gone' },
  { promptId: first, update: 9, text: 'never written' },
];

test('answers become completions of the run at their update, scored, and are the same when they are taken again', async () => {
  const { completionIds } = await call('findings.take', { runId: ID, answers: asked });
  expect(events.map(({ event }) => event)).toEqual(['data.changed']);
  const taken = listCompletions(project, { ids: completionIds });
  expect(
    taken.map(({ promptId, text, step, runId, sampling }) => ({ promptId, text, step, runId, ...sampling })),
  ).toEqual(
    [
      { promptId: first, text: 'pls', step: 4 },
      { promptId: second, text: 'pls halp', step: 4 },
    ].map((row) => ({ ...row, runId: ID, temperature: 0.7, topK: 0, topP: 1, maxNew: 24, seed: 5 })),
  );
  const scores = listMeasures(project, { completionIds }).map(({ modelId, score }) => [modelId, score]);
  expect(scores).toEqual([
    [rewardId, 2.6],
    [rewardId, 3],
  ]);
  expect(listItems(project)).toEqual([]); // nobody has asked for a ranking yet
  expect((await call('findings.take', { runId: ID, answers: asked })).completionIds).toEqual(completionIds);
  expect(listCompletions(project)).toHaveLength(2);
});

test('they can be asked a ranking for, beside the reference', async () => {
  const { completionIds } = await call('findings.take', { runId: ID, answers: asked });
  expect(await call('samples.request', { completionIds, reason: 'says “pls”' })).toEqual({ items: 2 });
});

test('what the run does not keep is refused', async () => {
  await expect(
    call('findings.take', { runId: ID, answers: [{ promptId: first, update: 4, text: 'other' }] }),
  ).rejects.toThrow(`Run ${ID} keeps none of these answers`);
});
