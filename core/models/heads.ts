// What stands on a trunk and makes numbers of its hidden states: one row a head, with all that anybody has to know of
// it.
//
// A row says what the head gives, which layers it reads, its parameters, its graph, how a zero point and a unit are
// put into it, and what config.json says of it. Nothing else knows a head's tensors by name, and a test looks for them
// (tests/core/models/heads.test.ts). At which tokens a head is read is not its to say: its input are the rows' slots.
//
// N slots, C channels, V vocabulary.

import { sizeOf } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { add, mul } from '#core/autodiff/ops/elementwise.ts';
import { gemm } from '#core/autodiff/ops/linalg.ts';
import { reshape, split } from '#core/autodiff/ops/movement.ts';
import { softmax } from '#core/autodiff/ops/nn.ts';
import { parameters } from './architecture.ts';
import type { Architecture, Parameter } from './architecture.ts';
import { families } from './families.ts';
import { finalNorm, languageModelHead } from './transformer.ts';
import type { Model, Taps } from './transformer.ts';

/** A parameter of a head; one that is `optional` may be absent, and then adds nothing. */
export interface HeadParameter extends Parameter {
  optional?: true;
}

/** Scores are to become (score - center) / unit. */
export interface Adjustment {
  center: number;
  unit: number;
}

export interface Head {
  /** what it is, for people who choose one */
  sentence: string;
  /** the names of its outputs, or a logit for every token of the vocabulary */
  outputs: 'vocabulary' | readonly string[];
  /** the layers below the top whose residual stream it reads besides the hidden states; 0 is the embedding's */
  layers(model: Architecture): readonly number[];
  /** in file order */
  parameters(model: Architecture): readonly HeadParameter[];
  /** outputs of the slots: [N] where it has one, else [N, outputs] */
  build(model: Model, taps: Taps): Tensor;
  /** what each tensor that has a part in it becomes; undefined: it is absent so far */
  adjusted: Readonly<Record<string, (old: Float32Array | undefined, by: Adjustment) => Float32Array>>;
  /** what config.json says besides the trunk's sizes; `stem` begins the names of transformers' classes of the family */
  config(stem: string): Record<string, unknown>;
  /** the modules that its tensors lie in, by the beginning of their names */
  modules: readonly string[];
  /** true where transformers and PEFT have a place for it, or why they have none */
  elsewhere: true | string;
}

/** The linear head's tensors, which other programs have, too, under these or other names (stored-head.ts, peft.ts). */
export const LINEAR = { weight: 'score.weight', bias: 'score.bias' } as const;

const ofMatrix: Head['adjusted'] = {
  [LINEAR.weight]: (w, { unit }) => w!.map((value) => value / unit),
  [LINEAR.bias]: (b, { center, unit }) => Float32Array.of(((b?.[0] ?? 0) - center) / unit),
};
/** P20 §B.1: weights N(0, 1/(C+1)), bias 0. */
const matrixParameters = ({ channels: C }: Architecture): HeadParameter[] => [
  { name: LINEAR.weight, shape: [1, C], start: 'normal', decay: true },
  { name: LINEAR.bias, shape: [1], start: 'zero', decay: false, optional: true },
];
/** w·h + b: [N, C] -> [N] */
function product({ weights }: Model, hidden: Tensor): Tensor {
  const out = gemm(hidden, weights[LINEAR.weight]!, { transB: true, add: weights[LINEAR.bias] ?? null });
  return reshape(out, [sizeOf(out.shape)]);
}

const MIX = { weight: 'mix.weight', gamma: 'mix.gamma' } as const;
/**
 * ELMo's scalar mix (Peters et al. 2018, eq. 1) γ Σ_l softmax(s)_l h_l over the embedding and every layer: [N, C]. Each
 * h_l is taken through the model's final norm, as the last one is (there: "layer normalization before weighting").
 */
function mixed(model: Model, { hidden, at }: Taps): Tensor {
  const { layers } = model.architecture;
  const shares = softmax(reshape(model.weights[MIX.weight]!, [1, layers + 1]));
  const parts = split(shares, new Array<number>(layers + 1).fill(1), 1).map((share, layer) =>
    mul(layer === layers ? hidden : finalNorm(model, at(layer)), share),
  );
  return mul(
    parts.reduce((sum, part) => add(sum, part)),
    model.weights[MIX.gamma]!,
  );
}

