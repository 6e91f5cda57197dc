// What the compiled graphs of one model take: trainer, evaluator, sampler, each graph walked for what is alive at its
// peak.
//
// The factors were fitted to the peaks of processes that ran these graphs and nothing else (models of 1 to 135 million
// numbers, gpt2 and llama, all of it, adapters or blocks learning, one to eight steps a run). Where a device computes,
// its own
// memory holds weights, state and activations of every open graph; the machine's holds our arrays and what comes back.
// No card
// has measured the device's side yet.

import { footprint } from '#core/autodiff/footprint.ts';
import type { Program, Types } from '#core/autodiff/compile.ts';
import type { Device } from '#core/autodiff/device.ts';
import { featureRows, featuresProgram } from '#core/recipes/parts/frozen-features.ts';
import { learningParts, microBatches, newAdapter } from '#core/recipes/parts/tuning.ts';
import type { TuningConfig } from '#core/recipes/parts/tuning.ts';
import type { AdapterSettings } from '#core/models/adapter.ts';
import { numbersIn } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { families } from '#core/models/families.ts';
import { scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import type { ChoiceSettings } from '#core/models/choose-token.ts';
import type { HeadName } from '#core/models/heads.ts';
import { evaluationProgram, rowsAtOnce } from '#core/models/evaluator.ts';
import { roundedLength, rowSpans } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { promptProgram, samplingProgram, tokenProgram } from '#core/models/decoding.ts';
import type { Sampling } from '#core/models/decoding.ts';
import { PROMPT_STEP } from '#core/models/sampler.ts';
import {
  criticFeeds,
  criticUpdateLoss,
  policyFeeds,
  policyUpdateLoss,
  rewardFeeds,
  rewardLoss,
} from '#core/training/objectives/row-losses.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { gradientProgram, trainingProgram } from '#core/training/trainer.ts';
import type { Loss, LossBuild } from '#core/training/trainer.ts';

/** A model as it is stored, without its weights: `weights` says only what the head holds. */
export type Known = Checkpoint;

const NODE = 27e3; // bytes a node of a compiled graph keeps
const COPIES = 2.3; // the state as arrays of ours: the newest, and those that nobody has collected yet
const ADAM = { betas: [0.9, 0.999], epsilon: 1e-8, epsilonStyle: 'torch', weightDecay: 0, clipNorm: 1 } as const;

/** Whose memory is asked about: the machine's, or the device's own (of which the processor has none). */
export interface Where {
  device: Device;
  of: 'host' | 'device';
}

interface Taken {
  pool: number;
  still: number;
  outputs: number;
}
const walked = new Map<string, Promise<Record<Where['of'], Taken>>>();
const MOST_WALKED = 500;
const WALKED_TOKENS = 1024; // graphs; tokens of a row: its mask has their square
/**
 * Walks a graph once, after a breath for whoever waits for this thread: thirty blocks take a fifth of a second. The
 * same question comes again with every field of the form that is changed.
 */
async function graphOf(
  { device, of }: Where,
  key: unknown,
  tokens: number,
  make: (shorter: (count: number) => number) => Program,
  steps = 1,
): Promise<Taken> {
  const name = JSON.stringify([device, key, tokens, steps]);
  let known = walked.get(name);
  if (!known) {
    const walk = async (by: number): Promise<Record<Where['of'], Taken>> => {
      await new Promise((resolve) => setImmediate(resolve));
      const { poolBytes, stillBytes, outputBytes, nodes } = footprint(
        make((count) => (by === 1 ? count : Math.max(1, Math.round(count / by)))),
        steps,
        device,
      );
      const ours = device.provider === 'cpu' ? poolBytes : outputBytes;
      return {
        host: { pool: ours + NODE * nodes, still: 0, outputs: outputBytes },
        device: { pool: poolBytes, still: stillBytes, outputs: 0 },
      };
    };
    known = tokens <= WALKED_TOKENS ? walk(1) : beyond(walk, tokens / WALKED_TOKENS);
    if (walked.size >= MOST_WALKED) walked.delete(walked.keys().next().value!);
    walked.set(name, known);
  }
  return of === 'device' && device.provider === 'cpu' ? { pool: 0, still: 0, outputs: 0 } : (await known)[of];
}

const QUADRATIC = 4; // what twice the length can come to at most; a device's pool grows by leaps
/** The graph of rows that are `by` times longer than what is walked: it grows on as it does from half of that. */
async function beyond(
  walk: (by: number) => Promise<Record<Where['of'], Taken>>,
  by: number,
): Promise<Record<Where['of'], Taken>> {
  const [half, whole] = [await walk(2 * by), await walk(by)];
  const grown = (of: Where['of'], most: number): Taken => {
    const { pool, still } = whole[of];
    return {
      ...whole[of],
      pool:
        still + (pool - still) * Math.min(most, Math.max(2, (pool - still) / (half[of].pool - still))) ** Math.log2(by),
    };
  };
  return { host: grown('host', Infinity), device: grown('device', QUADRATIC) };
}

/**
 * The same model with rotary tables no longer than its rows: they take a quarter of the time of a walk, and are small
 * beside all else.
 */
const upTo = (model: Known, tokens: number): Known =>
  families[model.architecture.family].positions === 'rotary'
    ? { ...model, architecture: { ...model.architecture, context: Math.min(model.architecture.context, tokens) } }
    : model;

/** What a graph's shape hangs on. */
const like = ({ architecture, head, adapter, weights }: Known) => [
  architecture,
  head,
  adapter?.settings,
  Object.keys(weights),
];

/** The model as a run starts with it: with a new adapter, or without the one it has. */
export function startOf(model: Known, config: TuningConfig): Known {
  if (config.tune !== 'lora') return { ...model, adapter: undefined };
  return model.adapter ? model : { ...model, adapter: { settings: newAdapter(model.architecture, config), base: '' } };
}

/** Rows of a training step and how many steps a run takes. */
export interface Training {
  start: Known;
  config: TuningConfig;
  /** steps in one call of the runtime */
  steps: number;
  build(architecture: Architecture): (given: LossBuild) => Loss;
  feeds(architecture: Architecture, rows: number, shorter: Shorter): Types;
  rows: number;
  /** of a row */
  tokens: number;
  /** what else the graph's shape hangs on */
  key: unknown;
  /** graphs of the same kind that are kept */
  kept: number;
}

/** Bytes of a trainer with its state. */
export async function trainerBytes(
  where: Where,
  { start: given, config, steps, build, feeds, rows, tokens, key, kept }: Training,
): Promise<{ pool: number; state: number }> {
  const start = upTo(given, tokens);
  const { parameters, still } = learningParts(start, config);
  const { architecture } = start;
  const learnt = numbersIn(parameters);
  if (learnt === 0) return { pool: 0, state: 0 };
  const micro = microBatches(rows, config);
  const options = {
    ...(still.length ? { frozen: { parameters: still, weights: {} } } : {}),
    adapters: scalesOf(start),
  };
  const inPlace = where.device.provider === 'cpu';
  const { pool, outputs } = await graphOf(
    where,
    [like(start), config.tune, config.tuned_blocks, key, rows, micro, inPlace],
    tokens,
    (shorter) =>
      (inPlace ? gradientProgram : trainingProgram)(
        parameters,
        feeds(architecture, rows / micro, shorter),
        build(architecture),
        ADAM,
        options,
        micro,
      ),
    inPlace ? 1 : steps,
  );
  // in place: w, m, v and g, and what the binding copies of g
  return { pool: kept * pool, state: where.of === 'device' ? 0 : inPlace ? 16 * learnt + outputs : COPIES * outputs };
}

type Shorter = (count: number) => number;

export const languageTraining = (T: number, Q: number) => ({
  tokens: T,
  key: ['language', T, Q],
  build: languageModelLoss,
  feeds: (_: Architecture, rows: number, shorter: Shorter) => languageModelFeeds(rows, shorter(T), shorter(Q)),
});
export const rewardTraining = (shape: Omit<RowShape, 'B'>, head: HeadName, layer: number) => ({
  tokens: shape.T,
  key: ['reward', shape, head, layer],
  build: (architecture: Architecture) => rewardLoss({ architecture, head }, layer),
  feeds: (architecture: Architecture, B: number, shorter: Shorter) =>
    rewardFeeds({ architecture, head }, { ...shape, B, T: shorter(shape.T) }, null, layer),
});
export const policyTraining = (shape: Omit<RowShape, 'B'>, temperature: number) => ({
  tokens: shape.T,
  key: ['policy', shape, temperature === 1],
  build: (architecture: Architecture) => policyUpdateLoss(architecture, temperature, 0.2),
  feeds: (_: Architecture, B: number, shorter: Shorter) =>
    policyFeeds({ ...shape, B, T: shorter(shape.T), Q: shorter(shape.Q) }),
});
export const criticTraining = (shape: Omit<RowShape, 'B'>, head: HeadName) => ({
  tokens: shape.T,
  key: ['critic', shape, head],
  build: (architecture: Architecture) => criticUpdateLoss({ architecture, head }, 0.2, 0.1),
  feeds: (_: Architecture, B: number, shorter: Shorter) =>
    criticFeeds({ ...shape, B, T: shorter(shape.T), Q: shorter(shape.Q) }),
});

/**
 * The rows of a prompt with `completions` of them, `tokens` in all: how many there are, and what the largest of them
 * takes.
 */
export function packedRows(
  prompt: number,
  completions: number,
  tokens: number,
): { rows: number; completions: number; tokens: number } {
  const own = Math.min(prompt, tokens);
  const each = (tokens - own) / Math.max(1, completions);
  const spans = rowSpans(own, Array<number>(completions).fill(each));
  const most = Math.max(...spans.map(({ from, to }) => to - from));
  return spans.length === 1
    ? { rows: 1, completions, tokens }
    : { rows: spans.length, completions: most, tokens: Math.ceil(own + most * each) };
}

interface Read {
  groups: number;
  tokens: number;
  slots: number;
  shared: boolean;
  temperature: number | null;
  /** so many blocks were read before */ layer?: number;
}
/**
 * Bytes of reading `groups` rows of `tokens` tokens, `slots` of them asked for; log-probabilities at a temperature,
 * scores and values without one.
 */
export async function evaluatorBytes(
  where: Where,
  given: Known,
  { groups, tokens, slots, shared, temperature, layer = 0 }: Read,
): Promise<number> {
  if (groups === 0) return 0;
  const model = upTo(given, roundedLength(tokens));
  const { layers, channels } = model.architecture;
  const B = rowsAtOnce(tokens, temperature === null ? 0 : slots, model.architecture, groups);
  const shape: RowShape = { B, T: roundedLength(tokens), Q: slots, shared };
  const { pool } = await graphOf(
    where,
    ['evaluate', like(model), shape, layer, temperature === null, temperature === 1],
    shape.T,
    (shorter) =>
      evaluationProgram(
        model,
        { ...shape, T: shorter(shape.T), Q: slots === 1 || temperature === null ? slots : shorter(slots) },
        temperature,
        layer,
      ),
  );
  const fed = layer && where.of === 'host' ? COPIES * 4 * B * (layer === layers ? slots : shape.T) * channels : 0;
  return Math.min(2, Math.ceil(groups / B)) * pool + fed;
}

/** Bytes of what frozen blocks make of `groups` rows, as it is computed. */
export async function featuresBytes(
  where: Where,
  given: Known,
  layer: number,
  groups: number,
  tokens: number,
  K: number,
): Promise<number> {
  const model = upTo(given, roundedLength(tokens));
  const shape: RowShape = { B: featureRows(tokens, groups), T: roundedLength(tokens), Q: K, shared: K > 1 };
  const { pool } = await graphOf(where, ['features', like(model), layer, shape], shape.T, (shorter) =>
    featuresProgram(model, layer, { ...shape, T: shorter(shape.T) }),
  );
  const each = layer === model.architecture.layers ? K : shape.T;
  return (
    Math.min(2, Math.ceil(groups / shape.B)) * pool +
    (where.of === 'host' ? COPIES * 4 * shape.B * each * model.architecture.channels : 0)
  );
}

/** Bytes of sampling: `prompts` prompts at once, `each` completions of `written` tokens. */
export async function samplerBytes(
  where: Where,
  given: Known,
  {
    prompts,
    each,
    prompt,
    written,
    choice,
    kept,
    adapter,
  }: {
    prompts: number;
    each: number;
    prompt: number;
    written: number;
    choice: ChoiceSettings;
    kept: number;
    adapter?: AdapterSettings | undefined;
  },
): Promise<number> {
  const { architecture } = upTo(given, prompt + PROMPT_STEP + written);
  const shape = {
    prompts,
    each,
    P: Math.min(architecture.context - written, Math.ceil(prompt / PROMPT_STEP) * PROMPT_STEP),
    N: written,
  };
  const walk = async (program: (sampling: Sampling) => Program) =>
    (
      await graphOf(
        where,
        ['sample', program.name, architecture, adapter, shape, choice],
        shape.P + written,
        (shorter) =>
          program({ architecture, adapter, shape: { ...shape, P: shorter(shape.P), N: shorter(written) }, choice }),
      )
    ).pool;
  const programs =
    where.device.provider !== 'webgpu'
      ? [samplingProgram]
      : written === 1
        ? [promptProgram]
        : [promptProgram, tokenProgram]; // no Loop there
  return kept * (await Promise.all(programs.map(walk))).reduce((a, b) => a + b, 0);
}
