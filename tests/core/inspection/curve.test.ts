// The curve of a run: its looks as metrics.jsonl has them, the peak that was planted, and what is said where nothing
// was measured.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { fitWords, stopSentence } from '#core/contract/finding-words.ts';
import { fitForm } from '#core/findings/overoptimisation.ts';
import { runCurve } from '#core/inspection/curve.ts';
import { openProject } from '#core/store/database.ts';
import type { Project } from '#core/store/project.ts';
import { handled } from '#tests/core/service/handler-context.ts';
import { findingHandlers } from '#core/service/runs/findings.ts';
import { errorFrom, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';
import { makeRunsProject, ppoRows } from '#tests/app/runs-project.ts';

const fresh = temporaryProjects();
let project: Project;
beforeAll(() => {
  project = openProject(makeRunsProject(fresh()).folder, { write: false });
});
afterAll(() => project.close());

test('every look is a point of each measure, with its error, in the order of updates', async () => {
  const { measures, stop } = await runCurve(project.folder, '0004-ppo');
  const looks = (ppoRows(40, 0) as Record<string, number>[]).filter((row) => row['held_out_kl'] !== undefined);
  expect(measures.map(({ metric }) => metric)).toEqual(['held_out_score', 'held_out_value', 'gold']);
  for (const { metric, points } of measures)
    expect(points).toEqual(
      looks.map((row) => ({
        update: row['step'],
        kl: row['held_out_kl'],
        value: row[metric],
        error: row[`${metric}_se`],
      })),
    );
  // gold falls to below its start: both forms turn inside what was measured
  const gold = measures.find(({ metric }) => metric === 'gold')!;
  const farthest = gold.points.at(-1)!.kl;
  expect(gold.fits.map(({ form }) => form).toSorted()).toEqual(['best-of-n', 'rl']);
  for (const { form, alpha, peak } of gold.fits) {
    const gains = gold.points.map(({ kl, value }) => ({ kl, gain: value - gold.points[0]!.value }));
    expect(alpha).toEqual(fitForm(gains, form)!.alpha);
    expect(peak!.low).toBeLessThan(peak!.value);
    expect(peak!.value).toBeLessThan(farthest);
  }
  expect(fitWords(gold.fits[0]!)).toMatch(/form: α .+ \(.+ to .+\), β .+, highest at KL /);
  // one of the looks, no more than 1.96 standard errors of a difference below the best
  const values = measures[1]!.points.map(({ value }) => value);
  const chosen = measures[1]!.points.find(({ update }) => update === stop!.update)!;
  expect(stop!.update).toBeGreaterThan(0);
  expect(chosen.value).toBeGreaterThan(Math.max(...values) - 1.96 * Math.hypot(0.07, 0.07));
  expect(stopSentence(stop)).toMatch(/^Stop at update \d+: .+\.$/);
});

test('a run that measured nothing on held-out prompts says so, to the window too', async () => {
  const sentence = 'Run 0001-sample has measured nothing on held-out prompts.';
  expect((await errorFrom(() => runCurve(project.folder, '0001-sample'))).message).toBe(sentence);
  const { call } = handled(project, findingHandlers);
  await expect(call('findings.curve', { runId: '0001-sample' })).rejects.toThrow(sentence);
  expect((await call('findings.curve', { runId: '0004-ppo' })).measures).toHaveLength(3);
});
