// Makes ONNX Runtime log where it places each node: `node --import ./build/log-runtime.mjs PROGRAM`.
//
// Every session that PROGRAM opens gets the options it asks for and the most talkative log, on standard error. The
// check of
// a graphics card reads node placements there; no interface of the runtime tells them.
import { createRequire } from 'node:module';
import ort from 'onnxruntime-node';

const VERBOSE = 0;
const { InferenceSession } = ort;
const create = InferenceSession.create.bind(InferenceSession);
const talkative = (options) => ({ ...options, logSeverityLevel: VERBOSE, logVerbosityLevel: 1 });
/** create(model), create(model, options), create(buffer, offset, length, options) */
InferenceSession.create = (model, ...rest) => {
  const options = rest.findLast((one) => typeof one === 'object') ?? {};
  return create(model, ...rest.filter((one) => typeof one !== 'object'), talkative(options));
};
// named imports of a CommonJS package see its exports, so it must be the one class
if (createRequire(import.meta.url)('onnxruntime-node').InferenceSession !== InferenceSession)
  throw new Error('onnxruntime-node is there twice');
