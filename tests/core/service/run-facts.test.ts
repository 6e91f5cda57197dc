// Notes, tags and results of runs: kept, cleaned, taken from the metrics with their errors, and the same for old runs.

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RunStatus } from '#core/contract/runs.ts';
import { followResults, readResults } from '#core/runs/results.ts';
import { lastMetrics } from '#core/service/models/run-folder.ts';
import { runFactHandlers } from '#core/service/runs/run-facts.ts';
import { createProject, openProject } from '#core/store/database.ts';
import type { Project } from '#core/store/project.ts';
import { resultsOf, setResults } from '#core/store/run-facts.ts';
import { addRun, updateRun } from '#core/store/runs.ts';
import { handled } from './handler-context.ts';
import { freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();
let project: Project;
beforeEach(() => void (project = createProject(fresh())));
afterEach(() => project.close());

const ROWS = [
  { step: 0, seconds: 0, held_out_n: 64, gold: 3, gold_se: 0.2, held_out_kl: 0 },
  { step: 1, seconds: 1, score: 1, kl: 2 },
  { step: 5, seconds: 4, held_out_n: 60, gold: 5, gold_se: 0.1, held_out_kl: 4 },
  { step: 6, seconds: 5, score: 3, kl: 9 },
  { step: 10, seconds: 9, held_out_n: 64, gold: 4, gold_se: 0.3, held_out_kl: 12 },
];
function run(id: string, status: RunStatus, rows: readonly object[] = ROWS): void {
  addRun(project, { id, kind: 'ppo', name: id, status, endedAt: status === 'done' ? 5 : null });
  const folder = join(project.folder, 'runs', id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'metrics.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

test('results are the last and the best value of each metric, with the error measured there; errors and counts are none of their own', async () => {
  run('0001-ppo', 'done');
  const service = handled(project, runFactHandlers);
  const [facts] = await service.call('runs.facts', {});
  expect(facts!.results.map(({ metric }) => metric)).toEqual(['gold', 'held_out_kl', 'score', 'kl']);
  expect(facts!.results[0]).toEqual({
    metric: 'gold',
    last: 4,
    best: 5,
    bestStep: 5,
    lastError: 0.3,
    bestError: 0.1,
    count: 64,
  });
  expect(facts!.results[1]).toMatchObject({ last: 12, best: 12, bestStep: 10 }); // neither way is better
  // of a run of an older version they are written down when first asked for
  expect(resultsOf(project, '0001-ppo')).toHaveLength(4);
});

test('the last values are a row of metrics again: recorded ones where there are some, else those of the file', () => {
  run('0001-ppo', 'done');
  const last = { gold: 4, gold_se: 0.3, held_out_n: 64, held_out_kl: 12, score: 3, kl: 9 };
  expect(lastMetrics(project, '0001-ppo')).toEqual(last);
  setResults(project, '0001-ppo', readResults(join(project.folder, 'runs', '0001-ppo'), 'ppo'));
  writeFileSync(join(project.folder, 'runs', '0001-ppo', 'metrics.jsonl'), '');
  expect(lastMetrics(project, '0001-ppo')).toEqual(last);
});

test('a run at work has the results of its file as it grows, and forgets what a resumption took back; torn lines are passed over', () => {
  run('0001-ppo', 'running', ROWS.slice(0, 2));
  const folder = join(project.folder, 'runs', '0001-ppo');
  const so = followResults(folder, 'ppo');
  while (so.read());
  expect(so.results().find(({ metric }) => metric === 'gold')?.last).toBe(3);
  appendFileSync(join(folder, 'metrics.jsonl'), `{"step":2,"sec\n${JSON.stringify(ROWS[2])}\n{"step":3,`);
  while (so.read());
  expect(so.results().find(({ metric }) => metric === 'gold')?.last).toBe(5);
  writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify(ROWS[0])}\n`);
  while (so.read());
  expect(so.results().map(({ metric, last }) => [metric, last])).toEqual([
    ['gold', 3],
    ['held_out_kl', 0],
  ]);
});

test('a note and tags are kept, cleaned, told to windows, and there after a restart', async () => {
  run('0001-ppo', 'done');
  const service = handled(project, runFactHandlers);
  await service.call('runs.describe', { runId: '0001-ppo', note: '  the good one\n' });
  const facts = await service.call('runs.describe', { runId: '0001-ppo', tags: [' beta  0 ', 'Keep', 'keep', ''] });
  expect([facts.note, facts.tags]).toEqual(['the good one', ['beta 0', 'Keep']]);
  expect(service.events.map(({ event }) => event)).toEqual(['run.facts', 'run.facts']);
  await expect(service.call('runs.describe', { runId: '0001-ppo', tags: ['a,b'] })).rejects.toThrow(/comma/);
  await expect(service.call('runs.describe', { runId: '0009-ppo', note: 'x' })).rejects.toThrow(/no run 0009-ppo/);
  updateRun(project, '0001-ppo', { name: 'other' });
  const { folder } = project;
  project.close();
  project = openProject(folder, { write: true });
  expect((await handled(project, runFactHandlers).call('runs.facts', {}))[0]).toMatchObject({
    note: 'the good one',
    tags: ['beta 0', 'Keep'],
  });
});
