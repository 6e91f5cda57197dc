// The only file that touches onnxruntime-node: opens a model, runs it, and turns what it says into our errors.
//
// `run` blocks this thread until it is done (the binding is synchronous inside), so long work is cut into runs of a second
// or two. Options follow what the runtime was measured to do: opset 21 graphs, denormals flushed, spinning only while
// training, no memory of its own optimised files, sequential execution for bit-identical repeats.

import os from 'node:os';
import * as ort from 'onnxruntime-node';
import { TastemakerError } from '#core/errors.ts';
import type { DType, Shape, TensorData } from './graph.ts';

export interface Value {
  dtype: DType;
  shape: Shape;
  data: TensorData;
}

export interface SessionOptions {
  /** processor threads; all cores when absent */
  threads?: number;
  /** whether idle threads wait actively: faster for many small operators, busy while idle */
  spin?: boolean;
  /** 'all' unless a test compares */
  optimisation?: 'disabled' | 'all';
  /** a file name prefix where the runtime writes its per-operator times */
  profile?: string;
}

export interface Session {
  run(feeds: Readonly<Record<string, Value>>): Promise<Record<string, Value>>;
  /** where the profile was written, when asked for */
  endProfile(): void;
  release(): Promise<void>;
}

/** How long an idle thread waits actively: enough to reach the next operator, short enough to leave the cores to other work (on a busy machine unlimited spinning made a training step 40 % slower). */
const SPIN_MICROSECONDS = '200';

/** Passes over the graph that look for what our graphs never hold (quantised and convolution nodes, norms and attention in parts): each costs a walk over all nodes, which for 30 blocks was two thirds of the time that opening takes. */
const NEVER_MATCHING = [
  'EnsureUniqueDQForNodeUnit', 'DoubleQDQPairsRemover', 'QDQPropagationTransformer', 'WeightBiasQuantization', 'WhereDummyDq', 'QDQS8ToU8Transformer', 'QDQSelectorActionTransformer', 'QDQFinalCleanupTransformer',
  'MatMulIntegerToFloatFusion', 'DynamicQuantizeMatMulFusion', 'MatMulNBitsFusion', 'SliceConcatToSpaceToDepthFusion', 'ConvActivationFusion', 'NchwcTransformer', 'NhwcTransformer', 'ConvAddActivationFusion', 'FreeDimensionOverrideTransformer',
  'GeluFusionL1', 'GeluFusionL2', 'LayerNormFusionL1', 'LayerNormFusionL2', 'SimplifiedLayerNormFusion', 'AttentionFusion', 'EmbedLayerNormFusion', 'GroupQueryAttentionFusion', 'GroupQueryAttentionPreNormFusion', 'BiasDropoutFusion', 'MatMulActivationFusion',
];

/** Opens an encoded model on the processor, or the file of one with the numbers that lie beside it. */
export async function openSession(model: Uint8Array | string, { threads, spin = true, optimisation = 'all', profile }: SessionOptions = {}): Promise<Session> {
  const how: ort.InferenceSession.SessionOptions = {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads ?? processorThreads(),
    executionMode: 'sequential',
    graphOptimizationLevel: optimisation,
    enableMemPattern: false, // a second, contiguous copy of all activations: of 30 blocks 1.2 GB more, and no faster
    logSeverityLevel: 3,
    extra: { session: { set_denormal_as_zero: '1', use_deterministic_compute: '1', intra_op: spin ? { allow_spinning: '1', spin_duration_us: SPIN_MICROSECONDS } : { allow_spinning: '0' } }, optimization: { disable_specified_optimizers: NEVER_MATCHING.join(';') } },
    ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
  };
  const opening = typeof model === 'string' ? ort.InferenceSession.create(model, how) : ort.InferenceSession.create(model, how);
  const inner = await opening.catch((error: unknown) => refuse('opening a graph', error));
  return {
    run: async (feeds) => {
      const given = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, tensorOf(name, value)]));
      const results = await inner.run(given).catch((error: unknown) => refuse('running a graph', error));
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, { dtype: tensor.type as DType, shape: tensor.dims, data: tensor.data as TensorData }]));
    },
    endProfile: () => inner.endProfiling(),
    release: () => inner.release(),
  };
}

function tensorOf(name: string, { dtype, data, shape }: Value): ort.Tensor {
  try {
    return new ort.Tensor(dtype, data as Float32Array, shape);
  } catch (error) {
    return refuse(`taking "${name}"`, error);
  }
}

/** As many threads as there are cores, unless TASTEMAKER_THREADS says otherwise. */
export function processorThreads(): number {
  const asked = Number(process.env.TASTEMAKER_THREADS);
  return Number.isInteger(asked) && asked > 0 ? asked : os.availableParallelism();
}

/** The runtime's version, for manifests. */
export const runtimeVersion = (): string => ort.env.versions.node ?? ort.env.versions.common;

function refuse(doing: string, error: unknown): never {
  const said = error instanceof Error ? error.message : String(error);
  throw new TastemakerError('runtime', `The runtime stopped while ${doing}: ${said.split('\n')[0]}`, 'If it ran out of memory, use a smaller batch; otherwise please report this line.');
}
