// Runs everything that checks the project, one section after another, and closes with one line that counts.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findChromium } from './chromium.mjs';
import { SOURCES } from './sources.mjs';
import { softwareDevice } from './swiftshader.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reports = join(root, 'out/test');
const BROWSER_TESTS = 'tests/app';
/** The same tests on WebGPU: every operator, the models and one whole PPO update against PyTorch's numbers. */
const WEBGPU_TESTS = [
  'tests/core/autodiff/operators.test.ts',
  'tests/core/models/reference.test.ts',
  'tests/core/training/ppo-reference.test.ts',
];
/** Of the project's own families two, of the update one: each takes seconds where a processor plays the card. */
const NOT_ON_WEBGPU = [
  'numbers beside the project',
  'llama-tied',
  'qwen',
  'gpt_neox',
  'older spelling',
  'one epoch a run',
  'D3:',
  'D20:',
  'a step raises',
  'without a derivative',
  'in place above 0',
];

/** What one section found; `skips` are { name, reason }. */
const tally = (passed, failed, skips = []) => ({ passed, failed, skips });

/**
 * Runs a program of node_modules under this Node; its output is ours unless `quiet`. Resolves to its exit code, null
 * where a signal ended it.
 */
function run(script, args, { environment = {}, quiet = false } = {}) {
  return new Promise((done) => {
    const child = spawn(process.execPath, [join(root, 'node_modules', script), ...args], {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: ['ignore', quiet ? 'ignore' : 'inherit', 'inherit'],
    });
    child.once('error', () => done(null));
    child.once('exit', done);
  });
}

const readReport = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null; // the runner crashed before it wrote one
  }
};

const asOneTest = (code) => (code === 0 ? tally(1, 0) : tally(0, 1));

/**
 * Vitest's JSON report. A file that did not load, or an exit code that nothing in the report explains, is one failure
 * each.
 */
