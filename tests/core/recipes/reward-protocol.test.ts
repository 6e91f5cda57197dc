// What a reward model learns from and is judged by: the project's splits, no repeats, every prompt the same, errors
// that are known.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shareWords } from '#core/contract/share-words.ts';
import { clusteredMean } from '#core/evaluation/clustered-mean.ts';
import { packRankings } from '#core/recipes/parts/reward-batches.ts';
import { isHeldBack, rankingWeights } from '#core/recipes/parts/reward-data.ts';
import { validate } from '#core/recipes/parts/reward-validation.ts';
import type { ValidationRow } from '#core/recipes/parts/reward-validation.ts';
import { startRun } from '#core/runs/start.ts';
import { checkpointParameters, loadCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import type { Group } from '#core/models/rows.ts';
import { createRandom } from '#core/random.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { addRankings, deleteRanking, listRankings } from '#core/store/rankings.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { rewardFeeds, rewardLoss } from '#core/training/objectives/row-losses.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { randomTokens, tinyModel } from '#tests/core/models/tiny-models.ts';
import { mean } from './first-rollout.ts';
import { jsonRows, makeTinyProject, metricsOf, modelBytes, runFile, temporaryProjects } from './tiny-project.ts';

const fresh = temporaryProjects();
const QUICK = { batch: 8, learning_rate: 3e-3, steps_a_run: 4, seed: 2 };
let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
});
afterAll(() => project.close());

const reward = (changes: Record<string, unknown> = {}) => startRun(project, 'reward', { ...QUICK, ...changes }, null);
const validationOf = (id: string) => jsonRows<ValidationRow>(project, id, 'validation.jsonl');
const usesOf = (id: string) =>
  new Map(
    jsonRows<{ promptId: number; use?: string }>(project, id, 'data.jsonl').flatMap(({ promptId, use }) =>
      use ? [[promptId, use] as const] : [],
    ),
  );
const logOf = (id: string) => fs.readFileSync(runFile(project, id, 'log.txt'), 'utf8');

test('hidden repeats and skipped items teach nothing: the same bits without them', async () => {
  const before = await reward();
  const [first, second] = listRankings(project);
  const extra = addRankings(project, [
    {
      ...first!,
      itemId: null,
      repeatOf: first!.id,
      ranks: first!.ranks.map(({ completionId, rank }) => ({ completionId, rank: 9 - rank })),
    },
    { ...second!, itemId: null, status: 'skipped', ranks: [] },
  ]);
  const after = await reward();
  expect(modelBytes(project, after.id).equals(modelBytes(project, before.id))).toBe(true);
  expect(after.summary).toBe(before.summary);
  expect(logOf(after.id)).toContain('1 hidden repeats');
  for (const id of extra) deleteRanking(project, id);
});

describe('no ranking of a validation prompt', () => {
  let copy: Project;
  const run = (changes: Record<string, unknown> = {}) =>
    startRun(copy, 'reward', { ...QUICK, validation: 0.3, ...changes }, null);
  const heldOf = (id: string) =>
    new Set(
      jsonRows<{ promptId: number; use?: string }>(copy, id, 'data.jsonl')
        .filter(({ use }) => use === 'held back')
        .map(({ promptId }) => promptId),
    );
  beforeAll(async () => {
    copy = await makeTinyProject(fresh());
    const held = new Set(listPrompts(copy, { split: 'validation' }).map(({ id }) => id));
    for (const { id, promptId } of listRankings(copy)) if (held.has(promptId)) deleteRanking(copy, id);
  });
  afterAll(() => copy.close());

  test('a share of the train prompts is held back, the same for other seeds and with other labels, and that is said', async () => {
    const texts = new Map(listPrompts(copy, { split: 'train' }).map(({ id, text }) => [id, text]));
    const wanted = new Set(
      [...texts].filter(([, prompt]) => isHeldBack({ prompt, messages: null }, 0.3)).map(([id]) => id),
    );
    const first = await run();
    const others = await run({ seed: 5 });
    expect(wanted.size).toBeGreaterThan(2);
    expect([heldOf(first.id), heldOf(others.id)]).toEqual([wanted, wanted]);
    expect(first.summary).toContain('validated on train prompts that were held back');
    const gone = listRankings(copy).find(({ promptId }) => texts.has(promptId) && !wanted.has(promptId))!;
    deleteRanking(copy, gone.id);
    expect(heldOf((await run()).id)).toEqual(wanted);
    addRankings(copy, [{ ...gone, itemId: null }]);
  });

  test('validation=0 holds none back, and says that nothing validates it', async () => {
    const all = await run({ validation: 0 });
    expect(heldOf(all.id).size).toBe(0);
    expect(all.summary).toContain('from 28 rankings');
    expect(all.summary).toContain('nothing to validate on');
  });
});

