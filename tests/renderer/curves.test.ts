// The growing curves of a run: appended rows, rows that come twice, rows taken back by a resumption, missing rows.
import { expect, test } from 'vitest';
import type { MetricPoint } from '#core/contract/runs.ts';
import { appendRows, emptyCurves } from '#renderer/components/charts/curves.ts';

const rows = (from: number, to: number, scale = 1): MetricPoint[] =>
  Array.from({ length: to - from }, (_, i) => ({
    step: from + i,
    seconds: from + i,
    loss: (from + i) * scale,
    ...((from + i) % 5 === 0 ? { gold: from + i } : {}),
  }));
const read = (curves: ReturnType<typeof emptyCurves>, name: string, column: 'step' | 'value' | 'seconds' = 'value') =>
  Array.from(
    curves.byName.get(name)!.value.length
      ? curves.byName.get(name)![column].subarray(0, curves.byName.get(name)!.length)
      : [],
  );

test('rows appended in parts are the rows appended at once, for every metric by itself', () => {
  const whole = emptyCurves();
  const parts = emptyCurves();
  appendRows(whole, 0, rows(0, 300));
  for (let at = 0; at < 300; at += 7) expect(appendRows(parts, at, rows(at, Math.min(300, at + 7)))).toBe(true);
  for (const name of ['loss', 'gold']) expect(read(parts, name)).toEqual(read(whole, name));
  expect(read(whole, 'gold', 'step')).toEqual(Array.from({ length: 60 }, (_, i) => i * 5));
  expect(parts.rows).toBe(300);
});

test('rows that come twice count once', () => {
  const curves = emptyCurves();
  appendRows(curves, 0, rows(0, 20));
  appendRows(curves, 10, rows(10, 25));
  expect(read(curves, 'loss')).toEqual(Array.from({ length: 25 }, (_, i) => i));
});

test('a gap is refused whole, so that the missing rows are asked for', () => {
  const curves = emptyCurves();
  appendRows(curves, 0, rows(0, 10));
  expect(appendRows(curves, 12, rows(12, 14))).toBe(false);
  expect(curves.rows).toBe(10);
});

test('a resumed run takes rows back, and its clock goes on', () => {
  const curves = emptyCurves();
  appendRows(curves, 0, rows(0, 10));
  const cuts = curves.byName.get('loss')!.cuts;
  appendRows(curves, 6, [
    { step: 6, seconds: 0.5, loss: 60 },
    { step: 7, seconds: 1.5, loss: 70 },
  ]);
  expect(read(curves, 'loss')).toEqual([0, 1, 2, 3, 4, 5, 60, 70]);
  expect(read(curves, 'loss', 'seconds')).toEqual([0, 1, 2, 3, 4, 5, 5.5, 6.5]);
  expect(curves.byName.get('loss')!.cuts).toBeGreaterThan(cuts);
  expect(read(curves, 'gold')).toEqual([0, 5]);
});

test('a number that JSON could not carry is a gap', () => {
  const curves = emptyCurves();
  appendRows(curves, 0, [{ step: 0, seconds: 0, loss: null as unknown as number }]);
  expect(read(curves, 'loss')).toEqual([Number.NaN]);
});
