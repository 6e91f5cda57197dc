// Sampling: prompts of like length together, each with its completions; what is read of the graphs that write them.
//
// Completions of one prompt share its prefill. A row ends at the first of the architecture's stops that it writes, and
// sampling ends early when every row has. Uniforms come from the one generator, one stream a completion, so a sample
// does not depend on what else is in its batch.

import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { compile } from '#core/autodiff/compile.ts';
import type { Arrays, CompileOptions } from '#core/autodiff/compile.ts';
import { chosenDevice } from '#core/autodiff/device.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import type { SessionOptions } from '#core/autodiff/session.ts';
import type { AdapterSettings } from './adapter.ts';
import type { Architecture } from './architecture.ts';
import type { WeightArrays } from './checkpoint.ts';
import type { ChoiceSettings } from './choose-token.ts';
import { promptProgram, samplingProgram, tokenProgram } from './decoding.ts';
import type { SampleShape, Sampling } from './decoding.ts';
import type { Forbidden } from './forbidden.ts';

export interface SampleSettings extends ChoiceSettings {
  maxNew: number;
  seed: number;
  /** texts that may not come out */
  forbidden?: Forbidden | null | undefined;
  /** rows a batch; more is faster until memory or caches run out */
  rows?: number;
  /** told after every batch how many requests are done */
  progress?: (done: number, total: number) => void;
}

export interface SampleRequest {
  prompt: readonly number[];
  /** the name of the random stream of each completion wanted */
  streams: readonly string[];
}

export interface Sampled {
  /** the stop that ended it included, where one was written */
  tokenIds: number[];
  samplingLogprobs: number[];
  logprobs: number[];
  finish: 'stop' | 'length';
}

export interface Sampler {
  /**
   * One list of completions a request, in the order asked. Throws 'too-long' when prompt and completion exceed the
   * context, 'not-finite' where the model gives no numbers.
   */
  sample(weights: WeightArrays, requests: readonly SampleRequest[], settings: SampleSettings): Promise<Sampled[][]>;
  release(): Promise<void>;
}

export const PROMPT_STEP = 16; // prompt lengths are rounded up to this, so that few graphs are compiled
export const DEFAULT_ROWS = 32;

/**
 * `adapter`: the weights hold its tensors too. `constants`: those of the weights that are the same in every call.
 * `unchecked`: numbers that are not finite are handed back, for a caller that names its prompts itself.
 */
export function createSampler(
  architecture: Architecture,
  {
    adapter,
    constants = {},
    unchecked = false,
    device = chosenDevice(),
    graphs = 2,
    rounded = (tokens) => Math.ceil(tokens / PROMPT_STEP) * PROMPT_STEP,
    ...options
  }: SessionOptions & {
    adapter?: AdapterSettings | undefined;
    constants?: Readonly<Arrays> | undefined;
    unchecked?: boolean;
    /** shapes whose compiled graphs are kept */
    graphs?: number;
    /** the length that prompts of so many tokens are read at */
    rounded?: (tokens: number) => number;
  } = {},
): Sampler {
  const compiled = createExecutableCache(device.provider === 'webgpu' ? 2 * graphs : graphs);
  const how: CompileOptions = { ...options, device, constants };
  const write = device.provider === 'webgpu' ? writeApart : writeTogether;
  return {
    sample: async (weights, requests, settings) => {
      const { temperature, topK, topP, maxNew: N, seed, forbidden = null, rows = DEFAULT_ROWS } = settings;
      refuseUnfit(requests, N, architecture.context);
      const results = new Map<number, Sampled[]>();
      for (const { indices, each, P, Bp } of batches(requests, rows, architecture.context - N, rounded)) {
        // the last batch is filled up
        const asked = Array.from({ length: Bp }, (_, i) => requests[indices[i] ?? indices[0]!]!);
        const shape = { prompts: Bp, each, P, N };
        const sampling = { architecture, adapter, shape, choice: { temperature, topK, topP }, forbidden };
        const outputs = await write(compiled, how, sampling, weights, feedsOf(asked, shape, seed));
        indices.forEach((index, b) => {
          const written = Array.from({ length: each }, (_, j) =>
            readRow(outputs, b * each + j, Bp * each, architecture.stops),
          );
          results.set(index, unchecked ? written : written.map((row) => finite(row, index)));
        });
        settings.progress?.(results.size, requests.length);
      }
      return requests.map((_, i) => results.get(i)!);
    },
    release: compiled.release,
  };
}

function refuseUnfit(requests: readonly SampleRequest[], N: number, context: number): void {
  requests.forEach(({ prompt }, i) => {
    if (prompt.length === 0)
      throw new TastemakerError('bad-data', `Prompt ${i + 1} has no tokens.`, 'Give every prompt some text.');
    if (prompt.length + N > context)
      throw new TastemakerError(
        'too-long',
        `Prompt ${i + 1} has ${prompt.length} tokens; with ${N} new ones it exceeds the model's context of ${context}.`,
        'Shorten the prompt or ask for fewer new tokens.',
      );
  });
}

/** Prompts padded on the left, [B, P], where each begins, and uniforms [N, B·each], a stream a completion. */
interface Fed {
  ids: Int32Array;
  start: Int32Array;
  uniforms: Float32Array;
}

