// The check of a graphics card: every section in a process of its own, within a time for all, each result kept as it
// comes.

import { fork } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { deviceEnvironment, PROCESSOR, readDevice } from '#core/autodiff/device.ts';
import { TastemakerError } from '#core/errors.ts';
import { environmentForCuda, lookAtCuda } from '#core/hardware/providers.ts';
import { readCards, watchCards } from '#core/hardware/nvidia.ts';
import { pageOf, PAGE_FILE } from './page.ts';
import { readResults, RESULTS_FILE, withSection, writeWhole } from './results.ts';
import type { Kind, Results, Row, Section } from './results.ts';
import { SECTIONS, timeFor } from './sections.ts';
import type { SectionPlan } from './sections.ts';
import type { Order, Word } from './section-process.ts';

const USAGE = `npm run check:gpu [-- OPTIONS]    or, with a Node 24 and onnxruntime-node alone: node build/check-gpu.mjs [OPTIONS]
Checks an NVIDIA card and measures it beside PyTorch: about eight minutes, no network. Ctrl-C ends it; what was found is kept.
  --minutes N      the time for all (8)
  --only A,B       only these sections: ${SECTIONS.map(({ name }) => name).join(', ')}
  --python PATH    the Python whose PyTorch is compared with (python3)
  --libraries DIR  a folder with CUDA's libraries, where they are not found; may be given several times
  --out DIR        where ${RESULTS_FILE} and ${PAGE_FILE} are written (docs)
  --device cpu --tiny    tries the sections on this processor, with tiny models
  --stand-in       looks at placements although there is no card: for CUDA libraries that compute nothing
`;
const ROOT = path.resolve(import.meta.dirname, '../../..');
/** The whole ends so many seconds before its time, so that a result is never lost to the last moment. */
const SPARE = 5;

interface GpuCheck {
  kind: Kind;
  minutes: number;
  plans: readonly SectionPlan[];
  python: string;
  libraries: readonly string[];
  out: string;
  /** the card, or the processor */
  on: string;
  /** why nothing can be run, or null */
  why: string | null;
}

async function readAsked(args: readonly string[]): Promise<GpuCheck | null> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '8' },
      only: { type: 'string' },
      python: { type: 'string', default: 'python3' },
      libraries: { type: 'string', multiple: true, default: [] },
      out: { type: 'string' },
      device: { type: 'string' },
      tiny: { type: 'boolean', default: false },
      'stand-in': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const minutes = Number(values.minutes);
  const names = values.only?.split(',') ?? SECTIONS.map(({ name }) => name);
  const unknown = names.find((name) => !SECTIONS.some((plan) => plan.name === name));
  if (!(minutes > 0))
    throw new TastemakerError('bad-argument', `--minutes ${values.minutes} is no time.`, 'Give a number above 0.');
  if (unknown !== undefined)
    throw new TastemakerError(
      'bad-argument',
      `There is no section "${unknown}".`,
      `Sections: ${SECTIONS.map(({ name }) => name).join(', ')}.`,
    );
  if (values.device !== undefined && values.device !== 'cpu')
    throw new TastemakerError(
      'bad-argument',
      `--device ${values.device} is not known here.`,
      'Leave it out to check the card; --device cpu --tiny tries the sections on the processor.',
    );
  if (values.tiny !== (values.device === 'cpu'))
    throw new TastemakerError(
      'bad-argument',
      '--device cpu and --tiny belong together.',
      'The full sizes are for a card; write --device cpu --tiny.',
    );
  const asked = SECTIONS.filter(({ name }) => names.includes(name));
  const processor = os.cpus()[0]?.model ?? 'a processor';
  const python = values.python;
  const libraries = values.libraries;
  const given = { minutes, python, libraries, out: path.resolve(values.out ?? path.join(ROOT, 'docs')) };
  if (values.tiny)
    return { ...given, kind: 'trial', plans: asked.filter(({ trial }) => trial), on: processor, why: null };
  if (values['stand-in'])
    return {
      ...given,
      kind: 'stand-in',
      plans: asked.filter(({ name }) => name === 'placement'),
      on: 'a stand-in for CUDA',
      why: null,
    };
  const { cards, files } = await lookAtCuda({ folders: libraries, hash: false });
  if (cards.state !== 'ready') return { ...given, kind: 'absent', plans: asked, on: processor, why: cards.sentence };
  return {
    ...given,
    kind: 'card',
    plans: asked,
    on: cards.cards[0]!.name,
    why: files.state === 'ready' ? null : files.sentence,
  };
}

const judge = (rows: readonly Row[]): string => {
  const failed = rows.filter(({ ok }) => ok === false);
  const judged = rows.filter(({ ok }) => ok !== null);
  if (failed.length)
    return `${failed.length} of ${judged.length} fall short: ${failed.map(({ what }) => what).join('; ')}.`;
  return judged.length ? `All ${judged.length} as asked for.` : 'Done; nothing to judge by.';
};

const outcome = (state: Section['state'], sentence: string, on: string, rest: Partial<Section> = {}): Section => ({
  state,
  sentence,
  at: new Date().toISOString(),
  seconds: 0,
  on,
  rows: [],
  notes: [],
  peakBytes: null,
  ...rest,
});

