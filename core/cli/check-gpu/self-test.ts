// Section "self-test": what the program itself asks of a device before it trusts it.

import { readDevice } from '#core/autodiff/device.ts';
import { testOperators } from '#core/autodiff/self-test.ts';
import type { Check } from '#core/autodiff/self-test.ts';
import { testTraining } from '#core/training/self-test.ts';
import type { Context } from './context.ts';

/** Operators forward and backward, training steps, greedy tokens, against the processor. */
export async function selfTest({ precision, row, note }: Context): Promise<void> {
  const device = readDevice(`cuda:${precision}`);
  const tell = async (what: string, checks: readonly Check[]) => {
    const failed = checks.filter(({ ok }) => !ok);
    const worst = checks.reduce((a, b) => (b.worst / b.tolerance > a.worst / a.tolerance ? b : a));
    await row({
      what,
      value: `${checks.length - failed.length} of ${checks.length}`,
      unit: `agree; closest to its bound: ${worst.name}`,
      goal: `within ${worst.tolerance}, found ${worst.worst.toPrecision(2)}`,
      ok: failed.length === 0,
    });
    for (const { problem } of failed) note(problem!);
  };
  await tell('operators, forward and backward', await testOperators(device));
  await tell('training steps and greedy tokens', await testTraining(device));
}
