// AdamW on a state in place: weights, moments and gradients in one memory that two threads share, each number read
// once.
//
// As operators of the runtime the same update is some thirteen passes over every parameter: of 135 million numbers 0.9
// s.
// The numbers are those of the training graph, up to the rounding of their order.

import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { TastemakerError } from '#core/errors.ts';
import type { AdamSettings } from './adamw.ts';
import { KERNEL, MOST_PAGES, PAGE } from './adamw-kernel.ts';
import type { AdamKernel } from './adamw-kernel.ts';

/**
 * What all numbers of one update have in common: the factor that clips, [a, e, keep] as from `adamFeed`, and the betas.
 */
export interface Update {
  clip: number;
  feed: readonly [number, number, number];
  betas: AdamSettings['betas'];
}

/**
 * Where the numbers lie: four regions of `bytes` one after the other, w, m, v and g; in each, those that decay come
 * first.
 */
export interface Layout {
  bytes: number;
  /** up to here, within a region, weights decay */
  decayed: number;
  /** up to here there are numbers */
  used: number;
}
export interface Part {
  from: number;
  to: number;
}

/**
 * The kernel on a memory: m ← β1 m + (1-β1) c g v ← β2 v + (1-β2) c² g² w ← keep w - a m / (√v + e), with c the
 * clipping
 * factor, for the bytes `from` .. `to` of each region; `keep` counts where weights decay.
 */
export function updateOn(memory: WebAssembly.Memory, { bytes, decayed }: Layout): (part: Part, update: Update) => void {
  const { adamw } = new WebAssembly.Instance(new WebAssembly.Module(KERNEL), { state: { memory } }).exports as {
    adamw: AdamKernel;
  };
  return ({ from, to }, { clip, feed: [a, e, keep], betas: [beta1, beta2] }) => {
    for (const [start, end, kept] of [
      [from, Math.min(to, decayed), keep],
      [Math.max(from, decayed), to, 1],
    ] as const) {
      const [w, m, v, g] = [0, 1, 2, 3].map((region) => BigInt(region * bytes + start)) as [
        bigint,
        bigint,
        bigint,
        bigint,
      ];
      if (start < end)
        adamw(w, m, v, g, BigInt(end), beta1, (1 - beta1) * clip, beta2, (1 - beta2) * clip * clip, a, e, kept);
    }
  };
}

export interface OwnState {
  w: Float32Array;
  m: Float32Array;
  v: Float32Array;
  /** before clipping; whoever computes a gradient writes it here */
  gradient: Float32Array;
}
export interface Updater {
  /** by the unit's name; they change with every update */
  arrays: Readonly<Record<string, OwnState>>;
  update(update: Update): Promise<void>;
  release(): Promise<void>;
}

const LINE = 64; // bytes that two threads should not both write
const roundUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/**
 * Room for `units` of numbers, updated on two threads where there are that many. The second is started with the first
 * update and ends with `release`, or with the process.
 */
export function createUpdater(
  units: readonly { name: string; size: number; decay: boolean }[],
  threads: number,
): Updater {
  const inOrder = [...units.filter(({ decay }) => decay), ...units.filter(({ decay }) => !decay)];
  const starts = new Map<string, number>();
  let used = 0;
  let decayed = 0;
  for (const { name, size, decay } of inOrder) {
    starts.set(name, used);
    used += roundUp(4 * size, LINE);
    if (decay) decayed = used;
  }
  // regions a multiple of 4096 apart would share their places in the cache
  const layout: Layout = { bytes: roundUp(used, 4096) + 17 * LINE, decayed, used };
  const memory = memoryOf(4 * layout.bytes);
  const mine = updateOn(memory, layout);
  const arrays = Object.fromEntries(
    units.map(({ name, size }) => {
      const [w, m, v, gradient] = [0, 1, 2, 3].map(
        (region) => new Float32Array(memory.buffer, region * layout.bytes + starts.get(name)!, size),
      ) as [Float32Array, Float32Array, Float32Array, Float32Array];
      return [name, { w, m, v, gradient }];
    }),
  );
  const middle = roundUp(used / 2, LINE);
  let worker: Worker | null = null;
  const started = (): Worker => {
    if (!worker) {
      worker = new Worker(path.join(import.meta.dirname, 'update-thread.ts'), { workerData: { memory, layout } });
      worker.unref();
    }
    return worker;
  };
  return {
    arrays,
    update: async (update) => {
      if (threads < 2) return mine({ from: 0, to: used }, update);
      const thread = started();
      const done = new Promise<void>((resolve, reject) => {
        thread.once('message', () => (thread.off('error', reject), resolve()));
        thread.once('error', reject);
      });
      thread.ref(); // there is something to wait for
      thread.postMessage({ part: { from: middle, to: used }, update }, []);
      mine({ from: 0, to: middle }, update);
      await done;
      thread.unref();
    },
    release: async () => {
      const ending = worker;
      worker = null;
      await ending?.terminate();
    },
  };
}

function memoryOf(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE);
  try {
    const size = { initial: BigInt(pages), maximum: BigInt(pages), shared: true, address: 'i64' };
    return new WebAssembly.Memory(size as never); // a browser's types know 32-bit memories only
  } catch {
    const gigabytes = (of: number) => `${((of * PAGE) / 1e9).toFixed(1)} GB`;
    throw new TastemakerError(
      'runtime',
      `Weights, moments and gradients take ${gigabytes(pages)}, which ${pages > MOST_PAGES ? `is more than the ${gigabytes(MOST_PAGES)} an update can hold` : 'could not be had'}.`,
      'Train an adapter or the last blocks only, or a smaller model.',
    );
  }
}
