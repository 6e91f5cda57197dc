// The table behind a figure: a row a point, names quoted where they must be, what is not known empty.
// @vitest-environment happy-dom
import { expect, test, vi } from 'vitest';
import type { Figure } from '#renderer/components/charts/figure.ts';

vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
const { figureCsv } = await import('#renderer/components/charts/figure.ts');
const { curveFigure, shareFigure } = await import('#renderer/components/findings/finding-figures.ts');

test('every point of every line is a row; columns that only one line has are empty in the others', () => {
  const figure: Pick<Figure, 'along' | 'unit' | 'lines'> = {
    along: '√KL',
    unit: 'gold',
    lines: [
      { name: 'measured, twice', colour: 0, draw: 'points', points: [{ x: 1, y: 2, error: 0.5, also: { update: 4 } }] },
      { name: 'fit', colour: 1, draw: 'line', points: [{ x: 1, y: Number.NaN }] },
    ],
  };
  expect(figureCsv(figure)).toBe('line,√KL,gold,standard error,update\n"measured, twice",1,2,0.5,4\nfit,1,,,\n');
});

test('a share is hits by rollouts at each update, its onset marked; a curve stands at the root of KL', () => {
  const onset = { update: 2, low: 1, high: 3 };
  const shares = [
    { update: 1, hits: 0, n: 8 },
    { update: 2, hits: 6, n: 8 },
  ];
  const finding = { phrase: 'pls halp', shares, onset } as Parameters<typeof shareFigure>[2];
  const share = shareFigure('0005-ppo', 'update', finding);
  expect(share.lines[0]!.points.map(({ x, y }) => [x, y])).toEqual([
    [1, 0],
    [2, 0.75],
  ]);
  expect(share.mark).toEqual({ at: 2, low: 1, high: 3 });
  const measure = { metric: 'gold', fits: [], points: [{ update: 4, kl: 9, value: 5, error: null }] };
  const curve = curveFigure('0005-ppo', measure, { stop: { update: 4, kl: 9, reason: 'it turns' } });
  expect(curve.lines[0]!.points[0]).toMatchObject({ x: 3, y: 5, also: { KL: 9, update: 4 } });
  expect(curve.mark).toEqual({ at: 3, low: 3, high: 3 });
});
