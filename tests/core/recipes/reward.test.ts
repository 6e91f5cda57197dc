// The reward model as a job: what it learns, what it never sees, and where its zero lies.

import fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startRun } from '#core/runs/start.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { addRankings, deleteRanking, listComparisons, listRankings, replaceRanking } from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import { createRandom } from '#core/random.ts';
import type { Ranking } from '#core/contract/rankings.ts';
import type { Split } from '#core/contract/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { mean } from './first-rollout.ts';
import {
  errorFrom,
  jsonRows,
  makeTinyProject,
  metricsOf,
  modelBytes,
  runFile,
  temporaryProjects,
} from './tiny-project.ts';

const fresh = temporaryProjects();
const QUICK = { batch: 4, learning_rate: 3e-3, steps_a_run: 4, validation: 0.25, seed: 2 };
interface Validation {
  promptId: number;
  completionIds: number[];
  ranks: number[];
  scores: number[];
}

let project: Project;
/** Longer is better: ranks by the number of tokens, equal lengths tie. */
function rankByLength(): void {
  for (const { id } of listRankings(project)) deleteRanking(project, id);
  const labelerId = ensureLabeler(project, 'ruler', 'program').id;
  addRankings(
    project,
    [...Map.groupBy(listCompletions(project), ({ promptId }) => promptId)].map(([promptId, list]): NewRanking => {
      const lengths = list.map(({ tokenIds }) => tokenIds.length);
      return {
        promptId,
        labelerId,
        status: 'ranked',
        ranks: list.map(({ id }, i) => ({
          completionId: id,
          rank: 1 + lengths.filter((other) => other > lengths[i]!).length,
        })),
      };
    }),
  );
}
beforeAll(async () => {
  project = await makeTinyProject(fresh());
  rankByLength();
});
afterAll(() => project.close());

const reward = (changes: Record<string, unknown> = {}) => startRun(project, 'reward', { ...QUICK, ...changes }, null);
const validationOf = (id: string) => jsonRows<Validation>(project, id, 'validation.jsonl');

/** Scores by the saved model folder, of token ids given here. */
async function scored(name: string, groups: { prompt: number[]; completions: number[][] }[]): Promise<number[][]> {
  const model = loadCheckpoint(policyPath(project, getPolicy(project, name)));
  const evaluator = createEvaluator(model);
  const scores = await evaluator.scores(model.weights, groups);
  await evaluator.release();
  return scores;
}

test('D7: what was sampled is scored by its own token ids, what is only text by its tokens and one end-of-text', async () => {
  const tokenizer = await loadTokenizer(policyPath(project, getPolicy(project, 'base')));
  const prompt = listPrompts(project, { split: 'validation' })[0]!;
  const texts = [' my dog is missing.', ' i eat alone and'];
  const ids = addCompletions(
    project,
    texts.map((text, i) => ({
      promptId: prompt.id,
      policyId: null,
      text,
      tokenIds: [],
      logprobs: [],
      samplingLogprobs: [],
      finish: i === 0 ? ('stop' as const) : ('length' as const),
      sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 12, seed: 1 },
      runId: null,
    })),
  );
  const labelerId = ensureLabeler(project, 'importer', 'person').id;
  const [rankingId] = addRankings(project, [
    {
      promptId: prompt.id,
      labelerId,
      status: 'ranked',
      ranks: ids.map((completionId, i) => ({ completionId, rank: i + 1 })),
    },
  ]);
  const run = await reward({ batch: 2 });
  const rows = validationOf(run.id);
  const known = new Map(listCompletions(project).map((completion) => [completion.id, completion]));
  const prompts = new Map(listPrompts(project).map(({ id, text }) => [id, text]));
  const groups = await Promise.all(
    rows.map(async ({ promptId, completionIds }) => ({
      prompt: await tokenizer.encode(prompts.get(promptId)!),
      completions: await Promise.all(
        completionIds.map(async (id) => {
          const { tokenIds, text, finish } = known.get(id)!;
          return tokenIds.length
            ? tokenIds
            : [...(await tokenizer.encode(text)), ...(finish === 'stop' ? [tokenizer.endOfText] : [])];
        }),
      ),
    })),
  );
  expect(rows.some(({ completionIds }) => completionIds.includes(ids[0]!))).toBe(true);
  for (const { completions } of groups)
    for (const list of completions)
      expect(list.filter((id) => id === tokenizer.endOfText).length).toBeLessThanOrEqual(1);
  const again = await scored(run.name, groups);
  rows.forEach(({ scores }, i) => scores.forEach((score, k) => expect(again[i]![k]).toBeCloseTo(score, 4)));
  deleteRanking(project, rankingId!);
});

