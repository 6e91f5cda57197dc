// The table behind a figure: a row a point, names quoted where they must be, what is not known empty.
// @vitest-environment happy-dom
import { expect, test, vi } from 'vitest';
import type { Figure } from '#renderer/components/charts/figure.ts';

vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
const { figureCsv } = await import('#renderer/components/charts/figure.ts');
const { curveFigure, measuresOf, shareFigure } = await import('#renderer/components/findings/finding-figures.ts');

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

test('a share is hits by rollouts at each update, its onset marked', () => {
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
});

test('a curve stands at the root of KL, or at KL; beside others each run has a colour and the form of a policy', () => {
  const fit = (form: 'rl' | 'best-of-n') => ({
    form,
    sentence: '',
    alpha: { value: 1, low: 1, high: 1 },
    beta: { value: 1, low: 1, high: 1 },
    peak: null,
    residual: 0,
    n: 5,
    line: [{ kl: 9, value: 5 }],
  });
  const curve = (run: string, beta: number | null) => ({
    run,
    beta,
    measures: [
      { metric: 'gold', fits: [fit('best-of-n'), fit('rl')], points: [{ update: 4, kl: 9, value: 5, error: null }] },
    ],
    stop: { update: 4, kl: 9, reason: 'it turns' },
    notes: [],
  });
  const alone = curveFigure('gold', { curves: [curve('0005-ppo', 0)], pool: null }, '√KL');
  expect(alone.lines[0]!.points[0]).toMatchObject({ x: 3, y: 5, also: { KL: 9, update: 4 } });
  expect(alone.lines.map(({ colour, draw }) => [colour, draw])).toEqual([
    [0, 'points'],
    [1, 'dashed'],
    [2, 'line'],
  ]);
  expect(alone.mark).toEqual({ at: 3, low: 3, high: 3 });

  const point = { n: 2, kl: 4, value: 6, error: 0.1 };
  const pool = {
    run: '0001-sample',
    reward: 'judge',
    prompts: 9,
    size: 2,
    measures: ['gold', 'score by “other”'].map((metric) => ({ metric, points: [point], fits: [] })),
    notes: [],
  };
  const laid = { curves: [curve('0005-ppo', 0), curve('0006-ppo', 0.2)], pool };
  expect(measuresOf(laid)).toEqual(['gold', 'score by “other”']);
  const beside = curveFigure('gold', laid, 'KL');
  expect(beside.mark!.at).toBe(9);
  expect(beside.lines.map(({ name, colour }) => [name.slice(0, 20), colour])).toEqual([
    ['β = 0 (0005-ppo)', 0],
    ['0005-ppo, policy for', 0],
    ['β = 0.2 (0006-ppo)', 1],
    ['0006-ppo, policy for', 1],
    ['best of n by “judge”', 2],
  ]);
  expect(beside.lines.at(-1)!.points).toEqual([{ x: 4, y: 6, error: 0.1, also: { KL: 4, n: 2 } }]);
  expect(curveFigure('score by “other”', laid, 'KL').lines).toHaveLength(1);
});
