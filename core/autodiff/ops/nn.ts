// The network's own operators: softmax, normalisation, rotary positions.

import { apply, apply1, constant, mismatch, operator, scalar, show, sizeOf } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { log, mul, neg, sub } from './elementwise.ts';
import { gemm } from './linalg.ts';
import { reshape } from './movement.ts';
import { reduceMax, reduceMean, reduceSum, sumTo } from './reduction.ts';

const rowsOf = (x: Tensor) => {
  if (x.dtype !== 'float32' || x.shape.length === 0) mismatch('float32 rows');
};

// y_i = exp(x_i) / sum_j exp(x_j) on the last axis; dx = y (dy - sum dy y)
const Softmax = operator({
  name: 'Softmax',
  infer: ([x]) => (rowsOf(x!), [{ dtype: 'float32', shape: x!.shape }]),
  gradient: ({ outputs, dy }) => {
    const y = outputs[0]!;
    return [mul(y, sub(dy, reduceSum(mul(dy, y), [-1], true)))];
  },
});
// y = ln sum_j exp(x_j) on the last axis, kept as 1; dx = dy softmax(x).
// Composed as max x - ln max softmax(x), since max softmax = exp(max x) / sum exp(x): a sixth of the time of the
// runtime's
// ReduceLogSumExp, and the softmax is the one that the gradient needs.
const LogSumExp = operator({
  name: 'LogSumExp',
  infer: ([x]) => (rowsOf(x!), [{ dtype: 'float32', shape: [...x!.shape.slice(0, -1), 1] }]),
  compose: ([x]) => [sub(reduceMax(x!, [-1], true), log(reduceMax(softmax(x!), [-1], true)))],
  gradient: ({ inputs, dy }) => [mul(softmax(inputs[0]!), dy)],
});
// h = (x - mean) r with r = 1 / sqrt(var + eps); y = h g + b.
// dh = dy g; dx = r (dh - mean dh - h mean(dh h)); dg = sum dy h; db = sum dy.
// With d = x - mean, so h = r d: sums of dh h and dy h are products of dy d with g and r, and h itself is never made.
const LayerNormalization = operator({
  name: 'LayerNormalization',
  infer: ([x, g, b]) => {
    const width = x!.shape.at(-1)!;
    if (show(g!.shape) !== show([width]) || show(b!.shape) !== show([width]))
      mismatch(`a gain and a bias of [${width}]`);
    const lead = [...x!.shape.slice(0, -1), 1];
    return [
      { dtype: 'float32', shape: x!.shape },
      { dtype: 'float32', shape: lead },
      { dtype: 'float32', shape: lead },
    ];
  },
  gradient: ({ inputs, outputs, dy }) => {
    const [x, g] = inputs as [Tensor, Tensor, Tensor];
    const [, mean, r] = outputs as [Tensor, Tensor, Tensor];
    const C = g.shape[0]!;
    const rows = sizeOf(x.shape) / C;
    const d = sub(x, mean);
    const dh = mul(dy, g);
    const dyd = reshape(mul(dy, d), [rows, C]);
    const along = reshape(gemm(dyd, reshape(g, [C, 1])), r.shape); // sum dh d
    const share = mul(mul(along, scalar(x.graph, 1 / C)), mul(r, mul(r, r)));
    const dx = sub(mul(sub(dh, reduceMean(dh, [-1], true)), r), mul(d, share));
    return [dx, reshape(gemm(reshape(r, [1, rows]), dyd), [C]), sumTo(dy, g.shape)];
  },
});
// h = x r with r = 1 / sqrt(mean x^2 + eps); y = h g.   dh = dy g; dx = r (dh - h mean(dh h)); dg = sum dy h
// (the second output is wrong on the WebGPU provider; its lowering must compute r itself)
const SimplifiedLayerNormalization = operator({
  name: 'SimplifiedLayerNormalization',
  infer: ([x, g]) => {
    if (show(g!.shape) !== show([x!.shape.at(-1)!])) mismatch(`a gain of [${x!.shape.at(-1)}]`);
    return [
      { dtype: 'float32', shape: x!.shape },
      { dtype: 'float32', shape: [...x!.shape.slice(0, -1), 1] },
    ];
  },
  gradient: ({ inputs, outputs, dy }) => {
    const [x, g] = inputs as [Tensor, Tensor];
    const r = outputs[1]!;
    const h = mul(x, r);
    const dh = mul(dy, g);
    return [mul(r, sub(dh, mul(h, reduceMean(mul(dh, h), [-1], true)))), sumTo(mul(dy, h), g.shape)];
  },
});
// y = x rotated pairwise (i, i + d/2) by the angle of its position; dx = dy rotated back (the sine negated).
// x [B, H, T, d], positions int64 [B, T], cosine and sine tables [context, d/2]
const RotaryEmbedding = operator({
  name: 'RotaryEmbedding',
  domain: 'com.microsoft',
  infer: ([x, positions, cosine]) => {
    const [B, , T, d] = x!.shape;
    if (x!.shape.length !== 4 || show(positions!.shape) !== show([B!, T!]) || cosine!.shape[1] !== d! / 2)
      mismatch('x [B, H, T, d], positions [B, T] and tables [context, d/2]');
    return [{ dtype: 'float32', shape: x!.shape }];
  },
  gradient: ({ inputs, dy }) => {
    const [, positions, cosine, sine] = inputs as [Tensor, Tensor, Tensor, Tensor];
    const back = sine.values
      ? constant(
          sine.graph,
          'float32',
          sine.shape,
          (sine.values as Float32Array).map((v) => -v),
        )
      : neg(sine);
    return [rotary(dy, positions, cosine, back), null, null, null];
  },
});

export const softmax = (x: Tensor): Tensor => apply1(Softmax, [x], { axis: -1 });
export const logSumExp = (x: Tensor): Tensor => apply1(LogSumExp, [x]);
export const layerNorm = (x: Tensor, gain: Tensor, bias: Tensor, epsilon: number): Tensor =>
  apply(LayerNormalization, [x, gain, bias], { axis: -1, epsilon: { float: epsilon } })[0]!;
export const rmsNorm = (x: Tensor, gain: Tensor, epsilon: number): Tensor =>
  apply(SimplifiedLayerNormalization, [x, gain], { axis: -1, epsilon: { float: epsilon } })[0]!;
export const rotary = (x: Tensor, positions: Tensor, cosine: Tensor, sine: Tensor): Tensor =>
  apply1(RotaryEmbedding, [x, positions, cosine, sine]);
