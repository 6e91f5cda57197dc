// What a model says of given texts, without training: scores, values before each token, log-probabilities.

import { compile } from '#core/autodiff/compile.ts';
import type { Arrays, Program, Tensors, Types } from '#core/autodiff/compile.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import type { SessionOptions } from '#core/autodiff/session.ts';
import { TastemakerError } from '#core/errors.ts';
import type { Architecture } from './architecture.ts';
import { checkpointParameters, scalesOf } from './checkpoint.ts';
import type { Checkpoint, WeightArrays } from './checkpoint.ts';
import { allowed, statesBefore } from './forbidden.ts';
import type { Forbidden } from './forbidden.ts';
import { HEADS, parametersAbove, readHead } from './heads.ts';
import type { Headed, HeadName } from './heads.ts';
import { inRows, packRows, roundedLength, rowShape, rowTensors, rowTokens, rowTypes } from './rows.ts';
import type { Group, RowShape, Slots } from './rows.ts';
import { tokenLogprobs } from './token-logprobs.ts';
import { overLogits, trunk } from './transformer.ts';
import type { Model, Taps } from './transformer.ts';
import { weightTypes } from './weight-types.ts';

export interface Evaluator {
  /** reward of each completion, read at its last token (D6): [group][completion] */
  scores(weights: WeightArrays, groups: readonly Group[]): Promise<number[][]>;
  /** value before each token and after the last: [group][completion][tokens + 1] */
  values(weights: WeightArrays, groups: readonly Group[]): Promise<number[][][]>;
  /**
   * ln p of each token at a temperature: [group][completion][tokens]; where texts are forbidden, of the tokens that
   * were left to choose from
   */
  logprobs(
    weights: WeightArrays,
    groups: readonly Group[],
    temperature?: number,
    forbidden?: Forbidden | null,
  ): Promise<number[][][]>;
  release(): Promise<void>;
}

const TARGET_TOKENS = 4096; // tokens a run: enough to keep the cores busy
const TARGET_LOGITS = 2 ** 25; // numbers: a vocabulary of 49,152 takes them with 680 tokens to be predicted

/**
 * How many rows of `tokens` tokens, `predicted` of them to be predicted (0 for scores and values), are read at once
 * where there are `left`.
 */
export function rowsAtOnce(
  tokens: number,
  predicted: number,
  { vocabulary }: Pick<Architecture, 'vocabulary'>,
  left: number,
): number {
  const full = Math.max(
    1,
    Math.floor(Math.min(TARGET_TOKENS / roundedLength(tokens), TARGET_LOGITS / (predicted * vocabulary))),
  );
  return Math.min(full, 2 ** Math.ceil(Math.log2(left)));
}

/**
 * What the lowest `layer` blocks made of rows, kept from an earlier pass (frozen-features.ts): then only the blocks
 * above are run.
 */
export interface Below {
  layer: number;
  /** what `typesAbove` feeds besides the rows, of `count` of them, padding after the given */
  of(groups: readonly Group[], shape: RowShape, count: number): Record<string, Float32Array>;
}

/** The layers below the lowest `layer` blocks' output that the head reads. */
export const layersBelow = ({ architecture, head }: Headed, layer: number): number[] =>
  HEADS[head].layers(architecture).filter((one) => one < layer);
/** What the tap of a layer is called among the feeds. */
export const tapName = (layer: number): string => `tap${layer}`;

/**
 * What is fed above `layer` blocks: nothing but rows where it is 0; else rows and what the blocks below made of them,
 * x [B·T, C], or only that, after the final norm [B·Q, C], where no block is left; and taps [B·Q, C] of the layers
 * below that the head reads.
 */
