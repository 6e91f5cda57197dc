// What this process computes on: which provider of the runtime, how exactly.

import { TastemakerError } from '#core/errors.ts';

export type Provider = 'cpu' | 'cuda' | 'webgpu';
/** fp32: float32 everywhere, which CUDA multiplies as TF32; bf16: matrix products of bfloat16, all else float32 */
export type Precision = 'fp32' | 'bf16';
/**
 * exact: sums into rows that are named twice always in one order, so that repeats give the same bits; fast: in any
 * order
 */
export type Sums = 'exact' | 'fast';

export interface Device {
  provider: Provider;
  precision: Precision;
  sums: Sums;
}

export const PROCESSOR: Device = { provider: 'cpu', precision: 'fp32', sums: 'exact' };

/** What each provider can do; the first precision is the usual one. */
const PRECISIONS: Readonly<Record<Provider, readonly Precision[]>> = {
  cpu: ['fp32'],
  cuda: ['fp32', 'bf16'],
  webgpu: ['fp32'],
};

const ASKED = 'TASTEMAKER_DEVICE';

/** "cpu", "cuda", "cuda:bf16", "cuda:bf16:fast", "webgpu". Throws 'bad-argument' for anything else. */
export function readDevice(words: string): Device {
  const [provider = '', ...modes] = words.split(':');
  const known = PRECISIONS[provider as Provider];
  if (!Object.hasOwn(PRECISIONS, provider) || !known)
    throw new TastemakerError(
      'bad-argument',
      `"${words}" is no device: "${provider}" is no provider.`,
      `Choose ${Object.keys(PRECISIONS).join(', ')}.`,
    );
  const device: Device = { ...PROCESSOR, provider: provider as Provider };
  for (const mode of modes) {
    if ((known as readonly string[]).includes(mode)) device.precision = mode as Precision;
    else if (provider === 'cuda' && (mode === 'exact' || mode === 'fast')) device.sums = mode;
    else
      throw new TastemakerError(
        'bad-argument',
        `"${words}" is no device: ${provider} has no mode "${mode}".`,
        `Its modes are ${[...known, ...(provider === 'cuda' ? ['exact', 'fast'] : [])].join(', ')}.`,
      );
  }
  return device;
}

export const deviceWords = ({ provider, precision, sums }: Device): string =>
  [provider, ...(precision === 'fp32' ? [] : [precision]), ...(sums === 'exact' ? [] : [sums])].join(':');

/**
 * The environment that makes a process compute on `device`. cuBLAS repeats its bits only with a workspace of fixed
 * size.
 */
export const deviceEnvironment = (device: Device): Record<string, string> => ({
  [ASKED]: deviceWords(device),
  ...(device.provider === 'cuda' && device.sums === 'exact' ? { CUBLAS_WORKSPACE_CONFIG: ':4096:8' } : {}),
});

/** What this process, or one with another environment, was told to compute on; the processor unless told otherwise. */
export function chosenDevice(env: NodeJS.ProcessEnv = process.env): Device {
  const asked = env[ASKED];
  return asked ? readDevice(asked) : PROCESSOR;
}
