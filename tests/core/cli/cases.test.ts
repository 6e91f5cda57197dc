// The inputs of ../shared/cases that a user's files can hold: each gives the right values, or the right refusal.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { inTurn, readCases, runCase } from './case-runner.ts';

const CASES = path.resolve('..', 'shared', 'cases');
const absent = !fs.existsSync(CASES);
const cases = absent ? [] : readCases(CASES);

/** The cases that are still wrong, with the rule they break. A case that has become right must leave the list. */
const STILL_WRONG: readonly string[] = [];

describe.concurrent(`the cases beside the project${absent ? ' (skipped: ../shared/cases not present)' : ''}`, () => {
  test.skipIf(absent)('are all named once', () => {
    expect(cases.length).toBeGreaterThan(0);
    expect(STILL_WRONG.filter((entry) => !cases.some(({ name, kind }) => entry === `${name} ${kind}`))).toEqual([]);
  });

  test.each(cases.map((one) => [one.name, one.what, one] as const))('%s: %s', async (name, _, one) => {
    const wrong = await inTurn(() => runCase(one));
    if (STILL_WRONG.includes(`${name} ${one.kind}`)) expect(wrong, `${name} is right now: take it off the list STILL_WRONG`).not.toBe(null);
    else if (wrong !== null) expect.fail(wrong);
  });
});
