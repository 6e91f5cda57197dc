// The process of a self-test: computes on what its environment says, tells each check before it begins, and at last
// what came out.

import { chosenDevice } from '#core/autodiff/device.ts';
import { holdDevice } from '#core/autodiff/held-device.ts';
import { testOperators } from '#core/autodiff/self-test.ts';
import type { Check } from '#core/autodiff/self-test.ts';
import { testTraining } from '#core/training/self-test.ts';

/** `at`: what is computed now, so that a process that dies leaves its name behind. */
export type SelfTestMessage = { at: string } | { checks: Check[] };

const say = (message: SelfTestMessage): Promise<void> =>
  new Promise((resolve) => void (process.send ? process.send(message, () => resolve()) : resolve()));

process.once('disconnect', () => process.exit()); // nobody waits for the answer any more
const device = chosenDevice();
let held: Promise<unknown> | null = null;
const before = async (name: string): Promise<void> => {
  await say({ at: name });
  await (held ??= holdDevice(device).catch(() => {})); // a check is a moment's work; why this fails, the check says
};
const checks = await testOperators(device, { before });
// where operators are off already, whole models say nothing new
await say({ checks: checks.every(({ ok }) => ok) ? [...checks, ...(await testTraining(device, { before }))] : checks });
process.exit(); // the runtime's threads would keep it alive
