// The reverse sweep: uses add up, sums are gathered in place, what cannot be differentiated is named, any expression is
// right.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply1, constant, createGraph, input, sizeOf } from '#core/autodiff/graph.ts';
import type { Operator, Tensor } from '#core/autodiff/graph.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { loop } from '#core/autodiff/loop.ts';
import { encodeModel } from '#core/autodiff/onnx.ts';
import { add, clip, exp, mul, scale, shift, sub, tanh } from '#core/autodiff/ops/elementwise.ts';
import { gather, gatherElements } from '#core/autodiff/ops/indexing.ts';
import { batchMatMul, gemm } from '#core/autodiff/ops/linalg.ts';
import { concat, identity, reshape, slice, transpose } from '#core/autodiff/ops/movement.ts';
import { logSumExp } from '#core/autodiff/ops/nn.ts';
import { expand, reduceSum, sumAll } from '#core/autodiff/ops/reduction.ts';
import { openSession } from '#core/autodiff/session.ts';
import { createRandom } from '#core/random.ts';
import { expectClose, refusalOf, slopes } from './comparisons.ts';
import { interpret, values } from './interpreter.ts';
import type { Values } from './interpreter.ts';

const random = createRandom(11, 'gradient tests');
const normal = (shape: readonly number[]) =>
  values(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );

describe('a tensor used several times', () => {
  test('gets the sum of what its uses send back', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2]);
    const y = mul(x, x);
    const loss = sumAll(add(add(mul(y, x), scale(y, 3)), x)); // x³ + 3x² + x
    const [dx] = gradients(loss, [x]);
    expect([...interpret([dx!], new Map([[x, values([2], [2, -1])]]))[0]!.data]).toEqual([25, -2]); // 3x² + 6x + 1
  });
  test('also where the loss is one of its uses, and where it is the loss', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', []);
    const y = mul(x, x);
    const given = new Map([[x, values([], [3])]]);
    const numbers = (tensors: Tensor[]) => interpret(tensors, given).map(({ data }) => data[0]);
    expect(numbers(gradients(y, [x, y]))).toEqual([6, 1]);
    expect(numbers(gradients(add(y, x), [y, x]))).toEqual([1, 7]);
  });
  test('gives inner tensors their gradient too, and two sweeps of one graph do not disturb each other', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2, 2]);
    const h = tanh(x);
    const y = mul(h, h);
    const given = new Map([[x, normal([2, 2])]]);
    const [first] = gradients(sumAll(y), [h]);
    const [second] = gradients(sumAll(y), [h]);
    const [twice, a, b] = interpret([scale(h, 2), first!, second!], given);
    expect(a!.data).toEqual(twice!.data);
    expect(b!.data).toEqual(twice!.data);
  });
  test('and so do the outputs of composed operators', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [1, 3]);
    const y = logSumExp(x);
    const given = new Map([[x, values([1, 3], [0, 0, 0])]]);
    const [dy, dx] = gradients(sumAll(mul(y, y)), [y, x]);
    const top = 2 * Math.log(3);
    const [atY, atX] = interpret([dy!, dx!], given);
    expectClose(atY!.data, [top], 1e-12, 'dy');
    expectClose(atX!.data, [top / 3, top / 3, top / 3], 1e-12, 'dx');
  });
  test('can be differentiated again: x³ to 6x', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [3]);
    const [dx] = gradients(sumAll(mul(mul(x, x), x)), [x]);
    const [ddx] = gradients(sumAll(dx!), [x]);
    expectClose(
      interpret([ddx!], new Map([[x, values([3], [1, -2, 0.5])]]))[0]!.data,
      [6, -12, 3],
      1e-12,
      'second derivative',
    );
  });
});

