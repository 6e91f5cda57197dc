// What a model is made of: one description for all families, and the parameters that follow from it.
//
// B batch, T tokens, C channels, V vocabulary, H heads, d width of a head, F feed-forward width.

import { families } from './families.ts';
import type { Activation, FamilyName } from './families.ts';

/** Llama 3's stretching of the slow rotary frequencies. */
export interface RopeScaling {
  factor: number;
  lowFrequencyFactor: number;
  highFrequencyFactor: number;
  originalContext: number;
}

export interface Architecture {
  family: FamilyName;
  vocabulary: number; // V
  channels: number; // C
  layers: number;
  heads: number; // H
  keyValueHeads: number;
  headWidth: number; // d
  feedForward: number; // F
  activation: Activation;
  /** attention and feed-forward both read the block's input, instead of one after the other */
  parallel: boolean;
  context: number;
  normEpsilon: number;
  /** how many of a head's d numbers turn with the position */
  rotaryWidth: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
  /** the output matrix is the embedding matrix */
  tied: boolean;
  /** the token that ends a text, and the one that is written to end one */
  endOfText: number;
  /** every token at which sampling ends; `endOfText` is the first */
  stops: readonly number[];
  pad: number | null;
  /**
   * the token that its files call the beginning of a text, where they name one; what is put before a text is the
   * tokenizer's to say
   */
  beginOfText: number | null;
  /** rows of the embedding that stand for no token of the tokenizer, which are never written */
  silent?: readonly number[];
}

/** The sizes that have to be said; what a family usually has fills the rest. */
export type Sizes = Pick<
  Architecture,
  'family' | 'vocabulary' | 'channels' | 'layers' | 'heads' | 'feedForward' | 'context' | 'endOfText'
>;

/** A model that no config.json describes: one from scratch. */
export function newArchitecture(sizes: Sizes & Partial<Architecture>): Architecture {
  const { family, channels, heads, endOfText } = sizes;
  const headWidth = sizes.headWidth ?? channels / heads;
  const { gated } = families[family];
  return {
    keyValueHeads: heads,
    headWidth,
    activation: gated ? 'silu' : family === 'gpt2' ? 'gelu-tanh' : 'gelu',
    parallel: family === 'gpt_neox',
    normEpsilon: 1e-5,
    rotaryWidth: family === 'gpt_neox' ? headWidth / 4 : headWidth,
    ropeTheta: 10000,
    ropeScaling: null,
    tied: true,
    stops: [endOfText],
    pad: null,
    beginOfText: endOfText,
    ...sizes,
  };
}

export interface Parameter {
  name: string;
  shape: readonly number[];
  /** how a model from scratch starts */
  start: 'normal' | 'residual' | 'zero' | 'one';
  /** whether weight decay applies: matrices yes, norms and biases no */
  decay: boolean;
}

/** Every parameter of the trunk and, where it is not tied, the output matrix; names as in the file. */
export function parameters(model: Architecture): Parameter[] {
  const { names } = families[model.family];
  const { channels: C, vocabulary: V } = model;
  const matrix = (name: string, shape: readonly number[]): Parameter => ({
    name: `${name}.weight`,
    shape,
    start: 'normal',
    decay: true,
  });
  return [
    matrix(names.embedding, [V, C]),
    ...(names.positions ? [matrix(names.positions, [model.context, C])] : []),
    ...Array.from({ length: model.layers }, (_, layer) => blockParameters(model, layer)).flat(),
    ...gains(model, names.finalNorm, C),
    ...(model.tied ? [] : [matrix(names.head, [V, C])]),
  ];
}

function gains({ family }: Architecture, name: string, width: number): Parameter[] {
  const gain: Parameter = { name: `${name}.weight`, shape: [width], start: 'one', decay: false };
  return families[family].norm === 'layer'
    ? [gain, { name: `${name}.bias`, shape: [width], start: 'zero', decay: false }]
    : [gain];
}

/** A matrix of a block: its name, and how many numbers go in and come out. */
export interface BlockMatrix {
  name: string;
  input: number;
  output: number;
  residual: boolean;
  bias: boolean;
}

/** The matrices of one block, in the order in which they are used. */
export function blockMatrices(model: Architecture, layer: number): BlockMatrix[] {
  const { names, biases } = families[model.family];
  const { channels: C, feedForward: F } = model;
  const queries = model.heads * model.headWidth;
  const keys = model.keyValueHeads * model.headWidth;
  const at = (name: string) => name.replace('{}', String(layer));
  const widths = names.queryKeyValue.length === 1 ? [queries + 2 * keys] : [queries, keys, keys];
  const other = biases === 'all';
  return [
    ...names.queryKeyValue.map((name, i) => ({
      name: at(name),
      input: C,
      output: widths[i]!,
      residual: false,
      bias: biases !== 'none',
    })),
    { name: at(names.attentionOut), input: queries, output: C, residual: true, bias: other },
    ...(names.gate ? [{ name: at(names.gate), input: C, output: F, residual: false, bias: other }] : []),
    { name: at(names.up), input: C, output: F, residual: false, bias: other },
    { name: at(names.down), input: F, output: C, residual: true, bias: other },
  ];
}

/** Norms and matrices of one block. */
export function blockParameters(model: Architecture, layer: number): Parameter[] {
  const { names, layout } = families[model.family];
  const at = (name: string) => name.replace('{}', String(layer));
  const ofMatrix = ({ name, input, output, residual, bias }: BlockMatrix): Parameter[] => [
    {
      name: `${name}.weight`,
      shape: layout === 'in-out' ? [input, output] : [output, input],
      start: residual ? 'residual' : 'normal',
      decay: true,
    },
    ...(bias ? [{ name: `${name}.bias`, shape: [output], start: 'zero', decay: false } as const] : []),
  ];
  const matrices = blockMatrices(model, layer);
  const first = names.queryKeyValue.length;
  return [
    ...gains(model, at(names.firstNorm), model.channels),
    ...matrices.slice(0, first).flatMap(ofMatrix),
    ...(names.headNorms ?? []).flatMap((name) => gains(model, at(name), model.headWidth)),
    ...ofMatrix(matrices[first]!),
    ...gains(model, at(names.secondNorm), model.channels),
    ...matrices.slice(first + 1).flatMap(ofMatrix),
  ];
}

/** How many numbers these parameters are. */
export const numbersIn = (list: readonly Parameter[]): number =>
  list.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
