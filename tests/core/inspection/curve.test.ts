// The curve of a run: its looks as metrics.jsonl has them, the peak that was planted, and what is said where nothing
// was measured.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { betweenWords, fitWords, stopSentence } from '#core/contract/finding-words.ts';
import { fitForm } from '#core/findings/overoptimisation.ts';
import { runCurves } from '#core/inspection/curve.ts';
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
  const { measures, stop } = (await runCurves(project.folder, ['0004-ppo']))[0]!;
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

test('a peak that no number can hold, or whose interval has no end, comes through JSON as it is', async () => {
  const curveBent = async (bend: number, noise: number) => {
    const rows = Array.from({ length: 12 }, (_, kl) => {
      const d = Math.sqrt(kl);
      const value = (kl && d * (1 - bend * Math.log(d))) + (kl % 2 ? noise : -noise);
      return { step: kl, seconds: kl, held_out_kl: kl, held_out_value: value, held_out_score: value };
    });
    const file = path.join(project.folder, 'runs/0003-ppo/metrics.jsonl');
    fs.writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const curve = (await runCurves(project.folder, ['0003-ppo']))[0]!;
    expect(JSON.parse(JSON.stringify(curve))).toEqual(curve);
    const fits = curve.measures.flatMap((measure) => measure.fits);
    for (const fit of fits) expect(fitWords(fit)).not.toMatch(/Infinity|NaN|null/);
    return fits.find(({ form }) => form === 'rl')!.peak;
  };
  expect(await curveBent(1e-4, 0)).toBeNull(); // α / β is 10,000
  expect(await curveBent(0.003, 0.004)).toMatchObject({ high: null });
  expect(betweenWords({ value: 16, low: 9, high: null })).toBe('16 (9 and more)');
});

test('a run that measured nothing on held-out prompts says so, to the window too', async () => {
  const sentence = 'Run 0001-sample has measured nothing on held-out prompts.';
  expect((await errorFrom(() => runCurves(project.folder, ['0001-sample']))).message).toBe(sentence);
  const { call } = handled(project, findingHandlers);
  await expect(call('findings.curve', { runIds: ['0001-sample'] })).rejects.toThrow(sentence);
  expect((await call('findings.curve', { runIds: ['0004-ppo'] }))[0]!.measures).toHaveLength(3);
});
