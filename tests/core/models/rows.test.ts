// Packed rows: completions that share a prompt's tokens, padding and empty rows change no score, value, log-probability
// or gradient.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { mul } from '#core/autodiff/ops/elementwise.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import { checkpointParameters, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator, targetsOf } from '#core/models/evaluator.ts';
import {
  inRows,
  packRows,
  rowShape,
  rowSpans,
  rowTensors,
  rowTokens,
  rowTypes,
  SHARED_TOKENS,
  sharingPrompts,
} from '#core/models/rows.ts';
import type { Group, RowShape, Slots } from '#core/models/rows.ts';
import { tokenLogprobs } from '#core/models/token-logprobs.ts';
import { isScoreHead, readHead } from '#core/models/heads.ts';
import { trunk } from '#core/models/transformer.ts';
import { createRandom } from '#core/random.ts';
import { expectClose } from './reference-numbers.ts';
import { FAMILIES, randomTokens, tinyModel, VOCABULARY } from './tiny-models.ts';

const ONE = { threads: 1 }; // tiny graphs: more threads only wait for one another
const EXACT = { relative: 1e-5, absolute: 1e-5 };

const lengths = fc.record({
  prompt: fc.integer({ min: 1, max: 14 }),
  completions: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 4 }),
});
const tokensOf =
  (seed: number) =>
  ({ prompt, completions }: { prompt: number; completions: number[] }): Group => {
    const random = createRandom(seed, `rows/${prompt}/${completions.join()}`);
    return { prompt: randomTokens(random, prompt), completions: completions.map((n) => randomTokens(random, n)) };
  };
const groupLists = fc
  .tuple(fc.array(lengths, { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: 1e6 }))
  .map(([list, seed]) => list.map(tokensOf(seed)));
/** The same texts, one a row. */
const separate = (groups: readonly Group[]): Group[] =>
  groups.flatMap(({ prompt, completions }) => completions.map((completion) => ({ prompt, completions: [completion] })));
const fixed = [
  [3, [5, 2, 9]],
  [11, [1, 1]],
].map(([prompt, completions], i) => tokensOf(i)({ prompt: prompt as number, completions: completions as number[] }));

/**
 * Values at every slot of every completion, and the gradient of Σ value · weight, under a given shape; weights depend
 * on the completion's tokens only.
 */
async function through(
  checkpoint: Checkpoint,
  groups: readonly Group[],
  slots: Slots,
  shape: RowShape,
  fill?: (arrays: ReturnType<typeof packRows>['arrays']) => void,
) {
  const { architecture, head } = checkpoint;
  const parameters = checkpointParameters(checkpoint);
  const size = shape.B * shape.Q;
  const executable = await compile(
    {
      state: {},
      frozen: Object.fromEntries(parameters.map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }])),
      feeds: {
        ...rowTypes(shape),
        targets: { dtype: 'int32', shape: [size] },
        weights: { dtype: 'float32', shape: [size] },
      },
      step: ({ graph, frozen, feeds }) => {
        const model = { architecture, weights: frozen, graph };
        const taps = trunk(model, rowTensors(feeds));
        const out = readHead(head, model, taps);
        const y = isScoreHead(head) ? out : tokenLogprobs(out, feeds.targets!);
        const slopes = gradients(
          sumAll(mul(y, feeds.weights!)),
          parameters.map(({ name }) => frozen[name]!),
        );
        return {
          state: {},
          outputs: { y, ...Object.fromEntries(parameters.map(({ name }, i) => [name, slopes[i]!])) },
        };
      },
    },
    ONE,
  );
  const { arrays, first } = packRows(groups, shape, shape.B, slots);
  fill?.(arrays);
  const places = groups.flatMap(({ prompt, completions }, g) =>
    completions.map((completion, k) => {
      const count = slots === 'last' ? 1 : completion.length + (slots === 'tokens-and-end' ? 1 : 0);
      return { at: first[g]![k]!, count, random: createRandom(7, [...prompt, -1, ...completion].join()) };
    }),
  );
  const weights = new Float32Array(size);
  for (const { at, count, random } of places) for (let n = 0; n < count; n++) weights[at + n] = random.normal();
  const { outputs } = await executable.run({}, checkpoint.weights, {
    ...arrays,
    targets: slots === 'tokens' ? targetsOf(groups, first, size) : new Int32Array(size),
    weights,
  });
  await executable.release();
  const y = outputs.y!.data as Float32Array;
  return {
    values: places.flatMap(({ at, count }) => Array.from(y.slice(at, at + count))),
    slopes: Object.fromEntries(parameters.map(({ name }) => [name, outputs[name]!.data as Float32Array])),
  };
}
type Through = Awaited<ReturnType<typeof through>>;
function expectSame(found: Through, wanted: Through): void {
  expectClose(found.values, wanted.values, 'values', EXACT);
  for (const [name, slope] of Object.entries(wanted.slopes)) {
    const largest = slope.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    // sums in another order
    expectClose(found.slopes[name]!, slope, `gradient of ${name}`, { relative: 2e-4, absolute: 1e-5 * (1 + largest) });
  }
}

