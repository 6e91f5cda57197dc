// What the compiled graphs of a phase take: each graph walked for what is alive at its peak.
//
// The factors were fitted to the peaks of processes that ran these graphs and nothing else (models of 1 to 135 million
// numbers, gpt2 and llama, all of it, adapters or blocks learning, one to eight steps a run). Where a device computes,
// its own memory holds weights, state and activations of every open graph; the machine's holds our arrays and what
// comes back. No card has measured the device's side yet.

import { footprint } from '#core/autodiff/footprint.ts';
import type { Program } from '#core/autodiff/compile.ts';
import type { Device } from '#core/autodiff/device.ts';
import { numbersIn } from '#core/models/architecture.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import { families } from '#core/models/families.ts';
import { promptProgram, samplingProgram, tokenProgram } from '#core/models/decoding.ts';
import type { Sampling } from '#core/models/decoding.ts';
import { PROMPT_STEP } from '#core/models/sampler.ts';
import { stepsARun } from '#core/training/pace.ts';
import { gradientProgram, trainingProgram } from '#core/training/trainer.ts';
import type { ModelShape } from './model-shape.ts';
import type { Phase, Reading, Training, Writing } from './plan.ts';

const NODE = 27e3; // bytes a node of a compiled graph keeps
const COPIES = 2.3; // the state as arrays of ours: the newest, and those that nobody has collected yet
const ADAM = { betas: [0.9, 0.999], epsilon: 1e-8, epsilonStyle: 'torch', weightDecay: 0, clipNorm: 1 } as const;

/** Whose memory is asked about: the machine's, or the device's own (of which the processor has none). */
export interface Memory {
  device: Device;
  of: 'host' | 'device';
}

/** What a compiled graph holds, in bytes: activations, what no run changes, and what comes back to us. */
interface GraphBytes {
  pool: number;
  still: number;
  outputs: number;
}
const walked = new Map<string, Promise<Record<Memory['of'], GraphBytes>>>();
const MOST_WALKED = 500;
const WALKED_TOKENS = 1024; // graphs; tokens of a row: its mask has their square
/**
 * Walks a graph once, after a breath for whoever waits for this thread: thirty blocks take a fifth of a second. The
 * same question comes again with every field of the form that is changed.
 */
async function graphOf(
  { device, of }: Memory,
  key: unknown,
  tokens: number,
  make: (shorter: (count: number) => number) => Program,
  steps = 1,
): Promise<GraphBytes> {
  const name = JSON.stringify([device, key, tokens, steps]);
  let known = walked.get(name);
  if (!known) {
    const walk = async (by: number): Promise<Record<Memory['of'], GraphBytes>> => {
      await new Promise((resolve) => setImmediate(resolve));
      const { poolBytes, stillBytes, outputBytes, nodes } = footprint(
        make((count) => (by === 1 ? count : Math.max(1, Math.round(count / by)))),
        steps,
        device,
      );
      const ours = device.provider === 'cpu' ? poolBytes : outputBytes;
      return {
        host: { pool: ours + NODE * nodes, still: 0, outputs: outputBytes },
        device: { pool: poolBytes, still: stillBytes, outputs: 0 },
      };
    };
    known = tokens <= WALKED_TOKENS ? walk(1) : beyond(walk, tokens / WALKED_TOKENS);
    if (walked.size >= MOST_WALKED) walked.delete(walked.keys().next().value!);
    walked.set(name, known);
  }
  return of === 'device' && device.provider === 'cpu' ? { pool: 0, still: 0, outputs: 0 } : (await known)[of];
}

const QUADRATIC = 4; // what twice the length can come to at most; a device's pool grows by leaps
/** The graph of rows that are `by` times longer than what is walked: it grows on as it does from half of that. */
async function beyond(
  walk: (by: number) => Promise<Record<Memory['of'], GraphBytes>>,
  by: number,
): Promise<Record<Memory['of'], GraphBytes>> {
  const [half, whole] = [await walk(2 * by), await walk(by)];
  const grown = (of: Memory['of'], most: number): GraphBytes => {
    const { pool, still } = whole[of];
    return {
      ...whole[of],
      pool:
        still + (pool - still) * Math.min(most, Math.max(2, (pool - still) / (half[of].pool - still))) ** Math.log2(by),
    };
  };
  return { host: grown('host', Infinity), device: grown('device', QUADRATIC) };
}

/**
 * The same model with rotary tables no longer than its rows: they take a quarter of the time of a walk, and are small
 * beside all else.
 */
