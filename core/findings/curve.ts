// The curve of a measure over the distance from the start, as the two forms of over-optimisation have it.

import { fitForm, FORMS, gainAt } from './overoptimisation.ts';
import type { Fit, FormName } from './overoptimisation.ts';

/** A measure where the policy was `kl` nats from its start. */
export interface CurveLook {
  kl: number;
  value: number;
}

/** A fit with the measure that it says, from the start to the farthest look. */
export interface FittedCurve extends Fit {
  sentence: string;
  line: CurveLook[];
}

/** points of a drawn line */
const DRAWN = 61;

/** The measure as a form has it that was fitted to its gain over `start`, to a distance of `farthest` nats. */
export const drawnFit = (fit: Fit, start: number, farthest: number): FittedCurve => ({
  ...fit,
  sentence: FORMS[fit.form].sentence,
  line: Array.from({ length: DRAWN }, (_, i) => {
    const kl = farthest * (i / (DRAWN - 1)) ** 2;
    return { kl, value: start + gainAt(fit, kl) };
  }),
});

/** Each form that can be fitted to what the measure gained over the first look; drawn evenly in √KL. */
export function fittedCurves(looks: readonly CurveLook[]): FittedCurve[] {
  const [start] = looks;
  if (!start) return [];
  const gains = looks.map(({ kl, value }) => ({ kl, gain: value - start.value }));
  const farthest = Math.max(0, ...looks.map(({ kl }) => kl));
  return (Object.keys(FORMS) as FormName[]).flatMap((form) => {
    const fit = fitForm(gains, form);
    return fit ? [drawnFit(fit, start.value, farthest)] : [];
  });
}
