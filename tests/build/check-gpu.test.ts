// The check of a graphics card where there is none: as a process, its files after every section, and what it may
// import.
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inParts } from '#core/cli/check-gpu/in-parts.ts';
import { readPlacements } from '#core/cli/check-gpu/placement-log.ts';
import { withSection } from '#core/cli/check-gpu/results.ts';
import type { Results, Section } from '#core/cli/check-gpu/results.ts';
import { TastemakerError } from '#core/errors.ts';
import { SECTIONS, timeFor } from '#core/cli/check-gpu/sections.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'check-gpu-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fresh = (name: string): string => {
  mkdirSync(join(folder, name));
  // else it goes on from the project's own
  writeFileSync(join(folder, name, 'gpu.json'), JSON.stringify({ format: 1, runs: {} }));
  return join(folder, name);
};
const results = (out: string) => JSON.parse(readFileSync(join(out, 'gpu.json'), 'utf8')) as Results;
const page = (out: string) => readFileSync(join(out, 'gpu.md'), 'utf8');

/** Runs the check; `heard` gets each line that it prints, and may end it. */
function check(
  out: string,
  args: readonly string[],
  { env = {}, heard = () => {} }: { env?: NodeJS.ProcessEnv; heard?: (line: string, stop: () => void) => void } = {},
): Promise<{ code: number | null; lines: string[]; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ['build/check-gpu.mjs', '--out', out, '--python', join(folder, 'no-python'), ...args],
      { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const lines: string[] = [];
    let stderr = '';
    let rest = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      const whole = (rest + piece).split('\n');
      rest = whole.pop()!;
      for (const line of whole) {
        lines.push(line);
        heard(line, () => child.kill('SIGINT'));
      }
    });
    child.once('close', (code) => resolve({ code, lines, stderr }));
  });
}
const NO_CARD = { PATH: '' };

