// The rotary frequencies of Llama 3 in GGUF: one factor a frequency, made from a model's settings and back.
//
// What divides frequency i is 1 where it turns often within the first context, `factor` where it turns seldom, and
// between the two 1 / ((1 - s) / factor + s) with s a line over the turns (convert_hf_to_gguf.py).
import type { RopeScaling } from './architecture.ts';

/** The tensor that holds them. */
export const ROPE_FACTORS = 'rope_freqs.weight';

/** The shortest decimal that is the same float32: 0.00001 rather than 0.000009999999747378752. */
export function decimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === Math.fround(value)) return shorter;
  }
  return value;
}

/** By what Llama 3 divides each of the d/2 rotary frequencies; as convert_hf_to_gguf.py writes them. */
export function ropeFactors(
  { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext }: RopeScaling,
  theta: number,
  headWidth: number,
): Float32Array {
  return Float32Array.from({ length: headWidth / 2 }, (_, i) => {
    const turns = originalContext / (2 * Math.PI * theta ** ((2 * i) / headWidth)); // in the first context
    const smooth = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/**
 * The settings that give these factors (null: all are 1), or undefined where Llama 3's rule gives no such factors. The
 * file says only the result, to which many settings lead.
 */
export function scalingOf(factors: Float32Array, theta: number, headWidth: number): RopeScaling | null | undefined {
  if (factors.every((value) => value === 1)) return null;
  const factor = decimal(factors.reduce((a, b) => Math.max(a, b)));
  const usual = [8192, ...Array.from({ length: 15 }, (_, i) => 2 ** (i + 6))].map((originalContext) => ({
    factor,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalContext,
  }));
  return [...usual, ...fitted(factors, factor, theta, headWidth)].find((scaling) => {
    const made = ropeFactors(scaling, theta, headWidth);
    return factors.every((value, i) => Math.abs(value - made[i]!) <= 1e-5 * Math.abs(made[i]!));
  });
}

/**
 * Between the ends, the share kept is a line over the turns: one point gives the context where 1 and 4 are usual, two
 * give all settings up to their common scale.
 */
function fitted(factors: Float32Array, factor: number, theta: number, headWidth: number): RopeScaling[] {
  const points = [...factors.entries()]
    .filter(([, value]) => value > 1.001 && value < 0.999 * factor)
    .map(([i, value]) => ({
      turns: 1 / (2 * Math.PI * theta ** ((2 * i) / headWidth)),
      smooth: (1 / value - 1 / factor) / (1 - 1 / factor),
    }));
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return [];
  const usual = {
    factor,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalContext: (1 + 3 * first.smooth) / first.turns,
  };
  const slope = (first.smooth - last.smooth) / (first.turns - last.turns);
  const atZero = slope * first.turns - first.smooth; // low / (high - low)
  return [
    usual,
    ...(slope > 0 && atZero > 0
      ? [{ factor, lowFrequencyFactor: 1, highFrequencyFactor: 1 + 1 / atZero, originalContext: slope / atZero }]
      : []),
  ];
}