describe('a gradient gathered in place', () => {
  const V = 7;
  const C = 3;
  const TOKENS = [2, 5, 2, 0];
  const NEXT = [5, 2, 0, 6];
  /** mean cross-entropy of a one-layer language model whose embedding and head may be one matrix */
  function losses(embedding: Tensor, head: Tensor, headFirst: boolean): Tensor {
    const { graph } = embedding;
    const B = TOKENS.length;
    const read = (at: Tensor) => {
      // the same sum in two orders, so that either use is the one that the sweep meets first
      const logits = gemm(tanh(at), head, { transB: true });
      return sub(logSumExp(logits), gatherElements(logits, constant(graph, 'int32', [B, 1], NEXT), 1));
    };
    const rows = gather(embedding, constant(graph, 'int32', [B], TOKENS));
    const loss = sumAll(read(rows));
    return headFirst
      ? add(
          loss,
          sumAll(
            mul(
              gather(embedding, constant(graph, 'int32', [2], [1, 1])),
              gather(head, constant(graph, 'int32', [2], [3, 4])),
            ),
          ),
        )
      : loss;
  }
  test.each([
    ['embedding and head', false],
    ['embedding, head and rows of both', true],
  ])('%s: equals separate addition', async (_, more) => {
    const weight = normal([V, C]);
    const tied = createGraph();
    const w = input(tied, 'w', 'float32', [V, C]);
    const tiedLoss = losses(w, w, more);
    const before = tied.nodes.length;
    const [dw] = gradients(tiedLoss, [w]);
    const apart = createGraph();
    const we = input(apart, 'e', 'float32', [V, C]);
    const wh = input(apart, 'h', 'float32', [V, C]);
    const [de, dh] = gradients(losses(we, wh, more), [we, wh]);
    const given = new Map([[w, weight]]);
    const [got] = interpret([dw!], given);
    const [e, h] = interpret(
      [de!, dh!],
      new Map([
        [we, weight],
        [wh, weight],
      ]),
    );
    expectClose(
      got!.data,
      e!.data.map((v, i) => v + h!.data[i]!),
      1e-13,
      'tied gradient',
    );
    expectClose(got!.data, slopes(tiedLoss, [w], given)[0]!, 1e-6, 'tied gradient, against finite differences');
    // and at no cost of its own: no addition of two matrices of the weight's shape
    expect(
      tied.nodes
        .slice(before)
        .filter((node) => node.operator.name === 'Add' && node.outputs[0]!.shape.join() === `${V},${C}`),
    ).toEqual([]);

    const out = identity(dw!);
    const session = await openSession(encodeModel(tied, [out]), { threads: 1, spin: false });
    const result = await session.run({ w: { dtype: 'float32', shape: [V, C], data: Float32Array.from(weight.data) } });
    await session.release();
    expectClose(result[out.name]!.data, got!.data, 1e-5, 'tied gradient of the runtime');
  });
  test('a matrix on both sides of its own product, transposed each way', () => {
    for (const transA of [false, true])
      for (const transB of [false, true]) {
        const graph = createGraph();
        const x = input(graph, 'x', 'float32', [3, 3]);
        const given = new Map([[x, normal([3, 3])]]);
        const y = gemm(x, gemm(x, x, { transA, transB }), { transA: transB, add: x });
        const loss = sumAll(mul(y, y));
        const [dx] = gradients(loss, [x]);
        expectClose(
          interpret([dx!], given)[0]!.data,
          slopes(loss, [x], given)[0]!,
          1e-6,
          `transA ${transA}, transB ${transB}`,
        );
      }
  });
});

describe('what cannot be differentiated is named', () => {
  test('a loss that does not depend on a parameter', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2]);
    const unused = input(graph, 'blocks.3.bias', 'float32', [2]);
    const error = refusalOf(() => gradients(sumAll(mul(x, x)), [x, unused]));
    expect([error.code, error.message]).toEqual(['bad-graph', 'The loss does not depend on "blocks.3.bias".']);
  });
  test('a loss with a shape', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2, 3]);
    expect(refusalOf(() => gradients(mul(x, x), [x])).message).toBe('The loss has shape [2, 3].');
  });
  test('a rule with a wrong number or shape of gradients', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2, 3]);
    const broken = (gradient: Operator['gradient']) =>
      sumAll(apply1({ name: 'Broken', infer: () => [{ dtype: 'float32', shape: [2, 3] }], gradient }, [x, x]));
    expect(
      refusalOf(() =>
        gradients(
          broken(({ dy }) => [dy]),
          [x],
        ),
      ).message,
    ).toMatch(/^Broken "Broken\.\d+" gave 1 gradients for 2 inputs\.$/);
    expect(
      refusalOf(() =>
        gradients(
          broken(({ dy }) => [null, sumAll(dy)]),
          [x],
        ),
      ).message,
    ).toMatch(/^Broken "Broken\.\d+": expected a gradient of \[2, 3\], got \[\]\.$/);
  });
  test('a loop whose body reads a parameter, even where the parameter has other uses', () => {
    const graph = createGraph();
    const w = input(graph, 'w', 'float32', [2]);
    const start = constant(graph, 'float32', [2], [1, 2]);
    const { carried } = loop(graph, 2, [start], (_, [state]) => ({ carried: [mul(state!, w)], stacked: [] }));
    expect(refusalOf(() => gradients(sumAll(add(carried[0]!, w)), [w])).message).toMatch(
      /^Loop "Loop\.\d+" has no derivative/,
    );
  });
});

test('inside a body: tensors from outside get their gradient, also through nodes that stand outside', () => {
  const graph = createGraph();
  const w = input(graph, 'w', 'float32', [2]);
  const x = input(graph, 'x', 'float32', [2]);
  const { carried } = loop(graph, 1, [x], (_, [state]) => {
    const squared = mul(w, w); // needs nothing of the body, so it lands outside
    expect(squared.graph).toBe(graph);
    return { carried: [gradients(sumAll(add(mul(squared, state!), w)), [w])[0]!], stacked: [] };
  });
  const [dw] = interpret(
    carried,
    new Map([
      [w, values([2], [3, 5])],
      [x, values([2], [7, 11])],
    ]),
  );
  expect([...dw!.data]).toEqual([2 * 3 * 7 + 1, 2 * 5 * 11 + 1]);
});

