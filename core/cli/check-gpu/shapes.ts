// The models that the check measures, and their tiny stand-ins for a trial without a card.

import { adapterParameters, chosenMatrices, freshAdapter } from '#core/models/adapter.ts';
import type { AdapterSettings } from '#core/models/adapter.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import type { Architecture, Parameter } from '#core/models/architecture.ts';
import type { Checkpoint, WeightArrays } from '#core/models/checkpoint.ts';
import { createRandom } from '#core/random.ts';
import type { AdamSettings } from '#core/training/adamw.ts';

export interface Shape {
  architecture: Architecture;
  title: string;
}

/** GPT-2 of 124 million parameters. */
const GPT2: Shape = {
  title: 'GPT-2, 124 M',
  architecture: newArchitecture({
    family: 'gpt2',
    vocabulary: 50257,
    channels: 768,
    layers: 12,
    heads: 12,
    feedForward: 3072,
    context: 512,
    endOfText: 50256,
  }),
};
/** The shape of Llama 3.2 1B. */
const LLAMA: Shape = {
  title: 'Llama, 1.2 B',
  architecture: newArchitecture({
    family: 'llama',
    vocabulary: 128256,
    channels: 2048,
    layers: 16,
    heads: 32,
    keyValueHeads: 8,
    headWidth: 64,
    rotaryWidth: 64,
    feedForward: 8192,
    context: 2048,
    ropeTheta: 500000,
    endOfText: 128001,
  }),
};
const TINY_GPT2: Shape = {
  title: 'GPT-2, tiny',
  architecture: newArchitecture({
    family: 'gpt2',
    vocabulary: 211,
    channels: 32,
    layers: 2,
    heads: 4,
    feedForward: 64,
    context: 48,
    endOfText: 0,
  }),
};
const TINY_LLAMA: Shape = {
  title: 'Llama, tiny',
  architecture: newArchitecture({
    family: 'llama',
    vocabulary: 211,
    channels: 32,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    feedForward: 64,
    context: 48,
    endOfText: 0,
  }),
};

/** What each bench takes. B rows, T tokens, P prompt, N new tokens. */
export const SIZES = {
  train: { full: { ...GPT2, B: 16, T: 512 }, tiny: { ...TINY_GPT2, B: 2, T: 16 } },
  sample: { full: { ...GPT2, B: 32, P: 64, N: 128 }, tiny: { ...TINY_GPT2, B: 4, P: 8, N: 6 } },
  ppo: { full: { ...GPT2, episodes: 128, P: 64, N: 64 }, tiny: { ...TINY_GPT2, episodes: 4, P: 8, N: 6 } },
  lora: { full: { ...LLAMA, episodes: 16, P: 64, N: 64 }, tiny: { ...TINY_LLAMA, episodes: 4, P: 8, N: 6 } },
} as const;
export const LORA_RANK = 16;
export const ADAM: AdamSettings = {
  betas: [0.9, 0.999],
  epsilon: 1e-8,
  epsilonStyle: 'torch',
  weightDecay: 0.01,
  clipNorm: 1,
};

export const countOf = (list: readonly Parameter[]): number =>
  list.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

const BLOCK = 65537; // a prime, so that no two rows of a matrix are alike

/**
 * Weights as `freshWeights` spreads them, but out of one block of random numbers that is laid out again and again: a
 * billion in a second.
 */
export function tiledWeights(
  architecture: Architecture,
  list: readonly Parameter[] = parameters(architecture),
  seed = 1,
): WeightArrays {
  const random = createRandom(seed, 'tiles');
  const std = 0.02;
  const normal = Float32Array.from({ length: BLOCK }, () => std * random.normal());
  const residual = normal.map((x) => x / Math.sqrt(2 * architecture.layers));
  return Object.fromEntries(
    list.map(({ name, shape, start }, at) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (start === 'one') data.fill(1);
      else if (start !== 'zero') {
        const block = start === 'residual' ? residual : normal;
        const first = (at * 7919) % BLOCK;
        for (let to = 0, from = first; to < data.length; from = 0) {
          const piece = block.subarray(from, from + data.length - to);
          data.set(piece, to);
          to += piece.length;
        }
      }
      return [name, data];
    }),
  );
}

/** A language model of such weights. */
export const freshModel = (architecture: Architecture): Checkpoint => ({
  architecture,
  head: 'language-model',
  weights: tiledWeights(architecture),
});

/** What learns of a model, and what stays: all of it, or adapters of a rank on every matrix of the blocks. */
export function withAdapters(base: Checkpoint, rank: number, seed: number): Checkpoint {
  const settings: AdapterSettings = {
    rank,
    alpha: 2 * rank,
    rankStabilised: false,
    matrices: chosenMatrices(base.architecture, 'all'),
  };
  return {
    ...base,
    weights: { ...base.weights, ...freshAdapter(adapterParameters(base.architecture, settings), seed) },
    adapter: { settings, base: '' },
  };
}

/** Prompts of random tokens, the same each time. */
export function randomPrompts(count: number, length: number, vocabulary: number): number[][] {
  const random = createRandom(1, 'prompts');
  return Array.from({ length: count }, () => Array.from({ length }, () => 1 + random.integer(vocabulary - 1)));
}
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
