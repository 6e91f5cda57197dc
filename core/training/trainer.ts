// From a loss to a training step: gradients of all that is trained, and one AdamW update a step.
//
// A trainer keeps the state between runs and compiles one program for each set of shapes it meets. Weights that are not
// trained enter each run as they are and are shared with whoever else reads them. A step may be cut into M
// micro-batches, whose gradients are added up before the update: the numbers of one step, in the memory of an Mth of
// it. On the processor the state is held once: a run gives the gradients of one step, and the update changes the state
// in place. On a device the update is part of the graph, K steps a run, so that weights and moments need not cross the
// bus at every step.

import os from 'node:os';
import { compile } from '#core/autodiff/compile.ts';
import type { Arrays, CompileOptions, Program, Tensors, Types } from '#core/autodiff/compile.ts';
import { chosenDevice } from '#core/autodiff/device.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { scalar, sizeOf } from '#core/autodiff/graph.ts';
import type { Graph, Tensor } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import { add, div, maximum, mul } from '#core/autodiff/ops/elementwise.ts';
import { gather } from '#core/autodiff/ops/indexing.ts';
import { concat, reshape, split } from '#core/autodiff/ops/movement.ts';
import { zeros } from '#core/autodiff/ops/reduction.ts';
import { processorThreads } from '#core/autodiff/session.ts';
import type { SessionOptions } from '#core/autodiff/session.ts';
import type { Parameter } from '#core/models/architecture.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { ADAM_FEED, adamFeed, adamStep, gradientNorm } from './adamw.ts';
import type { AdamSettings } from './adamw.ts';
import { checkFinite, reportOf } from './step-report.ts';
import { createUpdater } from './update-in-place.ts';
import type { OwnState, Updater } from './update-in-place.ts';

/** What a loss is built from: all weights, trained or not, and how much of which matrix's adapter counts. */
export interface LossBuild {
  graph: Graph;
  weights: Tensors;
  adapters?: Readonly<Record<string, number>> | undefined;
  feeds: Tensors;
}
/**
 * The scalar to minimise, a mean over `weight` of something (1 where absent); scalars to report, means too, or largest
 * values where the name ends in _max.
 */
export interface Loss {
  loss: Tensor;
  weight?: Tensor;
  report: Record<string, Tensor>;
}

export interface TrainerOptions extends SessionOptions, Pick<CompileOptions, 'lowering'> {
  /** weights that the loss reads and nothing changes, with their shapes */
  frozen?: { parameters: readonly Parameter[]; weights: WeightArrays };
  adapters?: Readonly<Record<string, number>> | undefined;
  /** whether the state changes in place; on the processor it does, elsewhere it stays on the device */
  inPlace?: boolean;
  /** told after every step of a call how many of it are done, where the steps are taken one by one */
  progress?: ((done: number, total: number) => void) | undefined;
}

export interface TrainerState {
  weights: WeightArrays;
  m: WeightArrays;
  v: WeightArrays;
  /** optimiser steps taken */
  step: number;
}

export interface Trainer {
  /** as it is now: a large one's arrays change with the next step */
  state(): TrainerState;
  /** all weights, trained and frozen */
  weights(): WeightArrays;
  /**
   * Takes `rates.length` steps; `feeds` stacks their inputs along a leading axis. Reports one number a step and name,
   * with loss
   * and grad_norm. With `micro` M, `feedTypes` are those of one micro-batch and `feeds` hold M of them a step, one
   * after the other.
   */
  steps(
    key: string,
    feedTypes: Types,
    feeds: Readonly<Arrays>,
    rates: readonly number[],
    micro?: number,
  ): Promise<Record<string, number[]>>;
  release(): Promise<void>;
}

/** Arrays by parameter -> by unit, as the program takes them, and back (views where they lie together). */
function joinedArrays(prefix: string, units: readonly Unit[], arrays: WeightArrays): WeightArrays {
  return Object.fromEntries(
    units.map((unit) => {
      if (isAlone(unit)) return [`${prefix}:${unit.name}`, arrays[unit.name]!];
      const all = new Float32Array(unit.size);
      unit.members.reduce((at, { name }) => (all.set(arrays[name]!, at), at + arrays[name]!.length), 0);
      return [`${prefix}:${unit.name}`, all];
    }),
  );
}
function partedArrays(prefix: string, units: readonly Unit[], arrays: Readonly<Arrays>): WeightArrays {
  return Object.fromEntries(
    units.flatMap((unit) => {
      const all = arrays[`${prefix}:${unit.name}`] as Float32Array;
      let at = 0;
      return unit.members.map(({ name, shape }) => [
        name,
        isAlone(unit) ? all : all.subarray(at, (at += sizeOf(shape))),
      ]);
    }),
  );
}

