// Which models are large: their compiled graphs are given back as soon as a phase of a run is over, and made again for the next.

import { parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';

/** Bytes of weights beyond which a graph's activations weigh more than the seconds that compiling it takes. */
const LARGE = 2 ** 28;

export const isLarge = (architecture: Architecture): boolean => parameters(architecture).reduce((total, { shape }) => total + 4 * shape.reduce((a, b) => a * b, 1), 0) > LARGE;

/** Gives back the graphs of parts whose turn is over, where the model is large. */
export const releaseAfter = (architecture: Architecture) => async (...parts: { release(): Promise<void> }[]): Promise<void> => {
  if (isLarge(architecture)) for (const part of parts) await part.release();
};
