// Elementwise operators with NumPy broadcasting: formula above, shape rule, ONNX name and gradient together.

import { apply1, constant, mismatch, operator, scalar } from '#core/autodiff/graph.ts';
import type { Operator, Shape, Tensor } from '#core/autodiff/graph.ts';
import { sumTo } from './reduction.ts';

/** The shape two tensors broadcast to; dimensions align from the right. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) mismatch('shapes that broadcast');
    return Math.max(x, y);
  });
}

const floats = (inputs: readonly Tensor[]) => {
  if (inputs.some((tensor) => tensor.dtype !== 'float32')) mismatch('float32 inputs');
};

function unary(
  name: string,
  gradient: (x: Tensor, y: Tensor, dy: Tensor) => Tensor,
  domain?: 'com.microsoft',
): Operator {
  return operator({
    name,
    ...(domain ? { domain } : {}),
    infer: (inputs) => (floats(inputs), [{ dtype: 'float32', shape: inputs[0]!.shape }]),
    gradient: ({ inputs, outputs, dy }) => [gradient(inputs[0]!, outputs[0]!, dy)],
  });
}

function binary(name: string, gradient: (a: Tensor, b: Tensor, y: Tensor, dy: Tensor) => [Tensor, Tensor]): Operator {
  return operator({
    name,
    infer: ([a, b]) => {
      if (a!.dtype !== b!.dtype) mismatch('two tensors of one type');
      return [{ dtype: a!.dtype, shape: broadcast(a!.shape, b!.shape) }];
    },
    gradient: ({ inputs, outputs, dy }) => {
      const [a, b] = inputs as [Tensor, Tensor];
      const [da, db] = gradient(a, b, outputs[0]!, dy);
      return [sumTo(da, a.shape), sumTo(db, b.shape)];
    },
  });
}

/** Comparisons (of two tensors of one type) and logic (of bools): bool out, no derivative. */
function predicate(name: string, of?: 'bool'): Operator {
  return operator({
    name,
    infer: ([a, b]) => {
      if (of && a!.dtype !== of) mismatch(`${of} inputs`);
      if (b && b.dtype !== a!.dtype) mismatch('two tensors of one type');
      return [{ dtype: 'bool', shape: b ? broadcast(a!.shape, b.shape) : a!.shape }];
    },
    gradient: null,
  });
}