// Random expressions: a list of steps, each of which takes tensors made so far and keeps one more.
type Step = readonly [kind: number, first: number, second: number];
const BOUND = 0.8;
const steps: readonly ((a: Tensor, b: Tensor) => Tensor | null)[] = [
  (a, b) => (fits(a, b) ? add(a, b) : null),
  (a, b) => (fits(a, b) ? mul(a, b) : null),
  (a, b) => (fits(a, b) ? sub(b, tanh(a)) : null),
  (a) => exp(clip(a, -BOUND, BOUND)),
  (a, b) => (a.shape.length === 2 && b.shape.length === 2 && a.shape[1] === b.shape[0] ? gemm(a, b) : null),
  (a, b) =>
    a.shape.length === 2 && b.shape.length === 2 && a.shape[1] === b.shape[1] ? gemm(a, b, { transB: true }) : null,
  (a, b) =>
    a.shape.length === 3 && b.shape.length === 3 && a.shape.join() === b.shape.join()
      ? batchMatMul(a, b, { transA: true, scale: 0.7 })
      : null,
  (a) => reshape(a, a.shape.length === 2 ? [a.shape[1]!, a.shape[0]!] : [sizeOf(a.shape)]),
  (a) =>
    a.shape.length > 1
      ? transpose(
          a,
          a.shape.map((_, i) => (i + 1) % a.shape.length),
        )
      : null,
  (a) => (a.shape.length > 0 ? reduceSum(a, [a.shape.length - 1], a.shape.length % 2 === 0) : null),
  (a, b) => (a.shape.length > 0 && a.shape.join() === b.shape.join() ? concat([a, b], 0) : null),
  (a) => ((a.shape[0] ?? 0) > 1 ? slice(a, 0, 1, a.shape[0]!) : null),
  (a) => (a.shape.length === 2 ? expand(reshape(a, [1, ...a.shape]), [2, ...a.shape]) : null),
  (a) => shift(scale(a, -0.5), 0.3),
];
function fits(a: Tensor, b: Tensor): boolean {
  return a.shape.every((_, i) => {
    const x = a.shape.at(-1 - i);
    const y = b.shape.at(-1 - i);
    return y === undefined || x === y || x === 1 || y === 1;
  });
}

test('random expressions agree with finite differences', () => {
  const met = new Set<number>();
  const step: fc.Arbitrary<Step> = fc.tuple(fc.nat(steps.length - 1), fc.nat(20), fc.nat(20));
  fc.assert(
    fc.property(fc.array(step, { minLength: 3, maxLength: 9 }), fc.nat(1e6), (list, seed) => {
      const graph = createGraph();
      const numbers = createRandom(seed, 'leaves');
      const leaves = [[2, 3], [3, 2], [3], [2, 2, 2]].map((shape, i) => input(graph, `x${i}`, 'float32', shape));
      const given = new Map<Tensor, Values>(
        leaves.map((x) => [
          x,
          values(
            x.shape,
            Array.from({ length: sizeOf(x.shape) }, () => 2 * numbers.uniform() - 1),
          ),
        ]),
      );
      const made = [...leaves];
      for (const [kind, first, second] of list) {
        // the first pair, counted from the two numbers, that the step can take
        const turned = (by: number) => made.map((_, i) => made[(i + by) % made.length]!);
        const next = turned(first).reduce<Tensor | null>(
          (found, a) => turned(second).reduce<Tensor | null>((found, b) => found ?? steps[kind]!(a, b), found),
          null,
        );
        if (!next || sizeOf(next.shape) > 40) continue;
        met.add(kind);
        made.push(next);
      }
      // every leaf counts, and so does everything that was made
      const loss = made.map((x) => sumAll(mul(x, x))).reduce((a, b) => add(a, b));
      const clipped = graph.nodes.filter((node) => node.operator.name === 'Clip').map((node) => node.inputs[0]!);
      const known = interpret([loss, ...clipped], given);
      // at a kink or among huge numbers a difference says nothing about the slope
      fc.pre(
        known[0]!.data[0]! < 1e5 &&
          known.slice(1).every((x) => x.data.every((v) => Math.abs(Math.abs(v) - BOUND) > 1e-2)),
      );
      const exact = interpret(gradients(loss, leaves), given);
      slopes(loss, leaves, given).forEach((slope, i) => expectClose(exact[i]!.data, slope, 1e-6, `gradient of x${i}`));
    }),
    { numRuns: 60 },
  );
  expect(met.size).toBe(steps.length);
});
