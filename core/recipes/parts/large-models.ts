// Which models are large: their compiled graphs are given back as soon as a phase of a run is over, and made again for
// the next.

import { chosenDevice } from '#core/autodiff/device.ts';
import type { Device, Provider } from '#core/autodiff/device.ts';
import { numbersIn, parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';

/**
 * Bytes of weights beyond which a graph's activations weigh more than the seconds that compiling it takes. CUDA: any,
 * for what a graph took of the card comes back in no other way, and several that take turns grow.
 */
const LARGE: Readonly<Record<Provider, number>> = { cpu: 2 ** 28, cuda: 0, webgpu: 2 ** 28 };

export const isLarge = (architecture: Architecture, { provider }: Pick<Device, 'provider'> = chosenDevice()): boolean =>
  4 * numbersIn(parameters(architecture)) > LARGE[provider];

/** Gives back the graphs of parts whose turn is over, where the model is large. */
export const releaseAfter =
  (architecture: Architecture) =>
  async (...parts: { release(): Promise<void> }[]): Promise<void> => {
    if (isLarge(architecture)) for (const part of parts) await part.release();
  };
