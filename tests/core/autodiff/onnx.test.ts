// What we encode, read back by an independent protobuf decoder with the message definitions of onnx.proto.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply, apply1, constant, createGraph, input, scoped } from '#core/autodiff/graph.ts';
import type { Attributes, DType, Operator, TensorType } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import { encodeModel } from '#core/autodiff/onnx.ts';
import { add, silu, sub } from '#core/autodiff/ops/elementwise.ts';
import { identity } from '#core/autodiff/ops/movement.ts';
import { logSumExp } from '#core/autodiff/ops/nn.ts';
import { decode } from './decode-onnx.ts';
import type { Info } from './decode-onnx.ts';

const CODE: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9, bfloat16: 16 };
const typeRead = ({ name, type }: Info) => [
  name,
  type.tensor_type.elem_type,
  type.tensor_type.shape.dim.map((dim) => Number(dim.dim_value)),
];
const typeOf = ({ name, dtype, shape }: TensorType & { name: string }) => [name, CODE[dtype], [...shape]];
const anything = (attributesOut: TensorType[]): Operator => ({
  name: 'Anything',
  infer: () => attributesOut,
  gradient: null,
});

describe('a model', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [2, 3]);
  const flag = input(graph, 'flag', 'bool', []);
  const c = constant(graph, 'float32', [3], [0.1, -2, 3e-30]);
  const big = constant(graph, 'int64', [2], [-3, 2 ** 40 + 1]);
  const yes = constant(graph, 'bool', [3], [1, 0, 1]);
  const few = constant(graph, 'int32', [1, 2], [-7, 2 ** 31 - 1]);
  const sum = scoped(graph, 'block 1', () => add(x, c));
  const y = silu(sum);
  const z = identity(flag);
  const model = decode(encodeModel(graph, [y, z]));

  test('has no field that onnx.proto lacks (and one is noticed)', () => {
    const bytes = encodeModel(graph, [y, z]);
    expect(() => decode(bytes)).not.toThrow();
    for (const odd of [
      [0x78, 1],
      [0x09, 0, 0, 0, 0, 0, 0, 0, 0],
      [0x3a, 2, 0x78, 1],
    ])
      expect(() => decode(Uint8Array.from([...bytes, ...odd])), `${odd}`).toThrow(
        'fields that onnx.proto does not have',
      );
  });
  test('states its versions', () => {
    expect(model.ir_version).toBe('10');
    expect(model.opset_import).toEqual([
      { domain: '', version: '21' },
      { domain: 'com.microsoft', version: '1' },
    ]);
    expect([model.producer_name, model.graph.name]).toEqual(['tastemaker', 'main']);
  });
  test('keeps nodes, in order, with names, domains and wiring', () => {
    expect(
      model.graph.node.map(({ op_type, name, domain, input, output }) => ({ op_type, name, domain, input, output })),
    ).toEqual([
      { op_type: 'Add', name: sum.node!.name, domain: '', input: ['x', c.name], output: [sum.name] },
      { op_type: 'QuickGelu', name: y.node!.name, domain: 'com.microsoft', input: [sum.name], output: [y.name] },
      { op_type: 'Identity', name: z.node!.name, domain: '', input: ['flag'], output: [z.name] },
    ]);
    expect(sum.node!.name).toMatch(/^block 1\/Add\.\d+$/);
    expect(model.graph.node[1]!.attribute).toMatchObject([{ name: 'alpha', type: 1, f: 1 }]);
  });
  test('keeps inputs and outputs with types and shapes, scalars too', () => {
    expect(model.graph.input.map(typeRead)).toEqual([x, flag].map(typeOf));
    expect(model.graph.output.map(typeRead)).toEqual([y, z].map(typeOf));
  });
  test('keeps constants bit for bit', () => {
    expect(model.graph.initializer.map(({ name, data_type, dims }) => [name, data_type, dims.map(Number)])).toEqual(
      [c, big, yes, few].map(typeOf),
    );
    const [floats, longs, bools, wholes] = model.graph.initializer.map(
      ({ raw_data }) => raw_data.slice().buffer as ArrayBuffer,
    ) as [ArrayBuffer, ArrayBuffer, ArrayBuffer, ArrayBuffer];
    expect(new Float32Array(floats)).toEqual(Float32Array.of(0.1, -2, 3e-30));
    expect(new BigInt64Array(longs)).toEqual(BigInt64Array.of(-3n, 2n ** 40n + 1n));
    expect(new Uint8Array(bools)).toEqual(Uint8Array.of(1, 0, 1));
    expect(new Int32Array(wholes)).toEqual(Int32Array.of(-7, 2 ** 31 - 1));
  });
  test('gives a part of a larger array only its own bytes', () => {
    const graph = createGraph();
    const whole = Float32Array.from({ length: 200 }, (_, i) => i);
    const part = constant(graph, 'float32', [100], whole.subarray(50, 150));
    const { initializer } = decode(encodeModel(graph, [identity(part)])).graph;
    expect(new Float32Array(initializer[0]!.raw_data.slice().buffer)).toEqual(whole.slice(50, 150));
  });
});

