// Very small models of every family, plain and with an adapter, for tests of training.

import { adapterParameters, chosenMatrices } from '#core/models/adapter.ts';
import type { AdapterSettings } from '#core/models/adapter.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { freshWeights } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { families } from '#core/models/families.ts';
import type { FamilyName } from '#core/models/families.ts';
import { createRandom } from '#core/random.ts';
import type { Random } from '#core/random.ts';

export const FAMILIES = Object.keys(families) as FamilyName[];
const VOCABULARY = 48;

export function smallModel(family: FamilyName, changes: Partial<Architecture> = {}): Checkpoint {
  const grouped = family !== 'gpt2' && family !== 'gpt_neox';
  const architecture = newArchitecture({
    family,
    vocabulary: VOCABULARY,
    channels: 16,
    layers: 2,
    heads: 4,
    keyValueHeads: grouped ? 2 : 4,
    rotaryWidth: family === 'gpt_neox' ? 2 : 4,
    feedForward: 32,
    context: 96,
    ropeTheta: 100,
    tied: family !== 'llama',
    endOfText: 0,
    pad: 1,
    ...changes,
  });
  return { architecture, head: 'language-model', weights: freshWeights(parameters(architecture), 2, 1, 0.5) };
}

/** The same with an adapter on all matrices, both factors random. */
export function withAdapter(base: Checkpoint, changes: Partial<AdapterSettings> = {}): Checkpoint {
  const settings: AdapterSettings = {
    rank: 3,
    alpha: 7,
    rankStabilised: false,
    matrices: chosenMatrices(base.architecture, 'all'),
    ...changes,
  };
  const added = adapterParameters(base.architecture, settings).map(({ name, shape }): [string, Float32Array] => {
    const random = createRandom(5, name);
    return [name, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.2 * random.normal())];
  });
  return { ...base, weights: { ...base.weights, ...Object.fromEntries(added) }, adapter: { settings, base: '' } };
}

/** Token ids above the special ones. */
export const randomTokens = (random: Random, length: number): number[] =>
  Array.from({ length }, () => 2 + random.integer(VOCABULARY - 2));