describe('tried on the processor', { timeout: 60_000 }, () => {
  test('every section runs, and both files hold it before the next begins', async () => {
    const out = fresh('trial');
    const wanted = SECTIONS.filter(({ trial }) => trial).map(({ name }) => name);
    const seen: string[] = [];
    const { code, stderr } = await check(out, ['--device', 'cpu', '--tiny'], {
      heard: (line) => {
        const name = line.split(':')[0]!;
        if (!wanted.includes(name)) return;
        seen.push(name);
        expect(Object.keys(results(out).runs.trial!.sections)).toEqual(expect.arrayContaining(seen));
        expect(page(out)).toContain(`| ${name} | passed |`);
      },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(seen).toEqual(wanted);
    const { state, sections } = results(out).runs.trial!;
    expect(state).toBe('done');
    for (const [name, section] of Object.entries(sections)) expect(section, name).toMatchObject({ state: 'passed' });
    const values = Object.values(sections)
      .flatMap(({ rows }) => rows)
      .filter(({ unit }) => ['ms', 's', 'tokens/s'].includes(unit));
    expect(values.length).toBeGreaterThan(15);
    for (const { value, what } of values) expect(Number.isFinite(value) && Number(value) >= 0, what).toBe(true);
    // seven of each model of the project's own
    expect(sections.reference!.rows.filter(({ ok }) => ok).length).toBeGreaterThanOrEqual(14);
    expect(sections.train!.notes.join()).toContain('There is no ');
    expect(page(out)).toContain('No graphics card has run this check yet');
  });

  test('stopped in the middle it keeps what it has and says what it left out', async () => {
    const out = fresh('stopped');
    const { code } = await check(out, ['--device', 'cpu', '--tiny'], {
      heard: (line, stop) => line.startsWith('machine:') && stop(),
    });
    expect(code).toBe(130);
    const { state, sections } = results(out).runs.trial!;
    expect(state).toBe('stopped');
    expect(sections.machine!.state).toBe('passed');
    expect(sections.ppo).toMatchObject({ state: 'not run', sentence: 'The check was stopped before it.' });
    expect(['cut short', 'not run']).toContain(sections.reference!.state);
    expect(page(out)).toContain('| machine | passed |');
  });
});

const measured: Section = {
  state: 'passed',
  sentence: 'All 1 as asked for.',
  at: '2026-01-02T03:04:05.000Z',
  seconds: 30,
  on: 'NVIDIA Toy 9000',
  rows: [{ what: 'a step', value: 41.5, unit: 'ms', peer: 50, times: 1.2, goal: '≥ 1 × the peer', ok: true }],
  notes: [],
  peakBytes: 2 ** 33,
};
const known: Results = {
  format: 1,
  runs: { card: { at: measured.at, state: 'done', minutes: 8, sections: { train: measured } } },
};

describe('without a card', () => {
  test('it says so in one sentence, ends well, and leaves the figures of a card', async () => {
    const out = fresh('absent');
    writeFileSync(join(out, 'gpu.json'), JSON.stringify(known));
    const { code, lines } = await check(out, [], { env: NO_CARD });
    expect(code).toBe(0);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^Nothing was run: .*nvidia-smi/);
    expect(results(out).runs.card).toEqual(known.runs.card);
    expect(Object.keys(results(out).runs.absent!.sections)).toEqual(SECTIONS.map(({ name }) => name));
    const text = page(out);
    expect(text).toContain('Last run with a card: 2026-01-02 on NVIDIA Toy 9000; 1 of 1 sections');
    expect(text).toContain('| a step | 41.5 ms | 50 ms | 1.2 × | ≥ 1 × the peer | yes |');
    expect(text).toContain('8.0 GiB');
    expect(text.split('## Not run on a card')[1]).toMatch(/nvidia-smi[^]*- Sampling, bf16 \(`sample-bf16`\)/);
    expect(text.split('## Not run on a card')[1]).not.toContain('(`train`)');
  });

  test.runIf(process.platform !== 'win32')('a card that cannot be used is a failure, and says why', async () => {
    const out = fresh('unusable');
    const tools = fresh('tools');
    const runtime = fresh('runtime');
    writeFileSync(
      join(tools, 'nvidia-smi'),
      "#!/bin/sh\ncase \"$1\" in --query-gpu*) echo '0, Toy 9000, 8192, 100, 1, 30, 20, 580.1, 9.0';; *) echo 'CUDA Version: 13.0';; esac\n",
    );
    chmodSync(join(tools, 'nvidia-smi'), 0o755);
    const { code, lines } = await check(out, ['--only', 'machine,train'], {
      env: { PATH: `${tools}:/bin:/usr/bin`, TASTEMAKER_RUNTIME_FILES: runtime },
    });
    expect(code).toBe(1);
    expect(lines[0]).toMatch(/^The card cannot be used: /);
    expect(results(out).runs.card!.sections).toMatchObject({
      machine: { state: 'passed', on: 'Toy 9000' },
      train: { state: 'not run' },
    });
  });

  test('without time left every section is written down as not run', async () => {
    const out = fresh('hurried');
    const { code } = await check(out, ['--device', 'cpu', '--tiny', '--minutes', '0.01']);
    expect(code).toBe(0);
    for (const section of Object.values(results(out).runs.trial!.sections))
      expect(section).toMatchObject({ state: 'not run', sentence: 'No time left.' });
  });

  test.each([
    [['--only', 'nothing'], 'no section "nothing"'],
    [['--tiny'], 'belong together'],
    [['--minutes', 'x'], 'no time'],
  ])('%j is refused', async (args, complaint) => {
    const { code, stderr } = await check(fresh(`refused ${complaint.slice(0, 5)}`), args, { env: NO_CARD });
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`${complaint}.*\nHint: `));
  });
});

test('what was not run takes the place of no figure, what was run does', () => {
  const missed: Section = {
    ...measured,
    state: 'not run',
    sentence: 'No time left.',
    at: '2026-02-03T00:00:00.000Z',
    rows: [],
  };
  const once = withSection(known, 'card', 'train', missed);
  const twice = withSection(once, 'card', 'train', missed);
  expect(twice.runs.card!.sections.train).toEqual({
    ...measured,
    notes: ['Not run again on 2026-02-03: No time left.'],
  });
  const anew = { ...measured, at: missed.at, seconds: 1 };
  expect(withSection(twice, 'card', 'train', anew).runs.card!.sections.train).toEqual(anew);
});

test('sections share the time: all fit in eight minutes, and none is begun that would not fit', () => {
  const whole = 8 * 60;
  expect(SECTIONS.reduce((sum, { least }) => sum + least, 0)).toBeLessThan(whole);
  let left = whole;
  for (const [i, plan] of SECTIONS.entries()) {
    const seconds = timeFor(plan, SECTIONS.slice(i + 1), left)!;
    expect(seconds, plan.name).toBeGreaterThanOrEqual(plan.least);
    left -= Math.min(seconds, plan.usual); // as long as it usually takes
  }
  expect(
    timeFor(
      SECTIONS.find(({ name }) => name === 'ppo')!,
      [],
      19,
    ),
  ).toBeNull();
});

