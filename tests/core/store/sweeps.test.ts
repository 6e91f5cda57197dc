// Sweeps: runs of one recipe, with what each came to by the sweep's metric; a sweep goes without its runs.
import { expect, test } from 'vitest';
import type { RunResult } from '#core/contract/runs.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { markRemoved } from '#core/store/remove-runs.ts';
import { setResults } from '#core/store/run-facts.ts';
import { addRun, listRuns } from '#core/store/runs.ts';
import { addSweep, addToSweep, listSweeps, removeSweep, sweepResults } from '#core/store/sweeps.ts';
import { errorOf, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const SWEEP = { name: 'rates', recipe: 'sft', varied: { learning_rate: [1e-3, 3e-4], tune: ['lora'] }, metric: 'loss' };
const result = (metric: string, last: number, best: number): RunResult => ({
  metric,
  last,
  best,
  bestStep: 40,
  lastError: null,
  bestError: 0.01,
  count: null,
});

test('a sweep comes back as it was written, and each run with its result by the metric of the sweep', () => {
  const folder = fresh();
  const project = createProject(folder);
  const ids = ['0001-sft', '0002-sft', '0003-sft', '0004-sft'].map((id, i) =>
    addRun(project, { id, kind: 'sft', name: id, status: 'done', createdAt: 1000 - i }),
  );
  const id = addSweep(project, SWEEP);
  addToSweep(project, id, [ids[0]!.id, ids[1]!.id]);
  addToSweep(project, id, [ids[2]!.id]);
  setResults(project, '0001-sft', [result('loss', 2, 1.5), result('perplexity', 9, 8)]);
  setResults(project, '0002-sft', [result('perplexity', 7, 6)]);
  project.close();

  const again = openProject(folder, { write: true });
  const [found] = listSweeps(again);
  expect(found).toEqual({ ...SWEEP, id, createdAt: found!.createdAt });
  expect(Date.now() - found!.createdAt).toBeLessThan(60_000);
  const board = () => sweepResults(again, id);
  expect(board()).toEqual([
    { runId: '0003-sft', result: null }, // oldest first
    { runId: '0002-sft', result: null },
    { runId: '0001-sft', result: result('loss', 2, 1.5) },
  ]);
  markRemoved(again, ['0002-sft'], false);
  expect(board().map(({ runId }) => runId)).toEqual(['0003-sft', '0001-sft']);
  removeSweep(again, id);
  expect([listSweeps(again), board()]).toEqual([[], []]);
  expect(listRuns(again)).toHaveLength(3);
  again.close();
});

test('what makes no sense is refused, and nothing of it is written', () => {
  const project = createProject(fresh());
  addRun(project, { id: '0001-sft', kind: 'sft', name: 'a', status: 'done' });
  addRun(project, { id: '0002-sft', kind: 'sft', name: 'b', status: 'done' });
  addRun(project, { id: '0003-ppo', kind: 'ppo', name: 'c', status: 'done' });
  const id = addSweep(project, SWEEP);
  expect(errorOf(() => addSweep(project, SWEEP)).message).toBe('There is a sweep "rates" already.');
  for (const varied of [{}, { learning_rate: [] }] as Record<string, number[]>[])
    expect(errorOf(() => addSweep(project, { ...SWEEP, name: 'none', varied })).message).toBe(
      'The sweep "none" varies nothing.',
    );
  expect(errorOf(() => addToSweep(project, id, ['0001-sft', '0003-ppo'])).message).toBe('Run 0003-ppo is none of sft.');
  expect(errorOf(() => addToSweep(project, id, ['nobody'])).message).toBe('Run nobody is none of sft.');
  expect(errorOf(() => addToSweep(project, id + 1, ['0001-sft'])).message).toBe(`There is no sweep ${id + 1}.`);
  expect(sweepResults(project, id)).toEqual([]);
  addToSweep(project, id, ['0001-sft']);
  const other = addSweep(project, { ...SWEEP, name: 'others' });
  expect(errorOf(() => addToSweep(project, other, ['0002-sft', '0001-sft'])).message).toBe(
    'Run 0001-sft belongs to a sweep already.',
  );
  expect(sweepResults(project, other)).toEqual([]);
  project.close();
});
