// The only file that touches onnxruntime-node: opens a model, runs it, and turns what it says into our errors.
//
// `run` blocks this thread until it is done (the binding is synchronous inside), so long work is cut into runs of a
// second
// or two. Options follow what the runtime was measured to do: opset 21 graphs, denormals flushed, spinning only while
// training, no memory of its own optimised files, sequential execution for bit-identical repeats. On WebGPU a result
// may
// stay on the device and be given to the next run; the binding has no such thing for CUDA.

import os from 'node:os';
import * as ort from 'onnxruntime-node';
import { TastemakerError, sentenceOf } from '#core/errors.ts';
import { chosenDevice } from './device.ts';
import type { Device, Provider } from './device.ts';
import type { DType, Shape, TensorData } from './graph.ts';

export interface Value {
  dtype: DType;
  shape: Shape;
  data: TensorData;
}

/** A tensor that lies on the device, until it is let go. */
export interface Held {
  dtype: DType;
  shape: Shape;
  tensor: ort.Tensor;
}

export interface SessionOptions {
  /** what to compute on; what this process was told to (TASTEMAKER_DEVICE) when absent */
  device?: Device;
  /** processor threads; all cores when absent */
  threads?: number;
  /** whether idle threads wait actively: faster for many small operators, busy while idle */
  spin?: boolean;
  /** 'all' unless a test compares */
  optimisation?: 'disabled' | 'all';
  /** a file name prefix where the runtime writes its per-operator times */
  profile?: string;
}

export interface OpenOptions extends SessionOptions {
  /** outputs that stay on the device (WebGPU) */
  hold?: readonly string[];
  /** the numbers of initialisers that the model only names, by their location */
  beside?: readonly { path: string; data: TensorData }[];
}

export interface Session {
  /** What comes out, but for what is held. Outputs named in `into` are written there. */
  run(
    feeds: Readonly<Record<string, Value | Held>>,
    into?: Readonly<Record<string, Value>>,
  ): Promise<Record<string, Value>>;
  /** The same with what is held; the caller lets it go. */
  runHolding(
    feeds: Readonly<Record<string, Value | Held>>,
  ): Promise<{ values: Record<string, Value>; held: Record<string, Held> }>;
  /** where the profile was written, when asked for */
  endProfile(): void;
  release(): Promise<void>;
}

/**
 * How long an idle thread waits actively: enough to reach the next operator, short enough to leave the cores to other
 * work (on a busy machine unlimited spinning made a training step 40 % slower).
 */
const SPIN_MICROSECONDS = '200';

/**
 * Passes over the graph that look for what our graphs never hold (quantised and convolution nodes, norms and attention
 * in parts): each costs a walk over all nodes, which for 30 blocks was two thirds of the time that opening takes.
 */
const NEVER_MATCHING = [
  'EnsureUniqueDQForNodeUnit',
  'DoubleQDQPairsRemover',
  'QDQPropagationTransformer',
  'WeightBiasQuantization',
  'WhereDummyDq',
  'QDQS8ToU8Transformer',
  'QDQSelectorActionTransformer',
  'QDQFinalCleanupTransformer',
  'MatMulIntegerToFloatFusion',
  'DynamicQuantizeMatMulFusion',
  'MatMulNBitsFusion',
  'SliceConcatToSpaceToDepthFusion',
  'ConvActivationFusion',
  'NchwcTransformer',
  'NhwcTransformer',
  'ConvAddActivationFusion',
  'FreeDimensionOverrideTransformer',
  'GeluFusionL1',
  'GeluFusionL2',
  'LayerNormFusionL1',
  'LayerNormFusionL2',
  'SimplifiedLayerNormFusion',
  'AttentionFusion',
  'EmbedLayerNormFusion',
  'GroupQueryAttentionFusion',
  'GroupQueryAttentionPreNormFusion',
  'BiasDropoutFusion',
  'MatMulActivationFusion',
];

/**
 * What a provider takes beyond the rest. WebGPU: a node that would run on the processor is a fault of ours, not to be
 * hidden.
 */
