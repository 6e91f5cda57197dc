// What the best of n of a pool gains, of a project's own runs: chosen by the score that was trained on, measured by
// others; and which runs and pools a curve can be laid beside.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { bestOfN, bestOfNKl } from '#core/findings/best-of-n.ts';
import { curveChoices, poolCurve } from '#core/inspection/best-of-n.ts';
import { runCurves } from '#core/inspection/curve.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { startRun } from '#core/runs/start.ts';
import { listCompletions } from '#core/store/completions.ts';
import { listMeasures } from '#core/store/measures.ts';
import { getPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { setSplit } from '#core/store/prompts.ts';
import {
  addLengthReward,
  errorFrom,
  makeTinyProject,
  QUICK_PPO,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
const models = createHeldModels({ limit: Infinity });
const PPO = { ...QUICK_PPO, reward: 'longer', evaluate_every: 1, missing_end: 'subtract', missing_end_penalty: -2 };
let project: Project, pool: string, trained: string, dearer: string;

beforeAll(async () => {
  project = await makeTinyProject(fresh());
  for (const [name, sign] of [
    ['longer', 1],
    ['shorter', -1],
  ] as const)
    addLengthReward(project, name, sign);
  pool = listCompletions(project)[0]!.runId!;
  trained = (await startRun(project, 'ppo', { ...PPO, beta: 0 }, 'free')).id;
  dearer = (await startRun(project, 'ppo', { ...PPO, beta: 0.2 }, 'dear')).id;
});
afterAll(() => project.close());

const asked = (runId: string, poolId: string) => poolCurve(models, { projectFolder: project.folder, runId, poolId });

test('a pool that nobody has scored is refused in a sentence, and what is no pool', async () => {
  expect((await errorFrom(() => asked(trained, pool))).message).toMatch(
    /^None of the 136 samples that run \S+ drew has a score by “longer”\.$/,
  );
  expect((await errorFrom(() => asked(trained, dearer))).message).toMatch(/drew no samples/);
});

test('each n is the mean over prompts of the unbiased estimator, chosen by the score as the run is given it', async () => {
  await startRun(project, 'score', { reward: 'longer', reference: '' }, null);
  await startRun(project, 'score', { reward: 'shorter', reference: '' }, null);
  const { size, prompts, reward, measures, notes } = await asked(trained, pool);
  expect([size, prompts, reward]).toEqual([4, 34, 'longer']);
  expect(measures.map(({ metric }) => metric)).toEqual(['held_out_score', 'gold', 'score by “shorter”']);
  expect(notes).toEqual([]);
  const drawn = listCompletions(project, { runId: pool });
  const scoreBy = (name: string) => {
    const modelId = getPolicy(project, name).id;
    const found = listMeasures(project, { completionIds: drawn.map(({ id }) => id), modelId });
    return new Map(found.map(({ completionId, score }) => [completionId, score!]));
  };
  const [longer, shorter] = [scoreBy('longer'), scoreBy('shorter')];
  const own = ({ id, finish }: (typeof drawn)[number]) => longer.get(id)! - (finish === 'stop' ? 0 : 2);
  const byPrompt = [...Map.groupBy(drawn, ({ promptId }) => promptId).values()];
  for (const n of [1, 2, 3, 4])
    for (const [at, worth] of [
      [0, own],
      [2, ({ id }: (typeof drawn)[number]) => shorter.get(id)!],
    ] as const) {
      const each = byPrompt.map((rows) => bestOfN(rows.map(own), n, rows.map(worth)));
      const point = measures[at]!.points.find((one) => one.n === n)!;
      expect(point.kl).toBe(bestOfNKl(n));
      expect(point.value).toBeCloseTo(each.reduce((a, b) => a + b, 0) / each.length, 9);
      expect(point.error).toBeGreaterThan(0);
    }
  expect(measures[0]!.points[3]!.value).toBeGreaterThan(measures[0]!.points[0]!.value);
});

test('what was drawn for a test prompt is no part of it', async () => {
  const { promptId } = listCompletions(project, { runId: pool })[0]!;
  setSplit(project, [promptId], 'test');
  expect((await asked(trained, pool)).prompts).toBe(33);
  setSplit(project, [promptId], 'train');
});

test('runs of one start stand beside one another, without what is on another scale', async () => {
  const [free, dear] = await runCurves(project.folder, [trained, dearer]);
  expect([free!.beta, dear!.beta]).toEqual([0, 0.2]);
  expect(free!.measures.map(({ metric }) => metric)).toEqual(['held_out_score', 'held_out_value', 'gold']);
  expect(dear!.measures.map(({ metric }) => metric)).toEqual(['held_out_score', 'gold']);
  expect(dear!.notes).toEqual([
    `held_out_value of run ${dearer} is left out: beside run ${trained} they were chosen at another price of KL.`,
  ]);
  const later = await startRun(project, 'ppo', { ...PPO, policy: 'free', reward: 'longer' }, 'later');
  expect((await errorFrom(() => runCurves(project.folder, [trained, later.id]))).message).toMatch(
    /did not begin with the policy that run \S+ began with/,
  );
  expect((await errorFrom(() => asked(later.id, later.id))).message).toMatch(/did not sample from the model/);
  const { runs, pools } = await curveChoices(project, trained);
  expect(runs).toEqual([{ id: dearer, name: 'dear', beta: 0.2 }]);
  expect(pools).toEqual([{ id: pool, name: expect.any(String) as string, k: 4 }]);
});