export function typesAbove(headed: Headed, layer: number, shape: RowShape): Types {
  const { channels: C, layers } = headed.architecture;
  if (layer === 0) return rowTypes(shape);
  const x = (count: number) => ({ dtype: 'float32', shape: [shape.B * count, C] }) as const;
  const taps = Object.fromEntries(layersBelow(headed, layer).map((one) => [tapName(one), x(shape.Q)]));
  return layer === layers ? { x: x(shape.Q), ...taps } : { ...rowTypes(shape), x: x(shape.T), ...taps };
}
/** What the head reads, of rows that are fed so. */
export function tapsAbove(model: Model, head: HeadName, layer: number, feeds: Tensors): Taps {
  if (layer === 0) return trunk(model, rowTensors(feeds));
  const { architecture } = model;
  const taps = Object.fromEntries(layersBelow({ architecture, head }, layer).map((one) => [one, feeds[tapName(one)]!]));
  return layer === architecture.layers
    ? { hidden: feeds.x!, at: (one) => taps[one]! }
    : trunk(model, rowTensors(feeds), { layer, x: feeds.x!, taps });
}

/**
 * Scores or values of the slots (`temperature` null), or log-probabilities of their targets; above the lowest `layer`
 * blocks, whose outputs are fed. Where texts are forbidden, the state before each target is fed as `stands`.
 */
export function evaluationProgram(
  like: Checkpoint,
  shape: RowShape,
  temperature: number | null,
  layer = 0,
  forbidden: Forbidden | null = null,
): Program {
  const all = checkpointParameters(like);
  const read = layer ? parametersAbove(all, like, layer) : all;
  const slots = { dtype: 'int32' as const, shape: [shape.B * shape.Q] };
  return {
    state: {},
    frozen: weightTypes(read),
    feeds: {
      ...typesAbove(like, layer, shape),
      ...(temperature === null ? {} : { targets: slots, ...(forbidden ? { stands: slots } : {}) }),
    },
    step: ({ graph, frozen: weights, feeds }) => {
      const model = { architecture: like.architecture, weights, adapters: scalesOf(like), graph, forward: true };
      const taps = tapsAbove(model, like.head, layer, feeds);
      return {
        state: {},
        outputs: {
          y:
            temperature === null
              ? readHead(like.head, model, taps)
              : overLogits(model, taps.hidden, slotsOf(feeds), (logits, [targets, stands]) => [
                  tokenLogprobs(stands ? allowed(forbidden!, logits, stands) : logits, targets!, temperature),
                ])[0]!,
        },
      };
    },
  };
}

/** What is read of logits: each slot's target, and where texts are forbidden how much of one stands before it. */
export const slotsOf = ({ targets, stands }: Tensors): Tensor[] => (stands ? [targets!, stands] : [targets!]);

export interface EvaluatorOptions extends SessionOptions {
  /** those weights that are the same in every call */
  constants?: Readonly<Arrays> | undefined;
  /** only what lies above is run; scores and values only, of groups that are one row each */
  below?: Below | undefined;
  /** numbers that are not finite are handed back: the caller checks them, and knows better what to call the row */
  unchecked?: boolean;
  /** told after every batch how many rows are done */
  progress?: ((done: number, total: number) => void) | undefined;
  /** shapes whose compiled graphs are kept */
  graphs?: number;
  /** the length that rows of so many tokens are read at */
  rounded?: (tokens: number) => number;
}

/**
 * Throws 'not-finite' where the model gives no numbers, unless `unchecked`. For models shaped like `like` (its head
 * decides whether scores or log-probabilities are to be had).
 */
