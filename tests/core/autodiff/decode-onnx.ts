// Reads an ONNX model with an independent protobuf decoder and the message definitions of onnx.proto.

import protobuf from 'protobufjs';
import { expect } from 'vitest';

// onnx.proto3 of ONNX 1.17 (IR version 10), the messages and fields that a model without sparse tensors or functions
// has
const PROTO = `syntax = "proto3"; package onnx;
message AttributeProto {
  string name = 1; string ref_attr_name = 21; string doc_string = 13; int32 type = 20;
  float f = 2; int64 i = 3; bytes s = 4; TensorProto t = 5; GraphProto g = 6;
  repeated float floats = 7; repeated int64 ints = 8; repeated bytes strings = 9; repeated TensorProto tensors = 10; repeated GraphProto graphs = 11;
}
message ValueInfoProto { string name = 1; TypeProto type = 2; string doc_string = 3; }
message NodeProto {
  repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; string domain = 7; string overload = 8;
  repeated AttributeProto attribute = 5; string doc_string = 6;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message ModelProto {
  int64 ir_version = 1; repeated OperatorSetIdProto opset_import = 8; string producer_name = 2; string producer_version = 3; string domain = 4;
  int64 model_version = 5; string doc_string = 6; GraphProto graph = 7;
}
message GraphProto {
  repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5; string doc_string = 10;
  repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12; repeated ValueInfoProto value_info = 13;
}
message TensorProto {
  repeated int64 dims = 1; int32 data_type = 2; repeated float float_data = 4; repeated int32 int32_data = 5; repeated bytes string_data = 6;
  repeated int64 int64_data = 7; string name = 8; string doc_string = 12; bytes raw_data = 9; repeated StringStringEntryProto external_data = 13; int32 data_location = 14;
}
message StringStringEntryProto { string key = 1; string value = 2; }
message TensorShapeProto { message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } } repeated Dimension dim = 1; }
message TypeProto { message Tensor { int32 elem_type = 1; TensorShapeProto shape = 2; } oneof value { Tensor tensor_type = 1; } }`;

interface Attribute {
  name: string;
  type: number;
  f: number;
  i: string;
  s: Uint8Array;
  g: GraphRead | null;
  ints: string[];
}
export interface Info {
  name: string;
  type: { tensor_type: { elem_type: number; shape: { dim: { dim_value: string }[] } } };
}
interface NodeRead {
  input: string[];
  output: string[];
  name: string;
  op_type: string;
  domain: string;
  attribute: Attribute[];
}
interface InitializerRead {
  dims: string[];
  data_type: number;
  name: string;
  raw_data: Uint8Array;
  external_data: { key: string; value: string }[];
  data_location: number;
}
interface GraphRead {
  node: NodeRead[];
  name: string;
  initializer: InitializerRead[];
  input: Info[];
  output: Info[];
}
export interface ModelRead {
  ir_version: string;
  producer_name: string;
  opset_import: { domain: string; version: string }[];
  graph: GraphRead;
}

const ModelProto = protobuf.parse(PROTO, { keepCase: true }).root.lookupType('onnx.ModelProto');

/** Decodes, and makes sure that there is no field and no type on the wire that onnx.proto does not have. */
export function decode(bytes: Uint8Array): ModelRead {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = false;
  const message = ModelProto.decode(reader);
  expect(ModelProto.verify(message)).toBeNull();
  expect(unknownFields(message), 'fields that onnx.proto does not have').toEqual([]);
  return ModelProto.toObject(message, { longs: String, defaults: true, arrays: true }) as ModelRead;
}
function unknownFields(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  const { $unknowns = [] } = value as { $unknowns?: unknown[] };
  return [
    ...$unknowns,
    ...Object.entries(value).flatMap(([key, inner]) => (key === '$unknowns' ? [] : unknownFields(inner))),
  ];
}