test('validation=0 where validation prompts are ranked: all train prompts teach, and those validate', async () => {
  const run = await reward({ validation: 0 });
  const uses = usesOf(run.id);
  expect(new Set(uses.values())).toEqual(new Set(['train', 'validation']));
  expect(run.summary).toContain('from 28 rankings');
  expect(run.summary).toMatch(/validation accuracy 0\.\d+ \(0\.\d+ to [01]\.\d+\) on 6 rankings/);
  const {
    validation_accuracy: accuracy,
    validation_accuracy_se: error,
    validation_rankings,
  } = metricsOf(project, run.id).at(-1)!;
  expect(validation_rankings).toBe(6);
  expect(error).toBeGreaterThan(0);
  const shown = shareWords(accuracy!, { error: error!, count: 6 }); // as charts and the table of runs say it
  expect(run.summary).toContain(`validation accuracy ${shown} on`);
});

test('head and order have seeds of their own', async () => {
  const bytes = async (changes: Record<string, unknown>) => modelBytes(project, (await reward(changes)).id);
  const plain = await bytes({});
  for (const name of ['head_seed', 'order_seed']) {
    expect((await bytes({ [name]: QUICK.seed })).equals(plain), `${name} as seed says`).toBe(true);
    expect((await bytes({ [name]: 77 })).equals(plain), `${name} of its own`).toBe(false);
  }
});

test('D36: validation.jsonl says by whom, how sure and of whose answers; accuracy by labeler where there are several', async () => {
  const other = ensureLabeler(project, 'other', 'person').id;
  const [prompt] = listPrompts(project, { split: 'validation' });
  const known = listRankings(project).find(({ promptId }) => promptId === prompt!.id)!;
  const [id] = addRankings(project, [{ ...known, itemId: null, labelerId: other, confidence: 7 }]);
  const run = await reward();
  const rows = validationOf(run.id);
  const name = getPolicy(project, 'base').name;
  expect(rows.find(({ labeler }) => labeler === 'other')).toMatchObject({
    promptId: prompt!.id,
    confidence: 7,
    policies: [name, name, name, name],
  });
  expect(run.summary).toContain('on 7 rankings of 6 prompts');
  expect(run.summary).toMatch(/other: [01]\.\d+ \(0\.\d+ to [01]\.\d+\) on 1 ranking\)/);
  deleteRanking(project, id!);
});

describe('the zero point', () => {
  const scale = (id: string) => loadCheckpoint(runFile(project, id, 'model'));
  test('without references it is the ranked completions, and that is said', async () => {
    const copy = await makeTinyProject(fresh());
    query(copy, 'UPDATE prompts SET reference = NULL').run();
    const [asked, completions] = [
      await startRun(copy, 'reward', QUICK, null),
      await startRun(copy, 'reward', { ...QUICK, zero: 'completions' }, null),
    ];
    expect(modelBytes(copy, asked.id).equals(modelBytes(copy, completions.id))).toBe(true);
    expect(asked.summary).toContain('there are no references, so the ranked completions score 0 on average');
    expect(completions.summary).not.toContain('references');
    copy.close();
  });

  test('without a bias the head is still brought to unit scale, nothing else is done, and both are said', async () => {
    const [plain, unit, references] = [
      await reward({ head_bias: false, zero: 'none' }),
      await reward({ head_bias: false, zero: 'completions-unit' }),
      await reward({ head_bias: false }),
    ];
    const [before, after] = [scale(plain.id).weights['score.weight']!, scale(unit.id).weights['score.weight']!];
    const factor = after[0]! / before[0]!;
    expect(Math.abs(factor - 1)).toBeGreaterThan(0.01);
    after.forEach((w, i) => expect(w).toBeCloseTo(before[i]! * factor, 5));
    expect(unit.summary).toContain('without a bias the head can not be shifted, only scaled');
    expect(modelBytes(project, references.id).equals(modelBytes(project, plain.id))).toBe(true);
    expect(references.summary).toContain('without a bias no zero point can be set');
  });
});