const splitOf = (promptId: number): Split => listPrompts(project, { ids: [promptId] })[0]!.split;
const inTest = (promptId: number): boolean => splitOf(promptId) === 'test';
const inTraining = (promptId: number): boolean => splitOf(promptId) === 'train';

describe('D10: the zero point', () => {
  const referenceMean = async (name: string) => {
    const tokenizer = await loadTokenizer(policyPath(project, getPolicy(project, 'base')));
    const groups = await Promise.all(
      listPrompts(project, { split: 'train' }).map(async ({ text, reference }) => ({
        prompt: await tokenizer.encode(text),
        completions: [[...(await tokenizer.encode(` ${reference}`)), tokenizer.endOfText]],
      })),
    );
    return mean((await scored(name, groups)).flat());
  };

  test('references score 0 on average after save and reload; order and gaps stay as they were', async () => {
    const [shifted, plain] = [await reward(), await reward({ zero: 'none' })];
    expect(Math.abs(await referenceMean(shifted.name))).toBeLessThan(1e-3);
    expect(Math.abs(await referenceMean(plain.name))).toBeGreaterThan(0.01);
    const [with0, without] = [metricsOf(project, shifted.id).at(-1)!, metricsOf(project, plain.id).at(-1)!];
    expect(with0.validation_accuracy).toBe(without.validation_accuracy);
    expect(with0.score_gap).toBeCloseTo(without.score_gap!, 5);
    const [a, b] = [
      validationOf(shifted.id).flatMap(({ scores }) => scores),
      validationOf(plain.id).flatMap(({ scores }) => scores),
    ];
    const shift = a[0]! - b[0]!;
    a.forEach((score, i) => expect(score - b[i]!).toBeCloseTo(shift, 4));
  });

  test.each(['completions', 'completions-unit'])(
    'or the completions it was trained on, D11: in their own unit where asked (%s)',
    async (zero) => {
      const run = await reward({ zero, validation: 0 });
      const tokenizer = await loadTokenizer(policyPath(project, getPolicy(project, 'base')));
      const groups = await Promise.all(
        [
          ...Map.groupBy(
            listCompletions(project).filter(({ tokenIds, promptId }) => tokenIds.length && inTraining(promptId)),
            ({ promptId }) => promptId,
          ),
        ].map(async ([id, list]) => ({
          prompt: await tokenizer.encode(listPrompts(project, { ids: [id] })[0]!.text),
          completions: list.map(({ tokenIds }) => tokenIds),
        })),
      );
      const scores = (await scored(run.name, groups)).flat();
      const deviation = Math.sqrt(mean(scores.map((x) => x * x)));
      expect(Math.abs(mean(scores))).toBeLessThan(1e-3);
      const isUnit = zero === 'completions-unit';
      expect(Math.abs(deviation - 1) < 0.0005).toBe(isUnit);
      expect(Math.abs(deviation - 1) > 0.01).toBe(!isUnit);
    },
  );
});

