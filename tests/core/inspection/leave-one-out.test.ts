// A text without each of its answer's tokens in packed rows, against each text read by itself.

import { describe, expect, test } from 'vitest';
import { logprobsWithout, restRows, scoresWithout } from '#core/inspection/leave-one-out.ts';
import { withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { scoresOf } from '#core/models/score-reading.ts';
import { expectClose } from '#tests/core/models/reference-numbers.ts';
import { FAMILIES, tinyModel } from '#tests/core/models/tiny-models.ts';
import { ONE } from '#tests/core/training/graph-values.ts';
import { compiledGraphs } from './asked-graphs.ts';

const withGraphs = compiledGraphs();
const PAD = 1;
const PROMPT = 5;
const TEXT = Array.from({ length: 60 }, (_, t) => 2 + ((t * 17 + t * t) % 45)); // several rows
const without = (text: readonly number[]) => text.slice(PROMPT).map((_, i) => text.toSpliced(PROMPT + i, 1));

async function plainScores(judge: Checkpoint, text: readonly number[], passedOver: number | null): Promise<number[]> {
  const evaluator = createEvaluator(judge, ONE);
  const scores: number[] = [];
  for (const left of without(text)) {
    const asked = [{ prompt: left.slice(0, PROMPT), completion: left.slice(PROMPT) }];
    scores.push(...(await scoresOf(evaluator, judge.weights, asked, { appendsEnd: false, passedOver })));
  }
  await evaluator.release();
  return scores;
}

describe.each(FAMILIES)('%s', (family) => {
  test('scores are those of each text by itself', async () => {
    const judge = withScoreHead(tinyModel(family), 5, true, family === 'llama' ? 'scalar-mix' : 'linear');
    const found = await scoresWithout(withGraphs(judge), TEXT, PROMPT, null);
    expectClose(found, await plainScores(judge, TEXT, null), 'scores');
    expect(new Set(found).size, 'they differ').toBeGreaterThan(50);
  });

  test('ln p of what follows is that of each text by itself', async () => {
    const writer = tinyModel(family);
    const found = await logprobsWithout(withGraphs(writer), TEXT, PROMPT);
    const evaluator = createEvaluator(writer, ONE);
    const wanted: number[] = [];
    for (const [i, left] of without(TEXT).entries()) {
      const row = [{ prompt: left.slice(0, PROMPT), completions: [left.slice(PROMPT)] }];
      const [[each]] = (await evaluator.logprobs(writer.weights, row)) as [[number[]]];
      wanted.push(each.slice(i).reduce((sum, x) => sum + x, 0));
    }
    await evaluator.release();
    expectClose(found, wanted, 'sums', { relative: 2e-4, absolute: 1e-4 });
  });
});

test('what a reward model passes over at the end it passes over without a token, too', async () => {
  const judge = withScoreHead(tinyModel('qwen2'), 5);
  const text = [...TEXT.slice(0, 12), PAD, PAD, 9, PAD]; // without the 9, two more are passed over
  const found = await scoresWithout(withGraphs(judge), text, PROMPT, PAD);
  expectClose(found, await plainScores(judge, text, PAD), 'scores');
  expect(Math.abs(found.at(-1)! - found.at(-2)!), 'the 9 counts').toBeGreaterThan(1e-3);
});

test('rows hold every gap once, in order, with all that it sees, and none is without a limit', () => {
  for (const [tokens, from] of [
    [6, 5],
    [60, 5],
    [300, 50],
    [1000, 990],
  ] as const) {
    const rows = restRows(tokens, from);
    expect(rows.flatMap(({ rests }) => rests.map(({ gap }) => gap))).toEqual(
      Array.from({ length: tokens - from }, (_, i) => from + i),
    );
    for (const { seen, rests, length } of rows) {
      let place = seen;
      for (const one of rests) {
        expect([one.place, one.gap <= seen]).toEqual([place, true]);
        place += tokens - one.gap - 1;
      }
      expect(place).toBe(length);
      expect(length).toBeLessThanOrEqual(Math.max(384, 2 * tokens));
    }
  }
  expect(restRows(60, 60)).toEqual([]);
});
