// The inputs of ../shared/cases that a user's files can hold: each gives the right values, or the right refusal.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { inTurn, readCases, runCase } from './case-runner.ts';

const CASES = path.resolve('..', 'shared', 'cases');
const absent = !fs.existsSync(CASES);
const cases = absent ? [] : readCases(CASES);

describe.concurrent(`the cases beside the project${absent ? ' (skipped: ../shared/cases not present)' : ''}`, () => {
  test.skipIf(absent)('are there', () => expect(cases.length).toBeGreaterThan(0));

  test.each(cases.map((one) => [one.name, one.what, one] as const))('%s: %s', async (_name, _what, one) => {
    expect(await inTurn((warm) => runCase(one, warm))).toBeNull();
  });
});
