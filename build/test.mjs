// Runs everything that checks the project, and closes with one line that counts.
//
// Sections that do not disturb each other run side by side. `--quick` leaves out what trains, waits or opens a window.
// Before that line stand the seconds that each section took, and the slowest files of all.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './bundles.mjs';
import { findChromium } from './chromium.mjs';
import { SOURCES } from './sources.mjs';
import { softwareDevice } from './swiftshader.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reports = join(root, 'out/test');
/** What tests/home.ts has Node keep. */
const COMPILED = join(root, 'out/test-compiled');
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

/** Units that need no training, for `npm run test:quick`. */
const QUICK_TESTS = [
  'tests/architecture.test.ts',
  'tests/core/autodiff',
  'tests/core/demo',
  'tests/core/evaluation',
  'tests/core/hardware',
  'tests/core/redact.test.ts',
  'tests/core/store',
  'tests/core/tokenizer',
  'tests/core/training',
  'tests/core/wire.test.ts',
  'tests/electron/pieces.test.ts',
  'tests/renderer',
];
/** Of those folders, what takes the longest. */
const NOT_QUICK = ['core/store/search.test.ts', 'core/tokenizer/bpe-trainer.test.ts', 'core/training/trainer.test.ts'];

/** The files of `QUICK_TESTS`, for Vitest can only be told what to take. */
const quickFiles = () =>
  QUICK_TESTS.flatMap((path) => {
    if (path.endsWith('.ts')) return [path];
    const inside = readdirSync(join(root, path), { recursive: true, encoding: 'utf8' });
    return inside.filter((name) => name.endsWith('.test.ts')).map((name) => `${path}/${name.split(sep).join('/')}`);
  }).filter((path) => !NOT_QUICK.includes(path.replace(/^tests\//, '')));

/** Vitest's projects (vitest.config.ts) that are a section together. */
const UNITS = ['architecture', 'unit'];
const PROCESSES = ['process'];
const DEMO = ['demo'];
/** Where others are at work a second thread mostly waits for the first: it takes a quarter more of the processor. */
const ONE_THREAD = { TASTEMAKER_THREADS: '1' };
/** How many of the slowest files are named at the end. */
const SLOWEST = 10;

/** What one section found; `skips` are { name, reason }, `files` { name, seconds }. */
const tally = (passed, failed, skips = []) => ({ passed, failed, skips });

/**
 * Runs a program of node_modules under this Node; its output is ours, or nobody's, or kept until it has ended so that
 * it does not stand between the lines of another. Resolves to its exit code, null where a signal ended it.
 */
function run(script, args, { environment = {}, output = 'ours' } = {}) {
  return new Promise((done) => {
    const standard = { ours: 'inherit', nobodys: 'ignore', kept: 'pipe' }[output];
    const child = spawn(process.execPath, [join(root, 'node_modules', script), ...args], {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: ['ignore', standard, output === 'kept' ? 'pipe' : 'inherit'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece) => (said += piece));
    child.once('error', () => done(null));
    child.once('close', (code) => {
      process.stdout.write(said);
      done(code);
    });
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

/** What each file of Vitest's report took, in seconds; of one that did not load nothing is known. */
export const filesOfVitest = (report) =>
  (report?.testResults ?? []).map(({ name, startTime, endTime }) => ({
    name: relative(root, name).split(sep).join('/'),
    seconds: Math.max(0, endTime - startTime) / 1000,
  }));

/** What the tests of each file of Playwright's report took together, in seconds. */
export const filesOfPlaywright = (report) => {
  const seconds = ({ specs = [], suites = [] }) =>
    specs
      .flatMap(({ tests }) => tests)
      .flatMap(({ results = [] }) => results)
      .reduce((sum, { duration }) => sum + duration / 1000, 0) + suites.reduce((sum, inner) => sum + seconds(inner), 0);
  return (report?.suites ?? []).map((suite) => ({ name: `${BROWSER_TESTS}/${suite.title}`, seconds: seconds(suite) }));
};

/** Vitest on files whose paths contain one of `filters`, or on all; `projects`: only those of its projects. */
async function runVitest(filters, { projects = [], output } = {}) {
  const file = join(reports, `${['vitest', ...projects].join('-')}.json`);
  const reporters = [
    '--reporter=default',
    '--reporter=./build/skip-reporter.mjs',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ];
  const only = projects.map((name) => `--project=${name}`);
  const code = await run('vitest/vitest.mjs', ['run', ...reporters, '--passWithNoTests', ...only, ...filters], {
    output,
  });
  const report = readReport(file);
  return { ...countVitest(report, code), files: filesOfVitest(report) };
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
      '--maxWorkers=1',
      '--testNamePattern',
      `^(?!.*(${NOT_ON_WEBGPU.join('|')}))`,
      ...WEBGPU_TESTS,
    ],
    { environment, output: 'kept' },
  );
  const report = readReport(file);
  for (const one of report?.testResults ?? [])
    // what was not asked for is no skip
    one.assertionResults = one.assertionResults.filter(({ status }) => status !== 'skipped' && status !== 'pending');
  const files = filesOfVitest(report).map(({ name, seconds }) => ({ name: `${name} on WebGPU`, seconds }));
  return { ...countVitest(report, code), files };
}

/** Playwright on what `filters` say; `name` tells its report from that of another section. */
async function runPlaywright(name, filters, { output = 'ours', environment = {} } = {}) {
  const folder = join(root, BROWSER_TESTS);
  if (!existsSync(folder) || !readdirSync(folder, { recursive: true }).some((name) => name.endsWith('.spec.ts'))) {
    console.log('There are no browser tests yet.');
    return tally(0, 0);
  }
  const file = join(reports, `playwright-${name}.json`);
  const skipAll = findChromium() ? null : 'no Chromium on the PATH';
  const how = skipAll ? ['--list', '--reporter=json'] : ['--reporter=list,json'];
  const code = await run('@playwright/test/cli.js', ['test', '--pass-with-no-tests', ...how, ...filters], {
    environment: { ...environment, PLAYWRIGHT_JSON_OUTPUT_FILE: file },
    output: skipAll ? 'nobodys' : output,
  });
  const report = readReport(file);
  return { ...countPlaywright(report, code, skipAll), files: filesOfPlaywright(report) };
}

const checkWith =
  (script, ...args) =>
  async () =>
    asOneTest(await run(script, args, { output: 'kept' }));
const section = (name, check) => ({ name, check });
/** What is to be run is a tree of sections: parts one after another, or side by side. */
const inTurn = (...parts) => ({ inTurn: parts });
const sideBySide = (...parts) => ({ sideBySide: parts });

const CHECKS = [
  section('types', checkWith('vue-tsc/bin/vue-tsc.js', '-b')),
  section('lint', checkWith('oxlint/bin/oxlint', '--deny-warnings', ...SOURCES)),
  section('format', checkWith('oxfmt/bin/oxfmt', '--check', ...SOURCES)),
];

/**
 * With filters only the runners that the filters speak to. What needs the window waits for it; what it is made of is
 * checked meanwhile, and the sections say why it could not be built.
 */
function planOf(filters, quick, window) {
  if (quick)
    return sideBySide(
      inTurn(...CHECKS),
      section('quick tests', () => runVitest(quickFiles())),
    );
  if (filters.length > 0) {
    const forBrowser = filters.filter((filter) => filter.startsWith(BROWSER_TESTS));
    const forVitest = filters.filter((filter) => !filter.startsWith(BROWSER_TESTS));
    return inTurn(
      ...(forVitest.length > 0 ? [section('tests', () => runVitest(forVitest))] : []),
      ...(forBrowser.length > 0 ? [section('browser tests', () => runPlaywright('asked', forBrowser))] : []),
    );
  }
  return inTurn(
    // tests wait for processes, browsers and clocks: what only computes has the time between
    sideBySide(
      inTurn(
        ...CHECKS,
        section('tests on WebGPU', runOnWebGpu),
        section('the demo', () => runVitest([], { projects: DEMO, output: 'kept' })),
      ),
      inTurn(
        section('units', () => window.then(() => runVitest([], { projects: UNITS }))),
        section('processes', () => runVitest([], { projects: PROCESSES })),
      ),
      section('browser tests', () =>
        window.then(() => runPlaywright('screens', ['--project=screens'], { output: 'kept', environment: ONE_THREAD })),
      ),
    ),
    section('browser tests that measure', () => runPlaywright('measured', ['--project=measured'])),
  );
}

const words = ({ passed, failed, skips }) =>
  `${passed} passed, ${failed} failed${skips.length ? `, ${skips.length} skipped` : ''}`;

/** Runs one section, says how it ended, and adds what it found. */
async function runSection({ name, check }, { total, summary }) {
  console.log(`\n== ${name}`);
  const started = performance.now();
  const counts = await check().catch((error) => (console.error(error), tally(0, 1)));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  summary.push(`${counts.failed ? 'FAILED' : 'ok    '} ${name}: ${words(counts)} (${seconds} s)`);
  console.log(summary.at(-1));
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skips.push(...counts.skips);
  total.files.push(...(counts.files ?? []));
}

async function runPlan(plan, found) {
  if (plan.sideBySide) await Promise.all(plan.sideBySide.map((part) => runPlan(part, found)));
  else if (plan.inTurn) for (const part of plan.inTurn) await runPlan(part, found);
  else await runSection(plan, found);
}

/** The files that took longest, the slowest first. */
export const slowest = (files, most = SLOWEST) => files.toSorted((a, b) => b.seconds - a.seconds).slice(0, most);

async function main(args) {
  const filters = args.filter((arg) => arg !== '--quick');
  rmSync(reports, { recursive: true, force: true }); // an old report must not be counted
  mkdirSync(reports, { recursive: true });
  const total = { ...tally(0, 0), files: [] };
  const summary = [];
  if (filters.length) console.log('Only what was asked for: types and lint are left out.');
  const started = performance.now();
  const whole = filters.length === 0 && !args.includes('--quick');
  if (whole) rmSync(COMPILED, { recursive: true, force: true }); // or what was compiled of files long gone would stay
  const window = whole ? ensureBuilt(root) : Promise.resolve(); // once, before sections that need it run side by side
  await runPlan(planOf(filters, args.includes('--quick'), window), { total, summary });
  if (total.passed + total.failed + total.skips.length === 0) {
    console.error(
      `\nNo test matches ${filters.join(' ')}.\nHint: give a part of a test file's path, such as tests/core/store.`,
    );
    total.failed = 1;
  }
  console.log(`\n${summary.join('\n')}\nAll of it: ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  const slow = slowest(total.files).map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`);
  if (slow.length) console.log(`\nThe slowest files:\n${slow.join('\n')}`);
  if (total.skips.length)
    console.log(`\nSkipped:\n${total.skips.map((skip) => `  ${skip.name}: ${skip.reason}`).join('\n')}`);
  process.exitCode = total.failed ? 1 : 0;
  console.log(`\n${words(total)}`);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
