// Which models are large: part of them is tuned by default, and their compiled graphs are given back as soon as a phase
// of a run is over, and made again for the next.

import { chosenDevice } from '#core/autodiff/device.ts';
import type { Device, Provider } from '#core/autodiff/device.ts';
import { numbersIn, parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';

/**
 * Numbers of a model beyond which a full step of it, and of a critic beside it, takes gigabytes, and a graph's
 * activations weigh more than the seconds that compiling it takes.
 */
export const LARGE = 6e7;
/** CUDA: any is, for what a graph took of the card comes back in no other way, and several that take turns grow. */
const RELEASED: Readonly<Record<Provider, number>> = { cpu: LARGE, cuda: 0, webgpu: LARGE };

/** Whether its graphs take turns. */
export const isLarge = (architecture: Architecture, { provider }: Pick<Device, 'provider'> = chosenDevice()): boolean =>
  numbersIn(parameters(architecture)) > RELEASED[provider];

/** Gives back the graphs of parts whose turn is over, where the model is large. */
export const releaseAfter =
  (architecture: Architecture) =>
  async (...parts: { release(): Promise<void> }[]): Promise<void> => {
    if (isLarge(architecture)) for (const part of parts) await part.release();
  };
