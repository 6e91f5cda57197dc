// Our own small inputs of each kind that was read wrongly, in every family, format and command: the right values, or the right refusal.

import { describe, expect, test } from 'vitest';
import { inTurn, readOwnCases, runCase } from './case-runner.ts';

const cases = readOwnCases();

/** The cases that are still wrong. A case that has become right must leave the list. */
const STILL_WRONG: readonly string[] = [
  'k9-repeated-one',
];

describe.concurrent('our own cases', () => {
  test('are there, and those still wrong among them', () => {
    expect(cases.length).toBeGreaterThan(0);
    expect(STILL_WRONG.filter((entry) => !cases.some(({ name }) => entry === name))).toEqual([]);
  });

  test.each(cases.map((one) => [one.name, one.what, one] as const))('%s: %s', async (name, _, one) => {
    const wrong = await inTurn(() => runCase(one));
    if (STILL_WRONG.includes(name)) expect(wrong, `${name} is right now: take it off the list STILL_WRONG`).not.toBe(null);
    else if (wrong !== null) expect.fail(wrong);
  });
});
