// A stored model's tensors as a whole model has them, one at a time: adapters added in, a saved scaling applied,
// nothing held.

import type { Architecture } from './architecture.ts';
import { adapterScales, isAdapterTensor, mergeAdapter } from './adapter.ts';
import type { Checkpoint, StoredCheckpoint, WeightArrays } from './checkpoint.ts';
import { families } from './families.ts';
import { headParameters, HEADS, isScoreTensor, LINEAR } from './heads.ts';
import type { Headed } from './heads.ts';
import { refuseNotFinite } from './weight-numbers.ts';

export interface MergedTensor {
  name: string;
  shape: readonly number[];
  /** float32, row-major, read (and merged) at each call: an array of the caller's own */
  load(): Float32Array;
}

export interface MergedModel {
  architecture: Architecture;
  head: Checkpoint['head'];
  /** in the order in which a checkpoint is written */
  tensors: MergedTensor[];
}

/** The matrix that a weight, or an adapter's factor, belongs to. */
const MATRIX = /^(.*?)\.(?:lora_[AB]\.)?weight$/;

/** What `loadCheckpoint` gives of the same folder, bit for bit, without holding it. */
export function mergedTensors({
  architecture,
  head,
  adapter,
  parameters,
  stored,
  scaling,
}: StoredCheckpoint): MergedModel {
  const scales = adapter ? adapterScales(adapter.settings) : {};
  const parts = Map.groupBy(parameters, ({ name }) => MATRIX.exec(name)?.[1] ?? name);
  const checked = (name: string, data: Float32Array): Float32Array => {
    refuseNotFinite('The model', [{ name, shape: parameters.find((one) => one.name === name)!.shape, pieces: [data] }]);
    return data;
  };
  const loadPart = (name: string, inFile: string): Float32Array => {
    const matrix = MATRIX.exec(name)?.[1];
    if (matrix === undefined || scales[matrix] === undefined) return checked(name, stored.load(inFile));
    const weights = Object.fromEntries(parts.get(matrix)!.map((part) => [part.name, stored.load(part.inFile)]));
    return checked(name, mergeAdapter(architecture, weights, scales, { inPlace: true })[name]!);
  };
  const tensors = parameters
    .filter(({ name }) => !isAdapterTensor(name))
    .map(({ name, inFile, shape }): MergedTensor => ({ name, shape, load: () => loadPart(name, inFile) }));
  return { architecture, head, tensors: scaling ? scaled({ architecture, head }, tensors, scaling) : tensors };
}

/** With a zero point and a unit in the tensors of the head, also in those that it lacked so far. */
function scaled(
  headed: Headed,
  tensors: readonly MergedTensor[],
  { mean: center, deviation: unit }: NonNullable<StoredCheckpoint['scaling']>,
): MergedTensor[] {
  const own = headParameters(headed).flatMap(({ name, shape }): MergedTensor[] => {
    const become = HEADS[headed.head].adjusted[name];
    const old = tensors.find((tensor) => tensor.name === name);
    if (!become) return old ? [old] : [];
    return [{ name, shape, load: () => become(old?.load(), { center, unit }) }];
  });
  return [...tensors.filter(({ name }) => !isScoreTensor(name)), ...own];
}

/**
 * A reward model for programs whose heads have no bias: w·h + c = w·(h + c w/|w|²), and where the final norm has a bias
 * of
 * its own, that is the place for it. `bias` is what is left in the head (0 where nothing is).
 */
export function foldedBias(model: MergedModel): { model: MergedModel; bias: number } {
  const { architecture, tensors } = model;
  const { names, norm } = families[architecture.family];
  const of = (name: string) => tensors.find((tensor) => tensor.name === name);
  const bias = of(LINEAR.bias)?.load()[0] ?? 0;
  const w = of(LINEAR.weight)?.load() ?? new Float32Array(0);
  const square = w.reduce((sum, value) => sum + value * value, 0);
  const without = { ...model, tensors: tensors.filter(({ name }) => name !== LINEAR.bias) };
  if (bias === 0) return { model: without, bias };
  if (norm !== 'layer' || square === 0) return { model, bias };
  const place = `${names.finalNorm}.bias`;
  const by = bias / square;
  return {
    model: {
      ...without,
      tensors: without.tensors.map((tensor) =>
        tensor.name === place ? { ...tensor, load: () => tensor.load().map((b, i) => b + by * w[i]!) } : tensor,
      ),
    },
    bias: 0,
  };
}

/** The tensors as a checkpoint's weights, each read when it is asked for. */
export function lazyWeights(tensors: readonly MergedTensor[]): WeightArrays {
  const weights: WeightArrays = {};
  for (const { name, load } of tensors) Object.defineProperty(weights, name, { get: load, enumerable: true });
  return weights;
}