describe.each(FAMILIES)('%s', (family) => {
  const words = tinyModel(family);
  const scorer = withScoreHead(words, 3);
  scorer.weights['score.bias']![0] = 0.3;

  test('log-probabilities, scores and values of shared rows equal those of separate rows', async () => {
    const evaluators = { words: createEvaluator(words, ONE), scorer: createEvaluator(scorer, ONE) };
    await fc.assert(
      fc.asyncProperty(groupLists, async (groups) => {
        const alone = separate(groups);
        expectClose(
          (await evaluators.words.logprobs(words.weights, groups, 0.7)).flat(2),
          (await evaluators.words.logprobs(words.weights, alone, 0.7)).flat(2),
          'log-probabilities',
          EXACT,
        );
        expectClose(
          (await evaluators.scorer.scores(scorer.weights, groups)).flat(),
          (await evaluators.scorer.scores(scorer.weights, alone)).flat(),
          'scores',
          EXACT,
        );
        expectClose(
          (await evaluators.scorer.values(scorer.weights, groups)).flat(2),
          (await evaluators.scorer.values(scorer.weights, alone)).flat(2),
          'values',
          EXACT,
        );
      }),
      { numRuns: 12 },
    );
    for (const evaluator of Object.values(evaluators)) await evaluator.release();
  });

  test.each([
    ['tokens', words],
    ['tokens-and-end', scorer],
    ['last', scorer],
  ] as const)('gradients through shared rows equal those through separate rows (%s)', async (slots, checkpoint) => {
    await fc.assert(
      fc.asyncProperty(groupLists, async (groups) => {
        const alone = separate(groups);
        expectSame(
          await through(checkpoint, groups, slots, rowShape(groups, groups.length, slots)),
          await through(checkpoint, alone, slots, rowShape(alone, alone.length, slots)),
        );
      }),
      { numRuns: 3 },
    );
  });

  test.each([
    ['tokens', words],
    ['tokens-and-end', scorer],
  ] as const)(
    'D4: longer rows, other ids in the padding and empty rows change nothing (%s)',
    async (slots, checkpoint) => {
      for (const groups of [fixed, separate(fixed)]) {
        const shape = rowShape(groups, groups.length, slots);
        const wide = { ...shape, B: shape.B + 2, T: shape.T + 24, Q: shape.Q + 5 };
        const dirty = ({ ids }: { ids?: unknown }) => {
          const row = ids as Int32Array;
          const used = groups.map(({ prompt, completions }) => prompt.length + completions.flat().length);
          row.forEach((_, i) => {
            if (i % wide.T >= (used[Math.floor(i / wide.T)] ?? 0)) row[i] = (i * 7) % VOCABULARY;
          });
        };
        expectSame(
          await through(checkpoint, groups, slots, wide, dirty),
          await through(checkpoint, groups, slots, shape),
        );
      }
    },
  );

  test('D19: the value before a token does not know that token, and the one after the last is the score', async () => {
    const evaluator = createEvaluator(scorer, ONE);
    const [before] = await evaluator.values(scorer.weights, fixed);
    const scores = await evaluator.scores(scorer.weights, fixed);
    const completion = fixed[0]!.completions[0]!;
    const at = 3;
    const changed = completion.with(at, completion[at]! === 5 ? 6 : 5);
    const [[after]] = (await evaluator.values(scorer.weights, [
      { ...fixed[0]!, completions: [changed, ...fixed[0]!.completions.slice(1)] },
    ])) as [number[][]];
    expect(after).toHaveLength(completion.length + 1);
    expectClose(
      after!.slice(0, at + 1),
      before![0]!.slice(0, at + 1),
      'values up to and before the changed token',
      EXACT,
    );
    expect(Math.abs(after![at + 1]! - before![0]![at + 1]!), 'the next value sees it').toBeGreaterThan(1e-3);
    expectClose(
      before!.map((row) => row.at(-1)!),
      scores[0]!,
      'last values',
      EXACT,
    );
    await evaluator.release();
  });

  test('D6: the score is read at the last token kept, whatever shares its row', async () => {
    const evaluator = createEvaluator(scorer, ONE);
    const { prompt, completions } = fixed[0]!;
    const [[alone]] = (await evaluator.scores(scorer.weights, [{ prompt, completions: [completions[0]!] }])) as [
      [number],
    ];
    const [among] = (await evaluator.scores(scorer.weights, [
      { prompt, completions: [completions[1]!, completions[0]!, completions[2]!] },
    ])) as [number[]];
    const [[longer]] = (await evaluator.scores(scorer.weights, [
      { prompt, completions: [[...completions[0]!, 9]] },
    ])) as [[number]];
    expectClose([among![1]!], [alone], 'score', EXACT);
    expect(Math.abs(longer - alone), 'one more token is another text').toBeGreaterThan(1e-3);
    await evaluator.release();
  });

  test('rows longer than the context: rounded-up lengths, and completions that fit one by one but not in a line', async () => {
    const narrow = tinyModel(family, 1, { context: 30 });
    const evaluator = createEvaluator(narrow, ONE);
    const group = tokensOf(5)({ prompt: 12, completions: [18, 18, 18] });
    const shared = await evaluator.logprobs(narrow.weights, [group]);
    const alone = await evaluator.logprobs(narrow.weights, separate([group]));
    expectClose(shared.flat(2), alone.flat(2), 'log-probabilities', EXACT);
    // the same weights with more room say the same
    const wide = tinyModel(family, 1, { context: 64 });
    const roomy = createEvaluator(wide, ONE);
    const table = 'transformer.wpe.weight';
    const grown = {
      ...narrow.weights,
      ...(family === 'gpt2'
        ? { [table]: Float32Array.from({ length: 64 * 16 }, (_, i) => narrow.weights[table]![i] ?? 9) }
        : {}),
    };
    expectClose(
      (await roomy.logprobs(grown, separate([group]))).flat(2),
      alone.flat(2),
      'with a larger context',
      EXACT,
    );
    await evaluator.release();
    await roomy.release();
  });

  test('D15: two passes over the same rows are bit-identical', async () => {
    const evaluator = createEvaluator(words, ONE);
    const first = await evaluator.logprobs(words.weights, fixed);
    const second = await evaluator.logprobs(words.weights, fixed);
    expect(second).toEqual(first);
    await evaluator.release();
  });
});