const EXTRA: Readonly<Record<Provider, Record<string, string>>> = {
  cpu: {},
  cuda: {},
  webgpu: { disable_cpu_ep_fallback: '1' },
};

const open = new Set<ort.InferenceSession>();
/** Lets go of every session, for work that failed and left them behind: what they hold on a device comes back. */
export async function releaseSessions(): Promise<void> {
  const left = [...open];
  open.clear();
  for (const session of left) await session.release();
}

/** Opens an encoded model, or the file of one with the numbers that lie beside it. */
export async function openSession(
  model: Uint8Array | string,
  {
    device = chosenDevice(),
    threads,
    spin = true,
    optimisation = 'all',
    profile,
    hold = [],
    beside = [],
  }: OpenOptions = {},
): Promise<Session> {
  const { provider } = device;
  const how: ort.InferenceSession.SessionOptions = {
    executionProviders: [provider],
    intraOpNumThreads: threads ?? processorThreads(),
    executionMode: 'sequential',
    graphOptimizationLevel: optimisation,
    enableMemPattern: false, // a second, contiguous copy of all activations: of 30 blocks 1.2 GB more, and no faster
    logSeverityLevel: 3,
    extra: {
      session: {
        ...EXTRA[provider],
        set_denormal_as_zero: '1',
        use_deterministic_compute: device.sums === 'exact' ? '1' : '0',
        intra_op:
          spin && provider === 'cpu'
            ? { allow_spinning: '1', spin_duration_us: SPIN_MICROSECONDS }
            : { allow_spinning: '0' },
      },
      optimization: { disable_specified_optimizers: NEVER_MATCHING.join(';') },
    },
    ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
    ...(hold.length
      ? { preferredOutputLocation: Object.fromEntries(hold.map((name) => [name, 'gpu-buffer' as const])) }
      : {}),
    ...(beside.length
      ? {
          externalData: beside.map(({ path, data }) => ({
            path,
            data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
          })),
        }
      : {}),
  };
  const holds = new Set(hold);
  const opening =
    typeof model === 'string' ? ort.InferenceSession.create(model, how) : ort.InferenceSession.create(model, how);
  const inner = await opening.catch((error: unknown) => refuse('opening a graph', error));
  open.add(inner);
  const run = async (feeds: Readonly<Record<string, Value | Held>>, into: Readonly<Record<string, Value>> = {}) => {
    const given = Object.fromEntries(
      Object.entries(feeds).map(([name, value]) => [name, 'tensor' in value ? value.tensor : tensorOf(name, value)]),
    );
    const wanted = Object.fromEntries(
      inner.outputNames.map((name) => [name, into[name] ? tensorOf(name, into[name]) : null]),
    );
    const results = await inner.run(given, wanted).catch((error: unknown) => refuse('running a graph', error));
    const values: Record<string, Value> = {};
    const held: Record<string, Held> = {};
    for (const [name, tensor] of Object.entries(results)) {
      const type = { dtype: tensor.type as DType, shape: tensor.dims };
      if (holds.has(name)) held[name] = { ...type, tensor };
      else if (into[name]) {
        // the binding copies every result; the copy goes now, not when the collector comes by
        (tensor.data as Float32Array<ArrayBuffer>).buffer.transfer(0);
        values[name] = into[name];
      } else values[name] = { ...type, data: tensor.data as TensorData };
    }
    return { values, held };
  };
  return {
    run: async (feeds, into) => (await run(feeds, into)).values,
    runHolding: (feeds) => run(feeds),
    endProfile: () => inner.endProfiling(),
    release: () => (open.delete(inner) ? inner.release() : Promise.resolve()),
  };
}

function tensorOf(name: string, { dtype, data, shape }: Value): ort.Tensor {
  try {
    return new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
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
  const said = sentenceOf(error);
  throw new TastemakerError(
    'runtime',
    `The runtime stopped while ${doing}: ${said.split('\n')[0]}`,
    'If it ran out of memory, use a smaller batch; otherwise please report this line.',
  );
}