/** Fresh moments for a set of weights. */
export function freshState(weights: WeightArrays): TrainerState {
  const zeros = () =>
    Object.fromEntries(Object.entries(weights).map(([name, data]) => [name, new Float32Array(data.length)]));
  return { weights, m: zeros(), v: zeros(), step: 0 };
}

/**
 * Parameters whose state is one array: a large one alone, the small ones together, so that hundreds of them are one
 * update and not hundreds.
 */
interface Unit {
  name: string;
  members: readonly Parameter[];
  size: number;
  decay: boolean;
}
const SMALL = 1 << 16; // numbers
function unitsOf(parameters: readonly Parameter[]): Unit[] {
  const alone = parameters
    .filter(({ shape }) => sizeOf(shape) > SMALL)
    .map((parameter): Unit => ({
      name: parameter.name,
      members: [parameter],
      size: sizeOf(parameter.shape),
      decay: parameter.decay,
    }));
  const together = [true, false].flatMap((decay): Unit[] => {
    const members = parameters.filter((parameter) => sizeOf(parameter.shape) <= SMALL && parameter.decay === decay);
    return members.length
      ? [
          {
            name: members.length === 1 ? members[0]!.name : decay ? 'small, decayed' : 'small',
            members,
            size: members.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
            decay,
          },
        ]
      : [];
  });
  return [...alone, ...together];
}
const isAlone = ({ members }: Unit): boolean => members.length === 1;

/** The members of each unit, as tensors of their own shapes. */
function apart(units: readonly Unit[], tensors: readonly Tensor[]): Tensors {
  return Object.fromEntries(
    units.flatMap((unit, i) => {
      const parts = isAlone(unit)
        ? [tensors[i]!]
        : split(
            tensors[i]!,
            unit.members.map(({ shape }) => sizeOf(shape)),
            0,
          );
      return unit.members.map(({ name, shape }, k) => [name, reshape(parts[k]!, shape)]);
    }),
  );
}
const shapeOf = (unit: Unit): readonly number[] => (isAlone(unit) ? unit.members[0]!.shape : [unit.size]);

type Given = Pick<TrainerOptions, 'frozen' | 'adapters'>;
const float = (shape: readonly number[]) => ({ dtype: 'float32' as const, shape });
const typesOf = (prefixes: readonly string[], units: readonly Unit[]): Types =>
  Object.fromEntries(
    prefixes.flatMap((prefix) => units.map((unit) => [`${prefix}:${unit.name}`, float(shapeOf(unit))])),
  );
const frozenTypes = ({ frozen }: Given): Types =>
  Object.fromEntries((frozen?.parameters ?? []).map(({ name, shape }) => [name, float(shape)]));
const feedTypesOf = (feeds: Types, micro: number): Types =>
  micro === 1
    ? feeds
    : Object.fromEntries(
        Object.entries(feeds).map(([name, { dtype, shape }]) => [name, { dtype, shape: [micro, ...shape] }]),
      );

/** The gradient of every unit, and what is reported; `state` holds the units' weights. */
function gradientsOf(
  parameters: readonly Parameter[],
  units: readonly Unit[],
  feeds: Types,
  build: (given: LossBuild) => Loss,
  { adapters }: Given,
  micro: number,
  { graph, state, frozen: still, feeds: fed }: Parameters<Program['step']>[0],
): { slopes: Tensor[]; outputs: Tensors } {
  const trained = units.map(({ name }) => state[`w:${name}`]!);
  const own = apart(units, trained);
  const slopesOf = (inner: Graph, inputs: Tensors) => {
    const {
      loss,
      weight = scalar(inner, 1),
      report,
    } = build({ graph: inner, weights: { ...still, ...own }, adapters, feeds: inputs });
    const slopes = gradients(
      loss,
      parameters.map(({ name }) => own[name]!),
    );
    const of = new Map(parameters.map(({ name }, i) => [name, slopes[i]!]));
    const joined = units.map((unit) =>
      isAlone(unit)
        ? of.get(unit.name)!
        : concat(
            unit.members.map(({ name, shape }) => reshape(of.get(name)!, [sizeOf(shape)])),
            0,
          ),
    );
    return { loss, weight, report, slopes: joined };
  };
  return micro === 1 ? whole(slopesOf(graph, fed)) : summed(graph, micro, Object.keys(feeds), fed, trained, slopesOf);
}

