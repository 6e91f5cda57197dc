// Scorers: what a reward model and the demo world's gold score give to answers, behind one interface.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { gold } from '#core/demo/gold.ts';
import { drawRecord, writeSummary } from '#core/demo/world.ts';
import { withScoreHead } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { createRandom } from '#core/random.ts';
import { goldScorer, rewardScorer } from '#core/recipes/parts/scorers.ts';
import { tinyModel } from '#tests/core/models/tiny-models.ts';
import { ONE } from '#tests/core/training/graph-values.ts';

test('a reward model gives each answer the score at its last token, or at the last that is not padding', async () => {
  const model = withScoreHead(tinyModel('llama'), 3);
  const evaluator = createEvaluator(model, ONE);
  const answers = [
    { prompt: [3, 4], completion: [5, 6, 1] },
    { prompt: [3, 4], completion: [7, 8] },
    { prompt: [9], completion: [5, 6] },
  ];
  const score = async (passedOver: number | null) =>
    rewardScorer(evaluator, model, { appendsEnd: false, passedOver }).score(answers);
  const plain = await evaluator.scores(
    model.weights,
    answers.map(({ prompt, completion }) => ({ prompt, completions: [completion] })),
  );
  const all = await score(null);
  all.forEach((one, i) => expect(one!.value).toBeCloseTo(plain[i]![0]!, 5));
  expect(all.map((one) => one!.spread)).toEqual([null, null, null]);
  const without = await score(1);
  const [cut] = await evaluator.scores(model.weights, [{ prompt: [3, 4], completions: [[5, 6]] }]);
  expect(without[0]!.value).toBeCloseTo(cut![0]!, 5);
  expect(without[0]!.value).not.toBeCloseTo(all[0]!.value, 3);
  await evaluator.release();
});

test('the gold score is exact, and has nothing to say of a prompt that is not of the world', async () => {
  const random = createRandom(1, 'scorers');
  const facts = drawRecord(random);
  const { text } = writeSummary(facts, random, 'good');
  expect(
    await goldScorer.score([
      { text: ` ${text}`, facts },
      { text, facts: null },
      { text: 'nothing', facts },
    ]),
  ).toEqual([
    { value: gold(text, facts).overall, spread: 0 },
    null,
    { value: gold('nothing', facts).overall, spread: 0 },
  ]);
  expect(gold(text, facts).overall).toBeGreaterThan(gold('nothing', facts).overall);
});

test('whoever wants a score asks a scorer, never the gold score or the evaluator’s reading itself', () => {
  const files = fs
    .readdirSync('core', { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts') && !name.startsWith('demo/'));
  const asking = files.filter((name) =>
    /import \{[^}]*\b(gold|scoresOf)\b[^}]*\}/.test(fs.readFileSync(path.join('core', name), 'utf8')),
  );
  expect(asking).toEqual(['recipes/parts/scorers.ts']);
});
