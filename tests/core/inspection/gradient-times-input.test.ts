// Gradient × input against PyTorch's gradients of every family, and against finite differences.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { gradientTimesInput } from '#core/inspection/gradient-times-input.ts';
import { loadArchitecture, loadCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { families } from '#core/models/families.ts';
import { adjustedHead } from '#core/models/heads.ts';
import { expectClose, readNumbers } from '#tests/core/models/reference-numbers.ts';
import { FAMILIES, tinyModel } from '#tests/core/models/tiny-models.ts';
import { ONE } from '#tests/core/training/graph-values.ts';
import { compiledGraphs, REFERENCE_MODELS } from './asked-graphs.ts';

const withGraphs = compiledGraphs();

const embeddingOf = ({ architecture }: Checkpoint) => `${families[architecture.family].names.embedding}.weight`;

function numbersIn(folder: string) {
  const E = readNumbers(path.join(folder, 'expected.safetensors'));
  const mask = E.rows('attention_mask');
  return { E, texts: E.rows('input_ids').map((row, b) => row.filter((_, t) => mask[b]![t] === 1)) };
}
/** Σ_c slope[id, c] · embedding[id, c], of every token id. */
function alongRows({ architecture: { channels: C } }: Checkpoint, table: Float32Array, slope: Float32Array): number[] {
  const sums = new Array<number>(table.length / C).fill(0);
  table.forEach((value, i) => (sums[Math.floor(i / C)]! += value * slope[i]!));
  return sums;
}

test.each(REFERENCE_MODELS)(
  '$title: $name: shares of a score add up to PyTorch’s gradient of the pair loss along each token’s embedding',
  async ({ folder }) => {
    const { E, texts } = numbersIn(folder);
    const base = loadCheckpoint(folder);
    const judge = withScoreHead(base, 1, false);
    judge.weights['score.weight'] = E.floats('rm/score.weight');
    const model = withGraphs(judge);
    const [first, second] = (await Promise.all(
      texts.map((text) => gradientTimesInput(model, text.slice(0, 2), text.slice(2))),
    )) as [Awaited<ReturnType<typeof gradientTimesInput>>, Awaited<ReturnType<typeof gradientTimesInput>>];
    expectClose([first.value, second.value], E.floats('rm/scores'), 'scores');
    // d -ln σ(s0 - s1) = -σ(s1 - s0) (ds0 - ds1)
    const slope = 1 / (1 + Math.exp(first.value - second.value));
    const sums = new Array<number>(base.architecture.vocabulary).fill(0);
    texts[0]!.forEach((id, t) => (sums[id]! -= slope * first.shares[t]!));
    texts[1]!.forEach((id, t) => (sums[id]! += slope * second.shares[t]!));
    const name = embeddingOf(base);
    expectClose(sums, alongRows(base, base.weights[name]!, E.floats(`rm/grad/${name}`)), 'shares');
  },
);

// where the embedding is the head's matrix, too, its gradient is of both
test.each(REFERENCE_MODELS.filter(({ folder }) => !loadArchitecture(folder).tied))(
  '$title: $name: shares of ln p add up to PyTorch’s gradient of the cross-entropy',
  async ({ folder }) => {
    const { E, texts } = numbersIn(folder);
    const checkpoint = loadCheckpoint(folder);
    const model = withGraphs(checkpoint);
    const sums = new Array<number>(checkpoint.architecture.vocabulary).fill(0);
    let total = 0;
    const count = texts.reduce((sum, text) => sum + text.length - 1, 0);
    for (const text of texts) {
      const { value, shares } = await gradientTimesInput(model, text.slice(0, 1), text.slice(1));
      total += value;
      text.forEach((id, t) => (sums[id]! -= shares[t]! / count));
    }
    expectClose([-total / count], E.floats('loss'), 'loss');
    const name = embeddingOf(checkpoint);
    expectClose(sums, alongRows(checkpoint, checkpoint.weights[name]!, E.floats(`grad/${name}`)), 'shares');
  },
);

/** Slope of `read` where the embedding of one token id is made longer, by central differences. */
async function slopeAlong(
  checkpoint: Checkpoint,
  id: number,
  read: (weights: Checkpoint['weights']) => Promise<number>,
): Promise<number> {
  const STEP = 0.01;
  const name = embeddingOf(checkpoint);
  const C = checkpoint.architecture.channels;
  const scaled = (by: number) => ({
    ...checkpoint.weights,
    [name]: checkpoint.weights[name]!.map((value, i) => (Math.floor(i / C) === id ? value * by : value)),
  });
  return ((await read(scaled(1 + STEP))) - (await read(scaled(1 - STEP)))) / (2 * STEP);
}

const PROMPT = [5, 9, 4, 30];
const ANSWER = [22, 7, 41, 3]; // no token twice, so that an id is a position

describe.each(FAMILIES)('%s against finite differences', (family) => {
  test.each(['linear', 'scalar-mix'] as const)('of a score with the head %s', async (head) => {
    const small = withScoreHead(tinyModel(family), 5, true, head);
    const larger = adjustedHead(head, small.weights, { center: 0, unit: 0.05 }, 'held');
    const judge = { ...small, weights: { ...small.weights, ...larger } };
    const { shares, value } = await gradientTimesInput(withGraphs(judge), PROMPT, ANSWER);
    const evaluator = createEvaluator(judge, ONE);
    const score = async (weights: Checkpoint['weights']) =>
      (await evaluator.scores(weights, [{ prompt: PROMPT, completions: [ANSWER] }]))[0]![0]!;
    expectClose([value], [await score(judge.weights)], 'score');
    for (const [t, id] of [...PROMPT, ...ANSWER].entries())
      expectClose([shares[t]!], [await slopeAlong(judge, id, score)], `token ${t}`, { relative: 0.02, absolute: 4e-3 });
    expect(Math.max(...shares.map(Math.abs)), 'there is something to compare').toBeGreaterThan(0.2);
    await evaluator.release();
  });

  test('of ln p of an answer', async () => {
    const writer = tinyModel(family, 1, { tied: false });
    const { shares, value } = await gradientTimesInput(withGraphs(writer), PROMPT, ANSWER);
    const evaluator = createEvaluator(writer, ONE);
    const logprob = async (weights: Checkpoint['weights']) => {
      const [[each]] = (await evaluator.logprobs(weights, [{ prompt: PROMPT, completions: [ANSWER] }])) as [[number[]]];
      return each.reduce((sum, x) => sum + x, 0);
    };
    expectClose([value], [await logprob(writer.weights)], 'ln p');
    for (const [t, id] of [...PROMPT, ...ANSWER].entries())
      expectClose([shares[t]!], [await slopeAlong(writer, id, logprob)], `token ${t}`, {
        relative: 0.02,
        absolute: 0.02,
      });
    expect(shares.at(-1), 'nothing that is asked about comes after the last token').toBe(0);
    await evaluator.release();
  });
});
