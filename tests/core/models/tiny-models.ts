// Very small models with weights large enough that their distributions are far from uniform.

import { adapterParameters, chosenMatrices } from '#core/models/adapter.ts';
import type { AdapterSettings } from '#core/models/adapter.ts';
import { parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import type { FamilyName } from '#core/models/families.ts';
import { freshWeights } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createRandom } from '#core/random.ts';
import type { Random } from '#core/random.ts';

export const VOCABULARY = 48;

const COMMON = {
  vocabulary: VOCABULARY,
  channels: 16,
  layers: 2,
  heads: 4,
  headWidth: 4,
  feedForward: 32,
  context: 96,
  normEpsilon: 1e-5,
  ropeTheta: 100,
  ropeScaling: null,
  endOfText: 0,
  stops: [0],
  pad: 1,
  beginOfText: 0,
  parallel: false,
  rotaryWidth: 4,
  activation: 'silu' as const,
};
export const tinyArchitectures: Record<FamilyName, Architecture> = {
  gpt2: { ...COMMON, family: 'gpt2', keyValueHeads: 4, tied: true, ropeTheta: 10000, activation: 'gelu-tanh' },
  gpt_neox: {
    ...COMMON,
    family: 'gpt_neox',
    keyValueHeads: 4,
    tied: false,
    parallel: true,
    rotaryWidth: 2,
    activation: 'gelu',
  },
  llama: { ...COMMON, family: 'llama', keyValueHeads: 2, tied: false },
  qwen2: { ...COMMON, family: 'qwen2', keyValueHeads: 1, tied: true },
  qwen3: { ...COMMON, family: 'qwen3', keyValueHeads: 2, tied: true, headWidth: 8, rotaryWidth: 8 },
};
export const FAMILIES = Object.keys(tinyArchitectures) as FamilyName[];

export function tinyModel(family: FamilyName, seed = 1, changes: Partial<Architecture> = {}): Checkpoint {
  const architecture = { ...tinyArchitectures[family], ...changes };
  return {
    architecture,
    head: 'language-model',
    weights: freshWeights(parameters(architecture), architecture.layers, seed, 0.5),
  };
}

/** Token ids above the special ones. */
export const randomTokens = (random: Random, length: number): number[] =>
  Array.from({ length }, () => 2 + random.integer(VOCABULARY - 2));

/** The model with an adapter on all its matrices (or those of `changes`), both factors random: far from its base. */
export function withAdapter(
  base: Checkpoint,
  changes: Partial<AdapterSettings> = {},
  { folder = '', seed = 5 } = {},
): Checkpoint {
  const settings: AdapterSettings = {
    rank: 3,
    alpha: 7,
    rankStabilised: false,
    matrices: chosenMatrices(base.architecture, 'all'),
    ...changes,
  };
  const added = adapterParameters(base.architecture, settings).map(({ name, shape }): [string, Float32Array] => {
    const random = createRandom(seed, name);
    return [name, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.2 * random.normal())];
  });
  return { ...base, weights: { ...base.weights, ...Object.fromEntries(added) }, adapter: { settings, base: folder } };
}
