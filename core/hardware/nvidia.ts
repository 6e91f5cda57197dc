// What nvidia-smi says: the cards of this machine, what they are doing, and what one process takes of them.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { askProgram, lineReader } from './ask-program.ts';
import type { Answer } from './ask-program.ts';

/** One card. A value is null where the card or the driver does not tell it. */
export interface NvidiaCard {
  index: number;
  name: string;
  /** bytes */
  memory: number | null;
  used: number | null;
  /** per cent of the time that it was computing */
  load: number | null;
  /** °C */
  temperature: number | null;
  /** W */
  power: number | null;
  driver: string | null;
  /** "9.0" */
  computeCapability: string | null;
}

/**
 * `no-tool`: no nvidia-smi; `no-driver`: it cannot reach the driver; `no-cards`: the driver sees none; `failed`:
 * anything else.
 */
export interface NvidiaCards {
  state: 'ready' | 'no-tool' | 'no-driver' | 'no-cards' | 'failed';
  cards: readonly NvidiaCard[];
  driver: string | null;
  /** the newest CUDA that the driver can run, as in "13.0" */
  cuda: string | null;
  sentence: string;
  /** how to mend it; null where nothing is wrong */
  hint: string | null;
}

export interface NvidiaOptions {
  env?: NodeJS.ProcessEnv;
  /** where the system lists its devices; another folder in tests */
  devices?: string;
  timeout?: number;
}

const FIELDS = [
  'index',
  'name',
  'memory.total',
  'memory.used',
  'utilization.gpu',
  'temperature.gpu',
  'power.draw',
  'driver_version',
  'compute_cap',
] as const;
const FORMAT = '--format=csv,noheader,nounits';
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const WITHOUT_CAPABILITY = FIELDS.slice(0, -1); // drivers from before 2021 do not know it and refuse the whole query
const query = (fields: readonly string[]) => [`--query-gpu=${fields.join(',')}`, FORMAT];

/** Asks once; at most `timeout` milliseconds (5000). Never throws. */
export async function readCards({
  env = process.env,
  devices = '/sys/bus/pci/devices',
  timeout = 5000,
}: NvidiaOptions = {}): Promise<NvidiaCards> {
  const ask = (args: readonly string[]) => askProgram(toolOf(env), args, { env, timeout });
  const [first, header] = await Promise.all([ask(query(FIELDS)), ask([])]);
  const refused = /not a valid field/i.test(first.stdout + first.stderr);
  const answer = refused ? await ask(query(WITHOUT_CAPABILITY)) : first;
  const cuda = /CUDA (?:\w+ )?Version\s*:\s*(\d+\.\d+)/.exec(header.stdout)?.[1] ?? null;
  const cards =
    answer.outcome === 'ended' && answer.code === 0
      ? answer.stdout.split(/\r?\n/).flatMap((line) => readCard(line, refused ? WITHOUT_CAPABILITY : FIELDS) ?? [])
      : [];
  if (cards.length === 0)
    return {
      cards: [],
      driver: /Driver Version\s*:\s*([\d.]+)/.exec(header.stdout)?.[1] ?? null,
      cuda,
      ...whyNone(answer, devices),
    };
  const driver = cards[0]!.driver;
  const sizes = cards.map(
    ({ name, memory }) => `${name}${memory === null ? '' : ` (${(memory / GIB).toFixed(0)} GiB)`}`,
  );
  return {
    state: 'ready',
    cards,
    driver,
    cuda,
    sentence: `${sizes.join(', ')}, driver ${driver ?? 'unknown'}${cuda ? `, up to CUDA ${cuda}` : ''}.`,
    hint: null,
  };
}

/** Under WSL the tool lies where no PATH leads to. */
function toolOf(env: NodeJS.ProcessEnv): string {
  const wsl = '/usr/lib/wsl/lib/nvidia-smi';
  const onPath = (env.PATH ?? env.Path ?? '')
    .split(path.delimiter)
    .some((folder) => folder && fs.existsSync(path.join(folder, 'nvidia-smi')));
  return !onPath && fs.existsSync(wsl) ? wsl : 'nvidia-smi';
}

const DRIVER_HINT =
  "Install NVIDIA's driver for your Linux (or restart after an update of it), then run `nvidia-smi`: it must list the card.";

function whyNone(answer: Answer, devices: string): Pick<NvidiaCards, 'state' | 'sentence' | 'hint'> {
  const said = `${answer.stdout}\n${answer.stderr}`.trim().replace(/\s+/g, ' ').slice(0, 200);
  if (answer.outcome === 'absent') {
    const cards = nvidiaDevices(devices);
    return cards > 0
      ? {
          state: 'no-tool',
          sentence: `There ${cards === 1 ? 'is an NVIDIA card' : `are ${cards} NVIDIA cards`} here, but no nvidia-smi: NVIDIA's driver is not installed, or its tools are not on the PATH.`,
          hint: DRIVER_HINT,
        }
      : {
          state: 'no-tool',
          sentence: 'No NVIDIA card was found: nvidia-smi is not on the PATH.',
          hint: `If this machine has one: ${DRIVER_HINT}`,
        };
  }
  if (answer.outcome === 'slow')
    return {
      state: 'failed',
      sentence: 'nvidia-smi did not answer in time.',
      hint: 'The driver hangs; restart the machine. `dmesg` may say more ("Xid").',
    };
  if (/version mismatch/i.test(said))
    return {
      state: 'no-driver',
      sentence: "NVIDIA's driver was updated while the old one is still loaded.",
      hint: 'Restart the machine.',
    };
  if (/communicate with the NVIDIA driver|driver not loaded|libnvidia-ml|initialize NVML/i.test(said))
    return {
      state: 'no-driver',
      sentence: `nvidia-smi is here, but the NVIDIA driver is not loaded or cannot be reached: "${said}"`,
      hint: DRIVER_HINT,
    };
  if (/no devices (were )?found/i.test(said) || (answer.code === 0 && said === ''))
    return {
      state: 'no-cards',
      sentence: "NVIDIA's driver is here, but it sees no card.",
      hint: 'Check that the card is seated and powered; in a container or a job queue, that a card was given to it.',
    };
  return {
    state: 'failed',
    sentence: `nvidia-smi failed (${answer.code}): "${said}"`,
    hint: 'Run `nvidia-smi` yourself and mend what it says.',
  };
}

