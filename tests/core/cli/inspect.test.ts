// `inspect curve` and `inspect findings`: a table and sentences for people, one value for scripts, refusals with 2.

import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { RunCurve } from '#core/contract/findings.ts';
import { makeRunsProject } from '#tests/app/runs-project.ts';
import { cli, cliJson, temporaryFolder } from './command-line.ts';

const work = temporaryFolder();
beforeAll(() => void makeRunsProject(path.join(work, 'p.tastemaker')));

test('the curve is a table of looks, the fitted forms and where to stop', async () => {
  const { stdout, code } = await cli(work, 'inspect', 'curve', '--run', '0004-ppo');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^update +KL +√KL +held_out_score +held_out_value +gold$/m);
  expect(stdout).toMatch(/^15 +5\.32 +2\.31 +2\.140 ± 0\.070 +1\.875 ± 0\.070 +5\.400 ± 0\.120$/m);
  expect(stdout).not.toContain('-0.000');
  expect(stdout).toMatch(/^gold, policy form: α .+ \(.+ to .+\), β .+ \(.+\), highest at KL .+ \(.+ to .+\)\.$/m);
  expect(stdout).toMatch(/^Stop at update \d+: .+\.$/m);
  const curve = await cliJson<RunCurve & { beside: RunCurve[]; pool: null }>(
    work,
    'inspect',
    'curve',
    '--run',
    '0004-ppo',
    '--run',
    '0003-ppo',
  );
  expect([curve.run, curve.beside.map(({ run }) => run), curve.pool]).toEqual(['0004-ppo', ['0003-ppo'], null]);
  expect(curve.measures.map(({ metric }) => metric)).toEqual(['held_out_score', 'held_out_value', 'gold']);
  expect(curve.measures[0]!.points).toHaveLength(9);
});

test('what has no curve and no rollouts is refused in a sentence', async () => {
  const refused = await cli(work, 'inspect', 'curve', '--run', '0001-sample');
  expect([refused.code, refused.stderr.split('\n')[0]]).toEqual([
    2,
    'Error: Run 0001-sample has measured nothing on held-out prompts.',
  ]);
  const pool = await cli(work, 'inspect', 'curve', '--run', '0004-ppo', '--pool', '0001-sample');
  expect([pool.code, pool.stderr.split('\n')[0]]).toEqual([
    2,
    'Error: Run 0001-sample did not sample from the model that the KL of run 0004-ppo is measured from, so that they do not begin at one place.',
  ]);
  expect((await cli(work, 'inspect', 'findings', '--run', '0004-ppo')).code).toBe(2);
  expect((await cli(work, 'inspect', 'curve', '--run', '0099-ppo')).code).toBe(2);
});
