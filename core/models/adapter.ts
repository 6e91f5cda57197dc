// Low-rank adapters (LoRA, Hu et al. 2021): a frozen matrix W and a small trained product beside it.
//
//   y = x Wᵀ + s (x Aᵀ) Bᵀ      A [r, in] starts random, B [out, r] starts at 0, s = alpha / r (or alpha / √r)
// So an adapted model starts as its base exactly, and is the base again once s B A is added to W.

import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { blockMatrices } from './architecture.ts';
import type { Architecture, BlockMatrix, Parameter } from './architecture.ts';
import { families } from './families.ts';

export interface AdapterSettings {
  rank: number;
  alpha: number;
  /** s = alpha / √r instead of alpha / r */
  rankStabilised: boolean;
  /** the full names of the adapted matrices */
  matrices: readonly string[];
  /** rank and alpha by matrix, where they are not the same for all */
  ranks?: Readonly<Record<string, number>> | undefined;
  alphas?: Readonly<Record<string, number>> | undefined;
}

const A = (name: string) => `${name}.lora_A.weight`;
const B = (name: string) => `${name}.lora_B.weight`;
export const isAdapterTensor = (name: string): boolean => /\.lora_[AB]\.weight$/.test(name);

/** s of every adapted matrix. */
export function adapterScales({
  rank,
  alpha,
  rankStabilised,
  matrices,
  ranks,
  alphas,
}: AdapterSettings): Record<string, number> {
  return Object.fromEntries(
    matrices.map((name) => {
      const r = ranks?.[name] ?? rank;
      return [name, (alphas?.[name] ?? alpha) / (rankStabilised ? Math.sqrt(r) : r)];
    }),
  );
}

const matricesOf = (model: Architecture): BlockMatrix[] =>
  Array.from({ length: model.layers }, (_, layer) => blockMatrices(model, layer)).flat();
const lastPart = (name: string) => name.slice(name.lastIndexOf('.') + 1);

/** Whether a matrix is meant by the end of its name, such as "c_proj", "attn.c_proj" or all of it. */
export const isCalled = (name: string, word: string): boolean => name === word || name.endsWith(`.${word}`);

/**
 * The matrices that words such as "all", "attention" or "q_proj, mlp.c_proj" mean. 'bad-argument' naming those there
 * are.
 */
export function chosenMatrices(model: Architecture, words: string): string[] {
  const all = matricesOf(model).map(({ name }) => name);
  const kinds = [...new Set(all.map(lastPart))];
  const { queryKeyValue, attentionOut } = families[model.family].names;
  // gpt2's feed-forward has a c_proj too
  const attention = [...queryKeyValue, attentionOut].map((name) => name.slice(name.indexOf('{}.') + 3));
  const groups: Record<string, readonly string[]> = { all: kinds, 'all-linear': kinds, attention };
  const hint = `Name some of: ${kinds.join(', ')}; or all, or attention.`;
  const wanted = words
    .split(/[\s,]+/)
    .filter(Boolean)
    .flatMap((word) => {
      if (Object.hasOwn(groups, word)) return groups[word]!;
      if (!all.some((name) => isCalled(name, word)))
        throw new TastemakerError('bad-argument', `This model has no matrices called "${word}".`, hint);
      return [word];
    });
  if (wanted.length === 0) throw new TastemakerError('bad-argument', 'No matrices are named for the adapter.', hint);
  return all.filter((name) => wanted.some((word) => isCalled(name, word)));
}

/** The shortest names that mean these matrices of the model and no others. */
export function matrixWords(model: Architecture, matrices: readonly string[]): string[] {
  const words = [...new Set(matrices.map(lastPart))];
  return matricesOf(model).filter(({ name }) => words.includes(lastPart(name))).length === matrices.length
    ? words
    : [...matrices];
}

/** A [rank, in] and B [out, rank] of every adapted matrix. */
export function adapterParameters(
  model: Architecture,
  { rank, matrices, ranks }: Pick<AdapterSettings, 'rank' | 'matrices' | 'ranks'>,
): Parameter[] {
  const adapted = new Set(matrices);
  return matricesOf(model)
    .filter(({ name }) => adapted.has(name))
    .flatMap(({ name, input, output }): Parameter[] => {
      const r = ranks?.[name] ?? rank;
      return [
        { name: A(name), shape: [r, input], start: 'normal', decay: true },
        { name: B(name), shape: [output, r], start: 'zero', decay: true },
      ];
    });
}

/** A uniform within ±1/√in, as PEFT starts it (Kaiming with a = √5); B zero: the model stays its base until trained. */
export function freshAdapter(parameters: readonly Parameter[], seed: number): Record<string, Float32Array> {
  return Object.fromEntries(
    parameters.map(({ name, shape, start }) => {
      const [rows, columns] = shape as [number, number];
      const bound = start === 'zero' ? 0 : 1 / Math.sqrt(columns);
      const random = createRandom(seed, `adapter/${name}`);
      return [
        name,
        Float32Array.from({ length: rows * columns }, () => (bound ? (2 * random.uniform() - 1) * bound : 0)),
      ];
    }),
  );
}

/**
 * W + s B A for every adapted matrix, in place of `weights`' own arrays where `inPlace`; the adapters' tensors are left
 * out of what is returned.
 */
export function mergeAdapter(
  model: Architecture,
  weights: Readonly<Record<string, Float32Array>>,
  scales: Readonly<Record<string, number>>,
  { inPlace = false } = {},
): Record<string, Float32Array> {
  const merged = Object.fromEntries(Object.entries(weights).filter(([name]) => !isAdapterTensor(name)));
  const across = families[model.family].layout === 'in-out';
  for (const { name, input, output } of matricesOf(model)) {
    const s = scales[name];
    const a = weights[A(name)];
    const b = weights[B(name)];
    if (s === undefined || !a || !b) continue;
    const key = `${name}.weight`;
    const into = inPlace ? merged[key]! : merged[key]!.slice();
    const r = b.length / output;
    const row = new Float64Array(input);
    for (let o = 0; o < output; o++) {
      row.fill(0);
      for (let k = 0; k < r; k++) {
        const factor = s * b[o * r + k]!;
        for (let i = 0, at = k * input; i < input; i++) row[i]! += factor * a[at + i]!;
      }
      if (across) for (let i = 0; i < input; i++) into[i * output + o]! += row[i]!;
      else for (let i = 0, at = o * input; i < input; i++) into[at + i]! += row[i]!;
    }
    merged[key] = into;
  }
  return merged;
}
