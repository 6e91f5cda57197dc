// Models held for questions: the numbers of a model that is read afresh, never those of weights that are gone.

import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { logprobsAlong, scoresAlong } from '#core/inspection/along.ts';
import { coarseLength, createHeldModels } from '#core/inspection/held-models.ts';
import type { HeldModels } from '#core/inspection/held-models.ts';
import { nextTokens } from '#core/inspection/next-token.ts';
import { sample } from '#core/inspection/sample.ts';
import { scoreAnswers } from '#core/inspection/score-answers.ts';
import { loadCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { makeTinyProject, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
const GIB = 2 ** 30;
const PROMPT = { text: 'My sister broke the telescope' };
const ANSWER = ' and we do not talk about it';
let base: string, judge: string, other: string, tokenizer: Tokenizer;
const at = (folder: string) => ({ name: path.basename(folder), folder });

beforeAll(async () => {
  const project = await makeTinyProject(fresh());
  base = path.join(project.folder, 'models', 'base');
  tokenizer = await loadTokenizer(base);
  const model = loadCheckpoint(base);
  [judge, other] = ['judge', 'other'].map((name) => path.join(project.folder, 'models', name)) as [string, string];
  saveCheckpoint(judge, withScoreHead(model, 5), { tokenizerFrom: base });
  saveCheckpoint(other, model, { tokenizerFrom: base });
  project.close();
});

const along = (folder: string, ended = false) => ({ model: at(folder), prompt: PROMPT, answer: ANSWER, ended });
const idsOf = async (...texts: string[]) => (await tokenizer.encodeBatch(texts)) as number[][];

describe('the numbers', () => {
  const models = createHeldModels({ limit: GIB });

  test('along a text are those of a model that is read afresh, at every token', async () => {
    const [prompt, whole] = (await idsOf(PROMPT.text, PROMPT.text + ANSWER)) as [number[], number[]];
    const { ids, tokens, numbers, prompt: count } = await logprobsAlong(models, along(base));
    expect([ids, count, tokens.length]).toEqual([whole, prompt.length, whole.length]);
    expect(numbers[0]).toBe(null);
    const model = loadCheckpoint(base);
    const row = [{ prompt: whole.slice(0, 1), completions: [whole.slice(1)] }];
    const [[logprobs]] = (await createEvaluator(model).logprobs(model.weights, row)) as [[number[]]];
    numbers.slice(1).forEach((number, i) => expect(number).toBeCloseTo(logprobs[i]!, 4));
  });

  test('of the likeliest next tokens are those along the text that each makes', async () => {
    const question = { model: at(base), prompt: PROMPT, answer: ANSWER, count: 5 };
    const { alternatives } = await nextTokens(models, question);
    expect(alternatives).toHaveLength(5);
    expect(alternatives.map(({ logprob }) => logprob)).toEqual(
      alternatives.map(({ logprob }) => logprob).toSorted((a, b) => b - a),
    );
    const model = loadCheckpoint(base);
    const [whole] = (await idsOf(PROMPT.text + ANSWER)) as [number[]];
    const all = Array.from({ length: model.architecture.vocabulary }, (_, id) => [id]);
    const [every] = (await createEvaluator(model).logprobs(model.weights, [{ prompt: whole, completions: all }])) as [
      number[][],
    ];
    const best = every.map(([logprob], id) => ({ id, logprob: logprob! })).toSorted((a, b) => b.logprob - a.logprob);
    expect(alternatives.map(({ id }) => id)).toEqual(best.slice(0, 5).map(({ id }) => id));
    alternatives.forEach(({ logprob }, i) => expect(logprob).toBeCloseTo(best[i]!.logprob, 4));
    await expect(nextTokens(models, { ...question, answer: ' word'.repeat(300) })).rejects.toMatchObject({
      code: 'too-long',
    });
  });

  test('of a reward model at the last token of a text are its score', async () => {
    const { numbers } = await scoresAlong(models, along(judge));
    const answers = [{ text: ANSWER, ended: false, sampled: null }];
    const { scores } = await scoreAnswers(models, { model: at(judge), prompt: PROMPT, answers });
    expect(numbers.at(-1)).toBeCloseTo(scores[0]!, 4);
    expect(new Set(numbers).size).toBe(numbers.length); // they go on changing
    await expect(scoresAlong(models, along(base))).rejects.toThrow('“base” gives no scores: it is no reward model.');
    await expect(logprobsAlong(models, along(judge))).rejects.toThrow('"judge" is a reward model; it cannot write.');
  });
});

describe('what is held', () => {
  /** Names of what is held when it says that it takes this much, a question answered. */
  async function heldAfter(models: HeldModels, ...folders: string[]): Promise<string[]> {
    for (const folder of folders) {
      await models.of(at(folder));
      await models.answered();
    }
    return models.names();
  }

  test('is never weights that are gone: a model that was trained further answers anew, and so does its tokenizer', async () => {
    const models = createHeldModels({ limit: GIB });
    const folder = path.join(path.dirname(base), 'changing');
    fs.cpSync(base, folder, { recursive: true });
    const first = await models.of(at(folder));
    expect(await models.of(at(folder))).toMatchObject({ checkpoint: first.checkpoint });
    const before = (await logprobsAlong(models, along(folder))).numbers;
    const model = loadCheckpoint(folder);
    const weights = Object.fromEntries(Object.entries(model.weights).map(([name, w]) => [name, w.map((x) => 1.5 * x)]));
    saveCheckpoint(folder, { ...model, weights }, { tokenizerFrom: base });
    const after = (await logprobsAlong(models, along(folder))).numbers;
    expect(after).not.toEqual(before);
    expect(after).toEqual((await logprobsAlong(createHeldModels({ limit: GIB }), along(folder))).numbers);

    // written in place, to the same length and with the old time
    const file = path.join(folder, 'model.safetensors');
    const { atime, mtime } = fs.statSync(file);
    const bytes = fs.readFileSync(file);
    bytes.copyWithin(bytes.length - 64, bytes.length - 128, bytes.length - 64);
    fs.writeFileSync(file, bytes);
    fs.utimesSync(file, atime, mtime);
    expect((await models.of(at(folder))).checkpoint).not.toBe(first.checkpoint);
    fs.rmSync(file);
    await expect(models.of(at(folder))).rejects.toMatchObject({ code: expect.stringMatching(/^bad-/) });
  });

  test('goes in the order of its last use before it is more than the limit, but for what the question needs', async () => {
    let takes = 0;
    const models = createHeldModels({ limit: 1000, takes: () => takes });
    expect(await heldAfter(models)).toEqual([]);
    takes = -1e9;
    expect(await heldAfter(models, base, judge, other, base)).toEqual(['judge', 'other', 'base']);
    takes = 1001;
    await models.answered();
    expect(models.names()).toEqual(['base']); // the model that was asked last keeps its weights
    expect((await logprobsAlong(models, along(base))).numbers.length).toBeGreaterThan(5); // its graphs come back
    expect(await heldAfter(models, judge)).toEqual(['judge']); // room was made before it was read
    const sampling = { temperature: 1, topK: 0, topP: 1, maxNew: 4, seed: 1 };
    const asked = { model: at(base), reward: at(judge), prompt: PROMPT.text, k: 2, sampling };
    const { completions } = await sample(models, asked); // both are needed at once
    expect(completions.every(({ score }) => Number.isFinite(score))).toBe(true);
    expect(models.names()).toEqual(['base', 'judge']);
    await models.answered();
    expect(models.names()).toEqual(['judge']);
  });
});

test('lengths are few, and at most half more than there is', () => {
  const lengths = Array.from({ length: 2048 }, (_, i) => [i + 1, coarseLength(i + 1)] as const);
  for (const [tokens, length] of lengths) {
    expect(length).toBeGreaterThanOrEqual(tokens);
    expect(length).toBeLessThanOrEqual(Math.max(32, 1.5 * tokens));
  }
  expect([...new Set(lengths.map(([, length]) => length))]).toEqual([
    32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048,
  ]);
});
