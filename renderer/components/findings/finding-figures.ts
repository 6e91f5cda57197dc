// Findings as figures: the share of a phrase over the updates, and a measure against the distance from the start.

import { fitWords } from '#core/contract/finding-words.ts';
import type { CurveFit, PhraseFinding, PoolCurve, RunCurve } from '#core/contract/findings.ts';
import type { Figure, FigureLine } from '#renderer/components/charts/figure.ts';

/** The share of each update's rollouts that say the phrase, the interval of its onset marked. */
export const shareFigure = (runId: string, stepWord: string, { phrase, shares, onset }: PhraseFinding): Figure => ({
  name: `share-${runId}-${phrase}`,
  title: `Share of rollouts that say “${phrase}”`,
  sentence: onset
    ? `It began to rise at ${stepWord} ${onset.update} (95 %: ${onset.low} to ${onset.high}), which is marked.`
    : 'No update stands out at which it began to rise.',
  along: stepWord,
  unit: 'share',
  lines: [
    {
      name: `says “${phrase}”`,
      colour: 0,
      draw: 'both',
      points: shares.map(({ update, hits, n }) => ({ x: update, y: hits / n, also: { rollouts: n } })),
    },
  ],
  mark: onset && { at: onset.update, low: onset.low, high: onset.high },
  isShare: true,
});

/** What stands along the axis of a curve: the root of KL, in which both forms are drawn, or KL itself. */
export const ALONG = {
  '√KL': { x: (kl: number) => Math.sqrt(kl), sentence: 'The square root of KL' },
  KL: { x: (kl: number) => kl, sentence: 'KL, in nats' },
} as const;
export type Along = keyof typeof ALONG;

/** What is drawn together: the run's own curve first, others beside it, and the best of n of a pool. */
export interface Laid {
  curves: readonly RunCurve[];
  pool: PoolCurve | null;
}

/** "β = 0.05 (0004-ppo)" */
const runName = ({ run, beta }: RunCurve): string => (beta === null ? run : `β = ${beta} (${run})`);

/**
 * A measure on held-out prompts against the distance from the start, with the forms that were fitted to it and the
 * place to stop; beside others each run has a colour of its own, and the form of a policy alone.
 */
export function curveFigure(metric: string, { curves, pool }: Laid, along: Along): Figure {
  const { x } = ALONG[along];
  const [own] = curves;
  const isAlone = curves.length === 1;
  const fitted = (fit: CurveFit, colour: number, draw: 'dashed' | 'line', of = ''): FigureLine => ({
    name: `${of}${fitWords(fit)}`,
    colour,
    draw,
    points: fit.line.map(({ kl, value }) => ({ x: x(kl), y: value, also: { KL: kl } })),
  });
  const lines: FigureLine[] = curves.flatMap((curve, i) => {
    const measure = curve.measures.find((one) => one.metric === metric);
    if (!measure) return [];
    const points = measure.points.map(({ update, kl, value, error }) => ({
      x: x(kl),
      y: value,
      error,
      also: { KL: kl, update },
    }));
    const name = isAlone ? 'measured on held-out prompts, 95 % intervals' : runName(curve);
    const fits = isAlone ? measure.fits : measure.fits.filter(({ form }) => form === 'rl');
    return [
      { name, colour: i, draw: 'points', points },
      ...fits.map((fit, j) =>
        isAlone ? fitted(fit, j + 1, j === 0 ? 'dashed' : 'line') : fitted(fit, i, 'line', `${curve.run}, `),
      ),
    ];
  });
  const drawn = pool?.measures.find((one) => one.metric === metric);
  const next = isAlone ? 3 : curves.length;
  if (pool && drawn)
    lines.push(
      {
        name: `best of n by “${pool.reward}” (${pool.run}, ${pool.prompts} prompts)`,
        colour: next,
        draw: 'points',
        points: drawn.points.map(({ n, kl, value, error }) => ({ x: x(kl), y: value, error, also: { KL: kl, n } })),
      },
      ...drawn.fits.map((fit) => fitted(fit, next, 'dashed')),
    );
  const { run, stop } = own!;
  return {
    name: ['curve', metric, ...curves.map((curve) => curve.run), ...(pool ? [pool.run] : [])].join('-'),
    title: `${metric} against ${along}`,
    sentence: stop
      ? `The upright line is the look at update ${stop.update} of run ${run}, where to stop.`
      : 'Nothing says where to stop.',
    along,
    unit: metric,
    lines,
    mark: stop && { at: x(stop.kl), low: x(stop.kl), high: x(stop.kl) },
    isShare: false,
  };
}

/** Every measure that any of them has, the run's own first. */
export const measuresOf = ({ curves, pool }: Laid): string[] => [
  ...new Set([...curves, ...(pool ? [pool] : [])].flatMap(({ measures }) => measures.map(({ metric }) => metric))),
];
