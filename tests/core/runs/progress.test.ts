// No phase of a run is mute: what takes long says how far it is, and the time left is never "0 s" while work goes on.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '#core/recipes/settings.ts';
import type { Pulse } from '#core/runs/control.ts';
import { writeHeartbeat } from '#core/runs/control.ts';
import { prepareRun } from '#core/runs/execute.ts';
import { openRun } from '#core/runs/open.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { RECIPES } from '#core/recipes/table.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { startRun } from '#core/runs/start.ts';
import { readRules, writeRules } from '#core/runs/stop-rules.ts';
import { watchRun } from '#core/service/runs/run-watch.ts';
import { addRun } from '#core/store/runs.ts';
import type { Project } from '#core/store/project.ts';
import {
  addLengthReward,
  makeTinyProject,
  metricsOf,
  QUICK_PPO,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
  addLengthReward(project, 'reward', 1);
});
afterAll(() => project.close());

/** What a run said of itself: of every phase, in order, the counts that came in it. */
async function saidBy(
  recipe: RecipeName,
  given: Record<string, unknown>,
): Promise<{ phase: string; parts: [number, number][] }[]> {
  const id = `9${recipe}`;
  const said: { phase: string; parts: [number, number][] }[] = [{ phase: 'preparing', parts: [] }];
  const pulse: Pulse = {
    progress: () => {},
    border: () => false,
    phase: (phase) => void (said.at(-1)!.phase !== phase && said.push({ phase, parts: [] })),
    part: (done, total) => void said.at(-1)!.parts.push([done, total]),
  };
  const config = readConfig(RECIPES[recipe].settings, given);
  await prepareRun(project, id, recipe, config, recipe);
  await RECIPES[recipe].run(openRun(project.folder, id, { pulse }), config);
  return said;
}

const LONG: Record<string, [recipe: RecipeName, given: Record<string, unknown>, counted: string[]]> = {
  sampling: ['sample', { k: 2, max_new: 4, seed: 7 }, ['sampling']],
  scoring: ['score', { reward: 'reward', reference: 'base' }, ['scoring']],
  'a reward model on frozen blocks': [
    'reward',
    { batch: 8, tune: 'blocks', tuned_blocks: 1 },
    ['reading with the frozen blocks', 'training', 'validating'],
  ],
  SFT: ['sft', { batch: 4, show_prompts: 2, show_max_new: 4 }, ['sampling held-out prompts', 'training', 'validating']],
  PPO: [
    'ppo',
    { ...QUICK_PPO, updates: 1, evaluate_every: 1 },
    ['sampling held-out prompts', 'scoring held-out prompts', 'sampling', 'scoring', 'training', 'training the critic'],
  ],
};
test.each(Object.entries(LONG))(
  '%s loads with a word, and counts in every long phase up to all',
  async (_, [recipe, given, counted]) => {
    const said = await saidBy(recipe, given);
    expect(said[1]?.phase).toMatch(/^(loading|reading)/);
    for (const phase of counted) {
      const parts = said.filter((one) => one.phase === phase).flatMap((one) => one.parts);
      expect(parts.length, `${phase} of ${JSON.stringify(said.map((one) => one.phase))}`).toBeGreaterThan(0);
      for (const [done, total] of parts) expect(done).toBeLessThanOrEqual(total);
      expect(parts.at(-1)![0]).toBe(parts.at(-1)![1]);
    }
  },
);

test('the time left is that of the steps, then that of the phase, and never zero', () => {
  addRun(project, { id: '8-ppo', kind: 'ppo', name: 'x' });
  const folder = runFolderOf(project.folder, '8-ppo');
  const watch = watchRun(project, '8-ppo', null, () => {});
  const now = Date.now();
  const beat = (ago: number, phase: string, step: number, part?: [number, number]) => {
    writeHeartbeat(folder, {
      pid: process.pid,
      birth: null,
      proof: '',
      startedAt: now,
      at: now - ago,
      phase,
      step,
      total: 10,
      memoryBytes: 0,
      ...(part ? { part: { done: part[0], total: part[1] } } : {}),
    });
    watch.look();
  };
  writeRules(folder, {}); // makes the folder
  beat(30_000, 'training', 4);
  expect(watch.secondsLeft()).toBeNull();
  beat(10_000, 'training', 6);
  expect(watch.secondsLeft()).toBeCloseTo(4 * 10 - 10, 0);
  beat(60_000, 'training', 9); // nothing was heard for longer than a step takes
  expect(watch.secondsLeft()).not.toBe(0);
  beat(8000, 'training', 10);
  expect(watch.secondsLeft()).toBeNull(); // all steps are done, and nobody knows how long the rest takes
  beat(6000, 'validating', 10, [10, 60]);
  expect(watch.secondsLeft()).toBeNull();
  beat(0, 'validating', 10, [20, 60]);
  expect(watch.secondsLeft()).toBeCloseTo(24, 0);
});

test('a stop rule that is set while the run works stops it, and the manifest stays as it was', async () => {
  let id = '';
  const run = await startRun(project, 'ppo', { ...QUICK_PPO, updates: 6, evaluate_every: 0 }, null, {
    onLog: (line) => void (id ||= /^Run (\S+) has begun/.exec(line)?.[1] ?? ''),
    onReport: (step) => void (step === 2 && writeRules(runFolderOf(project.folder, id), { stop_ended: 1 })),
  });
  expect(run.summary).toMatch(/stopped because only \d+ % of the completions ended/);
  expect(metricsOf(project, run.id).at(-1)!.step).toBe(2);
  expect(readRules(runFolderOf(project.folder, run.id))).toEqual({ stop_ended: 1 });
});