export function countVitest(report, code) {
  if (!report) return tally(0, 1);
  const counts = tally(0, 0);
  for (const file of report.testResults) {
    const failed = file.assertionResults.filter((test) => test.status === 'failed').length;
    counts.failed += failed || Number(file.status === 'failed');
    for (const test of file.assertionResults) {
      if (test.status === 'passed') counts.passed++;
      else if (test.status !== 'failed') {
        const inTitle = /\(skipped: (.*?)\)/.exec(test.fullName)?.[1]; // skipIf takes no reason, so titles carry it
        const reason =
          test.meta?.skipReason ?? inTitle ?? (test.status === 'todo' ? 'still to be written' : 'no reason given');
        counts.skips.push({
          name: `${relative(root, file.name).split(sep).join('/')} > ${test.fullName.trim()}`,
          reason,
        });
      }
    }
  }
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Playwright's JSON report; `skipAll` is the reason why none of the listed tests could run. */
export function countPlaywright(report, code, skipAll = null) {
  if (!report) return tally(0, 1);
  const counts = tally(0, 0);
  const visit = (suite, path) => {
    for (const spec of suite.specs ?? []) {
      for (const test of spec.tests) {
        const name = [...path, spec.title].filter(Boolean).join(' > ');
        const reason = test.annotations?.find((note) => note.type === 'skip' || note.type === 'fixme')?.description;
        if (skipAll || test.status === 'skipped')
          counts.skips.push({ name, reason: skipAll ?? reason ?? 'no reason given' });
        else if (test.status === 'expected') counts.passed++;
        else counts.failed++; // "flaky" too: it failed once
      }
    }
    for (const inner of suite.suites ?? []) visit(inner, [...path, inner.title]);
  };
  for (const suite of report.suites) visit(suite, [`${BROWSER_TESTS}/${suite.title}`]);
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

async function runVitest(filters) {
  const file = join(reports, 'vitest.json');
  const reporters = [
    '--reporter=default',
    '--reporter=./build/skip-reporter.mjs',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ];
  const code = await run('vitest/vitest.mjs', ['run', ...reporters, '--passWithNoTests', ...filters]);
  return countVitest(readReport(file), code);
}

async function runOnWebGpu() {
  const environment = softwareDevice();
  if (!environment)
    return tally(0, 0, [
      { name: `${WEBGPU_TESTS.join(', ')} on WebGPU`, reason: 'no WebGPU device: no Chromium with SwiftShader' },
    ]);
  const file = join(reports, 'webgpu.json');
  const code = await run(
    'vitest/vitest.mjs',
    [
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      '--testNamePattern',
      `^(?!.*(${NOT_ON_WEBGPU.join('|')}))`,
      ...WEBGPU_TESTS,
    ],
    { environment },
  );
  const report = readReport(file);
  for (const one of report?.testResults ?? [])
    // what was not asked for is no skip
    one.assertionResults = one.assertionResults.filter(({ status }) => status !== 'skipped' && status !== 'pending');
  return countVitest(report, code);
}

async function runPlaywright(filters) {
  const folder = join(root, BROWSER_TESTS);
  if (!existsSync(folder) || !readdirSync(folder, { recursive: true }).some((name) => name.endsWith('.spec.ts'))) {
    console.log('There are no browser tests yet.');
    return tally(0, 0);
  }
  const file = join(reports, 'playwright.json');
  const environment = { PLAYWRIGHT_JSON_OUTPUT_FILE: file };
  const skipAll = findChromium() ? null : 'no Chromium on the PATH';
  const how = skipAll ? ['--list', '--reporter=json'] : ['--reporter=list,json'];
  const code = await run('@playwright/test/cli.js', ['test', '--pass-with-no-tests', ...how, ...filters], {
    environment,
    quiet: !!skipAll,
  });
  return countPlaywright(readReport(file), code, skipAll);
}

/** The sections in their order. With filters only the runners that the filters speak to. */
function sections(filters) {
  const forBrowser = filters.filter((filter) => filter.startsWith(BROWSER_TESTS));
  const forVitest = filters.filter((filter) => !filter.startsWith(BROWSER_TESTS));
  const all = filters.length === 0;
  return [
    all && ['types of core', async () => asOneTest(await run('typescript/bin/tsc', ['-p', 'core']))],
    all && ['types of tests', async () => asOneTest(await run('typescript/bin/tsc', ['-p', 'tests']))],
    all && ['types of the window', async () => asOneTest(await run('vue-tsc/bin/vue-tsc.js', ['-p', 'renderer']))],
    all && ['types of the shell', async () => asOneTest(await run('typescript/bin/tsc', ['-p', 'electron']))],
    all && ['lint', async () => asOneTest(await run('oxlint/bin/oxlint', ['--deny-warnings', ...SOURCES]))],
    all && ['format', async () => asOneTest(await run('oxfmt/bin/oxfmt', ['--check', ...SOURCES]))],
    (all || forVitest.length > 0) && ['tests', () => runVitest(forVitest)],
    all && ['tests on WebGPU', runOnWebGpu],
    (all || forBrowser.length > 0) && ['browser tests', () => runPlaywright(forBrowser)],
  ].filter(Boolean);
}

const words = ({ passed, failed, skips }) =>
  `${passed} passed, ${failed} failed${skips.length ? `, ${skips.length} skipped` : ''}`;

async function main(filters) {
  rmSync(reports, { recursive: true, force: true }); // an old report must not be counted
  mkdirSync(reports, { recursive: true });
  const total = tally(0, 0);
  const summary = [];
  if (filters.length) console.log('Only what was asked for: types and lint are left out.');
  for (const [name, check] of sections(filters)) {
    console.log(`\n== ${name}`);
    const started = performance.now();
    const counts = await check().catch((error) => (console.error(error), tally(0, 1)));
    summary.push(
      `${counts.failed ? 'FAILED' : 'ok    '} ${name}: ${words(counts)} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
    );
    console.log(summary.at(-1));
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skips.push(...counts.skips);
  }
  if (total.passed + total.failed + total.skips.length === 0) {
    console.error(
      `\nNo test matches ${filters.join(' ')}.\nHint: give a part of a test file's path, such as tests/core/store.`,
    );
    total.failed = 1;
  }
  console.log(`\n${summary.join('\n')}`);
  if (total.skips.length)
    console.log(`\nSkipped:\n${total.skips.map((skip) => `  ${skip.name}: ${skip.reason}`).join('\n')}`);
  process.exitCode = total.failed ? 1 : 0;
  console.log(`\n${words(total)}`);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
