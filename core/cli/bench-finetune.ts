// The fine-tuning bench: a 135-million-parameter Llama shape, each measurement in a process of its own, turn by turn
// with the peer.

import { spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

/**
 * What is measured: its words, how many turns are timed, and what one turn makes (tokens, where a rate says more than a
 * time).
 */
const PARTS: Readonly<Record<string, { what: string; rounds: number; tokens?: number }>> = {
  full: { what: 'full fine-tuning step, B 4 x T 128', rounds: 3 },
  lora: { what: 'LoRA r 8 step, all block matrices, B 4 x T 128', rounds: 5 },
  blocks: { what: 'last four blocks step, B 4 x T 128', rounds: 5 },
  'reward-head': {
    what: 'reward step, 4 completions of one prompt (256 + 53 tokens), head only, cached features',
    rounds: 5,
  },
  'reward-block': { what: 'reward step, the same, last block and head, cached features', rounds: 5 },
  sample: { what: 'sampling, B 8, 64 -> 32 tokens', rounds: 5, tokens: 8 * 32 },
};

/** No new round begins after so many milliseconds of turns, so that a busy machine does not make minutes of it. */
const ENOUGH = 25_000;

type Answer = Readonly<Record<string, number | string>>;

/**
 * What one side showed in its turns: medians, the fastest turn, the peak of its process, and its set-up's figures; or
 * why there is none.
 */
export interface Side {
  turns?: number;
  ms?: number;
  ms_best?: number;
  tokens_per_second?: number;
  gemm_gflops?: number;
  peak_gb?: number;
  [figure: string]: number | string | undefined;
}
export interface FinetuneFigure {
  part: string;
  what: string;
  load_average: number;
  ours: Side;
  peer?: Side;
  /** the peer's time over ours */
  times_peer?: number;
}

interface Measurer {
  /** the next answer; null once it has ended */
  next(): Promise<Answer | null>;
  turn(): void;
  end(): void;
}

function start(command: string, args: readonly string[]): Measurer {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.on('error', () => {}); // it has ended, which its answers say
  const failed = new Promise<null>((resolve) => child.on('error', () => resolve(null)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => {
      const line = await Promise.race([lines.next(), failed]);
      return line === null || line.done ? null : (JSON.parse(line.value) as Answer);
    },
    turn: () => void child.stdin.write('\n'),
    end: () => child.stdin.end(),
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Sets both sides up, then lets them take turns while the other waits. */
async function measure(part: string, python: string | null): Promise<FinetuneFigure> {
  const { what, rounds, tokens } = PARTS[part]!;
  const beside = (file: string) => path.join(import.meta.dirname, file);
  const sides = [
    start(process.execPath, ['--disable-warning=ExperimentalWarning', beside('bench-finetune-process.ts'), part]),
    ...(python ? [start(python, [beside('bench-finetune-peer.py'), part])] : []),
  ];
  const made = await Promise.all(sides.map((side) => side.next()));
  const turns: Answer[][] = sides.map(() => []);
  const started = performance.now();
  for (let round = 0; round < rounds && (round < 2 || performance.now() - started < ENOUGH); round++) {
    for (const [i, side] of sides.entries()) {
      if (!made[i] || made[i].error) continue;
      side.turn();
      const answer = await side.next();
      if (answer && !answer.error) turns[i]!.push(answer);
      else made[i] = answer;
    }
  }
  const load_average = os.loadavg()[0]!;
  sides.forEach((side) => side.end());
  const [ours, peer] = await Promise.all(
    sides.map(async (side, i): Promise<Side> => {
      const all = (name: string) => turns[i]!.map((turn) => Number(turn[name]));
      if (!made[i] || made[i].error)
        return {
          error: String(made[i]?.error ?? 'The process ended before it had answered; it may have run out of memory.'),
        };
      const ms = median(all('ms'));
      return {
        turns: turns[i]!.length,
        ms,
        ms_best: Math.min(...all('ms')),
        ...(tokens ? { tokens_per_second: (tokens / ms) * 1000 } : {}),
        gemm_gflops: median(all('gemm_gflops')),
        ...(await side.next()),
        ...made[i],
      };
    }),
  );
  return {
    part,
    what,
    load_average,
    ours: ours!,
    ...(peer ? { peer, ...(peer.ms && ours!.ms ? { times_peer: peer.ms / ours!.ms } : {}) } : {}),
  };
}

/** All parts, or those named; each is told as soon as it is there. */
export async function benchFinetune(
  python: string | null,
  tell: (figure: FinetuneFigure) => void,
  parts: readonly string[] = Object.keys(PARTS),
): Promise<FinetuneFigure[]> {
  const figures: FinetuneFigure[] = [];
  for (const part of parts) {
    figures.push(await measure(part, python));
    tell(figures.at(-1)!);
  }
  return figures;
}
