// From a loss to a training step: weights and moments as carried state, one AdamW update a step, K steps a run.
//
// A trainer keeps the state between runs and compiles one program for each set of shapes it meets.

import { TastemakerError } from '#core/errors.ts';
import { compile } from '#core/autodiff/compile.ts';
import type { Arrays, Program, Tensors, Types } from '#core/autodiff/compile.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import type { Graph, Tensor } from '#core/autodiff/graph.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import type { SessionOptions } from '#core/autodiff/session.ts';
import type { Parameter } from '#core/models/architecture.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { ADAM_FEED, adamFeed, adamStep } from './adamw.ts';
import type { AdamSettings } from './adamw.ts';

/** What a loss is built from, and gives: the scalar to minimise and scalars to report. */
export interface LossBuild {
  graph: Graph;
  weights: Tensors;
  feeds: Tensors;
}
export interface Loss {
  loss: Tensor;
  report: Record<string, Tensor>;
}

export interface TrainerState {
  weights: WeightArrays;
  m: WeightArrays;
  v: WeightArrays;
  /** optimiser steps taken */
  step: number;
}

export interface Trainer {
  state(): TrainerState;
  /** Takes `rates.length` steps; `feeds` stacks their inputs along a leading axis. Reports one number a step and name, with loss and grad_norm. */
  steps(key: string, feedTypes: Types, feeds: Readonly<Arrays>, rates: readonly number[]): Promise<Record<string, number[]>>;
  release(): Promise<void>;
}

const named = (prefix: string, arrays: Readonly<Record<string, Float32Array>>) => Object.fromEntries(Object.entries(arrays).map(([name, data]) => [`${prefix}:${name}`, data]));
const unnamed = (prefix: string, arrays: Readonly<Arrays>) =>
  Object.fromEntries(Object.entries(arrays).filter(([name]) => name.startsWith(`${prefix}:`)).map(([name, data]) => [name.slice(prefix.length + 1), data as Float32Array]));

/** Fresh moments for a set of weights. */
export function freshState(weights: WeightArrays): TrainerState {
  const zeros = () => Object.fromEntries(Object.entries(weights).map(([name, data]) => [name, new Float32Array(data.length)]));
  return { weights, m: zeros(), v: zeros(), step: 0 };
}

/** One step as a program: loss, gradients, AdamW. */
export function trainingProgram(parameters: readonly Parameter[], feeds: Types, build: (given: LossBuild) => Loss, settings: AdamSettings): Program {
  const state: Record<string, { dtype: 'float32'; shape: readonly number[] }> = {};
  for (const prefix of ['w', 'm', 'v']) for (const { name, shape } of parameters) state[`${prefix}:${name}`] = { dtype: 'float32', shape };
  return {
    state,
    frozen: {},
    feeds: { ...feeds, adam: { dtype: 'float32', shape: [ADAM_FEED] } },
    step: ({ graph, state: given, feeds: fed }) => {
      const weights = Object.fromEntries(parameters.map(({ name }) => [name, given[`w:${name}`]!]));
      const { loss, report } = build({ graph, weights, feeds: fed });
      const slopes = gradients(loss, Object.values(weights));
      const { next, norm } = adamStep(
        parameters.map(({ name, decay }, i) => ({ w: weights[name]!, m: given[`m:${name}`]!, v: given[`v:${name}`]!, gradient: slopes[i]!, decay })),
        fed.adam!,
        settings,
      );
      const carried: Tensors = {};
      parameters.forEach(({ name }, i) => {
        for (const part of ['w', 'm', 'v'] as const) carried[`${part}:${name}`] = next[i]![part];
      });
      return { state: carried, outputs: { loss, grad_norm: norm, ...report } };
    },
  };
}

/** A trainer of `parameters`; stops with 'not-finite' before a bad step reaches the state it hands out. */
export function createTrainer(parameters: readonly Parameter[], start: TrainerState, build: (given: LossBuild) => Loss, settings: AdamSettings, options: SessionOptions = {}): Trainer {
  const compiled = createExecutableCache();
  let state = start;
  return {
    state: () => state,
    steps: async (key, feedTypes, feeds, rates) => {
      const full = `${key}x${rates.length}`;
      const executable = await compiled.get(full, () => compile(trainingProgram(parameters, feedTypes, build, settings), { steps: rates.length, ...options }));
      const adam = Float32Array.from(rates.flatMap((rate, i) => adamFeed(settings, rate, state.step + i + 1)));
      const before = { ...named('w', state.weights), ...named('m', state.m), ...named('v', state.v) };
      const result = await executable.run(before, {}, { ...feeds, adam });
      const report = Object.fromEntries(Object.entries(result.outputs).map(([name, value]) => [name, Array.from(value.data as Float32Array)]));
      for (let i = 0; i < rates.length; i++) {
        for (const name of ['loss', 'grad_norm']) {
          if (!Number.isFinite(report[name]![i]!)) throw new TastemakerError('not-finite', `The ${name.replace('grad_norm', 'gradient norm')} is ${report[name]![i]} at step ${state.step + i + 1}, batch ${i + 1} of the ${rates.length} in this call.`, 'Lower the learning rate; the last checkpoint is kept.');
        }
      }
      state = { weights: unnamed('w', result.state), m: unnamed('m', result.state), v: unnamed('v', result.state), step: state.step + rates.length };
      return report;
    },
    release: compiled.release,
  };
}
