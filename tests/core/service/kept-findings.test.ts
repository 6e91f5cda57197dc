// Kept findings: asked once while a run's files are the same, anew when they grew, and a refusal is not kept.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { RunFindings } from '#core/contract/findings.ts';
import type { Inspector } from '#core/service/inspector.ts';
import { findingHandlers } from '#core/service/runs/findings.ts';
import { keptFindings } from '#core/service/runs/kept-findings.ts';
import { openProject } from '#core/store/database.ts';
import { updateRun } from '#core/store/runs.ts';
import { makeRunsProject } from '#tests/app/runs-project.ts';
import { handled } from './handler-context.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'kept-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

/** A run of its own, whose finder counts how often it is asked. */
function finder(id: string, project: object = {}) {
  const folder = path.join(root, id);
  fs.mkdirSync(folder, { recursive: true });
  let asked = 0;
  const answers = async (): Promise<RunFindings> => ({ findings: [], stop: null, prompts: [], looked: look(++asked) });
  const look = (rollouts: number) => ({ rollouts, start: 0, now: 0, since: 0, until: 0, reward: 'r' });
  return {
    grow: () => fs.appendFileSync(path.join(folder, 'rollouts.jsonl'), 'x\n'),
    ask: async (orOlder = false, work = answers) =>
      (await keptFindings(project, { id, folder, orOlder }, work)).looked.rollouts,
  };
}

test('the same files are looked through once, also by two who ask at the same time', async () => {
  const run = finder('a');
  run.grow();
  expect(await Promise.all([run.ask(), run.ask()])).toEqual([1, 1]);
  expect(await run.ask()).toBe(1);
});

test('files that grew are looked through again, unless an older answer will do', async () => {
  const run = finder('b');
  run.grow();
  expect(await run.ask()).toBe(1);
  run.grow();
  expect(await run.ask(true)).toBe(1);
  expect(await run.ask()).toBe(2);
});

test('a refusal is not kept, and other projects have their own', async () => {
  const run = finder('c');
  await expect(run.ask(false, () => Promise.reject(new Error('no rollouts')))).rejects.toThrow('no rollouts');
  expect(await run.ask()).toBe(1);
  expect(await finder('c').ask()).toBe(1);
});

test('the last sixteen runs are kept', async () => {
  const project = {};
  const runs = Array.from({ length: 17 }, (_, i) => finder(`d${i}`, project));
  for (const run of runs) await run.ask();
  expect(await runs[16]!.ask()).toBe(1);
  expect(await runs[0]!.ask()).toBe(2);
});

test('of a run at work an older answer comes back until a newer one is asked for; of one that has ended never', async () => {
  const { folder } = makeRunsProject(path.join(root, 'p.tastemaker'));
  const project = openProject(folder, { write: true });
  const asked: unknown[] = [];
  const answer = { findings: [], stop: null, prompts: [], looked: {} };
  const ask = (...question: unknown[]) => Promise.resolve((asked.push(question), answer));
  const finder = { ask, pid: () => null, close: () => Promise.resolve() } as Inspector;
  const { call } = handled(project, findingHandlers, { finder });
  const report = () => fs.appendFileSync(path.join(folder, 'runs/0004-ppo/rollouts.jsonl'), '{}\n');
  const look = (anew: boolean) => call('findings.run', { runId: '0004-ppo', anew });
  try {
    updateRun(project, '0004-ppo', { status: 'running' });
    await look(false);
    expect(asked).toEqual([['findings', { projectFolder: folder, runId: '0004-ppo' }, 'findings of 0004-ppo']]);
    report();
    await look(false);
    expect(asked).toHaveLength(1);
    await look(true);
    expect(asked).toHaveLength(2);
    report();
    updateRun(project, '0004-ppo', { status: 'done' });
    await look(false);
    expect(asked).toHaveLength(3);
    await look(false);
    expect(asked).toHaveLength(3);
  } finally {
    project.close();
  }
});
