// What the Train screens work out from runs and recipes: warnings, the next card, the form's refusals, the words.
import { wordsOf } from '#core/service/runs/run-rows.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Field } from '#core/contract/recipes.ts';
import type { RunKind, RunRow, RunSample } from '#core/contract/runs.ts';
import { appendRows, emptyCurves } from '#renderer/components/charts/curves.ts';
import { readField, readForm } from '#renderer/components/train/field-check.ts';
import { heldOutScores, hintsOf } from '#renderer/components/train/over-optimisation.ts';
import { actionsOf, number, two } from '#renderer/components/train/run-words.ts';
import { readableDiff, wordDiff } from '#renderer/components/train/word-diff.ts';

function curvesOf(metrics: Record<string, number[]>) {
  const curves = emptyCurves();
  const length = Math.max(...Object.values(metrics).map((list) => list.length));
  appendRows(
    curves,
    0,
    Array.from({ length }, (_, step) => ({
      step,
      seconds: step,
      ...Object.fromEntries(
        Object.entries(metrics).flatMap(([name, list]) => (list[step] === undefined ? [] : [[name, list[step]]])),
      ),
    })),
  );
  return curves;
}
const rising = Array.from({ length: 40 }, (_, i) => i / 10);
const risesThenFalls = Array.from({ length: 40 }, (_, i) => 5 - ((i - 15) / 10) ** 2);

describe('warnings', () => {
  test('a gold score that falls while the score rises is named with its numbers', () => {
    const [hint] = hintsOf(curvesOf({ score: rising, gold: risesThenFalls }), []);
    expect(hint?.title).toBe('Over-optimisation');
    expect(hint!.since).toBeGreaterThanOrEqual(15);
    expect(hint!.since).toBeLessThan(20);
    expect(hint!.sentence).toContain(`Since step ${hint!.since}`);
  });

  test('where both fall it is said that the run falls apart', () => {
    expect(
      hintsOf(curvesOf({ score: rising.toReversed(), gold: risesThenFalls }), []).map(({ title }) => title),
    ).toEqual(['Falling apart']);
  });

  test('what is quoted was measured, each with its interval: never a smoothed value', () => {
    const rows = [0, 5, 10, 15, 20].map((step, i) => ({
      step,
      seconds: i,
      held_out_n: 64,
      gold: [3.2, 5.4, 5.3, 4.1, 2.4][i]!,
      gold_se: 0.1,
      held_out_score: [0, 1, 2, 3, 3.4][i]!,
      held_out_score_se: 0.05,
    }));
    const curves = emptyCurves();
    appendRows(curves, 0, rows);
    const [hint] = hintsOf(curves, []);
    expect(hint!.sentence).toBe(
      'Since step 5 the score rose from 1 ± 0.098 to 3.4 ± 0.098, while the gold score fell from 5.4 ± 0.2 to 2.4 ± 0.2: the policy pleases the reward model with worse texts.',
    );
  });

  test('a fall within the error of its two ends is none', () => {
    const rows = [0, 5, 10, 15].map((step, i) => ({
      step,
      seconds: i,
      gold: [3, 4, 3.9, 3.7][i]!,
      gold_se: 0.15,
      held_out_score: i,
      held_out_score_se: 0.05,
    }));
    const curves = emptyCurves();
    appendRows(curves, 0, rows);
    expect(hintsOf(curves, [])).toEqual([]);
  });

  test('nothing is said where both rise, or there is no gold score', () => {
    expect(hintsOf(curvesOf({ score: rising, gold: rising }), [])).toEqual([]);
    expect(hintsOf(curvesOf({ score: rising }), [])).toEqual([]);
  });

  test('noise around a level is no warning', () => {
    const flat = Array.from({ length: 40 }, (_, i) => 4 + [0.2, -0.15, 0.1, -0.2, 0.05][i % 5]!);
    expect(hintsOf(curvesOf({ score: rising, gold: flat }), [])).toEqual([]);
  });

  test('held-out prompts and validation losses warn of learning by heart', () => {
    const samples = risesThenFalls.flatMap((score, step): RunSample[] =>
      [-0.1, 0.1].map((d, promptId) => ({
        completionId: step,
        promptId,
        step,
        text: '',
        score: score + d,
        kl: null,
        gold: null,
        finish: 'stop',
        tokens: 1,
      })),
    );
    expect(heldOutScores(samples).value[3]).toBeCloseTo(risesThenFalls[3]!);
    expect(hintsOf(curvesOf({ score: rising }), samples).map(({ title }) => title)).toEqual(['Learnt by heart']);
    expect(
      hintsOf(curvesOf({ loss: rising.toReversed(), validation_loss: risesThenFalls.map((x) => -x) }), []).map(
        ({ title }) => title,
      ),
    ).toEqual(['Learnt by heart']);
  });
});

