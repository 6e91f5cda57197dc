// Writes a graph as an ONNX model (opset 21, IR 10): our own protobuf encoder, field numbers as in onnx.proto.
//
// A protobuf message is a row of (field number << 3 | wire type, value); wire type 0 is a varint, 2 is bytes with their
// length in front, 5 is four bytes. That is all ONNX needs.

import type { Attribute, Body, Graph, Node, Tensor } from './graph.ts';

const ELEMENT_TYPE = { float32: 1, int32: 6, int64: 7, bool: 9, bfloat16: 16 } as const;
const MICROSOFT = 'com.microsoft';
type Part = Uint8Array;

function varint(value: number): Part {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest ? low | 0x80 : low);
  } while (rest);
  return Uint8Array.from(bytes);
}
function join(parts: readonly Part[]): Part {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
const whole = (field: number, value: number): Part => join([varint(field << 3), varint(value)]);
const bytes = (field: number, value: Part): Part => join([varint((field << 3) | 2), varint(value.length), value]);
const text = (field: number, value: string): Part => bytes(field, new TextEncoder().encode(value));
const message = (field: number, parts: readonly Part[]): Part => bytes(field, join(parts));
const float = (field: number, value: number): Part =>
  join([varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer)]);

/** Where a tensor's bytes lie in a file beside the model; `location` is relative to it. */
export interface External {
  location: string;
  offset: number;
  length: number;
}
/** Constants, and inputs that become constants, by where their numbers are. */
export type Externals = ReadonlyMap<Tensor, External>;

const EXTERNAL = 1;
/** TensorProto: dims 1, data_type 2, name 8, raw_data 9; or external_data 13 {key 1, value 2} and data_location 14 */
function tensorProto(tensor: Tensor, external: External | undefined): Part[] {
  const head = [
    ...tensor.shape.map((size) => whole(1, size)),
    whole(2, ELEMENT_TYPE[tensor.dtype]),
    text(8, tensor.name),
  ];
  if (external)
    return [
      ...head,
      ...Object.entries(external).map(([key, value]) => message(13, [text(1, key), text(2, String(value))])),
      whole(14, EXTERNAL),
    ];
  const data = tensor.values!;
  return [...head, bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}
/** ValueInfoProto: name 1, type 2 {tensor_type 1 {elem_type 1, shape 2 {dim 1 {dim_value 1}}}} */
function valueInfo(tensor: Tensor): Part[] {
  const shape = message(
    2,
    tensor.shape.map((size) => message(1, [whole(1, size)])),
  );
  return [text(1, tensor.name), message(2, [message(1, [whole(1, ELEMENT_TYPE[tensor.dtype]), shape])])];
}
/** AttributeProto: name 1, f 2, i 3, s 4, g 6, ints 8, type 20 (FLOAT 1, INT 2, STRING 3, GRAPH 5, INTS 7) */
function attributeProto(name: string, value: Attribute): Part[] {
  if (typeof value === 'number') return [text(1, name), whole(3, value), whole(20, 2)];
  if (typeof value === 'string') return [text(1, name), text(4, value), whole(20, 3)];
  if ('float' in value) return [text(1, name), float(2, value.float), whole(20, 1)];
  return [text(1, name), ...value.map((item) => whole(8, item)), whole(20, 7)];
}
/** NodeProto: input 1, output 2, name 3, op_type 4, attribute 5, domain 7 */
function nodeProto(node: Node): Part[] {
  const attributes = Object.entries(node.attributes).map(([name, value]) => message(5, attributeProto(name, value)));
  const body = node.body
    ? [message(5, [text(1, 'body'), message(6, graphProto(node.body, new Map())), whole(20, 5)])]
    : [];
  return [
    ...node.inputs.map((tensor) => text(1, tensor.name)),
    ...node.outputs.map((tensor) => text(2, tensor.name)),
    text(3, node.name),
    text(4, node.operator.name),
    ...attributes,
    ...body,
    ...(node.operator.domain ? [text(7, node.operator.domain)] : []),
  ];
}
/** GraphProto: node 1, name 2, initializer 5, input 11, output 12 */
function graphProto({ graph, outputs }: Body, externals: Externals): Part[] {
  const constants = graph.parent
    ? []
    : [...graph.constants.values(), ...graph.inputs.filter((tensor) => externals.has(tensor))];
  return [
    ...graph.nodes.filter(({ composed }) => !composed).map((node) => message(1, nodeProto(node))),
    text(2, graph.parent ? 'body' : 'main'),
    ...constants.map((tensor) => message(5, tensorProto(tensor, externals.get(tensor)))),
    ...graph.inputs.filter((tensor) => !externals.has(tensor)).map((tensor) => message(11, valueInfo(tensor))),
    ...outputs.map((tensor) => message(12, valueInfo(tensor))),
  ];
}

/**
 * ModelProto: ir_version 1, producer_name 2, graph 7, opset_import 8 {domain 1, version 2}. Bytes ready for the
 * runtime; the numbers of `externals` are left to their files.
 */
export function encodeModel(graph: Graph, outputs: readonly Tensor[], externals: Externals = new Map()): Uint8Array {
  return join([
    whole(1, 10),
    text(2, 'tastemaker'),
    message(7, graphProto({ graph, outputs }, externals)),
    message(8, [text(1, ''), whole(2, 21)]),
    message(8, [text(1, MICROSOFT), whole(2, 1)]),
  ]);
}