/** Heads that give a score: of a reward model, and of its critic, which starts as it. */
export const SCORE_HEADS = {
  linear: {
    sentence: 'linear reads the last layer (Stiennon et al. 2020)',
    outputs: ['score'],
    layers: () => [],
    parameters: matrixParameters,
    build: (model, { hidden }) => product(model, hidden),
    adjusted: ofMatrix,
    config: (stem) => ({
      architectures: [`${stem}ForSequenceClassification`], // as transformers calls it
      num_labels: 1,
      problem_type: 'regression',
      id2label: { 0: 'score' },
      label2id: { score: 0 },
    }),
    modules: ['score'],
    elsewhere: true,
  },
  'scalar-mix': {
    sentence: 'scalar-mix reads a mix of all layers whose shares it learns (Peters et al. 2018)',
    outputs: ['score'],
    layers: ({ layers }) => Array.from({ length: layers }, (_, layer) => layer), // the last one's are the hidden states
    parameters: (model) => [
      { name: MIX.weight, shape: [model.layers + 1], start: 'zero', decay: false },
      { name: MIX.gamma, shape: [1], start: 'one', decay: false },
      ...matrixParameters(model),
    ],
    build: (model, taps) => product(model, mixed(model, taps)),
    adjusted: ofMatrix,
    config: (stem) => ({ architectures: [`${stem}Model`] }),
    modules: ['mix', 'score'],
    elsewhere: 'Its head mixes all layers, which transformers and PEFT have no place for: export it as ONNX.',
  },
} as const satisfies Readonly<Record<string, Head>>;

const LANGUAGE_MODEL: Head = {
  sentence: 'a logit for every token, by the output matrix or the embedding it is tied to',
  outputs: 'vocabulary',
  layers: () => [],
  parameters: (model) => parameters(model).slice(trunkParameters(model).length),
  build: (model, { hidden }) => languageModelHead(model, hidden),
  adjusted: {},
  config: () => ({}),
  modules: [],
  elsewhere: true,
};

export type ScoreHeadName = keyof typeof SCORE_HEADS;
export type HeadName = 'language-model' | ScoreHeadName;
export const HEADS: Readonly<Record<HeadName, Head>> = { 'language-model': LANGUAGE_MODEL, ...SCORE_HEADS };

/** A trunk and what stands on it, without weights. */
export interface Headed {
  architecture: Architecture;
  head: HeadName;
}

export const SCORE_HEAD_NAMES = Object.keys(SCORE_HEADS) as ScoreHeadName[];
export const isScoreHead = (name: string): name is ScoreHeadName => Object.hasOwn(SCORE_HEADS, name);

/** The parameters of a model but for its head. */
export const trunkParameters = (model: Architecture): Parameter[] => parameters({ ...model, tied: true });

/** The parameters of a head, those among the optional that are `held`. */
export const headParameters = (
  { architecture, head }: Headed,
  held: (name: string) => boolean = () => true,
): Parameter[] =>
  HEADS[head]
    .parameters(architecture)
    .filter(({ name, optional }) => !optional || held(name))
    .map(({ name, shape, start, decay }) => ({ name, shape, start, decay }));

const MODULES = new Set(SCORE_HEAD_NAMES.flatMap((name): readonly string[] => SCORE_HEADS[name].modules));
/** Whether a tensor belongs to a head that gives scores. */
export const isScoreTensor = (name: string): boolean => MODULES.has(name.slice(0, name.indexOf('.')));

/** Outputs of a model of this head at the slots. */
export const readHead = (head: HeadName, model: Model, taps: Taps): Tensor => HEADS[head].build(model, taps);

/**
 * Of a model's parameters those that are read above its lowest `layer` blocks; where no block is left above them, only
 * what the head reads.
 */
export function parametersAbove<P extends Parameter>(
  list: readonly P[],
  { architecture, head }: Headed,
  layer: number,
): P[] {
  const below = new Set(parameters({ ...architecture, layers: layer }).map(({ name }) => name));
  const norm = `${families[architecture.family].names.finalNorm}.`;
  const own = new Set(headParameters({ architecture, head }).map(({ name }) => name));
  const blocksAbove = layer < architecture.layers;
  const isNormRead = blocksAbove || HEADS[head].layers(architecture).length > 0;
  return list.filter(
    ({ name }) => own.has(name) || (name.startsWith(norm) ? isNormRead : blocksAbove && !below.has(name)),
  );
}

/** The weights of a head after an adjustment: of the tensors that are `held`, or of all that have a part in it. */
export function adjustedHead(
  head: HeadName,
  weights: Readonly<Record<string, Float32Array>>,
  by: Adjustment,
  which: 'held' | 'all',
): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(HEADS[head].adjusted)
      .filter(([name]) => which === 'all' || name in weights)
      .map(([name, become]) => [name, become(weights[name], by)]),
  );
}

/** A head's tensors without numbers, for those who ask what a model would have; without what is optional where told. */
export const blankHead = (headed: Headed, bias = true): Record<string, Float32Array> =>
  Object.fromEntries(headParameters(headed, () => bias).map(({ name }) => [name, new Float32Array(0)]));