// y = a + b; da = dy, db = dy
const Add = binary('Add', (_a, _b, _y, dy) => [dy, dy]);
// y = a - b; da = dy, db = -dy
const Sub = binary('Sub', (_a, _b, _y, dy) => [dy, neg(dy)]);
// y = a b; da = dy b, db = dy a
const Mul = binary('Mul', (a, b, _y, dy) => [mul(dy, b), mul(dy, a)]);
// y = a / b; da = dy / b, db = -dy y / b
const Div = binary('Div', (_a, b, y, dy) => {
  const da = div(dy, b);
  return [da, neg(mul(da, y))];
});
// y = max(a, b); the larger gets dy, equals share it (as PyTorch does)
const Max = binary('Max', (a, b, _y, dy) => {
  const share = where(greater(a, b), scalar(a.graph, 1), where(less(a, b), scalar(a.graph, 0), scalar(a.graph, 0.5)));
  const da = mul(dy, share);
  return [da, sub(dy, da)];
});
const Min = binary('Min', (a, b, _y, dy) => {
  const share = where(less(a, b), scalar(a.graph, 1), where(greater(a, b), scalar(a.graph, 0), scalar(a.graph, 0.5)));
  const da = mul(dy, share);
  return [da, sub(dy, da)];
});
// y = -x; dx = -dy
const Neg = unary('Neg', (_x, _y, dy) => neg(dy));
// y = exp(x); dx = dy y
const Exp = unary('Exp', (_x, y, dy) => mul(dy, y));
// y = ln(x); dx = dy / x
const Log = unary('Log', (x, _y, dy) => div(dy, x));
// y = sqrt(x); dx = dy / (2 y)
const Sqrt = unary('Sqrt', (_x, y, dy) => div(mul(dy, scalar(y.graph, 0.5)), y));
// y = tanh(x); dx = dy (1 - y^2)
const Tanh = unary('Tanh', (_x, y, dy) => mul(dy, sub(scalar(y.graph, 1), mul(y, y))));
// y = 1 / (1 + exp(-x)); dx = dy y (1 - y)
const Sigmoid = unary('Sigmoid', (_x, y, dy) => mul(dy, mul(y, sub(scalar(y.graph, 1), y))));
// y = ln(1 + exp(x)); dx = dy sigmoid(x)
const Softplus = unary('Softplus', (x, _y, dy) => mul(dy, sigmoid(x)));
// y = x s with s = sigmoid(x); dx = dy (s + y (1 - s)).   (QuickGelu with alpha 1 is SiLU on every provider)
const QuickGelu = unary(
  'QuickGelu',
  (x, y, dy) => {
    const s = sigmoid(x);
    return mul(dy, add(s, mul(y, sub(scalar(x.graph, 1), s))));
  },
  'com.microsoft',
);
// y = x s with s = sigmoid(z), z = 2 sqrt(2/pi) (x + .044715 x^3) — the tanh form of GELU; with z = x p, x z' = x (3p -
// 2c):
// dx = dy (s + x z' s (1 - s)) = dy (s + y (3p - 2c) (1 - s)). Composed, so that forward and gradient share p and s
// (the
// runtime's own FastGelu takes as long as three of these passes and keeps nothing).
const GELU_C = 2 * Math.sqrt(2 / Math.PI);
const geluParts = (x: Tensor) => {
  const p = add(mul(mul(x, x), scalar(x.graph, 0.044715 * GELU_C)), scalar(x.graph, GELU_C));
  return { p, s: sigmoid(mul(x, p)) };
};
const Gelu = operator({
  name: 'GeluTanh',
  infer: (inputs) => (floats(inputs), [{ dtype: 'float32', shape: inputs[0]!.shape }]),
  compose: ([x]) => [mul(x!, geluParts(x!).s)],
  gradient: ({ inputs, outputs, dy }) => {
    const { p, s } = geluParts(inputs[0]!);
    const number = (value: number) => scalar(dy.graph, value);
    const t = sub(mul(p, number(3)), number(2 * GELU_C));
    return [mul(dy, add(s, mul(mul(outputs[0]!, t), sub(number(1), s))))];
  },
});
// y = erf(x); dx = dy 2/sqrt(pi) exp(-x^2)
const Erf = unary('Erf', (x, _y, dy) => mul(dy, mul(exp(neg(mul(x, x))), scalar(x.graph, 2 / Math.sqrt(Math.PI)))));
// y = x P with P = (1 + erf(x / sqrt 2)) / 2, the normal distribution's; dx = dy (P + x exp(-x^2 / 2) / sqrt(2 pi))
const GeluErf = unary('Gelu', (x, _y, dy) => {
  const number = (value: number) => scalar(x.graph, value);
  const share = mul(add(erf(mul(x, number(Math.SQRT1_2))), number(1)), number(0.5));
  return mul(dy, add(share, mul(x, mul(exp(mul(mul(x, x), number(-0.5))), number(1 / Math.sqrt(2 * Math.PI))))));
});
// The tanh form's y in one node, for graphs that nothing is differentiated in.
const FastGelu = operator({
  name: 'FastGelu',
  domain: 'com.microsoft',
  infer: (inputs) => {
    floats(inputs);
    if (inputs[0]!.shape.length === 0) mismatch('a tensor with axes');
    return [{ dtype: 'float32', shape: inputs[0]!.shape }];
  },
  gradient: null,
});

const Less = predicate('Less');
const LessOrEqual = predicate('LessOrEqual');
const Greater = predicate('Greater');
const GreaterOrEqual = predicate('GreaterOrEqual');
const Equal = predicate('Equal');
const And = predicate('And', 'bool');
const Or = predicate('Or', 'bool');
const Not = predicate('Not', 'bool');

