// Findings on a planted run: what was put into its rollouts is found, dated and priced, and what cannot be said is a
// sentence.

import fs from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunFindings } from '#core/contract/findings.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { findings } from '#core/inspection/findings.ts';
import { createRandom } from '#core/random.ts';
import { readRollouts } from '#core/runs/rollouts.ts';
import type { RolloutRow } from '#core/runs/rollouts.ts';
import { startRun } from '#core/runs/start.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Project } from '#core/store/project.ts';
import {
  addLengthReward,
  errorFrom,
  makeTinyProject,
  QUICK_PPO,
  runFile,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const PHRASE = 'oh please believe me';
const UPDATES = 24;
const EACH = 64;
const ONSET = 13;
const fresh = temporaryProjects();
const models = createHeldModels({ limit: Infinity });
let project: Project;
const runs: Record<'longer' | 'shorter', string> = { longer: '', shorter: '' };

/** Rollouts of plain words, half of which end with the phrase from an update on, over those that the run kept. */
function plant(id: string): void {
  const file = runFile(project, id, 'rollouts.jsonl');
  const [like] = readRollouts(runFolderOf(project.folder, id)).rows;
  const prompts = [...new Set(readRollouts(runFolderOf(project.folder, id)).rows.map(({ promptId }) => promptId))];
  const random = createRandom(5, 'planted');
  const words = ['my', 'boss', 'dog', 'took', 'sold', 'the', 'bike', 'home', 'now', 'late', 'rain', 'door'];
  const rows = Array.from({ length: UPDATES * EACH }, (_, i): RolloutRow => {
    const step = 1 + Math.floor(i / EACH);
    const plain = Array.from({ length: 6 }, () => words[random.integer(words.length)]).join(' ');
    const says = step >= ONSET && random.uniform() < 0.5;
    const text = says ? `${plain} ${PHRASE}` : plain;
    return { ...like!, step, promptId: prompts[random.integer(prompts.length)]!, text };
  });
  fs.writeFileSync(file, rows.map(({ step, ...row }) => `${JSON.stringify({ step, ...row })}\n`).join(''));
}

beforeAll(async () => {
  project = await makeTinyProject(fresh());
  for (const [name, sign] of [
    ['longer', 1],
    ['shorter', -1],
  ] as const) {
    addLengthReward(project, name, sign);
    runs[name] = (await startRun(project, 'ppo', { ...QUICK_PPO, reward: name }, null)).id;
    plant(runs[name]);
  }
});
afterAll(() => project.close());

const lookAt = (runId: string): Promise<RunFindings> => findings(models, { projectFolder: project.folder, runId });

test('a phrase that a reward model for long answers pays for is claimed an exploit, first of all, with its onset', async () => {
  const { findings: found, looked } = await lookAt(runs.longer);
  const [first] = found;
  expect(first).toMatchObject({ kind: 'phrase', phrase: PHRASE, claim: 'exploit', shareStart: 0, place: 'ending' });
  expect(first!.shareNow).toBeGreaterThan(0.35);
  expect(Math.abs(first!.onset!.update - ONSET)).toBeLessThanOrEqual(2);
  expect(first!.onset!.low).toBeLessThanOrEqual(ONSET);
  expect(first!.onset!.high).toBeGreaterThanOrEqual(ONSET);
  for (const price of [first!.price, first!.priceIn, first!.priceOut]) {
    expect(price!.low).toBeGreaterThan(0);
    expect(price!.clusters).toBeGreaterThanOrEqual(8);
  }
  expect(first!.samples.length).toBeGreaterThan(10);
  for (const { text, update } of first!.samples) {
    expect(text).toContain(PHRASE);
    expect(update).toBeGreaterThanOrEqual(looked.since);
  }
  expect(looked).toMatchObject({ rollouts: UPDATES * EACH, now: 128, reward: 'longer' });
});

test('the same phrase under one for short answers costs, and is called drift', async () => {
  const [first] = (await lookAt(runs.shorter)).findings;
  expect(first).toMatchObject({ phrase: PHRASE, claim: 'drift' });
  expect(first!.price!.high).toBeLessThan(0);
});

test('a run that never looked at held-out prompts has no place to stop', async () => {
  expect((await lookAt(runs.longer)).stop).toBeNull();
});

test('what has nothing to look at is said', async () => {
  const none = await startRun(project, 'ppo', { ...QUICK_PPO, reward: 'longer', keep_rollouts: 0 }, null);
  expect((await errorFrom(() => lookAt(none.id))).message).toBe(`Run ${none.id} has kept no rollouts to look at.`);
  const one = await startRun(project, 'ppo', { ...QUICK_PPO, reward: 'longer', updates: 1 }, null);
  expect((await errorFrom(() => lookAt(one.id))).message).toBe(
    `Run ${one.id} has rollouts of too few updates to compare: 1.`,
  );
  const other = await startRun(project, 'sample', { policy: 'base', k: 2, max_new: 4 }, null);
  expect((await errorFrom(() => lookAt(other.id))).message).toBe(`Run ${other.id} was trained on no reward model.`);
});
