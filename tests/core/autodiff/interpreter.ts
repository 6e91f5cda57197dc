// Computes a graph in float64, operator by operator, from the ONNX specification's formulas: the yardstick of these
// tests.
//
// Written without a look at the gradient rules and without regard for speed. Whole numbers and booleans are plain
// numbers.
// Constants keep the float32 values that the runtime gets, attributes too.

import { sizeOf } from '#core/autodiff/graph.ts';
import type { Graph, Node, Shape, Tensor } from '#core/autodiff/graph.ts';

export interface Values {
  shape: Shape;
  data: Float64Array;
}

/** What an operator's formula gets: its inputs' values, its attributes, and a way to compute a body's tensors. */
interface Use {
  node: Node;
  attribute: (name: string, otherwise?: number) => number;
  list: (name: string) => readonly number[];
  inner: (given: ReadonlyMap<Tensor, Values>, outputs: readonly Tensor[]) => Values[];
}
type Formula = (inputs: readonly Values[], use: Use) => Values[];

export const values = (shape: Shape, data: ArrayLike<number | bigint>): Values => ({
  shape,
  data: Float64Array.from(Array.from(data, Number)),
});

/** The values of `outputs`, where `given` holds those of the graph's inputs. */
export function interpret(outputs: readonly Tensor[], given: ReadonlyMap<Tensor, Values>): Values[] {
  return evaluator(outputs[0]!.graph, given, (tensor) => {
    if (!tensor.values) throw new Error(`no values for "${tensor.name}"`);
    return values(tensor.shape, tensor.values);
  })(outputs);
}

function evaluator(
  graph: Graph,
  given: ReadonlyMap<Tensor, Values>,
  outside: (tensor: Tensor) => Values,
): (outputs: readonly Tensor[]) => Values[] {
  const known = new Map(given);
  // a composed operator is computed by its own formula; what it is composed of, the runtime computes
  const composed = new Map(
    graph.nodes.flatMap((node) => (node.composed ? node.outputs.map((output) => [output, node] as const) : [])),
  );
  const valueOf = (tensor: Tensor): Values => {
    const found = known.get(tensor);
    if (found) return found;
    const node = composed.get(tensor) ?? tensor.node;
    if (tensor.graph !== graph || !node) return outside(tensor);
    const formula = formulas[node.operator.name];
    if (!formula) throw new Error(`the interpreter lacks ${node.operator.name}`);
    const results = formula(node.inputs.map(valueOf), {
      node,
      attribute: (name, otherwise) => {
        const value = node.attributes[name] ?? otherwise;
        if (typeof value === 'object' && 'float' in value) return Math.fround(value.float);
        if (typeof value !== 'number') throw new Error(`${node.name} lacks ${name}`);
        return value;
      },
      list: (name) => node.attributes[name] as readonly number[],
      inner: (given, outputs) => evaluator(node.body!.graph, given, valueOf)(outputs),
    });
    node.outputs.forEach((output, i) => known.set(output, results[i]!));
    return known.get(tensor)!;
  };
  return (outputs) => outputs.map(valueOf);
}

// Indices: a position counts elements in row-major order, a coordinate has one index per axis.

const coordinates = (shape: Shape, position: number): number[] => {
  const at = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at[axis] = position % shape[axis]!;
    position = Math.floor(position / shape[axis]!);
  }
  return at;
};
const positionOf = (shape: Shape, at: readonly number[]): number =>
  shape.reduce((position, size, axis) => position * size + at[axis]!, 0);
const read = (x: Values, at: readonly number[]): number => x.data[positionOf(x.shape, at)]!;
const axisOf = (axis: number, shape: Shape) => (axis < 0 ? axis + shape.length : axis);
const replaced = (at: readonly number[], axis: number, value: number) => at.map((v, i) => (i === axis ? value : v));

/** A tensor whose every element is a function of its coordinate. */
function fill(shape: Shape, element: (at: number[]) => number): Values {
  return {
    shape,
    data: Float64Array.from({ length: sizeOf(shape) }, (_, position) => element(coordinates(shape, position))),
  };
}
/** Reads x at a coordinate of a shape that it broadcasts to. */
const spread = (x: Values, at: readonly number[]) =>
  read(
    x,
    x.shape.map((size, i) => (size === 1 ? 0 : at[at.length - x.shape.length + i]!)),
  );

const each =
  (f: (...elements: number[]) => number): Formula =>
  (inputs, { node }) => {
    const rank = Math.max(...inputs.map((x) => x.shape.length));
    const shape = Array.from({ length: rank }, (_, i) =>
      inputs.reduce((size, x) => {
        const own = x.shape[x.shape.length - rank + i] ?? 1;
        return own === 1 ? size : own;
      }, 1),
    );
    const truncate = node.outputs[0]!.dtype === 'float32' ? (v: number) => v : Math.trunc;
    return [fill(shape, (at) => truncate(f(...inputs.map((x) => spread(x, at)))))];
  };