// y = c ? a : b; da = c ? dy : 0, db = c ? 0 : dy
const Where = operator({
  name: 'Where',
  infer: ([c, a, b]) => {
    if (c!.dtype !== 'bool' || a!.dtype !== b!.dtype) mismatch('a bool condition and two tensors of one type');
    return [{ dtype: a!.dtype, shape: broadcast(c!.shape, broadcast(a!.shape, b!.shape)) }];
  },
  gradient: ({ inputs, dy }) => {
    const [c, a, b] = inputs as [Tensor, Tensor, Tensor];
    const zero = scalar(dy.graph, 0);
    return [null, sumTo(where(c, dy, zero), a.shape), sumTo(where(c, zero, dy), b.shape)];
  },
});
// y = min(max(x, low), high); dx = dy where low <= x <= high
const Clip = operator({
  name: 'Clip',
  infer: (inputs) => (floats(inputs), [{ dtype: 'float32', shape: inputs[0]!.shape }]),
  gradient: ({ inputs, dy }) => {
    const [x, low, high] = inputs as [Tensor, Tensor, Tensor];
    return [where(and(greaterOrEqual(x, low), lessOrEqual(x, high)), dy, scalar(dy.graph, 0)), null, null];
  },
});

export const add = (a: Tensor, b: Tensor) => apply1(Add, [a, b]);
export const sub = (a: Tensor, b: Tensor) => apply1(Sub, [a, b]);
export const mul = (a: Tensor, b: Tensor) => apply1(Mul, [a, b]);
export const div = (a: Tensor, b: Tensor) => apply1(Div, [a, b]);
export const maximum = (a: Tensor, b: Tensor) => apply1(Max, [a, b]);
export const minimum = (a: Tensor, b: Tensor) => apply1(Min, [a, b]);
export const neg = (x: Tensor) => apply1(Neg, [x]);
export const exp = (x: Tensor) => apply1(Exp, [x]);
export const log = (x: Tensor) => apply1(Log, [x]);
export const sqrt = (x: Tensor) => apply1(Sqrt, [x]);
export const tanh = (x: Tensor) => apply1(Tanh, [x]);
export const sigmoid = (x: Tensor) => apply1(Sigmoid, [x]);
export const softplus = (x: Tensor) => apply1(Softplus, [x]);
export const silu = (x: Tensor) => apply1(QuickGelu, [x], { alpha: { float: 1 } });
export const gelu = (x: Tensor) => apply1(Gelu, [x]);
export const erf = (x: Tensor) => apply1(Erf, [x]);
/** the exact GELU; `gelu` is its tanh form */
export const geluErf = (x: Tensor) => apply1(GeluErf, [x]);
/** gelu without a derivative */
export const geluForward = (x: Tensor) => apply1(FastGelu, [x]);
export const less = (a: Tensor, b: Tensor) => apply1(Less, [a, b]);
export const lessOrEqual = (a: Tensor, b: Tensor) => apply1(LessOrEqual, [a, b]);
export const greater = (a: Tensor, b: Tensor) => apply1(Greater, [a, b]);
export const greaterOrEqual = (a: Tensor, b: Tensor) => apply1(GreaterOrEqual, [a, b]);
export const equal = (a: Tensor, b: Tensor) => apply1(Equal, [a, b]);
export const and = (a: Tensor, b: Tensor) => apply1(And, [a, b]);
export const or = (a: Tensor, b: Tensor) => apply1(Or, [a, b]);
export const not = (a: Tensor) => apply1(Not, [a]);
export const where = (c: Tensor, a: Tensor, b: Tensor) => apply1(Where, [c, a, b]);
export const clip = (x: Tensor, low: number, high: number) =>
  apply1(Clip, [x, scalar(x.graph, low), scalar(x.graph, high)]);
/** x + a number, x times a number */
export const shift = (x: Tensor, by: number) => add(x, scalar(x.graph, by));
export const scale = (x: Tensor, by: number) => mul(x, scalar(x.graph, by));
/** an int32 or int64 scalar of x's own type, for comparisons */
export const whole = (x: Tensor, value: number) => constant(x.graph, x.dtype, [], [value]);