/** One step as a program: loss, gradients, AdamW. */
export function trainingProgram(
  parameters: readonly Parameter[],
  feeds: Types,
  build: (given: LossBuild) => Loss,
  settings: AdamSettings,
  options: Given = {},
  micro = 1,
): Program {
  const units = unitsOf(parameters);
  return {
    state: typesOf(['w', 'm', 'v'], units),
    frozen: frozenTypes(options),
    feeds: { ...feedTypesOf(feeds, micro), adam: float([ADAM_FEED]) },
    step: (given) => {
      const { slopes, outputs } = gradientsOf(parameters, units, feeds, build, options, micro, given);
      const { norm, clip } = gradientNorm(slopes, settings);
      const of = (prefix: string, i: number) => given.state[`${prefix}:${units[i]!.name}`]!;
      const next = adamStep(
        slopes.map((gradient, i) => ({
          w: of('w', i),
          m: of('m', i),
          v: of('v', i),
          gradient,
          decay: units[i]!.decay,
        })),
        given.feeds.adam!,
        clip,
        settings,
      );
      const carried = units.flatMap(({ name }, i) =>
        (['w', 'm', 'v'] as const).map((part) => [`${part}:${name}`, next[i]![part]] as const),
      );
      return { state: Object.fromEntries(carried), outputs: { ...outputs, grad_norm: norm } };
    },
  };
}

/**
 * The same up to the gradients: the weights enter as they are, `g:` of every unit and the factor that clips them leave.
 */
export function gradientProgram(
  parameters: readonly Parameter[],
  feeds: Types,
  build: (given: LossBuild) => Loss,
  settings: AdamSettings,
  options: Given,
  micro: number,
): Program {
  const units = unitsOf(parameters);
  return {
    state: {},
    frozen: { ...frozenTypes(options), ...typesOf(['w'], units) },
    feeds: feedTypesOf(feeds, micro),
    step: (given) => {
      const { slopes, outputs } = gradientsOf(parameters, units, feeds, build, options, micro, {
        ...given,
        state: given.frozen,
      });
      const { norm, clip } = gradientNorm(slopes, settings);
      return {
        state: {},
        outputs: {
          ...outputs,
          grad_norm: norm,
          clip,
          ...Object.fromEntries(units.map(({ name }, i) => [`g:${name}`, slopes[i]!])),
        },
      };
    },
  };
}

interface Slopes extends Required<Loss> {
  slopes: Tensor[];
}
const whole = ({ loss, weight, report, slopes }: Slopes): { slopes: Tensor[]; outputs: Tensors } => ({
  slopes,
  outputs: { loss, weight, ...report },
});

/**
 * Gradients of M micro-batches added up in a loop, each by its weight: Σ n g / Σ n. Reports stay apart, one a
 * micro-batch.
 */
function summed(
  graph: Graph,
  micro: number,
  names: readonly string[],
  fed: Tensors,
  trained: readonly Tensor[],
  slopesOf: (graph: Graph, feeds: Tensors) => Slopes,
): { slopes: Tensor[]; outputs: Tensors } {
  let reported: string[] = [];
  const nothing = zeros(trained[0]!, []);
  const { carried, stacked } = loop(
    graph,
    micro,
    [nothing, ...trained.map((w) => zeros(w, w.shape))],
    (iteration, [total, ...sums], inner) => {
      const { loss, weight, report, slopes } = slopesOf(
        inner,
        Object.fromEntries(names.map((name) => [name, gather(fed[name]!, iteration)])),
      );
      reported = ['loss', 'weight', ...Object.keys(report)];
      return {
        carried: [add(total!, weight), ...sums.map((sum, i) => add(sum, mul(slopes[i]!, weight)))],
        stacked: [loss, weight, ...Object.values(report)],
      };
    },
  );
  const [given, ...sums] = carried as [Tensor, ...Tensor[]];
  const total = maximum(given, scalar(graph, 1e-20)); // a step of padding only moves nothing
  return {
    slopes: sums.map((sum) => div(sum, total)),
    outputs: Object.fromEntries(reported.map((name, i) => [name, reshape(stacked[i]!, [micro])])),
  };
}

/** What both ways of stepping need, and the state that they change. */
interface Stepping {
  parameters: readonly Parameter[];
  units: readonly Unit[];
  build: (given: LossBuild) => Loss;
  settings: AdamSettings;
  given: Given;
  options: CompileOptions;
  compiled: ReturnType<typeof createExecutableCache>;
  state: TrainerState;
  updater: Updater | null;
  progress: TrainerOptions['progress'];
}
/** What `steps` of a trainer is asked, `micro` said. */
interface StepsRequest {
  key: string;
  feedTypes: Types;
  feeds: Readonly<Arrays>;
  rates: readonly number[];
  micro: number;
}

const joinedState = (units: readonly Unit[], of: TrainerState): WeightArrays => ({
  ...joinedArrays('w', units, of.weights),
  ...joinedArrays('m', units, of.m),
  ...joinedArrays('v', units, of.v),
});
const partedState = (units: readonly Unit[], arrays: Readonly<Arrays>, step: number): TrainerState => ({
  weights: partedArrays('w', units, arrays),
  m: partedArrays('m', units, arrays),
  v: partedArrays('v', units, arrays),
  step,
});