const is = (f: (a: number, b: number) => boolean) => each((a, b) => (f(a!, b!) ? 1 : 0));

/** All elements that agree with a coordinate except on `axes`, as a list. */
function along(x: Values, at: readonly number[], axes: readonly number[]): number[] {
  const sizes = axes.map((axis) => x.shape[axis]!);
  return Array.from({ length: sizeOf(sizes) }, (_, n) => {
    const inner = coordinates(sizes, n);
    return read(
      x,
      at.map((v, i) => (axes.includes(i) ? inner[axes.indexOf(i)]! : v)),
    );
  });
}
function reduceAxes(x: Values, axes: readonly number[], keep: boolean, f: (list: number[]) => number): Values {
  const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
  const { data } = fill(kept, (at) => f(along(x, at, axes)));
  return { shape: keep ? kept : kept.filter((_, i) => !axes.includes(i)), data };
}
const reduce =
  (f: (list: number[]) => number): Formula =>
  ([x, axes], { attribute }) => [
    reduceAxes(
      x!,
      axes!.data.length > 0
        ? Array.from(axes!.data, (axis) => axisOf(axis, x!.shape))
        : x!.shape.map((_, axis) => axis),
      attribute('keepdims', 1) === 1,
      f,
    ),
  ];
const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

/** op(a) op(b) over leading batch axes */
function product(a: Values, b: Values, transA: boolean, transB: boolean): Values {
  const lead = a.shape.slice(0, -2);
  const [m, k] = transA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const n = transB ? b.shape.at(-2)! : b.shape.at(-1)!;
  return fill([...lead, m, n], (at) => {
    const batch = at.slice(0, -2);
    const row = at.at(-2)!;
    const column = at.at(-1)!;
    return sum(
      Array.from(
        { length: k },
        (_, i) =>
          read(a, [...batch, ...(transA ? [i, row] : [row, i])]) *
          read(b, [...batch, ...(transB ? [column, i] : [i, column])]),
      ),
    );
  });
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const geluTanh = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
/** erf by its series where that converges fast, else by the continued fraction of 1 - erf */
function erf(x: number): number {
  if (Math.abs(x) < 2.5) {
    let term = x;
    let total = x;
    for (let n = 1; n < 80; n++) {
      term *= (-x * x) / n;
      total += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * total;
  }
  const z = Math.abs(x);
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction)));
}
const logSumExp = (list: readonly number[]) => {
  const top = Math.max(...list);
  return top + Math.log(sum(list.map((v) => Math.exp(v - top))));
};
const scatter = (
  x: Values,
  write: (add: (at: readonly number[], value: number) => void) => void,
  reduction: unknown,
): Values => {
  const data = Float64Array.from(x.data);
  write((at, value) => {
    const position = positionOf(x.shape, at);
    data[position] = reduction === 'add' ? data[position]! + value : value;
  });
  return { shape: x.shape, data };
};