describe('no row is without a limit', () => {
  test('every completion is in one row, in order; a row of several has at most so many tokens, or as many as its prompt', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1500 }),
        fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 40 }),
        (prompt, completions) => {
          const spans = rowSpans(prompt, completions);
          const room = Math.max(SHARED_TOKENS, prompt);
          const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
          expect(spans.flatMap(({ from, to }) => completions.slice(from, to))).toEqual(completions);
          for (const { from, to } of spans)
            expect(to - from <= 1 || sum(completions.slice(from, to)) <= room).toBe(true);
          expect(sum(completions) > room || spans.length === 1).toBe(true);
        },
      ),
    );
  });

  test('a group that fits is its own row, the very object', () => {
    const small = tokensOf(1)({ prompt: 10, completions: [20, 30] });
    const long = tokensOf(2)({ prompt: 10, completions: Array<number>(96).fill(40) });
    expect(inRows(small)[0]).toBe(small);
    expect(inRows(long).map(({ completions }) => completions.length)).toEqual(Array<number>(6).fill(16));
    expect(inRows(long).flatMap(inRows)).toEqual(inRows(long)); // cut once, they stay
    expect(Math.max(...inRows(long).map(rowTokens))).toBe(10 + SHARED_TOKENS);
  });

  test('a group over several rows says what separate rows say', async () => {
    const words = tinyModel('llama');
    const scorer = withScoreHead(words, 3);
    const groups = [
      tokensOf(3)({ prompt: 7, completions: Array.from({ length: 60 }, (_, k) => 8 + (k % 23)) }),
      ...fixed,
    ];
    expect(inRows(groups[0]!).length).toBeGreaterThan(1);
    const [reader, judge] = [createEvaluator(words, ONE), createEvaluator(scorer, ONE)];
    const alone = separate(groups);
    expectClose(
      (await reader.logprobs(words.weights, groups)).flat(2),
      (await reader.logprobs(words.weights, alone)).flat(2),
      'log-probabilities',
      EXACT,
    );
    expectClose(
      (await judge.values(scorer.weights, groups)).flat(2),
      (await judge.values(scorer.weights, alone)).flat(2),
      'values',
      EXACT,
    );
    const scores = await judge.scores(scorer.weights, groups);
    expect(scores.map(({ length }) => length)).toEqual([60, 3, 2]);
    expectClose(scores.flat(), (await judge.scores(scorer.weights, alone)).flat(), 'scores', EXACT);
    await reader.release();
    await judge.release();
  });

  test('neighbours with one prompt become one group, others do not, and the order stays', () => {
    const row = (prompt: number[], completion: number) => ({ prompt, completions: [[completion]] });
    expect(sharingPrompts([row([1, 2], 3), row([1, 2], 4), row([1], 5), row([1, 2], 6)])).toEqual([
      { prompt: [1, 2], completions: [[3], [4]] },
      { prompt: [1], completions: [[5]] },
      { prompt: [1, 2], completions: [[6]] },
    ]);
  });
});

test('a row that does not fit the context, and a prompt without tokens, are refused by number', async () => {
  const words = tinyModel('llama');
  const evaluator = createEvaluator(words, ONE);
  const { context } = words.architecture;
  const fits = { prompt: [5, 6], completions: [Array<number>(context - 2).fill(7)] };
  const long = { ...fits, prompt: [5, 6, 7] };
  expect((await evaluator.logprobs(words.weights, [fits]))[0]![0]).toHaveLength(context - 2);
  await expect(evaluator.logprobs(words.weights, [fits, long])).rejects.toMatchObject({
    code: 'too-long',
    message: `Row 2 has ${context + 1} tokens with its completion; the model's context is ${context}.`,
  });
  await expect(evaluator.logprobs(words.weights, [{ prompt: [], completions: [[5]] }])).rejects.toMatchObject({
    code: 'bad-data',
    message: 'Prompt 1 has no tokens.',
  });
  await evaluator.release();
});
