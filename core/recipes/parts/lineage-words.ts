// The words of a lineage that several recipes use: how far a model was trained, and what was measured of it.

import { shareWords } from '#core/contract/share-words.ts';
import type { Made } from '#core/recipes/recipe.ts';

export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
export const fixed = (value: number | undefined, digits = 2): string | null =>
  value === undefined ? null : value.toFixed(digits);
export const listed = (parts: readonly (string | null)[]): string => parts.filter((part) => part !== null).join(', ');

/** "40 updates", or of weights that are not the run's last "its best weights, after 20 of 40 updates". */
export function trained({ step, steps, best }: Made, unit: string): string | null {
  if (step === null) return best ? 'its best weights, at a step that is not recorded' : null;
  const part = steps !== null && steps !== step;
  const far = part ? `${step.toLocaleString('en')} of ${counted(steps, unit)}` : counted(step, unit);
  return best ? `its best weights, after ${far}` : far;
}

/** "; validation accuracy 0.712 (0.67 to 0.75) on 60 rankings"; empty where it was not measured. */
export function validationWords({ metrics }: Pick<Made, 'metrics'>): string {
  const { validation_accuracy: accuracy, validation_accuracy_se: error, validation_rankings: on } = metrics;
  if (accuracy === undefined) return '';
  const words = shareWords(accuracy, { error: error ?? null, count: on ?? null });
  return `; validation accuracy ${words}${on === undefined ? '' : ` on ${counted(on, 'ranking')}`}`;
}

/** " for 40 steps; validation loss 2.104" */
export function trainedFor(made: Made): string {
  const loss = fixed(made.metrics['validation_loss'], 3);
  const far = trained(made, 'step');
  return far === null ? '' : `${made.best ? ', ' : ' for '}${far}${loss === null ? '' : `; validation loss ${loss}`}`;
}
