// What a run keeps of its rollouts: which, how many, and the same after a resumption.

import fs from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whichKept } from '#core/recipes/parts/rollout-log.ts';
import { readRollouts } from '#core/runs/rollouts.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Project } from '#core/store/project.ts';
import {
  addTrainedReward,
  makeTinyProject,
  metricsOf,
  QUICK_PPO,
  runFile,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

describe('which answers of an update are kept', () => {
  const scores = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 80 });
  test('all where they fit; else an even share, best and worst in it, never more than allowed in all', () => {
    fc.assert(
      fc.property(
        scores,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 0, max: 2000 }),
        (given, updates, most) => {
          const kept = whichKept(given, updates, most);
          expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
          const share = Math.floor(most / updates);
          expect(kept.length).toBe(share >= 1 ? Math.min(given.length, share) : Math.min(1, most));
          const chosen = kept.length >= 10 ? kept.map((i) => given[i]!) : given; // of fewer nothing is promised
          expect(chosen).toContain(Math.max(...given));
          expect(chosen).toContain(Math.min(...given));
        },
      ),
    );
  });
  test('the rest are spread evenly: none of a hundred equal answers lies more than two steps from where it should', () => {
    const kept = whichKept(Array(100).fill(0), 1, 20);
    const middle = kept.slice(2, -2); // two at each end are the best and the worst
    for (let i = 1; i < middle.length; i++) expect(middle[i]! - middle[i - 1]!).toBeLessThanOrEqual(7);
  });
});

describe('a run', () => {
  const fresh = temporaryProjects();
  let project: Project;
  beforeAll(async () => {
    project = await makeTinyProject(fresh());
    await addTrainedReward(project);
  });
  afterAll(() => project.close());
  const rowsOf = (id: string) => readRollouts(runFolderOf(project.folder, id));
  const settings = { ...QUICK_PPO, updates: 4, checkpoint_every: 2, missing_end: 'keep' };

  test('keeps every answer that it learnt from, with the numbers of its report', async () => {
    const run = await startRun(project, 'ppo', settings, null);
    const { rows, damaged } = rowsOf(run.id);
    expect(damaged).toBe(0);
    expect(rows).toHaveLength(4 * settings.episodes);
    const updates = metricsOf(project, run.id).filter((row) => row.policy_loss !== undefined);
    expect(updates).toHaveLength(4);
    updates.forEach((report, i) => {
      const own = rows.filter(({ step }) => step === i + 1);
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(mean(own.map(({ score }) => score))).toBeCloseTo(report.score!, 4);
      expect(mean(own.map(({ logprob, referenceLogprob }) => logprob - referenceLogprob))).toBeCloseTo(report.kl!, 3);
      expect(mean(own.map(({ tokenIds }) => tokenIds.length))).toBeCloseTo(report.length!, 6);
      expect(mean(own.map(({ finish }) => Number(finish === 'stop')))).toBeCloseTo(report.ended!, 6);
    });
  });

  test('stopped on the way and resumed it has kept the very same', async () => {
    const whole = await startRun(project, 'ppo', settings, null);
    let reports = 0;
    const stopped = await startRun(project, 'ppo', settings, null, {
      onReport: (_step, _total, row) => void (reports += Number(row.policy_loss !== undefined)),
      stopping: () => reports === 3,
    });
    await resumeRun(project, stopped.id);
    expect(fs.readFileSync(runFile(project, stopped.id, 'rollouts.jsonl'))).toEqual(
      fs.readFileSync(runFile(project, whole.id, 'rollouts.jsonl')),
    );
  });

  test('keeps no more than it may, and none where it may none', async () => {
    const some = await startRun(project, 'ppo', { ...settings, keep_rollouts: 20 }, null);
    expect(rowsOf(some.id).rows).toHaveLength(20);
    const none = await startRun(project, 'ppo', { ...settings, keep_rollouts: 0 }, null);
    expect(rowsOf(none.id).rows).toHaveLength(0);
  });
});
