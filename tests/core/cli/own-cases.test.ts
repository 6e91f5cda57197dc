// Our own small inputs of each kind that was read wrongly, in every family, format and command: the right values, or
// the right refusal.

import { describe, expect, test } from 'vitest';
import { inTurn, readOwnCases, runCase } from './case-runner.ts';

const cases = readOwnCases();

describe.concurrent('our own cases', () => {
  test('are there', () => expect(cases.length).toBeGreaterThan(100));

  test.each(cases.map((one) => [one.name, one.what, one] as const))('%s: %s', async (_name, _what, one) => {
    expect(await inTurn((warm) => runCase(one, warm))).toBeNull();
  });
});