const upTo = (model: ModelShape, tokens: number): ModelShape =>
  families[model.architecture.family].positions === 'rotary'
    ? { ...model, architecture: { ...model.architecture, context: Math.min(model.architecture.context, tokens) } }
    : model;

/** What a graph's shape hangs on. */
const like = ({ architecture, head, adapter, weights }: ModelShape) => [
  architecture,
  head,
  adapter?.settings,
  Object.keys(weights),
];

interface Bytes {
  /** while the phase lasts */
  pool: number;
  /** from its beginning to the end of the run */
  state: number;
}

export const phaseBytes = (memory: Memory, phase: Phase): Promise<Bytes> =>
  phase.does === 'train'
    ? trainingBytes(memory, phase)
    : phase.does === 'read'
      ? readingBytes(memory, phase)
      : writingBytes(memory, phase);

/** A trainer with its state. */
async function trainingBytes(memory: Memory, phase: Training): Promise<Bytes> {
  const { parameters, still, objective, shape, micro, steps, varied } = phase;
  const learnt = numbersIn(parameters);
  if (learnt === 0) return { pool: 0, state: 0 };
  const model = upTo(phase.model, shape.T);
  const options = {
    ...(still.length ? { frozen: { parameters: still, weights: {} } } : {}),
    adapters: scalesOf(model),
  };
  const K = Math.max(1, Math.min(steps, stepsTogether(memory, phase)));
  const inPlace = memory.device.provider === 'cpu';
  const { pool, outputs } = await graphOf(
    memory,
    [like(model), parameters.map(({ name }) => name), objective.key, shape, micro, inPlace],
    shape.T,
    (shorter) =>
      (inPlace ? gradientProgram : trainingProgram)(
        parameters,
        objective.feeds(model, {
          B: shape.B / micro,
          T: shorter(shape.T),
          Q: phase.growing ? shorter(shape.Q) : shape.Q,
          shared: shape.shared,
        }),
        objective.loss(model),
        ADAM,
        options,
        micro,
      ),
    inPlace ? 1 : K,
  );
  const kept = Math.min(2, 1 + (steps % K ? 1 : 0) + (steps > K ? varied : 0));
  const fed = memory.of === 'host' ? 2 * 4 * K * shape.B * phase.fed : 0;
  return {
    pool: kept * pool + fed,
    // in place: w, m, v and g, and what the binding copies of g
    state: memory.of === 'device' ? 0 : inPlace ? 16 * learnt + outputs : COPIES * outputs,
  };
}

/** Steps that one call of the runtime takes. */
const stepsTogether = ({ device }: Memory, { model, parameters, asked, tokensAStep: tokens }: Training): number =>
  stepsARun(asked, { numbers: numbersIn(checkpointParameters(model)), trained: numbersIn(parameters), tokens }, device);

/** An evaluator at work. */
async function readingBytes(
  memory: Memory,
  { model: given, shape, rows, growing, key, program, carried, kept }: Reading,
): Promise<Bytes> {
  const model = upTo(given, shape.T);
  const { pool } = await graphOf(memory, ['read', like(model), shape, key], shape.T, (shorter) =>
    program(model, { ...shape, T: shorter(shape.T), Q: growing ? shorter(shape.Q) : shape.Q }),
  );
  const arrays = memory.of === 'host' ? COPIES * 4 * shape.B * carried : 0;
  return { pool: kept * (Math.min(2, Math.ceil(rows / shape.B)) * pool + arrays), state: 0 };
}

/** A sampler at work. */
async function writingBytes(
  memory: Memory,
  { model, prompts, each, prompt, written: N, choice, forbidden = null, kept }: Writing,
): Promise<Bytes> {
  const adapter = model.adapter?.settings;
  const { architecture } = upTo(model, prompt + PROMPT_STEP + N);
  const P = Math.min(architecture.context - N, Math.ceil(prompt / PROMPT_STEP) * PROMPT_STEP);
  const shape = { prompts, each, P, N };
  const rule = forbidden ? [forbidden.key] : [];
  const walk = async (program: (sampling: Sampling) => Program) => {
    const key = ['write', program.name, architecture, adapter, shape, choice, ...rule];
    const { pool } = await graphOf(memory, key, shape.P + N, (shorter) =>
      program({ architecture, adapter, shape: { ...shape, P: shorter(shape.P), N: shorter(N) }, choice, forbidden }),
    );
    return pool;
  };
  // without Loop they are two
  const apart = N === 1 ? [promptProgram] : [promptProgram, tokenProgram];
  const programs = memory.device.provider === 'webgpu' ? apart : [samplingProgram];
  return { pool: kept * (await Promise.all(programs.map(walk))).reduce((a, b) => a + b, 0), state: 0 };
}