test('a loop holds its body: own inputs and outputs, no constants, names from outside', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [2]);
  const w = input(graph, 'w', 'float32', [2]);
  const { carried, stacked } = loop(graph, 4, [x], (_, [state]) => ({ carried: [add(state!, w)], stacked: [state!] }));
  const model = decode(encodeModel(graph, [...carried, ...stacked]));
  const node = model.graph.node.find(({ op_type }) => op_type === 'Loop')!;
  expect(node.attribute.map(({ name, type }) => [name, type])).toEqual([['body', 5]]);
  const body = node.attribute[0]!.g!;
  const ours = carried[0]!.node!.body!;
  expect(body.input.map(typeRead)).toEqual(ours.graph.inputs.map(typeOf));
  expect(body.input.map((info) => typeRead(info).slice(1))).toEqual([
    [7, []],
    [9, []],
    [1, [2]],
  ]);
  expect(body.output.map(typeRead)).toEqual(ours.outputs.map(typeOf));
  expect(body.initializer).toEqual([]);
  expect(body.node.map(({ op_type }) => op_type)).toEqual(['Add', 'Identity', 'Identity']);
  expect(body.node[0]!.input).toEqual([body.input[2]!.name, 'w']);
  expect(model.graph.initializer.map(({ name }) => name)).toEqual(
    expect.arrayContaining([node.input[0]!, node.input[1]!]),
  );
  expect(stacked[0]!.shape).toEqual([4, 2]);
  // no name is given twice, inside or out: the runtime has one scope for both
  const made = [...model.graph.node, ...body.node].flatMap(({ output }) => output);
  const names = [...made, ...[...model.graph.input, ...body.input, ...model.graph.initializer].map(({ name }) => name)];
  expect(new Set(names).size).toBe(names.length);
});

const whole = fc.oneof(
  fc.integer({ min: -5, max: 300 }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -1, 127, 128, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1, -(2 ** 31), -(2 ** 53) + 1),
);
const attribute = fc.oneof(
  whole,
  fc.array(whole, { minLength: 1, maxLength: 6 }),
  fc.string({ unit: 'grapheme' }),
  fc.float({ noNaN: true }).map((float) => ({ float })),
);
const shape = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(127, 128, 50_257, 2 ** 33)), {
  maxLength: 5,
});
const type: fc.Arbitrary<TensorType> = fc.record({
  dtype: fc.constantFrom<DType>('float32', 'int32', 'int64', 'bool'),
  shape,
});
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });

test('a body returns each name once, and none that it was given, though the runtime would bear it', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [2]);
  const w = input(graph, 'w', 'float32', [2]);
  const { carried, stacked } = loop(graph, 2, [x, x], (_, [a, b]) => {
    const sum = add(a!, b!);
    return { carried: [sum, sum], stacked: [sum, a!, a!, w] };
  });
  const body = decode(encodeModel(graph, [...carried, ...stacked])).graph.node[0]!.attribute[0]!.g!;
  const returned = body.output.map(({ name }) => name);
  expect(new Set(returned).size).toBe(7);
  expect(returned.filter((name) => !body.node.some(({ output }) => output.includes(name)))).toEqual([]);
});

test('of a composed operator, only the parts are written, inside a body too', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [2, 3]);
  const { carried } = loop(graph, 2, [x], (_, [state]) => ({ carried: [sub(state!, logSumExp(state!))], stacked: [] }));
  const y = logSumExp(carried[0]!);
  const model = decode(encodeModel(graph, [y]));
  const parts = ['ReduceMax', 'Softmax', 'ReduceMax', 'Log', 'Sub'];
  expect(model.graph.node.map(({ op_type }) => op_type)).toEqual(['Loop', ...parts]);
  expect(
    model.graph.node[0]!.attribute[0]!.g!.node.map(({ op_type }) => op_type).filter((name) => name !== 'Identity'),
  ).toEqual([...parts, 'Sub']);
});

test('any attributes, types and names survive', () => {
  fc.assert(
    fc.property(
      fc.dictionary(name, attribute, { maxKeys: 5, noNullPrototype: true }),
      fc.array(type, { minLength: 1, maxLength: 4 }),
      type,
      name,
      (attributes: Attributes, types, given, inputName) => {
        const graph = createGraph();
        const x = input(graph, inputName, given.dtype, given.shape);
        const outputs = apply(anything(types), [x], attributes);
        const { graph: read } = decode(encodeModel(graph, outputs));
        expect(read.input.map(typeRead)).toEqual([typeOf(x)]);
        expect(read.output.map(typeRead)).toEqual(outputs.map(typeOf));
        const got = read.node[0]!.attribute.map(({ name, type, f, i, s, ints }) => [
          name,
          type === 1
            ? { float: f }
            : type === 2
              ? Number(i)
              : type === 3
                ? new TextDecoder().decode(s)
                : type === 7
                  ? ints.map(Number)
                  : null,
        ]);
        expect(Object.fromEntries(got)).toEqual({ ...attributes });
      },
    ),
    { numRuns: 150 },
  );
});

test('any constant survives', () => {
  const constants = fc.oneof(
    fc.tuple(fc.constant<DType>('float32'), fc.array(fc.float(), { minLength: 1, maxLength: 80 })),
    fc.tuple(fc.constant<DType>('int64'), fc.array(fc.maxSafeInteger(), { minLength: 1, maxLength: 80 })),
    fc.tuple(fc.constant<DType>('int32'), fc.array(fc.integer(), { minLength: 1, maxLength: 80 })),
  );
  const READ = { float32: Float32Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array };
  fc.assert(
    fc.property(fc.array(constants, { minLength: 1, maxLength: 4 }), (list) => {
      const graph = createGraph();
      const made = list.map(([dtype, numbers]) => constant(graph, dtype, [numbers.length], numbers));
      const { initializer } = decode(
        encodeModel(graph, [apply1(anything([{ dtype: 'bool', shape: [] }]), made)]),
      ).graph;
      list.forEach(([dtype, numbers], i) => {
        const { raw_data } = initializer.find(({ name }) => name === made[i]!.name)!;
        expect(Array.from(new READ[dtype as keyof typeof READ](raw_data.slice().buffer), Number)).toEqual(
          numbers.map(Number),
        );
      });
    }),
    { numRuns: 60 },
  );
});
