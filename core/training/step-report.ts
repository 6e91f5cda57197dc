// What a run of the trainer's program says of its steps: one number a step and name, refused where it is none.

import { TastemakerError } from '#core/errors.ts';
import type { Executable } from '#core/autodiff/compile.ts';

/** One number a step from one a micro-batch: the mean by weight, or the largest. */
function perStep(name: string, values: Float32Array, weights: Float32Array, micro: number): number[] {
  if (micro === 1) return Array.from(values);
  return Array.from({ length: values.length / micro }, (_, step) => {
    const part = [...values.subarray(step * micro, (step + 1) * micro)];
    const shares = weights.subarray(step * micro, (step + 1) * micro);
    if (name.endsWith('_max')) return Math.max(...part);
    const total = Math.max(
      1e-20,
      shares.reduce((a, b) => a + b, 0),
    );
    return part.reduce((sum, value, i) => sum + (shares[i]! ? value * shares[i]! : 0), 0) / total;
  });
}

/**
 * Throws 'not-finite' where the loss or gradient norm of a step is not a number; `done` steps came before the `of`
 * steps of this call.
 */
export function checkFinite(report: Readonly<Record<string, number[]>>, done: number, of: number): void {
  report.loss!.forEach((loss, i) => {
    for (const [name, value] of [
      ['loss', loss],
      ['gradient norm', report.grad_norm![i]!],
    ] as const) {
      if (!Number.isFinite(value))
        throw new TastemakerError(
          'not-finite',
          `The ${name} is ${value} at step ${done + i + 1}, batch ${i + 1} of the ${of} in this call.`,
          'Lower the learning rate; the last checkpoint is kept.',
        );
    }
  });
}

/** What the outputs report of `steps` steps. */
export function reportOf(
  outputs: Awaited<ReturnType<Executable['run']>>['outputs'],
  micro: number,
): Record<string, number[]> {
  const values = (name: string) => outputs[name]!.data as Float32Array;
  const names = Object.keys(outputs).filter((name) => name !== 'weight' && name !== 'clip' && !name.startsWith('g:'));
  return Object.fromEntries(
    names.map((name) => [name, perStep(name, values(name), values('weight'), name === 'grad_norm' ? 1 : micro)]),
  );
}