/** One section in its process; `stop` ends it early. Never throws. */
async function runSection(
  plan: SectionPlan,
  { kind, on, python, libraries }: GpuCheck,
  seconds: number,
  stop: AbortSignal,
): Promise<Section> {
  const trial = kind === 'trial';
  const precision = trial ? 'fp32' : plan.precision;
  const at = new Date().toISOString();
  const began = performance.now();
  const device = trial ? PROCESSOR : readDevice(`cuda:${precision}`);
  const env = {
    ...process.env,
    ...deviceEnvironment(device),
    ...(trial ? {} : await environmentForCuda({ folders: libraries })),
    ...(plan.exact ? { NVIDIA_TF32_OVERRIDE: '0' } : {}),
  }; // which cuBLAS obeys
  const before = kind === 'card' ? ((await readCards()).cards[0]?.used ?? null) : null;
  let peak: number | null = null;
  let heard: Word = { rows: [], notes: [], done: false, problem: null };
  let said = '';
  const unwatch =
    before === null
      ? () => {}
      : watchCards(200, (cards) => {
          const used = cards?.[0]?.used;
          if (typeof used === 'number') peak = Math.max(peak ?? 0, used - before);
        });
  const order: Order = { name: plan.name, seconds: seconds - 1, precision, tiny: trial, on, python };
  // a group of its own, so that the Python it may have started ends with it
  const grouped = process.platform !== 'win32';
  const child = fork(path.join(import.meta.dirname, 'section-process.ts'), [JSON.stringify(order)], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: grouped,
    execArgv: ['--disable-warning=ExperimentalWarning', '--max-old-space-size=16384'],
  });
  child.on('message', (word) => void (heard = word as Word));
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => void (said = `${said}${piece}`.slice(-2000)));
  let ended: 'time' | 'stop' | null = null;
  const kill = (why: 'time' | 'stop') => {
    ended ??= why;
    if (grouped && child.pid) process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  };
  const timer = setTimeout(kill, 1000 * seconds, 'time');
  const onStop = () => kill('stop');
  stop.addEventListener('abort', onStop);
  const code = await new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', (status, signal) => resolve(status ?? signal));
  });
  clearTimeout(timer);
  stop.removeEventListener('abort', onStop);
  unwatch();
  const rest = {
    at,
    seconds: (performance.now() - began) / 1000,
    rows: heard.rows,
    notes: heard.notes,
    peakBytes: peak,
  };
  if (ended === 'stop') return outcome('cut short', 'Stopped by hand.', on, rest);
  if (ended === 'time') return outcome('cut short', `It was not done after ${Math.round(seconds)} s.`, on, rest);
  if (!heard.done)
    return outcome(
      'cut short',
      `Its process ended (${code}): ${said.trim().split('\n').at(-1) ?? 'it said nothing'}`,
      on,
      rest,
    );
  if (heard.problem !== null) return outcome('failed', heard.problem, on, rest);
  return outcome(heard.rows.some(({ ok }) => ok === false) ? 'failed' : 'passed', judge(heard.rows), on, rest);
}

/** Runs what the arguments ask for; the exit code: 1 where a section failed or was cut short, 0 else. */
export async function checkGpu(args: readonly string[], print: (line: string) => void): Promise<number> {
  const asked = await readAsked(args);
  if (!asked) {
    print(USAGE);
    return 0;
  }
  const { kind, minutes, plans, out, on, why } = asked;
  const began = performance.now();
  const stop = new AbortController();
  fs.mkdirSync(out, { recursive: true });
  let results: Results = readResults([out, path.join(ROOT, 'docs')]);
  let bad = false;
  let signal: NodeJS.Signals | null = null;
  const write = () => {
    writeWhole(path.join(out, RESULTS_FILE), `${JSON.stringify(results, null, 2)}\n`);
    writeWhole(path.join(out, PAGE_FILE), pageOf(results));
  };
  const told = (state: 'running' | 'done' | 'stopped') => {
    const known = results.runs[kind];
    const begins = state === 'running';
    // only a card's figures outlive the run that found them
    const sections = begins && kind !== 'card' ? {} : (known?.sections ?? {});
    results = {
      ...results,
      runs: {
        ...results.runs,
        [kind]: { at: begins ? new Date().toISOString() : known!.at, state, minutes, sections },
      },
    };
  };
  const keep = (plan: SectionPlan, section: Section) => {
    results = withSection(results, kind, plan.name, section);
    bad ||= section.state === 'failed' || section.state === 'cut short';
    write();
    if (section.sentence !== why)
      print(
        `${plan.name}: ${section.state}${section.state === 'not run' ? '' : ` (${section.seconds.toFixed(1)} s)`}. ${section.sentence}`,
      );
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      signal = name;
      stop.abort();
    });
  }
  told('running');
  write();
  if (why !== null) print(kind === 'absent' ? `Nothing was run: ${why}` : `The card cannot be used: ${why}`);
  for (const [i, plan] of plans.entries()) {
    const left = 60 * minutes - SPARE - (performance.now() - began) / 1000;
    const after = plans.slice(i + 1);
    const seconds = timeFor(plan, after, left);
    if (why !== null && !(kind === 'card' && plan.name === 'machine')) keep(plan, outcome('not run', why, on));
    else if (stop.signal.aborted) keep(plan, outcome('not run', 'The check was stopped before it.', on));
    else if (seconds === null) keep(plan, outcome('not run', 'No time left.', on));
    else keep(plan, await runSection(plan, asked, seconds, stop.signal));
  }
  told(stop.signal.aborted ? 'stopped' : 'done');
  write();
  print(`${path.join(out, PAGE_FILE)} and ${RESULTS_FILE} are written.`);
  if (signal !== null) return 128 + os.constants.signals[signal as NodeJS.Signals];
  return bad || (why !== null && kind === 'card') ? 1 : 0;
}