function feedsOf(asked: readonly SampleRequest[], { prompts, each, P, N }: SampleShape, seed: number): Fed {
  const ids = new Int32Array(prompts * P);
  const start = new Int32Array(prompts);
  const uniforms = new Float32Array(N * prompts * each);
  asked.forEach(({ prompt, streams }, b) => {
    start[b] = P - prompt.length;
    ids.set(prompt, b * P + start[b]!);
    streams.forEach((stream, j) => {
      const random = createRandom(seed, stream);
      for (let n = 0; n < N; n++) uniforms[n * prompts * each + b * each + j] = random.uniform();
    });
  });
  return { ids, start, uniforms };
}

type Compiled = ReturnType<typeof createExecutableCache>;
const keyOf = ({ shape, choice, forbidden }: Sampling): string =>
  JSON.stringify([shape, choice, ...(forbidden ? [forbidden.key] : [])]);

/** Prefill and decoding as one graph. */
async function writeTogether(
  compiled: Compiled,
  how: CompileOptions,
  sampling: Sampling,
  weights: WeightArrays,
  { ids, start, uniforms }: Fed,
): Promise<Outputs> {
  const executable = await compiled.get(keyOf(sampling), () => compile(samplingProgram(sampling), how));
  return (await executable.run({}, weights, { ids, start, uniforms })).outputs;
}

/** The same as two graphs, for a provider without Loop. */
async function writeApart(
  compiled: Compiled,
  how: CompileOptions,
  sampling: Sampling,
  weights: WeightArrays,
  { ids, start, uniforms }: Fed,
): Promise<Outputs> {
  const { prompts, each, N } = sampling.shape;
  const B = prompts * each;
  const key = keyOf(sampling);
  const program = tokenProgram(sampling);
  const prefill = await compiled.get(`prompts ${key}`, () => compile(promptProgram(sampling), how));
  const first = (await prefill.run({}, weights, { ids, start, uniforms: uniforms.subarray(0, B) })).outputs;
  if (N === 1) return first;
  const tokens = await compiled.get(`tokens ${key}`, () => compile(program, { ...how, steps: N - 1, form: 'chain' }));
  const caches = Object.entries(program.state)
    .filter(([name]) => name.startsWith('cache/'))
    .map(([name, { shape }]) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1))]);
  const read = Object.fromEntries(
    Object.entries(first)
      .filter(([name]) => /^(keys|values)\//.test(name))
      .map(([name, { data }]) => [name, data]),
  );
  const { outputs } = await tokens.run(
    {
      token: first.tokens!.data,
      done: first.done!.data,
      ...(first.stands ? { stands: first.stands.data } : {}),
      ...Object.fromEntries(caches),
    },
    { ...weights, ...read, start },
    { step: Int32Array.from({ length: N - 1 }, (_, i) => i), uniforms: uniforms.subarray(B) },
  );
  return Object.fromEntries(
    ['tokens', 'samplingLogprobs', 'logprobs'].map((name) => [
      name,
      {
        ...first[name]!,
        data: Array.from([first[name]!, outputs[name]!], ({ data }) => Array.from(data as Float32Array)).flat(),
      },
    ]),
  );
}

/** Requests of one kind together, shortest first, a full batch at a time. */
function* batches(
  requests: readonly SampleRequest[],
  rows: number,
  room: number,
  rounded: (tokens: number) => number,
): Generator<{ indices: number[]; each: number; P: number; Bp: number }> {
  const byEach = Map.groupBy(requests.keys(), (i) => requests[i]!.streams.length);
  for (const [each, group] of byEach) {
    const sorted = group.toSorted((a, b) => requests[a]!.prompt.length - requests[b]!.prompt.length);
    const Bp = Math.min(sorted.length, Math.max(1, Math.floor(rows / each)));
    for (let at = 0; at < sorted.length; at += Bp) {
      const indices = sorted.slice(at, at + Bp);
      const longest = requests[indices.at(-1)!]!.prompt.length;
      yield { indices, each, Bp, P: Math.min(room, rounded(longest)) };
    }
  }
}

/** By name, a row of B numbers a token written. */
type Outputs = Readonly<Record<string, { data: ArrayLike<number | bigint> }>>;

function readRow(outputs: Outputs, row: number, B: number, stops: readonly number[]): Sampled {
  const column = (name: string) =>
    Array.from({ length: outputs.tokens!.data.length / B }, (_, n) => Number(outputs[name]!.data[n * B + row]));
  const tokens = column('tokens');
  const end = endOf(tokens, stops);
  const length = end < 0 ? tokens.length : end + 1;
  return {
    tokenIds: tokens.slice(0, length),
    samplingLogprobs: column('samplingLogprobs').slice(0, length),
    logprobs: column('logprobs').slice(0, length),
    finish: end < 0 ? 'length' : 'stop',
  };
}

/** 'not-finite' where the logits of a row held no number that a token could be chosen by. */
function finite(sampled: Sampled, index: number): Sampled {
  if (sampled.logprobs.every(Number.isFinite) && sampled.samplingLogprobs.every(Number.isFinite)) return sampled;
  throw new TastemakerError(
    'not-finite',
    `The model's log-probabilities after prompt ${index + 1} are not finite, so no token can be chosen.`,
    'Its weights are damaged or too large: add it once more to see what is said of them, or take an earlier checkpoint.',
  );
}

/** Where a completion ends: the place of the first token that is one of `stops`, or -1. */
export const endOf = (ids: readonly number[], stops: readonly number[]): number =>
  ids.findIndex((id) => stops.includes(id));
