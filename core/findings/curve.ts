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

/** Each form that can be fitted to what the measure gained over the first look; drawn evenly in √KL. */
export function fittedCurves(looks: readonly CurveLook[]): FittedCurve[] {
  const [start] = looks;
  if (!start) return [];
  const gains = looks.map(({ kl, value }) => ({ kl, gain: value - start.value }));
  const farthest = Math.sqrt(Math.max(0, ...looks.map(({ kl }) => kl)));
  return (Object.keys(FORMS) as FormName[]).flatMap((form) => {
    const fit = fitForm(gains, form);
    if (!fit) return [];
    const line = Array.from({ length: DRAWN }, (_, i) => {
      const kl = ((farthest * i) / (DRAWN - 1)) ** 2;
      return { kl, value: start.value + gainAt(fit, kl) };
    });
    return [{ ...fit, sentence: FORMS[form].sentence, line }];
  });
}