export function createEvaluator(
  like: Checkpoint,
  { below, unchecked = false, progress, graphs, rounded = roundedLength, ...options }: EvaluatorOptions = {},
): Evaluator {
  const { architecture } = like;
  const alone = below?.layer === architecture.layers;
  const compiled = createExecutableCache(graphs);

  /** Runs all groups, cut into rows, in batches of like length; `read` takes each completion's slots. */
  async function evaluate<T>(
    weights: WeightArrays,
    groups: readonly Group[],
    slots: Slots,
    temperature: number | null,
    read: (y: Float32Array) => T,
    forbidden: Forbidden | null = null,
  ): Promise<T[][]> {
    checkLengths(architecture, groups);
    const rows = groups.flatMap((group, g) => inRows(group).map((row) => ({ row, g })));
    const results: T[][] = rows.map(() => []);
    const tokens = (i: number) => rowTokens(rows[i]!.row);
    const order = [...rows.keys()].sort((a, b) => tokens(a) - tokens(b));
    while (order.length) {
      // rows a batch depend on the rounded length only, and the last batch is filled up: few shapes, few graphs
      const longest = order.at(-1)!;
      const predicted =
        temperature === null ? 0 : rows[longest]!.row.completions.reduce((sum, { length }) => sum + length, 0);
      const B = rowsAtOnce(tokens(longest), predicted, architecture, order.length);
      const indices = order.splice(-B, B);
      const batch = indices.map((i) => rows[i]!.row);
      const shape = rowShape(batch, B, slots, rounded);
      const key = JSON.stringify([shape, slots, temperature, ...(forbidden ? [forbidden.key] : [])]);
      const executable = await compiled.get(key, () =>
        compile(evaluationProgram(like, shape, temperature, below?.layer, forbidden), options),
      );
      const { arrays: packed, first } = packRows(batch, shape, B, slots);
      const arrays: Arrays = { ...(alone ? {} : packed), ...below?.of(batch, shape, B) };
      if (temperature !== null) arrays.targets = targetsOf(batch, first, B * shape.Q);
      if (forbidden) arrays.stands = standsOf(forbidden, batch, first, B * shape.Q);
      const y = (await executable.run({}, weights, arrays)).outputs.y!.data as Float32Array;
      indices.forEach((index, row) => {
        results[index] = batch[row]!.completions.map((completion, k) => {
          const from = first[row]![k]!;
          const count = slots === 'last' ? 1 : completion.length + (slots === 'tokens-and-end' ? 1 : 0);
          const numbers = y.slice(from, from + count);
          return read(unchecked ? numbers : finite(numbers, rows[index]!.g));
        });
      });
      progress?.(rows.length - order.length, rows.length);
    }
    const whole: T[][] = groups.map(() => []);
    rows.forEach(({ g }, i) => whole[g]!.push(...results[i]!));
    return whole;
  }
  return {
    scores: (weights, groups) => evaluate(weights, groups, 'last', null, (y) => y[0]!),
    values: (weights, groups) => evaluate(weights, groups, 'tokens-and-end', null, (y) => Array.from(y)),
    logprobs: (weights, groups, temperature = 1, forbidden = null) =>
      evaluate(weights, groups, 'tokens', temperature, (y) => Array.from(y), forbidden),
    release: compiled.release,
  };
}

/** The token of every slot, in the flat order of `packRows`. */
export function targetsOf(groups: readonly Group[], first: readonly (readonly number[])[], size: number): Int32Array {
  const targets = new Int32Array(size);
  groups.forEach(({ completions }, g) =>
    completions.forEach((completion, k) => targets.set(completion, first[g]![k]!)),
  );
  return targets;
}

/** How much of a forbidden text stands before the token of every slot, in the same order. */
export function standsOf(
  forbidden: Forbidden,
  groups: readonly Group[],
  first: readonly (readonly number[])[],
  size: number,
): Int32Array {
  const stands = new Int32Array(size);
  groups.forEach(({ completions }, g) =>
    completions.forEach((completion, k) => stands.set(statesBefore(forbidden, completion), first[g]![k]!)),
  );
  return stands;
}

function finite(numbers: Float32Array, index: number): Float32Array {
  if (numbers.every(Number.isFinite)) return numbers;
  throw new TastemakerError(
    'not-finite',
    `The model's numbers for row ${index + 1} are not finite.`,
    'Its weights are damaged or too large: add it once more to see what is said of them, or take an earlier checkpoint.',
  );
}

function checkLengths({ context }: Architecture, groups: readonly Group[]): void {
  groups.forEach(({ prompt, completions }, i) => {
    if (prompt.length === 0)
      throw new TastemakerError('bad-data', `Prompt ${i + 1} has no tokens.`, 'Give every prompt some text.');
    const longest = prompt.length + Math.max(0, ...completions.map((completion) => completion.length));
    if (longest > context)
      throw new TastemakerError(
        'too-long',
        `Row ${i + 1} has ${longest} tokens with its completion; the model's context is ${context}.`,
        'Shorten the prompt or the completion.',
      );
  });
}
