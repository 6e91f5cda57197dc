// Whether a device trains and samples as the processor does: three steps of AdamW of two tiny models in one run, then
// greedy tokens.

import { sentenceOf } from '#core/errors.ts';
import { differenceOf, OFF, toleranceOf } from '#core/autodiff/self-test.ts';
import type { Check } from '#core/autodiff/self-test.ts';
import { PROCESSOR } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';
import type { Lowering } from '#core/autodiff/graph.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { freshWeights } from '#core/models/checkpoint.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { createSampler } from '#core/models/sampler.ts';
import type { Sampled } from '#core/models/sampler.ts';
import { createRandom } from '#core/random.ts';
import { languageModelFeeds, languageModelLoss, languageModelRows } from './objectives/language-model.ts';
import type { AdamSettings } from './adamw.ts';
import { createTrainer, freshState } from './trainer.ts';
import type { TrainerState } from './trainer.ts';

const SIZES = { vocabulary: 53, channels: 24, layers: 2, heads: 4, feedForward: 40, context: 32, endOfText: 0, pad: 1 };
const MODELS: Readonly<Record<string, Architecture>> = {
  gpt2: newArchitecture({ ...SIZES, family: 'gpt2' }),
  llama: newArchitecture({ ...SIZES, family: 'llama', keyValueHeads: 2, tied: false }),
};
const STEPS = 3;
const B = 4;
const T = 13;
const NEW = 6;
/**
 * So large an epsilon makes a step nearly the gradient times the rate: the usual one would make steps of full length of
 * mere rounding.
 */
const ADAM: AdamSettings = { betas: [0.5, 0.9], epsilon: 0.1, epsilonStyle: 'torch', weightDecay: 0.1, clipNorm: 10 };
const RATES = [0.02, 0.03, 0.01];
/** A step is hundreds of operators in a row, and there are three. */
const OPERATORS_IN_A_ROW = 10;

interface Trained {
  losses: number[];
  state: TrainerState;
}

async function train(
  model: Architecture,
  micro: number,
  device: Device,
  lowering: Lowering | undefined,
): Promise<Trained> {
  const list = parameters(model);
  const random = createRandom(5, 'self-test/texts');
  const trainer = createTrainer(
    list,
    freshState(freshWeights(list, model.layers, 2, 0.4)),
    languageModelLoss(model),
    ADAM,
    { device, threads: 1, spin: false, ...(lowering ? { lowering } : {}) },
  );
  const batches = Array.from({ length: STEPS }, () =>
    Array.from({ length: B }, (_, row) => {
      const ids = Array.from({ length: T + 1 - 2 * row }, () => 2 + random.integer(SIZES.vocabulary - 2));
      return { ids, weights: ids.map((_, t) => (t < 2 ? 0 : 1)) };
    }),
  );
  try {
    const { loss } = await trainer.steps(
      'self-test',
      languageModelFeeds(B / micro, T),
      languageModelRows(batches, T),
      RATES,
      micro,
    );
    return { losses: loss!, state: trainer.state() };
  } finally {
    await trainer.release();
  }
}

async function sample(model: Architecture, weights: WeightArrays, device: Device): Promise<Sampled[]> {
  const sampler = createSampler(model, { device, threads: 1, spin: false });
  try {
    const prompts = [
      [5, 9, 31, 7],
      [40, 2, 17, 17, 23, 8, 11],
    ];
    return (
      await sampler.sample(
        weights,
        prompts.map((prompt, k) => ({ prompt, streams: [`self-test/${k}`] })),
        { temperature: 0, topK: 0, topP: 1, maxNew: NEW, seed: 1 },
      )
    ).flat();
  } finally {
    await sampler.release();
  }
}

/**
 * The parameter that is off the most; moments are measured against the largest of all, since some are nothing but
 * rounding.
 */
function worstOf(got: WeightArrays, expected: WeightArrays, unit: number): { name: string; worst: number } {
  const scaled = (data: Float32Array) => data.map((value) => value / unit);
  return Object.entries(expected)
    .map(([name, data]) => ({ name, worst: differenceOf(scaled(got[name]!), scaled(data)) }))
    .reduce((a, b) => (b.worst > a.worst ? b : a));
}
const largest = (arrays: WeightArrays): number =>
  Math.max(
    1e-12,
    ...Object.values(arrays).map((data) => data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)),
  );

/**
 * How far two greedy samples are apart, in log-probability of the same tokens. Where another token was chosen, what the
 * two
 * choices were worth: nearly the same where it was a tie, after which nothing can be compared.
 */
function apart(got: readonly Sampled[], expected: readonly Sampled[]): number {
  return Math.max(
    ...expected.map(({ tokenIds, logprobs }, row) => {
      const other = got[row]!;
      const split = tokenIds.findIndex((id, t) => id !== other.tokenIds[t]);
      const until = split < 0 ? tokenIds.length : split + 1;
      return differenceOf(other.logprobs.slice(0, until), logprobs.slice(0, until));
    }),
  );
}

/**
 * Checks training steps (whole, and in two micro-batches) and sampling on `device`; `before` is told the name of each.
 * Never throws for what the device does.
 */
export async function testTraining(
  device: Device,
  { lowering, before = () => {} }: { lowering?: Lowering; before?: (name: string) => void | Promise<void> } = {},
): Promise<Check[]> {
  const tolerance = OPERATORS_IN_A_ROW * toleranceOf(device);
  const checks: Check[] = [];
  const judge = (name: string, worst: number, what = name): void => {
    const ok = worst <= tolerance;
    checks.push({
      name,
      ok,
      worst,
      tolerance,
      problem: ok
        ? null
        : `${what} ${worst >= OFF ? 'gave no numbers' : `is off by ${worst.toPrecision(2)}, and ${tolerance.toPrecision(2)} is allowed`}.`,
    });
  };
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    await before(name);
    try {
      await work();
    } catch (error) {
      checks.push({
        name,
        ok: false,
        worst: OFF,
        tolerance,
        problem: `${name} failed: ${sentenceOf(error)}`,
      });
    }
  };
  for (const [family, model] of Object.entries(MODELS)) {
    const micro = family === 'llama' ? 2 : 1;
    const of = `a training step of ${family}`;
    await attempt(`Training ${family}`, async () => {
      const expected = await train(model, micro, PROCESSOR, undefined);
      const got = await train(model, micro, device, lowering);
      judge(`${family}: loss`, differenceOf(got.losses, expected.losses), `The loss of ${of}`);
      const slope = worstOf(got.state.m, expected.state.m, largest(expected.state.m));
      const weight = worstOf(got.state.weights, expected.state.weights, 1);
      judge(`${family}: gradients`, slope.worst, `The gradient of ${slope.name} in ${of}`);
      judge(`${family}: weights`, weight.worst, `${weight.name} after ${of}`);
    });
    await attempt(`Sampling ${family}`, async () => {
      const weights = freshWeights(parameters(model), model.layers, 3, 0.4);
      judge(
        `${family}: greedy tokens`,
        apart(await sample(model, weights, device), await sample(model, weights, PROCESSOR)),
        `The log-probability of tokens that ${family} writes`,
      );
    });
  }
  return checks;
}
