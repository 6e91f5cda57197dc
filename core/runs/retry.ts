// What is done where memory runs out in the middle of a run: it is explained, and tried once more with half as many
// rows at once.

import { setTimeout as pause } from 'node:timers/promises';
import { TastemakerError } from '#core/errors.ts';
import { deviceWords } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';
import { releaseSessions } from '#core/autodiff/session.ts';
import { memoryOfProcess } from '#core/hardware/nvidia.ts';
import type { Recipe } from '#core/recipes/recipe.ts';
import type { Config, Settings } from '#core/recipes/settings.ts';

/** What the providers say: CUDA's allocator and cuBLAS, WebGPU, the processor's allocator and JavaScript's. */
const SAYINGS = [
  /failed to allocate memory/i,
  /CUDA failure 2\b/,
  /CU(BLAS|DNN)_STATUS_ALLOC_FAILED/,
  /out[ -]of[ -]memory/i,
  /\bOOM\b/,
  /bad_alloc/,
  /array buffer allocation failed/i,
];

export const isOutOfMemory = (error: unknown): error is Error =>
  error instanceof Error && SAYINGS.some((saying) => saying.test(error.message));

type Numbers = Readonly<Record<string, unknown>>;

/** Rows at once as the settings have them; null for a recipe without micro-batches. */
export function rowsAtOnce<S extends Settings>(recipe: Pick<Recipe<S>, 'rowsAStep'>, config: Config<S>): number | null {
  const rows = recipe.rowsAStep(config);
  if (rows === null || !('micro_batch' in config)) return null;
  const most = Number(config.micro_batch);
  return most > 0 ? Math.min(most, rows) : rows;
}

/** The same settings with half as many rows at once; null where there is nothing to halve. */
export function halved<S extends Settings>(recipe: Pick<Recipe<S>, 'rowsAStep'>, config: Config<S>): Config<S> | null {
  const rows = rowsAtOnce(recipe, config);
  return rows === null || rows < 2 ? null : { ...config, micro_batch: Math.floor(rows / 2) };
}

const size = (bytes: number): string =>
  bytes < 0.95e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
const MEMORY: Readonly<Record<Device['provider'], string>> = {
  cpu: 'The memory',
  cuda: "The graphics card's memory",
  webgpu: "The graphics card's memory",
};

/** One sentence for the person: what ran out, what it took, three ways out. The runtime's own words are the hint. */
export function explainOutOfMemory<S extends Settings>(
  error: Error,
  recipe: Pick<Recipe<S>, 'rowsAStep'>,
  config: Config<S>,
  device: Device,
  taken: number,
): TastemakerError {
  const rows = rowsAtOnce(recipe, config);
  const asked = Number(/(?:buffer of size|requested|allocate)\D{0,20}(\d{4,})/i.exec(error.message)?.[1] ?? 0);
  const ways = [
    ...(rows !== null && rows > 1 ? [`set micro_batch to ${Math.floor(rows / 2)}`] : []),
    ...('tune' in config && config.tune === 'full' ? ['set tune to lora'] : []),
    ...('max_new' in config ? ['set max_new lower'] : []),
    'use a smaller model',
    device.provider === 'cpu' ? 'close other programs' : 'close other programs that use the card',
    device.provider === 'cpu' ? 'use a machine with more memory' : 'compute on the processor',
  ].slice(0, 3);
  const what = [
    deviceWords(device),
    rows === null ? '' : `${rows} row${rows === 1 ? '' : 's'} at once`,
    `${size(taken)} taken`,
    asked ? `${size(asked)} more asked for` : '',
  ]
    .filter(Boolean)
    .join(', ');
  return new TastemakerError(
    'runtime',
    `${MEMORY[device.provider]} ran out (${what}): ${ways.slice(0, -1).join(', ')} or ${ways.at(-1)}.`,
    error.message,
  );
}

/**
 * Does `work`, and where memory runs out in it once more with half as many rows at once. `work` goes on from its last
 * checkpoint by
 * itself. Everything that the first attempt left on the device is let go of before the second.
 */
export async function withHalfTheRows<S extends Settings, T>(
  recipe: Pick<Recipe<S>, 'rowsAStep'>,
  config: Config<S>,
  device: Device,
  log: (line: string) => void,
  work: (config: Config<S>) => Promise<T>,
): Promise<T> {
  const taken = async () =>
    (device.provider === 'cuda' ? await memoryOfProcess(process.pid) : null) ?? process.memoryUsage.rss();
  const explained = async (error: unknown, given: Config<S>) =>
    isOutOfMemory(error) ? explainOutOfMemory(error, recipe, given, device, await taken()) : error;
  try {
    return await work(config);
  } catch (error) {
    const less = isOutOfMemory(error) ? halved(recipe, config) : null;
    if (!less) throw await explained(error, config);
    const { message } = (await explained(error, config)) as Error;
    log(
      `${message} It goes on from its last checkpoint with ${String((less as Numbers).micro_batch)} rows at once; the steps stay the same.`,
    );
    await releaseSessions();
    await pause(0); // what is over can be collected
    return await work(less).catch(async (again: unknown) => Promise.reject(await explained(again, less)));
  }
}