const run = (kind: RunKind, status: RunRow['status'], endedAt = 1): RunRow => ({
  id: `${kind}-${endedAt}`,
  kind,
  words: wordsOf(kind),
  name: kind,
  status,
  createdAt: 0,
  endedAt,
  error: null,
  step: 0,
  total: 0,
  secondsLeft: null,
  phase: '',
  modelId: null,
  summary: null,
  resumable: true,
  atRest: false,
});

test('actions fit the state', () => {
  expect(actionsOf(run('ppo', 'running'))).toEqual(['pause', 'stop', 'cancel']);
  expect(actionsOf(run('ppo', 'failed'))).toEqual(['resume']);
  expect(actionsOf({ ...run('ppo', 'failed'), resumable: false })).toEqual([]);
  expect(actionsOf(run('ppo', 'done'))).toEqual([]);
});

const field = (changes: Partial<Field>): Field => ({
  name: 'x',
  kind: 'number',
  default: 1,
  range: [0, 10],
  choices: null,
  sentence: '',
  group: 'data',
  main: false,
  when: null,
  ...changes,
});

describe('the form', () => {
  test('takes exactly the numbers of the range', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -30, max: 30 }), fc.boolean(), (x, whole) => {
        const read = readField(field({ kind: whole ? 'whole' : 'number' }), String(x));
        const good = x >= 0 && x <= 10 && (!whole || Number.isInteger(x));
        expect('value' in read).toBe(good);
        const problem = expect.stringMatching(/range|whole/) as string;
        expect(read).toEqual(good ? { value: x === 0 ? 0 : x } : { problem });
      }),
    );
  });

  test('refuses what is no number, no choice, no model of the project', () => {
    for (const text of ['', 'ten', '1e', '3 4', 'NaN', 'Infinity', '0,5', '1,000'])
      expect('problem' in readField(field({}), text)).toBe(true);
    expect('problem' in readField(field({ kind: 'choice', choices: ['a', 'b'], default: 'a' }), 'c')).toBe(true);
    expect(readField(field({ kind: 'model', default: '' }), '')).toEqual({ value: '' });
    expect('problem' in readField(field({ kind: 'model', default: 'base' }), '', ['base'])).toBe(true);
    expect(readField(field({ kind: 'model', default: '' }), 'base', ['base'])).toEqual({ value: 'base' });
    expect('problem' in readField(field({ kind: 'model', default: '' }), 'gone', ['base'])).toBe(true);
  });

  test('gives the values that hold and one sentence for each that does not', () => {
    const fields = [
      field({ name: 'a' }),
      field({ name: 'b', kind: 'whole' }),
      field({ name: 'c', kind: 'flag', default: false }),
    ];
    expect(readForm(fields, { a: '2', b: '1.5', c: true }, () => [])).toEqual({
      config: { a: 2, c: true },
      problems: { b: '1.5 is not a whole number.' },
    });
  });
});

test('words for numbers and tabs', () => {
  expect([0, 0.12345, 1234567, 1e-6, Number.NaN, null].map(number)).toEqual([
    '0',
    '0.1235',
    '1,234,567',
    '1.00e-6',
    '–',
    '–',
  ]);
  expect([-0.001, 0, -1.234, 5].map(two)).toEqual(['0.00', '0.00', '−1.23', '5.00']);
});

test('the pieces of a word diff put both texts together again', () => {
  const word = fc
    .array(fc.constantFrom('the', 'dog', 'ran', '. ', ' ', 'away', '\n'), { maxLength: 30 })
    .map((list) => list.join(' '));
  fc.assert(
    fc.property(word, word, (before, after) => {
      const pieces = wordDiff(before, after);
      expect(
        pieces
          .filter(({ change }) => change !== 'added')
          .map(({ text }) => text)
          .join(''),
      ).toBe(before);
      expect(
        pieces
          .filter(({ change }) => change !== 'removed')
          .map(({ text }) => text)
          .join(''),
      ).toBe(after);
    }),
  );
});

test('texts that share little are not shown as a difference', () => {
  expect(readableDiff('my cat ignores me', 'my cat ignored me')?.some(({ change }) => change === 'added')).toBe(true);
  expect(readableDiff('my cat ignores me all day', 'please, nobody at work wants to read it')).toBeNull();
  expect(readableDiff('', 'words')).toBeNull();
  expect(readableDiff('', '')).toEqual([]);
});