test.each([1, 0])(
  '%d blocks learn: zero point and validation read what the frozen ones made once, and are those of the saved model',
  async (blocks) => {
    const run = await reward({ tune: 'blocks', tuned_blocks: blocks });
    const model = loadCheckpoint(runFile(project, run.id, 'model'));
    const evaluator = createEvaluator(model);
    const tokenizer = await loadTokenizer(policyPath(project, getPolicy(project, 'base')));
    const group = async (text: string, completions: number[][]): Promise<Group> => ({
      prompt: await tokenizer.encode(text),
      completions,
    });
    const references = await Promise.all(
      listPrompts(project, { split: 'train' }).map(async ({ text, reference }) =>
        group(text, [[...(await tokenizer.encode(` ${reference}`)), tokenizer.endOfText]]),
      ),
    );
    expect(Math.abs(mean((await evaluator.scores(model.weights, references)).flat()))).toBeLessThan(1e-3);
    const rows = validationOf(run.id);
    const data = jsonRows<{ promptId: number; prompt: string; ids?: number[][] }>(project, run.id, 'data.jsonl');
    const wanted = await evaluator.scores(
      model.weights,
      await Promise.all(
        rows.map(({ promptId }) =>
          group(
            data.find((row) => row.promptId === promptId)!.prompt,
            data.find((row) => row.promptId === promptId)!.ids!,
          ),
        ),
      ),
    );
    rows.forEach(({ scores }, i) => scores.forEach((score, k) => expect(score).toBeCloseTo(wanted[i]![k]!, 4)));
    expect(fs.existsSync(path.join(path.dirname(runFile(project, run.id, 'log.txt')), 'features.f32'))).toBe(false);
    await evaluator.release();
  },
);

describe('rankings over several rows', () => {
  const scorer = withScoreHead(tinyModel('llama'), 3);
  const random = createRandom(4, 'spread');
  const ADAM = { betas: [0.9, 0.999], epsilon: 1e-2, epsilonStyle: 'torch', weightDecay: 0, clipNorm: null } as const;
  const rankings = [4, 2, 5, 3, 6].map((K, i) => ({
    prompt: randomTokens(random, 6),
    completions: Array.from({ length: K }, () => randomTokens(random, 5)),
    ranks: Array.from({ length: K }, (_, k) => 1 + ((k * 7 + i) % K)),
    weight: [1.2, 0.8, 1, 0.5, 1.5][i]!,
  }));
  /** Each ranking cut into rows of at most `most` completions. */
  const cut = (most: number) =>
    rankings.map(({ prompt, completions, ...rest }) => ({
      ...rest,
      rows: Array.from({ length: Math.ceil(completions.length / most) }, (_, r): Group => ({
        prompt,
        completions: completions.slice(r * most, (r + 1) * most),
      })),
    }));
  const learnt = async (ranked: ReturnType<typeof cut>, micro: number) => {
    const { shape, spread, arrays } = packRankings(ranked, 4, micro);
    const trainer = createTrainer(checkpointParameters(scorer), freshState(scorer.weights), rewardLoss(scorer), ADAM, {
      threads: 1,
    });
    const report = await trainer.steps('step', rewardFeeds(scorer, shape, spread), arrays, [1e-2, 1e-2], micro);
    const { weights } = trainer.state();
    await trainer.release();
    return { report, weights, spread };
  };

  test('teach what they teach in one row: losses, gradient norms and weights, in micro-batches too; the last step holds one of four', async () => {
    const whole = await learnt(cut(9), 1);
    expect(whole.spread).toBeNull();
    for (const [most, micro] of [
      [2, 1],
      [3, 2],
      [9, 4],
      [1, 4],
    ] as const) {
      const found = await learnt(cut(most), micro);
      const called = `${most} a row, ${micro} micro-batches`;
      expect(found.spread === null, called).toBe(most === 9);
      for (const name of ['loss', 'grad_norm'])
        found.report[name]!.forEach((value, i) =>
          expect(value / whole.report[name]![i]!, `${name}, ${called}`).toBeCloseTo(1, 5),
        );
      for (const [name, values] of Object.entries(whole.weights))
        values.forEach((value, i) =>
          expect(Math.abs(found.weights[name]![i]! - value), `${name}, ${called}`).toBeLessThan(1e-5),
        );
    }
  });

  test('the loss is a mean over rankings, so that light ones move less', async () => {
    const loss = async (weight: number) =>
      (
        await learnt(
          cut(9).map((ranking) => ({ ...ranking, weight })),
          1,
        )
      ).report.loss![0]!;
    expect(await loss(0.5)).toBeCloseTo((await loss(1)) / 2, 5);
  });
});

