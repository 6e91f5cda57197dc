// Two policies side by side: Δ ln p against plain scoring, a policy beside itself, the same answers in whatever parts,
// and what is refused.

import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { changeWords, meanWords } from '#core/contract/compare-words.ts';
import { compareInParts, comparePolicies } from '#core/inspection/compare.ts';
import type { CompareQuestion } from '#core/inspection/compare.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { scoreAnswers } from '#core/inspection/score-answers.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { learningPrompts } from '#core/recipes/parts/dataset.ts';
import { encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import type { Project } from '#core/store/project.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import {
  addLengthReward,
  errorFrom,
  makeTinyProject,
  MAX_NEW,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';
import { expectClose } from '#tests/core/models/reference-numbers.ts';

const models = createHeldModels({ limit: Infinity });
let project: Project, root: string;
const at = (name: string) => ({ name, folder: path.join(root, name) });

beforeAll(async () => {
  project = await makeTinyProject(temporaryProjects()());
  root = path.join(project.folder, 'models');
  const base = path.join(root, 'base');
  const model = loadCheckpoint(base);
  const weights = Object.fromEntries(Object.entries(model.weights).map(([name, w]) => [name, w.map((x) => 1.3 * x)]));
  saveCheckpoint(path.join(root, 'later'), { ...model, weights }, { tokenizerFrom: base });
  addLengthReward(project, 'longer', 1);
  const words = path.join(root, 'other-words');
  await writeTokenizer(words, trainBpe(['the telescope broke and broke'], 262));
  saveCheckpoint(path.join(root, 'stranger'), model, { tokenizerFrom: words });
});
afterAll(() => project.close());

const asked = (changes: Partial<CompareQuestion> = {}): CompareQuestion => ({
  a: at('base'),
  b: at('later'),
  reward: at('longer'),
  prompts: learningPrompts(project).slice(0, 20),
  sampling: { temperature: 0.7, topK: 0, topP: 1, maxNew: MAX_NEW, seed: 4 },
  ...changes,
});
const whole = (changes: Partial<CompareQuestion> = {}) =>
  compareInParts(
    asked(changes),
    (part) => comparePolicies(models, part),
    () => {},
  );

test('Δ ln p is what plain scoring gives, at the temperature that was sampled with; 1 where nothing was drawn', async () => {
  const tokenizer = await loadTokenizer(path.join(root, 'base'));
  const idOf = new Map(Array.from({ length: tokenizer.vocabularySize }, (_, id) => [tokenizer.token(id), id]));
  const { prompts } = asked();
  for (const temperature of [0.7, 0]) {
    const { rows } = await whole({ sampling: { ...asked().sampling, temperature } });
    expect(rows).toHaveLength(20);
    for (const name of ['base', 'later'] as const) {
      const checkpoint = loadCheckpoint(path.join(root, name));
      const plain = createEvaluator(checkpoint);
      for (const row of rows.slice(0, 4)) {
        const prompt = prompts.find(({ id }) => id === row.promptId)!;
        const [ids] = (await encodePrompts(tokenizer, [prompt])) as [number[]];
        const completion = row.tokens.map(({ token }) => idOf.get(token)!);
        const groups = [{ prompt: ids, completions: [completion] }];
        const [[own]] = (await plain.logprobs(checkpoint.weights, groups, temperature || 1)) as [[number[]]];
        const shown = row.tokens.map(({ a, b }) => (name === 'base' ? a : b));
        expectClose(shown, own, `ln p by ${name}`, { relative: 1e-5, absolute: 1e-5 });
      }
      await plain.release();
    }
    for (const { change, moved, tokens } of rows) {
      expect(change).toBeCloseTo(
        tokens.reduce((sum, { a, b }) => sum + b - a, 0),
        9,
      );
      expect(moved).toBeGreaterThanOrEqual(Math.abs(change));
    }
    expect(rows.map(({ moved }) => moved)).toEqual(rows.map(({ moved }) => moved).toSorted((a, b) => b - a));
  }
});

test('a policy beside itself answers alike, and nothing has changed', async () => {
  const { rows, means } = await whole({ b: at('base') });
  expect(means.same).toBe(20);
  for (const { a, b, change, moved } of rows) expect([b, change, moved]).toEqual([a, 0, 0]);
  expect(means.change).toEqual({ mean: 0, low: 0, high: 0, prompts: 20 });
  expect(means.score!.difference).toEqual({ mean: 0, low: 0, high: 0, prompts: 20 });
  expect(changeWords(means.change)).toBe('0.00 (0.00 to 0.00, 20 prompts)');
});

test('answers and scores do not hang on what else is asked; differences are paired by prompt', async () => {
  const all = await whole();
  const one = all.rows[7]!;
  const prompt = asked().prompts.find(({ id }) => id === one.promptId)!;
  const alone = (await comparePolicies(models, asked({ prompts: [prompt] }))).rows[0]!;
  expect([alone.a.text, alone.b.text]).toEqual([one.a.text, one.b.text]);
  const { scores } = await scoreAnswers(models, {
    model: at('longer'),
    prompt,
    answers: [one.a, one.b].map(({ text, ended }) => ({ text, ended, sampled: null })),
  });
  expectClose([one.a.score!, one.b.score!], scores, 'scores', { relative: 1e-4, absolute: 1e-4 });
  const { score } = all.means;
  expect(score!.difference.mean).toBeCloseTo(score!.b.mean - score!.a.mean, 9);
  expect(score!.difference.low!).toBeLessThan(score!.difference.mean);
  const few = await whole({ prompts: asked().prompts.slice(0, 3) });
  expect(few.means.score!.difference).toMatchObject({ low: null, high: null, prompts: 3 });
  expect(meanWords(few.means.length.a)).toMatch(/^\d+\.\d\d \(too few prompts for an interval: 3\)$/);
});

test('without scores the answers are still there, with the reason', async () => {
  const { rows, means, unscored } = await whole({ reward: at('later'), prompts: asked().prompts.slice(0, 2) });
  expect(unscored).toBe('“later” gives no scores: it is no reward model.');
  expect([rows[0]!.a.score, means.score]).toEqual([null, null]);
});

test('what cannot be compared is a sentence; prompts without room are left out', async () => {
  const refused = async (changes: Partial<CompareQuestion>) => (await errorFrom(() => whole(changes))).message;
  expect(await refused({ b: at('stranger') })).toMatch(/^“base” and “stranger” have different tokenizers/);
  expect(await refused({ b: at('longer') })).toBe('"longer" is a reward model; it cannot write.');
  expect(await refused({ b: at('gone') })).toMatch(/models.gone/);
  expect(await refused({ prompts: [] })).toBe('There is no prompt to answer.');
  const long = { id: 9999, text: 'my boss took the bike. '.repeat(60) };
  expect(await refused({ prompts: [long] })).toMatch(/^None of the 1 prompts fits with 12 new tokens/);
  const { rows, leftOut } = await whole({ prompts: [long, ...asked().prompts.slice(0, 2)] });
  expect([rows.length, leftOut]).toEqual([2, 1]);
});