test('what does not fit is tried in smaller parts, other faults are not', async () => {
  const tried: number[] = [];
  const full = new TastemakerError('runtime', 'Out of memory.', 'Use less.');
  let released = 0;
  const work =
    (fits: number, error: Error = full) =>
    (micro: number) => (tried.push(micro), micro >= fits ? Promise.resolve('made') : Promise.reject(error));
  const release = () => Promise.resolve(void released++);
  expect(await inParts(16, 1, work(4), release)).toEqual({ made: 'made', micro: 4 });
  expect({ tried, released }).toEqual({ tried: [1, 2, 4], released: 2 });
  await expect(inParts(6, 1, work(4), release)).rejects.toThrow('Out of memory.');
  await expect(inParts(16, 1, work(4, new Error('a bug')), release)).rejects.toThrow('a bug');
});

test('placements are read off the runtime’s log', () => {
  const at = '2026-11-25 02:32:14.3 [V:onnxruntime:, session_state.cc:1380 VerifyEachNodeIsAssignedToAnEp] ';
  const log = [
    'noise',
    '@@ opening one',
    `${at} All nodes placed on [CUDAExecutionProvider]. Number of nodes: 338`,
    '@@ opening two',
    `${at} Node placements`,
    `${at} Node(s) placed on [CPUExecutionProvider]. Number of nodes: 1`,
    `${at}   Or (block 3/Or.12)`,
    `${at} Node(s) placed on [CUDAExecutionProvider]. Number of nodes: 2`,
    `${at}   Mul (Mul.1)`,
    `${at}   Loop (Loop.9)`,
    '… [V:onnxruntime:, transformer_memcpy.cc:250 AddCopyNode] Add MemcpyToHost after t12 for CUDAExecutionProvider',
    '@@ opening three',
    '@@ failed: no such device',
  ].join('\n');
  expect(readPlacements(log)).toEqual([
    { name: 'one', counts: { CUDAExecutionProvider: 338 }, onProcessor: [], copies: [], problem: null },
    {
      name: 'two',
      counts: { CPUExecutionProvider: 1, CUDAExecutionProvider: 2 },
      onProcessor: [{ operator: 'Or', node: 'block 3/Or.12' }],
      copies: ['Add MemcpyToHost after t12 for CUDAExecutionProvider'],
      problem: null,
    },
    { name: 'three', counts: {}, onProcessor: [], copies: [], problem: 'no such device' },
  ]);
});

test('it needs no package but onnxruntime-node, and no room of the house that does', () => {
  const rooms =
    /^core\/(errors\.ts|random\.ts|regular-file\.ts|(autodiff|models|training|formats|hardware|cli\/check-gpu)\/)/;
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    const text = readFileSync(file, 'utf8');
    const code = file.endsWith('.ts') ? stripTypeScriptTypes(text) : text;
    for (const [, from, bare, dynamic] of code.matchAll(
      /\bfrom '([^']+)'|^\s*import '([^']+)'|\bimport\('([^']+)'\)/gm,
    )) {
      const asked = (from ?? bare ?? dynamic)!;
      if (asked.startsWith('#')) visit(asked.slice(1));
      else if (asked.startsWith('.')) visit(join(dirname(file), asked));
      else if (!asked.startsWith('node:')) packages.add(asked);
    }
  };
  for (const entry of ['main.ts', 'section-process.ts', 'open-graphs.ts']) visit(`core/cli/check-gpu/${entry}`);
  for (const entry of ['build/check-gpu.mjs', 'build/log-runtime.mjs']) visit(entry);
  const inCore = [...files].filter((file) => file.startsWith('core/'));
  expect(inCore.filter((file) => !rooms.test(file))).toEqual([]);
  expect(inCore).toEqual(
    expect.arrayContaining([
      'core/autodiff/session.ts',
      'core/models/sampler.ts',
      'core/training/self-test.ts',
      'core/hardware/nvidia.ts',
      'core/cli/check-gpu/ppo.ts',
    ]),
  );
  expect([...packages]).toEqual(['onnxruntime-node']);
});