describe('D12: validation', () => {
  test('its prompts are never trained on: the opposite labels there change no weight', async () => {
    const first = await reward();
    const held = validationOf(first.id);
    expect(held.map(({ promptId }) => promptId).toSorted((a, b) => a - b)).toEqual(
      listPrompts(project, { split: 'validation' }).map(({ id }) => id),
    ); // the project's own, and all of them
    const flip = (of: (promptId: number) => boolean) => {
      for (const { id, promptId, labelerId, status, ranks } of listRankings(project)) {
        const worst = Math.max(...ranks.map(({ rank }) => rank)) + 1;
        if (of(promptId))
          replaceRanking(project, id, {
            promptId,
            labelerId,
            status,
            ranks: ranks.map(({ completionId, rank }) => ({ completionId, rank: worst - rank })),
          });
      }
    };
    const inValidation = (promptId: number) => held.some((row) => row.promptId === promptId);
    flip(inValidation);
    const second = await reward();
    expect(modelBytes(project, second.id).equals(modelBytes(project, first.id))).toBe(true);
    const [before, after] = [first, second].map(({ id }) => metricsOf(project, id).at(-1)!.validation_accuracy!);
    expect(after).toBeCloseTo(1 - before!, 6); // they are what the accuracy is measured on
    const trained = listRankings(project).find(
      ({ promptId, ranks }) =>
        !inValidation(promptId) && !inTest(promptId) && new Set(ranks.map(({ rank }) => rank)).size > 1,
    )!.promptId;
    flip((promptId) => promptId === trained); // whereas a single one in training does change it
    const third = await reward();
    expect(modelBytes(project, third.id).equals(modelBytes(project, first.id))).toBe(false);
    flip((promptId) => promptId === trained || inValidation(promptId));
    flip(inTest);
    const fourth = await reward();
    // the test split is never looked at
    expect(modelBytes(project, fourth.id).equals(modelBytes(project, first.id))).toBe(true);
    flip(inTest);
  });

  test('one epoch: every training prompt once, those of the last step too, though they do not fill it', async () => {
    const trained = listRankings(project).filter(
      ({ promptId, ranks }) => inTraining(promptId) && new Set(ranks.map(({ rank }) => rank)).size > 1,
    );
    const batch = 9;
    const steps = Math.ceil(trained.length / batch);
    const rest = trained.length % batch;
    const first = await reward({ batch });
    expect(rest).toBeGreaterThan(0);
    expect(
      metricsOf(project, first.id)
        .filter(({ loss }) => loss !== undefined)
        .at(-1)!.step,
    ).toBe(steps);
    expect(first.summary).toContain(`from ${trained.length} rankings in ${steps} steps`);
    // one of the rest: turned round, it makes another model
    const last = createRandom(QUICK.seed, 'reward/order/0').shuffled(trained).at(-1)!;
    const turned = (ranks: Ranking['ranks']) =>
      ranks.map(({ completionId, rank }) => ({ completionId, rank: 9 - rank }));
    replaceRanking(project, last.id, { ...last, ranks: turned(last.ranks) });
    const second = await reward({ batch });
    expect(modelBytes(project, second.id).equals(modelBytes(project, first.id))).toBe(false);
    replaceRanking(project, last.id, last);
    const third = await reward({ batch });
    expect(modelBytes(project, third.id).equals(modelBytes(project, first.id))).toBe(true);
  });
});

test('ties make no pair', async () => {
  const labelerId = ensureLabeler(project, 'undecided', 'person').id;
  const before = listComparisons(project).length;
  const byPrompt = [...Map.groupBy(listCompletions(project), ({ promptId }) => promptId)].slice(0, 6);
  addRankings(
    project,
    byPrompt.map(([promptId, list]): NewRanking => ({
      promptId,
      labelerId,
      status: 'ranked',
      ranks: list.map(({ id }) => ({ completionId: id, rank: 1 })),
    })),
  );
  expect(listComparisons(project)).toHaveLength(before);
  const error = await errorFrom(() => reward({ labelers: 'undecided' })); // nothing but ties
  expect(error.code).toBe('bad-data');
  expect(error.message).toContain('there are 0');
  const [tied, plain] = [await reward(), await reward({ labelers: 'ruler' })]; // and beside others they count nothing
  expect(modelBytes(project, tied.id).equals(modelBytes(project, plain.id))).toBe(true);
  for (const { id } of listRankings(project, { labelerId })) deleteRanking(project, id);
});

test('learns a planted preference: longer is better', async () => {
  const run = await reward({ learning_rate: 1e-2, epochs: 20, steps_a_run: 8 });
  const { validation_accuracy, score_gap } = metricsOf(project, run.id).at(-1)!;
  expect(validation_accuracy).toBeGreaterThan(0.85);
  expect(score_gap).toBeGreaterThan(0.3);
  expect(fs.readFileSync(runFile(project, run.id, 'model/tastemaker.json'), 'utf8')).toContain('appends_end_of_text');
});
