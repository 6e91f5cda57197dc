// What a chart is given to draw: measurements as measured with their intervals, the rest smoothed, equal lines known as
// equal.
// @vitest-environment happy-dom
import { RECIPES } from '#core/recipes/table.ts';
import { describe, expect, test, vi } from 'vitest';
import type { MetricMeaning } from '#core/contract/recipes.ts';
import { METRICS } from '#core/recipes/metrics.ts';
import type { Line, View } from '#renderer/components/charts/chart-options.ts';
import { isAboutAnother, orderMetrics } from '#renderer/components/charts/chart-order.ts';
import { appendRows, beside, emptyCurves, sameCurve } from '#renderer/components/charts/curves.ts';
import { pointWords, withError } from '#renderer/components/charts/metric-words.ts';

vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
const { intervalOf, tableOf } = await import('#renderer/components/charts/chart-options.ts');

const curves = emptyCurves();
appendRows(
  curves,
  0,
  Array.from({ length: 21 }, (_, step) => ({
    step,
    seconds: step,
    score: step + (step % 2),
    reward: step + (step % 2),
    kl: step === 0 ? 1e-9 : step,
    ...(step % 5 === 0
      ? { gold: [3, 5, 4, 2.4, 2][step / 5]!, held_out_n: 64, ...(step > 0 ? { gold_se: 0.1 } : {}) }
      : {}),
  })),
);
const view: View = { smoothing: 0.9, x: 'step', logX: false, clip: false, zoom: null, whole: () => [0, 20] };
const line = (metric: string, measured: boolean): Line => ({
  runId: 'r',
  name: 'r',
  colour: 0,
  curve: curves.byName.get(metric)!,
  measured,
  share: false,
  error: curves.byName.get(`${metric}_se`),
  count: curves.byName.get('held_out_n'),
});
const drawnOf = (lines: Line[], logY = false) => tableOf(lines, view, logY, new WeakMap());

describe('the table of a chart', () => {
  test('what is measured now and then is drawn where it was measured, in both columns; the rest is smoothed', () => {
    const [x, raw, smoothed] = drawnOf([line('gold', true)]).data;
    expect([x, raw, smoothed].map((column) => Array.from(column!))).toEqual([
      [0, 5, 10, 15, 20],
      [3, 5, 4, 2.4, 2],
      [3, 5, 4, 2.4, 2],
    ]);
    const score = drawnOf([line('score', false)]).data;
    expect(Array.from(score[2]!)).not.toEqual(Array.from(score[1]!));
  });

  test('each measurement has its interval, from the row that it is from; without an error there is none', () => {
    const { whiskers } = drawnOf([line('gold', true)]);
    expect(whiskers[0]!.map(({ x }) => x)).toEqual([5, 10, 15, 20]);
    expect(whiskers[0]![0]!.low).toBeCloseTo(5 - 0.196);
    expect(intervalOf(line('gold', true), 0)).toBeNull();
    expect(beside(curves.byName.get('gold')!, 3, curves.byName.get('held_out_n'))).toBe(64);
  });

  test('a log axis has its floor, and says how much lies on it', () => {
    expect(drawnOf([line('kl', false)], true)).toMatchObject({ floored: 1, hidden: 0 });
    expect(drawnOf([line('kl', false)], true).data[1]![0]).toBeCloseTo(2e-4);
  });
});

test('two metrics are one line where they are the same at every point, and only there', () => {
  const [score, reward, kl] = ['score', 'reward', 'kl'].map((name) => curves.byName.get(name)!) as [
    Line['curve'],
    Line['curve'],
    Line['curve'],
  ];
  expect(sameCurve(score, reward)).toBe(true);
  expect(sameCurve(score, kl)).toBe(false);
  expect(sameCurve(score, curves.byName.get('gold')!)).toBe(false);
});

test('the words of a point: its value, its interval, how many samples', () => {
  expect(pointWords(line('gold', true), 3)).toEqual({ value: '2.4', error: '± 0.2', count: 'n = 64' });
  expect(pointWords(line('gold', true), 0)).toEqual({ value: '3', error: '', count: 'n = 64' });
  expect(withError(0.7404, 0.0211)).toBe('0.74 ± 0.041');
  expect(withError(1234.56, 30)).toBe('1,235 ± 59');
});

test('the interval of a share stays within 0 and 1, drawn and in words', () => {
  const judged = emptyCurves();
  const row = {
    step: 3,
    seconds: 1,
    validation_accuracy: 2 / 3,
    validation_accuracy_se: 1 / 3,
    validation_rankings: 2,
  };
  appendRows(judged, 0, [row]);
  const of = (metric: string) => judged.byName.get(metric)!;
  const accuracy: Line = {
    ...line('score', true),
    curve: of('validation_accuracy'),
    share: METRICS.validation_accuracy.share,
    error: of('validation_accuracy_se'),
    count: of('validation_rankings'),
  };
  expect(pointWords(accuracy, 0)).toEqual({ value: '0.6667', error: '0.16 to 0.95', count: 'n = 2' });
  const [drawn] = tableOf([accuracy], view, false, new WeakMap()).whiskers[0]!;
  expect([drawn!.low, drawn!.high].map((end) => end.toFixed(2))).toEqual(['0.16', '0.95']);
});

test('the glossary says what is measured now and then, and errors and counts get no chart', () => {
  const meanings: Record<string, MetricMeaning> = METRICS;
  const names = Object.keys(meanings);
  const { first, rest } = orderMetrics(names, RECIPES.ppo.charts, meanings);
  expect(first[0]).toBe('gold');
  for (const name of names) {
    expect([...first, ...rest].includes(name)).toBe(!isAboutAnother(name, meanings));
    const { count = name, evaluation = false } = meanings[name]!;
    expect(evaluation || !(`${name}_se` in meanings), name).toBe(true);
    expect(names).toContain(count);
  }
});