describe('means over prompts', () => {
  test('every prompt counts the same, however often it was ranked', () => {
    const weights = rankingWeights([
      { promptId: 1 },
      { promptId: 2 },
      { promptId: 2 },
      { promptId: 3 },
      { promptId: 2 },
    ]);
    expect(mean(weights)).toBeCloseTo(1, 12);
    expect(weights[0]).toBeCloseTo(weights[1]! + weights[2]! + weights[4]!, 12);
    expect(rankingWeights([{ promptId: 4 }, { promptId: 9 }])).toEqual([1, 1]);
  });

  test('the standard error of clusters is that of their means, and in a simulation the spread of the mean itself', () => {
    const values = [[1, 0, 1], [0], [1, 1], [0, 1]];
    const list = values.flatMap((own, cluster) => own.map((value) => ({ cluster, value, weight: 1 / own.length })));
    const means = values.map(mean);
    const spread = Math.sqrt(means.reduce((sum, x) => sum + (x - mean(means)) ** 2, 0) / 3 / 4);
    expect(clusteredMean(list).mean).toBeCloseTo(mean(means), 12);
    expect(clusteredMean(list).standardError).toBeCloseTo(spread, 12);
    const random = createRandom(1, 'clusters');
    const draws = Array.from({ length: 400 }, () =>
      clusteredMean(
        Array.from({ length: 60 }, (_, cluster) => {
          const shared = random.normal();
          return Array.from({ length: 1 + (cluster % 4) }, () => ({
            cluster,
            value: shared + 0.3 * random.normal(),
            weight: 1,
          }));
        }).flat(),
      ),
    );
    const center = mean(draws.map((draw) => draw.mean));
    const wanted = Math.sqrt(mean(draws.map((draw) => (draw.mean - center) ** 2)));
    expect(mean(draws.map(({ standardError }) => standardError!)) / wanted).toBeGreaterThan(0.9);
    expect(mean(draws.map(({ standardError }) => standardError!)) / wanted).toBeLessThan(1.1);
  });

  test('scores that are thousands apart have a loss that is a number', () => {
    const { checked } = validate(
      [
        {
          promptId: 1,
          use: 'validation',
          labeler: null,
          confidence: null,
          completionIds: [1, 2],
          policies: [null, null],
          prompt: [3],
          completions: [[4], [5]],
          ranks: [1, 2],
          rows: [],
        },
      ],
      [[-3000, 2000]],
    );
    expect(checked).toMatchObject({
      validation_loss: 5000,
      validation_accuracy: 0,
      score_gap: -5000,
      validation_rankings: 1,
    });
    expect(checked.validation_accuracy_se).toBeUndefined();
  });
});
