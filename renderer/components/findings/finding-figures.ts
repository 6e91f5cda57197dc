// Findings as figures: the share of a phrase over the updates, and a measure against the distance from the start.

import { fitWords } from '#core/contract/finding-words.ts';
import type { CurveMeasure, PhraseFinding, RunCurve } from '#core/contract/findings.ts';
import type { Figure } from '#renderer/components/charts/figure.ts';

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

/** A measure on held-out prompts against √KL, with the forms that were fitted to it and the place to stop. */
export const curveFigure = (
  runId: string,
  { metric, points, fits }: CurveMeasure,
  { stop }: Pick<RunCurve, 'stop'>,
): Figure => ({
  name: `curve-${metric}-${runId}`,
  title: `${metric} against √KL`,
  sentence: stop
    ? `The upright line is the look at update ${stop.update}, where to stop.`
    : 'Nothing says where to stop.',
  along: '√KL',
  unit: metric,
  lines: [
    {
      name: 'measured on held-out prompts, 95 % intervals',
      colour: 0,
      draw: 'points',
      points: points.map(({ update, kl, value, error }) => ({
        x: Math.sqrt(kl),
        y: value,
        error,
        also: { KL: kl, update },
      })),
    },
    ...fits.map((fit, i) => ({
      name: fitWords(fit),
      colour: i + 1,
      draw: i === 0 ? ('dashed' as const) : ('line' as const),
      points: fit.line.map(({ kl, value }) => ({ x: Math.sqrt(kl), y: value, also: { KL: kl } })),
    })),
  ],
  mark: stop && { at: Math.sqrt(stop.kl), low: Math.sqrt(stop.kl), high: Math.sqrt(stop.kl) },
  isShare: false,
});
