// How `npm test` counts: nothing that went wrong may be lost, and every skipped test keeps its reason.
import { join } from 'node:path';
import { expect, test } from 'vitest';

interface Tally {
  passed: number;
  failed: number;
  skips: { name: string; reason: string }[];
}
interface Counting {
  countVitest(report: object | null, code: number | null): Tally;
  countPlaywright(report: object | null, code: number | null, skipAll?: string | null): Tally;
  filesOfVitest(report: object | null): Took[];
  filesOfPlaywright(report: object | null): Took[];
  slowest(files: readonly Took[], most?: number): Took[];
}
interface Took {
  name: string;
  seconds: number;
}
const { countVitest, countPlaywright, filesOfVitest, filesOfPlaywright, slowest } = (await import(
  join(process.cwd(), 'build/test.mjs')
)) as Counting;

const unit = (status: string, fullName = 'adds', meta = {}) => ({ status, fullName, meta });
const file = (status: string, ...assertionResults: object[]) => ({
  name: join(process.cwd(), 'tests/a.test.ts'),
  status,
  assertionResults,
});

test('passed and failed tests of all files are added up', () => {
  const report = {
    testResults: [file('failed', unit('passed'), unit('failed'), unit('failed')), file('passed', unit('passed'))],
  };
  expect(countVitest(report, 1)).toEqual({ passed: 2, failed: 2, skips: [] });
});

test.each([
  ['a runner that wrote no report', null, 1],
  ['a runner that a signal ended', { testResults: [] }, null],
  ['a file that did not load', { testResults: [file('failed')] }, 1],
  ['an error outside of any test', { testResults: [file('passed')] }, 1],
  ['a hook that failed beside skipped tests', { testResults: [file('failed', unit('skipped'))] }, 1],
])('%s is one failure', (_, report, code) => {
  expect(countVitest(report, code)).toMatchObject({ passed: 0, failed: 1 });
});

test('skipped tests are named with the reason they gave', () => {
  const report = {
    testResults: [
      file(
        'passed',
        unit('skipped', 'one', { skipReason: 'no GPU' }),
        unit('pending', 'two (skipped: no files)'),
        unit('todo', 'three'),
        unit('skipped', 'four'),
      ),
    ],
  };
  expect(countVitest(report, 0)).toEqual({
    passed: 0,
    failed: 0,
    skips: [
      { name: 'tests/a.test.ts > one', reason: 'no GPU' },
      { name: 'tests/a.test.ts > two (skipped: no files)', reason: 'no files' },
      { name: 'tests/a.test.ts > three', reason: 'still to be written' },
      { name: 'tests/a.test.ts > four', reason: 'no reason given' },
    ],
  });
});

const spec = (title: string, status: string, annotations: object[] = []) => ({
  title,
  tests: [{ status, annotations }],
});
const browser = {
  suites: [
    {
      title: 'window.spec.ts',
      specs: [spec('opens', 'expected'), spec('breaks', 'unexpected')],
      suites: [
        {
          title: 'label',
          specs: [spec('wavers', 'flaky'), spec('waits', 'skipped', [{ type: 'skip', description: 'slow' }])],
        },
      ],
    },
  ],
};

test('browser tests: a test that failed once has failed', () => {
  expect(countPlaywright(browser, 1)).toEqual({
    passed: 1,
    failed: 2,
    skips: [{ name: 'tests/app/window.spec.ts > label > waits', reason: 'slow' }],
  });
});

test('browser tests: without a browser every one is skipped by name, and a crash is a failure', () => {
  const counts = countPlaywright(browser, 0, 'no browser');
  expect(counts).toMatchObject({ passed: 0, failed: 0 });
  expect(counts.skips.map((skip) => skip.reason)).toEqual(Array(4).fill('no browser'));
  expect(countPlaywright(null, 1)).toMatchObject({ failed: 1 });
  expect(countPlaywright({ suites: [] }, 1)).toMatchObject({ failed: 1 });
});

test('of each file it is known what it took, nested tests and tries included, and the slowest come first', () => {
  const took = { testResults: [{ ...file('passed'), startTime: 1000, endTime: 3500 }] };
  expect(filesOfVitest(took)).toEqual([{ name: 'tests/a.test.ts', seconds: 2.5 }]);
  const lasting = (...durations: number[]) => ({
    title: 'x',
    tests: [{ results: durations.map((duration) => ({ duration })) }],
  });
  const screens = {
    title: 'window.spec.ts',
    specs: [lasting(500)],
    suites: [{ title: 'a', specs: [lasting(250, 1000)] }],
  };
  expect(filesOfPlaywright({ suites: [screens] })).toEqual([{ name: 'tests/app/window.spec.ts', seconds: 1.75 }]);
  expect([filesOfVitest(null), filesOfPlaywright(null)]).toEqual([[], []]);
  const files = [1, 5, 3].map((seconds) => ({ name: String(seconds), seconds }));
  expect(slowest(files, 2).map(({ seconds }) => seconds)).toEqual([5, 3]);
});