/** How many graphics devices of NVIDIA's the system lists, with or without a driver. */
function nvidiaDevices(folder: string): number {
  const read = (device: string, name: string) => fs.readFileSync(path.join(folder, device, name), 'utf8').trim();
  try {
    return fs
      .readdirSync(folder)
      .filter((device) => read(device, 'vendor') === '0x10de' && read(device, 'class').startsWith('0x03')).length;
  } catch {
    return 0;
  }
}

/** One line of the query; null for a line that is none. A name may hold a comma, so the values count from both ends. */
function readCard(line: string, fields: readonly string[]): NvidiaCard | null {
  const cells = line.split(',').map((cell) => cell.trim());
  if (!/^\d+$/.test(cells[0]!) || cells.length < fields.length) return null;
  const rest = cells.slice(2 - fields.length);
  const number = (at: number, scale = 1): number | null =>
    /^-?\d+(\.\d+)?$/.test(rest[at]!) ? Number(rest[at]) * scale : null;
  const text = (at: number): string | null => (rest[at] && !/^\[.*\]$|^n\/a$/i.test(rest[at]) ? rest[at] : null);
  return {
    index: Number(cells[0]),
    name: cells.slice(1, cells.length - rest.length).join(', '),
    memory: number(0, MIB),
    used: number(1, MIB),
    load: number(2),
    temperature: number(3),
    power: number(4),
    driver: text(5),
    computeCapability: text(6),
  };
}

/**
 * A meter: `tell` gets all cards every `every` milliseconds, and null once when the meter has ended by itself; it is
 * not started again.
 * It does not ask for the compute capability, which does not change.
 * @returns a function that stops it
 */
export function watchCards(
  every: number,
  tell: (cards: readonly NvidiaCard[] | null) => void,
  env: NodeJS.ProcessEnv = process.env,
): () => void {
  const cards = new Map<number, NvidiaCard>();
  return follow(
    [...query(WITHOUT_CAPABILITY), '-lms', String(every)],
    env,
    (lines) => {
      for (const card of lines.flatMap((line) => readCard(line, WITHOUT_CAPABILITY) ?? [])) cards.set(card.index, card);
      if (cards.size) tell([...cards.values()]);
    },
    () => tell(null),
  );
}

/**
 * Bytes that a process holds on all cards together; null where nvidia-smi does not list it (also in containers, which
 * number processes anew).
 */
export async function memoryOfProcess(
  pid: number,
  { env = process.env, timeout = 5000 }: NvidiaOptions = {},
): Promise<number | null> {
  const answer = await askProgram(toolOf(env), PROCESSES, { env, timeout });
  return answer.outcome === 'ended' && answer.code === 0 ? sumOf(answer.stdout.split(/\r?\n/), pid) : null;
}

/**
 * The most that a process held at any look, one look every `every` milliseconds. `stop` ends the watch and keeps the
 * number.
 */
export function watchPeakMemory(
  pid: number,
  every: number,
  env: NodeJS.ProcessEnv = process.env,
): { peak(): number | null; stop(): void } {
  let peak: number | null = null;
  const stop = follow(
    [...PROCESSES, '-lms', String(every)],
    env,
    (lines) => {
      const now = sumOf(lines, pid);
      if (now !== null) peak = Math.max(peak ?? 0, now);
    },
    () => {},
  );
  return { peak: () => peak, stop };
}

const PROCESSES = ['--query-compute-apps=pid,used_memory', FORMAT];

function sumOf(lines: readonly string[], pid: number): number | null {
  const mine = lines.flatMap((line) =>
    Number(line.split(',')[0]) === pid && /,\s*\d+\s*$/.test(line) ? Number(line.split(',')[1]) * MIB : [],
  );
  return mine.length ? mine.reduce((sum, bytes) => sum + bytes, 0) : null;
}

/** One nvidia-smi that keeps talking; what it prints at once comes as one set of lines. It keeps no process alive. */
function follow(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  take: (lines: string[]) => void,
  ended: () => void,
): () => void {
  const child = spawn(toolOf(env), args, { env, stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true });
  let open = true;
  let lines: string[] = [];
  const read = lineReader((line) => lines.push(line));
  const end = () => {
    if (open) ended();
    open = false;
  };
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    read(piece);
    if (open && lines.length) take(lines);
    lines = [];
  });
  child.once('error', end);
  child.once('close', end);
  child.unref();
  if ('unref' in child.stdout && typeof child.stdout.unref === 'function') child.stdout.unref();
  return () => {
    open = false;
    child.kill('SIGKILL');
  };
}