/** All steps in one run of a program that ends with AdamW. */
async function together(
  at: Stepping,
  { key, feedTypes, feeds, rates, micro }: StepsRequest,
): Promise<Record<string, number[]>> {
  const { parameters, units, build, settings, given, options } = at;
  const executable = await at.compiled.get(`${key}x${rates.length}/${micro}`, () =>
    compile(trainingProgram(parameters, feedTypes, build, settings, given, micro), {
      steps: rates.length,
      ...options,
    }),
  );
  const adam = Float32Array.from(rates.flatMap((rate, i) => adamFeed(settings, rate, at.state.step + i + 1)));
  const frozen = given.frozen?.weights ?? {};
  const result = await executable.run(joinedState(units, at.state), frozen, { ...feeds, adam });
  const report = reportOf(result.outputs, micro);
  checkFinite(report, at.state.step, rates.length);
  at.state = partedState(units, result.state, at.state.step + rates.length);
  return report;
}

function updaterOf({ units, settings, options, state }: Stepping): Updater {
  const decays = (unit: Unit) => unit.decay && settings.weightDecay > 0;
  const from = joinedState(units, state);
  const made = createUpdater(
    units.map((unit) => ({ name: unit.name, size: unit.size, decay: decays(unit) })),
    Math.min(options.threads ?? processorThreads(), os.availableParallelism()),
  );
  for (const { name } of units)
    for (const part of ['w', 'm', 'v'] as const) made.arrays[name]![part].set(from[`${part}:${name}`]!);
  return made;
}

/** A run of the gradients a step, then the update in place. */
async function oneByOne(
  at: Stepping,
  { key, feedTypes, feeds, rates, micro }: StepsRequest,
): Promise<Record<string, number[]>> {
  const { parameters, units, build, settings, given, options } = at;
  const executable = await at.compiled.get(`${key}/${micro}`, () =>
    compile(gradientProgram(parameters, feedTypes, build, settings, given, micro), options),
  );
  at.updater ??= updaterOf(at); // a state of its own: what it began with is its owner's
  const own = at.updater.arrays;
  const named = (prefix: string, part: keyof OwnState) =>
    Object.fromEntries(units.map(({ name }) => [`${prefix}:${name}`, own[name]![part]]));
  const weights = named('w', 'w');
  const slopes = named('g', 'gradient');
  const all = { ...weights, ...named('m', 'm'), ...named('v', 'v') };
  const total: Record<string, number[]> = {};
  for (const [i, rate] of rates.entries()) {
    const fed = Object.fromEntries(
      Object.entries(feeds).map(([name, data]) => [
        name,
        data.subarray((data.length / rates.length) * i, (data.length / rates.length) * (i + 1)),
      ]),
    ) as Arrays;
    const { outputs } = await executable.run({}, { ...given.frozen?.weights, ...weights }, fed, slopes);
    const report = reportOf(outputs, micro);
    for (const [name, values] of Object.entries(report)) (total[name] ??= []).push(...values);
    checkFinite(total, at.state.step - i, rates.length);
    const feed = adamFeed(settings, rate, at.state.step + 1);
    const clip = (outputs.clip!.data as Float32Array)[0]!;
    await at.updater.update({ clip, feed, betas: settings.betas });
    at.state = partedState(units, all, at.state.step + 1);
    at.progress?.(i + 1, rates.length);
  }
  return total;
}

/** A trainer of `parameters`; stops with 'not-finite' before a bad step reaches the state it hands out. */
export function createTrainer(
  parameters: readonly Parameter[],
  start: TrainerState,
  build: (given: LossBuild) => Loss,
  settings: AdamSettings,
  {
    frozen,
    adapters,
    device = chosenDevice(),
    inPlace = device.provider === 'cpu',
    progress,
    ...rest
  }: TrainerOptions = {},
): Trainer {
  const at: Stepping = {
    parameters,
    units: unitsOf(parameters),
    build,
    settings,
    given: { ...(frozen ? { frozen } : {}), adapters },
    options: { ...rest, device, constants: frozen?.weights ?? {} },
    compiled: createExecutableCache(),
    state: start,
    updater: null,
    progress,
  };
  return {
    state: () => at.state,
    weights: () => ({ ...frozen?.weights, ...at.state.weights }),
    steps: (key, feedTypes, feeds, rates, micro = 1) =>
      (inPlace ? oneByOne : together)(at, { key, feedTypes, feeds, rates, micro }),
    release: async () => {
      await at.compiled.release();
      await at.updater?.release();
    },
  };
}
