// The plan of a run: which models it holds and which phases it has, each with its program, the shapes of its rows and
// how many tokens go through it. Memory (memory.ts) and time (time.ts) are read off it.
//
// A recipe makes its plan of the objectives, samplers and evaluators that it runs with, so that neither shapes nor
// losses stand anywhere twice. No weights are read for it.

import type { Program } from '#core/autodiff/compile.ts';
import { numbersIn, parameters } from '#core/models/architecture.ts';
import type { Architecture, Parameter } from '#core/models/architecture.ts';
import type { ChoiceSettings } from '#core/models/choose-token.ts';
import { evaluationProgram, layersBelow, rowsAtOnce } from '#core/models/evaluator.ts';
import type { Forbidden } from '#core/models/forbidden.ts';
import { parametersAbove } from '#core/models/heads.ts';
import { roundedLength, rowSpans } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import type { Objective } from '#core/training/objectives/objective.ts';
import type { ModelShape } from './model-shape.ts';

interface Work {
  /** tokens that go through it in the whole run */
  tokens: number;
  /** numbers that each of them meets */
  numbers: number;
}

/** Optimiser steps of equal shape. */
export interface Training extends Work {
  does: 'train';
  /** with its adapter, where that is what learns */
  model: ModelShape;
  parameters: readonly Parameter[];
  still: readonly Parameter[];
  objective: Objective;
  /** of one step; B rows in `micro` parts; Q grows with T where `growing` */
  shape: RowShape;
  growing: boolean;
  micro: number;
  steps: number;
  /** steps in one call of the runtime; 0: as many as pace.ts says */
  asked: number;
  /** tokens of one step, for that */
  tokensAStep: number;
  /** how likely another call has rows of another shape, for which a second graph is kept: 0 to 1 */
  varied: number;
  /** numbers a row that are fed beside the tokens */
  fed: number;
}

/** Rows that are read for what a model says of them. */
export interface Reading extends Work {
  does: 'read';
  model: ModelShape;
  /** B rows at once, of so many in all; Q grows with T where `growing` */
  shape: RowShape;
  rows: number;
  growing: boolean;
  /** what the program hangs on besides model and shape */
  key: unknown;
  program(model: ModelShape, shape: RowShape): Program;
  /** numbers a row that pass through arrays of ours: what frozen blocks made of it */
  carried: number;
  /** graphs for rows of so many lengths */
  kept: number;
}

/** Completions that are written. */
export interface Writing extends Work {
  does: 'write';
  model: ModelShape;
  /** prompts at once, completions of each, longest prompt, and tokens of a completion */
  prompts: number;
  each: number;
  prompt: number;
  written: number;
  choice: ChoiceSettings;
  forbidden?: Forbidden | null;
  kept: number;
  /** tokens of prompts that are read in the whole run; `tokens` are those that are written */
  prefill: number;
}

export type Phase = Training | Reading | Writing;

export interface Plan {
  /** names of the models that it holds, whose arrays in common count once */
  models: readonly string[];
  /** models that it reads whole, each by itself */
  wholes: readonly ModelShape[];
  /** bytes of arrays that it makes beside those */
  made: number;
  phases: readonly Phase[];
  /**
   * Whether the graphs of a phase are given back before the next begins. 'large': where this model is large.
   */
  turns: 'always' | 'never' | { large: Architecture };
  /** the phases come again and again: what is given back after each turn keeps no second shape */
  rounds: boolean;
}

/** Numbers that a token meets above `layer` blocks. */
export function numbersAbove(model: ModelShape, layer: number): number {
  const all = parameters(model.architecture);
  return numbersIn(layer ? parametersAbove(all, model, layer) : all);
}

/** Numbers a row that `layer` blocks hand to those above and to the head. */
export function carriedAbove(model: ModelShape, layer: number, { T, Q }: Pick<RowShape, 'T' | 'Q'>): number {
  const { layers, channels } = model.architecture;
  return layer ? ((layer === layers ? Q : T) + Q * layersBelow(model, layer).length) * channels : 0;
}

/** How likely the longest rows of two batches are rounded up to different lengths. */
export const variety = (mean: number, longest: number, step: number): number =>
  Math.min(1, Math.max(0, (longest - mean) / step));

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
  /** rows, tokens of the longest, and slots that are asked for in it */
  rows: number;
  longest: number;
  slots: number;
  shared: boolean;
  /** of log-probabilities; null: scores or values */
  temperature: number | null;
  /** texts that the tokens were not to be of */
  forbidden?: Forbidden | null;
  /** so many blocks were read before */
  layer?: number;
  kept?: number;
  /** see `Work` */
  tokens: number;
}
/** What an evaluator does; no phase where there are no rows. */
export function reading(model: ModelShape, read: Read): Reading[] {
  const { rows, longest, slots, shared, temperature, forbidden = null, layer = 0, kept = 1, tokens } = read;
  if (rows === 0) return [];
  const B = rowsAtOnce(longest, temperature === null ? 0 : slots, model.architecture, rows);
  const whole = { B, T: roundedLength(longest), Q: slots, shared };
  return [
    {
      does: 'read',
      model,
      shape: whole,
      rows,
      growing: slots !== 1 && temperature !== null,
      key: ['evaluate', layer, temperature, ...(forbidden ? [forbidden.key] : [])],
      program: (like, shape) => evaluationProgram(like, shape, temperature, layer, forbidden),
      carried: carriedAbove(model, layer, whole),
      kept,
      tokens,
      numbers: numbersAbove(model, layer),
    },
  ];
}