/** One entry per operator, by its ONNX name. */
export const formulas: Readonly<Record<string, Formula>> = {
  Add: each((a, b) => a! + b!),
  Sub: each((a, b) => a! - b!),
  Mul: each((a, b) => a! * b!),
  Div: each((a, b) => a! / b!),
  Max: each((...list) => Math.max(...list)),
  Min: each((...list) => Math.min(...list)),
  Neg: each((x) => -x!),
  Exp: each((x) => Math.exp(x!)),
  Log: each((x) => Math.log(x!)),
  Sqrt: each((x) => Math.sqrt(x!)),
  Tanh: each((x) => Math.tanh(x!)),
  Sigmoid: each((x) => sigmoid(x!)),
  Softplus: each((x) => Math.log1p(Math.exp(-Math.abs(x!))) + Math.max(x!, 0)),
  QuickGelu: (inputs, use) => each((x) => x! * sigmoid(use.attribute('alpha') * x!))(inputs, use),
  GeluTanh: each((x) => geluTanh(x!)),
  FastGelu: each((x) => geluTanh(x!)),
  Erf: each((x) => erf(x!)),
  Gelu: each((x) => 0.5 * x! * (1 + erf(x! / Math.SQRT2))),
  Less: is((a, b) => a < b),
  LessOrEqual: is((a, b) => a <= b),
  Greater: is((a, b) => a > b),
  GreaterOrEqual: is((a, b) => a >= b),
  Equal: is((a, b) => a === b),
  And: is((a, b) => a !== 0 && b !== 0),
  Or: is((a, b) => a !== 0 || b !== 0),
  Not: each((a) => (a === 0 ? 1 : 0)),
  Where: each((c, a, b) => (c !== 0 ? a! : b!)),
  Clip: each((x, low, high) => Math.min(Math.max(x!, low!), high!)),

  Cast: (inputs, use) =>
    // `each` cuts off for whole numbers
    each(use.node.outputs[0]!.dtype === 'bool' ? (x) => (x === 0 ? 0 : 1) : (x) => x!)(inputs, use),
  Identity: ([x]) => [x!],
  Reshape: ([x, shape]) => [{ shape: Array.from(shape!.data), data: x!.data }],
  Transpose: ([x], { list }) => {
    const perm = list('perm');
    return [
      fill(
        perm.map((axis) => x!.shape[axis]!),
        (at) =>
          read(
            x!,
            perm.map((_, axis) => at[perm.indexOf(axis)]!),
          ),
      ),
    ];
  },
  Concat: (inputs, { attribute }) => {
    const axis = axisOf(attribute('axis'), inputs[0]!.shape);
    const shape = replaced(inputs[0]!.shape, axis, sum(inputs.map((x) => x.shape[axis]!)));
    return [
      fill(shape, (at) => {
        let i = at[axis]!;
        let part = 0;
        while (i >= inputs[part]!.shape[axis]!) i -= inputs[part++]!.shape[axis]!;
        return read(inputs[part]!, replaced(at, axis, i));
      }),
    ];
  },
  Slice: ([x, starts, ends, axes]) => [
    Array.from(axes!.data).reduce((part, axis, n) => {
      const from = starts!.data[n]!;
      const to = ends!.data[n]!;
      return fill(replaced(part.shape, axis, to - from), (at) => read(part, replaced(at, axis, at[axis]! + from)));
    }, x!),
  ],
  Pad: ([x, pads]) => {
    const rank = x!.shape.length;
    const before = pads!.data.subarray(0, rank);
    const after = pads!.data.subarray(rank);
    return [
      fill(
        x!.shape.map((size, i) => before[i]! + size + after[i]!),
        (at) => {
          const inside = at.map((v, i) => v - before[i]!);
          return inside.every((v, i) => v >= 0 && v < x!.shape[i]!) ? read(x!, inside) : 0;
        },
      ),
    ];
  },
  Split: ([x, parts], { attribute }) => {
    const axis = axisOf(attribute('axis'), x!.shape);
    return Array.from(parts!.data, (size, part) => {
      const from = sum(Array.from(parts!.data.subarray(0, part)));
      return fill(replaced(x!.shape, axis, size), (at) => read(x!, replaced(at, axis, at[axis]! + from)));
    });
  },

  Gather: ([x, indices], { attribute }) => {
    const axis = axisOf(attribute('axis', 0), x!.shape);
    const rank = indices!.shape.length;
    return [
      fill([...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)], (at) =>
        read(x!, [...at.slice(0, axis), read(indices!, at.slice(axis, axis + rank)), ...at.slice(axis + rank)]),
      ),
    ];
  },
  GatherElements: ([x, indices], { attribute }) => {
    const axis = axisOf(attribute('axis', 0), x!.shape);
    return [fill(indices!.shape, (at) => read(x!, replaced(at, axis, read(indices!, at))))];
  },
  ScatterElements: ([x, indices, updates], { attribute, node }) => {
    const axis = axisOf(attribute('axis', 0), x!.shape);
    return [
      scatter(
        x!,
        (put) =>
          updates!.data.forEach((value, position) => {
            const at = coordinates(indices!.shape, position);
            put(replaced(at, axis, read(indices!, at)), value);
          }),
        node.attributes.reduction,
      ),
    ];
  },
  ScatterND: ([x, indices, updates], { node }) => {
    const depth = indices!.shape.at(-1)!;
    const lead = indices!.shape.length - 1;
    return [
      scatter(
        x!,
        (put) =>
          updates!.data.forEach((value, position) => {
            const at = coordinates(updates!.shape, position);
            const row = at.slice(0, lead);
            put([...Array.from({ length: depth }, (_, i) => read(indices!, [...row, i])), ...at.slice(lead)], value);
          }),
        node.attributes.reduction,
      ),
    ];
  },
  ScatterRowsAdd: ([x, indices, updates]) => [
    scatter(
      x!,
      (put) =>
        updates!.data.forEach((value, position) => {
          const [row, column] = coordinates(updates!.shape, position) as [number, number];
          put([read(indices!, [row, 0]), column], value);
        }),
      'add',
    ),
  ],
  TopK: ([x, count], { attribute }) => {
    const axis = axisOf(attribute('axis', -1), x!.shape);
    const shape = replaced(x!.shape, axis, count!.data[0]!);
    const ranked = (at: number[]) =>
      along(x!, at, [axis])
        .map((value, index) => ({ value, index }))
        .sort((a, b) => b.value - a.value || a.index - b.index)[at[axis]!]!;
    return [fill(shape, (at) => ranked(at).value), fill(shape, (at) => ranked(at).index)];
  },

  Gemm: ([a, b, c], { attribute }) => {
    const y = product(a!, b!, attribute('transA', 0) === 1, attribute('transB', 0) === 1);
    return [c ? fill(y.shape, (at) => read(y, at) + spread(c, at)) : y];
  },
  MatMul: ([a, b]) => [product(a!, b!, false, false)],
  FusedMatMul: ([a, b], { attribute }) => {
    const y = product(a!, b!, attribute('transA', 0) === 1, attribute('transB', 0) === 1);
    return [{ shape: y.shape, data: y.data.map((v) => v * attribute('alpha', 1)) }];
  },

  ReduceSum: reduce(sum),
  ReduceMean: reduce((list) => sum(list) / list.length),
  ReduceMax: reduce((list) => Math.max(...list)),
  ReduceSumSquare: reduce((list) => sum(list.map((v) => v * v))),
  LogSumExp: ([x]) => [reduceAxes(x!, [x!.shape.length - 1], true, logSumExp)],
  Expand: ([x, to]) => [fill(Array.from(to!.data), (at) => spread(x!, at))],
  CumSum: ([x, axes]) => {
    const axis = axisOf(axes!.data[0]!, x!.shape);
    return [fill(x!.shape, (at) => sum(along(x!, at, [axis]).slice(0, at[axis]! + 1)))];
  },
  ArgMax: ([x], { attribute }) => [
    reduceAxes(x!, [axisOf(attribute('axis', 0), x!.shape)], attribute('keepdims', 1) === 1, (list) =>
      list.indexOf(Math.max(...list)),
    ),
  ],

  Softmax: ([x], { attribute }) => {
    const axis = axisOf(attribute('axis', -1), x!.shape);
    return [fill(x!.shape, (at) => Math.exp(read(x!, at) - logSumExp(along(x!, at, [axis]))))];
  },
  LayerNormalization: ([x, gain, bias], { attribute }) => {
    const last = x!.shape.length - 1;
    const mean = reduceAxes(x!, [last], true, (list) => sum(list) / list.length);
    const inverse = reduceAxes(x!, [last], true, (list) => {
      const middle = sum(list) / list.length;
      return 1 / Math.sqrt(sum(list.map((v) => (v - middle) ** 2)) / list.length + attribute('epsilon'));
    });
    return [
      fill(
        x!.shape,
        (at) => (read(x!, at) - spread(mean, at)) * spread(inverse, at) * spread(gain!, at) + spread(bias!, at),
      ),
      mean,
      inverse,
    ];
  },
  SimplifiedLayerNormalization: ([x, gain], { attribute }) => {
    const inverse = reduceAxes(
      x!,
      [x!.shape.length - 1],
      true,
      (list) => 1 / Math.sqrt(sum(list.map((v) => v * v)) / list.length + attribute('epsilon')),
    );
    return [fill(x!.shape, (at) => read(x!, at) * spread(inverse, at) * spread(gain!, at)), inverse];
  },
  RotaryEmbedding: ([x, positions, cosine, sine]) => {
    const half = x!.shape[3]! / 2;
    return [
      fill(x!.shape, ([b, h, t, i]) => {
        const pair = i! % half;
        const row = read(positions!, [b!, t!]);
        const c = read(cosine!, [row, pair]);
        const s = read(sine!, [row, pair]);
        const first = read(x!, [b!, h!, t!, pair]);
        const second = read(x!, [b!, h!, t!, pair + half]);
        return i! < half ? first * c - second * s : second * c + first * s;
      }),
    ];
  },

  Loop: ([trips, goOn, ...state], { node, inner }) => {
    const { graph, outputs } = node.body!;
    const [iteration, carriedOn, ...carried] = graph.inputs as [Tensor, Tensor, ...Tensor[]];
    const rows: Values[][] = outputs.slice(1 + state.length).map(() => []);
    let on = goOn!;
    let now: Values[] = state;
    for (let i = 0; i < trips!.data[0]! && on.data[0] !== 0; i++) {
      const given = new Map<Tensor, Values>([
        [iteration, values([], [i])],
        [carriedOn, on],
        ...carried.map((tensor, n) => [tensor, now[n]!] as const),
      ]);
      const results = inner(given, outputs);
      on = results[0]!;
      now = results.slice(1, 1 + state.length);
      results.slice(1 + state.length).forEach((row, n) => rows[n]!.push(row));
    }
    const stacked = rows.map((list, n) => ({
      shape: [list.length, ...outputs[1 + state.length + n]!.shape],
      data: Float64Array.from(list.flatMap((row) => Array.from(row.data))),
    }));
    return [...now, ...stacked];
  },
};
