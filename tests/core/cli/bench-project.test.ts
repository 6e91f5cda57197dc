// The bench of a big project, made small: it builds what it says, measures everything, and a kept project is measured
// again.

import path from 'node:path';
import { expect, test } from 'vitest';
import { checkProject, openProject } from '#core/store/database.ts';
import { countPrompts } from '#core/store/prompts.ts';
import { countRankings, listRankings } from '#core/store/rankings.ts';
import { cli, cliJson, temporaryFolder } from './command-line.ts';

const work = temporaryFolder();
interface Figures {
  results: {
    bench: string;
    builtInSeconds: number;
    milliseconds: Record<string, { p50: number; p95: number; max: number; times: number }>;
  }[];
}

test('the project holds what was asked for, its search finds it, and every time is a time', async () => {
  const args = [
    'bench',
    'project',
    '--prompts',
    '60',
    '--completions-per-prompt',
    '3',
    '--rankings',
    '40',
    '--out',
    work,
  ];
  const {
    results: [first],
  } = await cliJson<Figures>(work, ...args);
  expect(first!.bench).toBe('project');
  for (const [name, { p50, p95, max, times }] of Object.entries(first!.milliseconds)) {
    expect([name, p50 >= 0 && p50 <= p95 && p95 <= max && Number.isFinite(max), times > 0]).toEqual([name, true, true]);
  }
  expect(Object.keys(first!.milliseconds)).toEqual(
    expect.arrayContaining([
      'open',
      'search',
      'samples by score, any page',
      'next item, shuffled',
      'draft and submit',
      'estimate, a form being changed',
      "the service's thread held by an estimate",
    ]),
  );
  const project = openProject(path.join(work, 'big.tastemaker'), { write: true });
  expect([
    checkProject(project),
    countPrompts(project),
    project.db.prepare('SELECT count(*) AS n FROM completions').get(),
  ]).toEqual([[], { train: 54, validation: 6, test: 0 }, { n: 180 }]);
  const measured = listRankings(project).length - 40; // what the bench itself submitted
  expect(measured).toBeGreaterThan(0);
  expect(countRankings(project).comparisons).toBeGreaterThan(40);
  project.close();
  const again = await cliJson<Figures>(work, ...args);
  expect(again.results[0]!.builtInSeconds).toBeLessThan(first!.builtInSeconds);
});

test('an unknown bench is named with those there are', async () => {
  const { code, stderr } = await cli(work, 'bench', 'speed');
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/no bench "speed".*\nHint: Benches: train, sample, ppo, project, inspector, finetune\./),
  ]);
});
