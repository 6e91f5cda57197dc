// Sampling: prefill of the prompts, then one token a trip with a key-value cache, all in one graph.
//
// Bp prompts (left-padded to P), k completions each, B = Bp·k rows, N new tokens, T = P + N, KH key-value heads, d head width.
// Completions of one prompt share its prefill. A row ends at the first of the architecture's stops that it writes, and the
// loop ends early when every row has. Uniforms come from the one generator, one stream a completion, so a sample does not
// depend on what else is in its batch.

import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { compile } from '#core/autodiff/compile.ts';
import type { Executable, Program } from '#core/autodiff/compile.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import { constant } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import { add, and, equal, greaterOrEqual, lessOrEqual, maximum, not, or, sub, where, whole } from '#core/autodiff/ops/elementwise.ts';
import { gather, range, replaceRows } from '#core/autodiff/ops/indexing.ts';
import { batchMatMul } from '#core/autodiff/ops/linalg.ts';
import { cast, concat, reshape, split, transpose } from '#core/autodiff/ops/movement.ts';
import { softmax } from '#core/autodiff/ops/nn.ts';
import { expand, reduceSum, zeros } from '#core/autodiff/ops/reduction.ts';
import type { SessionOptions } from '#core/autodiff/session.ts';
import { adapterParameters, adapterScales } from './adapter.ts';
import type { AdapterSettings } from './adapter.ts';
import type { Architecture } from './architecture.ts';
import { parameters } from './architecture.ts';
import type { WeightArrays } from './checkpoint.ts';
import { chooseToken } from './choose-token.ts';
import type { Choice, ChoiceSettings } from './choose-token.ts';
import { attend, block, embed, finalNorm, languageModelHead } from './transformer.ts';
import type { Model } from './transformer.ts';

export interface SampleSettings extends ChoiceSettings {
  maxNew: number;
  seed: number;
  /** rows a batch; more is faster until memory or caches run out */
  rows?: number;
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
  /** One list of completions a request, in the order asked. Throws 'too-long' when prompt and completion exceed the context. */
  sample(weights: WeightArrays, requests: readonly SampleRequest[], settings: SampleSettings): Promise<Sampled[][]>;
  release(): Promise<void>;
}

export interface SampleShape {
  prompts: number; // Bp
  each: number; // k
  P: number;
  N: number;
}
export const PROMPT_STEP = 16; // prompt lengths are rounded up to this, so that few graphs are compiled
export const DEFAULT_ROWS = 32;

/** `adapter`: the weights hold its tensors too. */
export function createSampler(architecture: Architecture, { adapter, ...options }: SessionOptions & { adapter?: AdapterSettings | undefined } = {}): Sampler {
  const compiled = createExecutableCache();
  const get = (shape: SampleShape, choice: ChoiceSettings): Promise<Executable> =>
    compiled.get(JSON.stringify([shape, choice]), () => compile(samplingProgram(architecture, adapter, shape, choice), options));
  return {
    sample: async (weights, requests, settings) => {
      const { temperature, topK, topP, maxNew: N, seed } = settings;
      requests.forEach(({ prompt }, i) => {
        if (prompt.length === 0) throw new TastemakerError('bad-data', `Prompt ${i + 1} has no tokens.`, 'Give every prompt some text.');
        if (prompt.length + N > architecture.context) {
          throw new TastemakerError('too-long', `Prompt ${i + 1} has ${prompt.length} tokens; with ${N} new ones it exceeds the model's context of ${architecture.context}.`, 'Shorten the prompt or ask for fewer new tokens.');
        }
      });
      const results = new Map<number, Sampled[]>();
      for (const { indices, each, P, Bp } of batches(requests, settings.rows ?? DEFAULT_ROWS, architecture.context - N)) {
        const rows = Array.from({ length: Bp }, (_, i) => requests[indices[i] ?? indices[0]!]!); // the last batch is filled up
        const ids = new Int32Array(Bp * P), start = new Int32Array(Bp), uniforms = new Float32Array(N * Bp * each);
        rows.forEach(({ prompt, streams }, b) => {
          start[b] = P - prompt.length;
          ids.set(prompt, b * P + start[b]!);
          streams.forEach((stream, j) => {
            const random = createRandom(seed, stream);
            for (let n = 0; n < N; n++) uniforms[n * Bp * each + b * each + j] = random.uniform();
          });
        });
        const executable = await get({ prompts: Bp, each, P, N }, { temperature, topK, topP });
        const { outputs } = await executable.run({}, weights, { ids, start, uniforms });
        indices.forEach((index, b) => results.set(index, Array.from({ length: each }, (_, j) => readRow(outputs, b * each + j, Bp * each, architecture.stops))));
      }
      return requests.map((_, i) => results.get(i)!);
    },
    release: compiled.release,
  };
}

/** Requests of one kind together, shortest first, a full batch at a time. */
function* batches(requests: readonly SampleRequest[], rows: number, room: number): Generator<{ indices: number[]; each: number; P: number; Bp: number }> {
  const byEach = Map.groupBy(requests.keys(), (i) => requests[i]!.streams.length);
  for (const [each, group] of byEach) {
    const sorted = group.toSorted((a, b) => requests[a]!.prompt.length - requests[b]!.prompt.length);
    const Bp = Math.min(sorted.length, Math.max(1, Math.floor(rows / each)));
    for (let at = 0; at < sorted.length; at += Bp) {
      const indices = sorted.slice(at, at + Bp);
      const longest = requests[indices.at(-1)!]!.prompt.length;
      yield { indices, each, Bp, P: Math.min(room, Math.ceil(longest / PROMPT_STEP) * PROMPT_STEP) };
    }
  }
}

function readRow(outputs: Awaited<ReturnType<Executable['run']>>['outputs'], row: number, B: number, stops: readonly number[]): Sampled {
  const column = (name: string) => Array.from({ length: outputs.tokens!.data.length / B }, (_, n) => Number(outputs[name]!.data[n * B + row]));
  const tokens = column('tokens');
  const end = endOf(tokens, stops);
  const length = end < 0 ? tokens.length : end + 1;
  return { tokenIds: tokens.slice(0, length), samplingLogprobs: column('samplingLogprobs').slice(0, length), logprobs: column('logprobs').slice(0, length), finish: end < 0 ? 'length' : 'stop' };
}

/** The whole of sampling as a program without state: weights frozen; ids [Bp, P], start [Bp] (pads before each prompt), uniforms [N, B]. */
export function samplingProgram(architecture: Architecture, adapter: AdapterSettings | undefined, { prompts: Bp, each, P, N }: SampleShape, choice: ChoiceSettings): Program {
  const { layers, keyValueHeads: KH, headWidth: d } = architecture;
  const B = Bp * each, T = P + N, adapters = adapter && adapterScales(adapter);
  return {
    state: {},
    frozen: Object.fromEntries([...parameters(architecture), ...(adapter ? adapterParameters(architecture, adapter) : [])].map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }])),
    feeds: { ids: { dtype: 'int32', shape: [Bp, P] }, start: { dtype: 'int32', shape: [Bp] }, uniforms: { dtype: 'float32', shape: [N, B] } },
    step: ({ graph, frozen: weights, feeds }) => {
      const model: Model = { architecture, weights, adapters, graph, forward: true };
      const repeat = (x: Tensor) => reshape(expand(reshape(x, [Bp, 1, ...x.shape.slice(1)]), [Bp, each, ...x.shape.slice(1)]), [B, ...x.shape.slice(1)]);
      const { hidden, prompts } = prefill(model, feeds.ids!, feeds.start!);
      const caches = Array.from({ length: 2 * layers }, () => zeros(hidden, [B * KH * (N - 1), d])); // keys and values of the tokens written so far
      const start = repeat(feeds.start!); // [B]
      const real = greaterOrEqual(range(start, T - 1), reshape(start, [B, 1])); // [B, T - 1]: not left padding
      const first = finish(chooseToken(repeat(languageModelHead(model, hidden)), gather(feeds.uniforms!, constant(graph, 'int32', [], [0])), choice), constant(graph, 'bool', [B], new Uint8Array(B)), architecture);
      const outputs = (choice: Choice) => [choice.token, choice.samplingLogprob, choice.logprob].map((x) => reshape(x, [1, B]));
      const firstRow = outputs(first);
      if (N === 1) return { state: {}, outputs: name(firstRow) };

      const { stacked } = loop(graph, N - 1, [first.token, first.done, ...caches], (iteration, [token, done, ...flat], inner) => {
        const here: Model = { architecture, weights, adapters, graph: inner, forward: true, fewRows: true };
        const slot = add(iteration, whole(iteration, P)); // where this token's key and value go
        const positions = reshape(sub(cast(slot, 'int32'), start), [B, 1]);
        const visible = and(real, lessOrEqual(range(start, T - 1, 'int64'), slot)); // [B, T - 1]: the last token is never read
        const mask = reshape(where(visible, constant(graph, 'float32', [], [0]), constant(graph, 'float32', [], [-1e9])), [B, 1, T - 1]);
        const at = add(iteration, constant(graph, 'int64', [B * KH, 1], Array.from({ length: B * KH }, (_, i) => i * (N - 1)))); // this token's row in a cache
        const next: Tensor[] = [];
        let x = embed(here, reshape(token!, [B, 1]), positions, 1);
        for (let layer = 0; layer < layers; layer++) {
          x = block(here, layer, x, { B, T: 1, positions, want: null }, (q, k, v) => {
            const [keys, values] = [k, v].map((x, i) => replaceRows(flat[2 * layer + i]!, at, reshape(x, [B * KH, d]))) as [Tensor, Tensor];
            next.push(keys, values);
            return attendDecoding(architecture, q, prompts[layer]!, [keys, values].map((x) => reshape(x, [B, KH, N - 1, d])) as [Tensor, Tensor], mask);
          });
        }
        const uniforms = gather(feeds.uniforms!, add(iteration, whole(iteration, 1)));
        const chosen = finish(chooseToken(languageModelHead(here, finalNorm(here, x)), uniforms, choice), done!, architecture);
        const unfinished = reduceSum(cast(not(chosen.done), 'float32'), [0]);
        return {
          carried: [chosen.token, chosen.done, ...next],
          stacked: [chosen.token, chosen.samplingLogprob, chosen.logprob],
          goOn: greaterOrEqual(unfinished, constant(graph, 'float32', [], [1])),
        };
      });
      return { state: {}, outputs: name(firstRow.map((row, i) => concat([row, stacked[i]!], 0))) };
    },
  };
  function name([tokens, samplingLogprobs, logprobs]: Tensor[]) {
    return { tokens: tokens!, samplingLogprobs: samplingLogprobs!, logprobs: logprobs! };
  }
}

/** The prompts' last hidden states [Bp, C], and each layer's keys and values [Bp, KH, P, d]. */
function prefill(model: Model, ids: Tensor, start: Tensor): { hidden: Tensor; prompts: [Tensor, Tensor][] } {
  const { architecture, graph } = model;
  const [Bp, P] = ids.shape as [number, number];
  const pads = reshape(start, [Bp, 1]);
  const positions = maximum(sub(range(ids, P), pads), constant(graph, 'int32', [], [0])); // [Bp, P]
  const causal = constant(graph, 'bool', [1, P, P], Array.from({ length: P * P }, (_, n) => (n % P <= Math.floor(n / P) ? 1 : 0)));
  const diagonal = constant(graph, 'bool', [1, P, P], Array.from({ length: P * P }, (_, n) => (n % P === Math.floor(n / P) ? 1 : 0)));
  const real = reshape(greaterOrEqual(range(ids, P), pads), [Bp, 1, P]);
  const mask = where(or(and(causal, real), diagonal), constant(graph, 'float32', [], [0]), constant(graph, 'float32', [], [-1e9])); // [Bp, P, P]
  const lastOnly = { flat: constant(graph, 'int32', [Bp], Array.from({ length: Bp }, (_, b) => b * P + P - 1)), positions: gather(positions, constant(graph, 'int32', [1], [P - 1]), 1), Q: 1 };
  const prompts: [Tensor, Tensor][] = [];
  let x = embed(model, ids, positions, P);
  for (let layer = 0; layer < architecture.layers; layer++) {
    const last = layer === architecture.layers - 1;
    x = block(model, layer, x, { B: Bp, T: P, positions, want: last ? lastOnly : null }, (q, k, v) => {
      prompts.push([k, v]);
      return attend(architecture, q, k, v, last ? gather(mask, constant(graph, 'int32', [1], [P - 1]), 1) : mask);
    });
  }
  return { hidden: finalNorm(model, x), prompts };
}

/**
 * Attention of one new token a row: q [B, H, 1, d] over its prompt's keys and values [Bp, KH, P, d], which the k completions of
 * a prompt read together and no trip copies, and over the row's own [B, KH, n, d]. mask [B, 1, P + n] -> [B, H, 1, d].
 */
function attendDecoding({ heads: H, keyValueHeads: KH, headWidth: d }: Architecture, q: Tensor, [promptKeys, promptValues]: [Tensor, Tensor], [keys, values]: [Tensor, Tensor], mask: Tensor): Tensor {
  const B = q.shape[0]!, [Bp, , P] = promptKeys.shape as [number, number, number], n = keys.shape[2]!, G = H / KH, k = B / Bp;
  // rows of one prompt side by side: [B, H, width] <-> [Bp, KH, k·G, width]
  const together = (x: Tensor, width: number) => reshape(k === 1 ? x : transpose(reshape(x, [Bp, k, KH, G * width]), [0, 2, 1, 3]), [Bp, KH, k * G, width]);
  const apart = (x: Tensor, width: number) => reshape(k === 1 ? x : transpose(reshape(x, [Bp, KH, k, G * width]), [0, 2, 1, 3]), [B, H, 1, width]);
  const scaled = { transB: true, scale: 1 / Math.sqrt(d) };
  const toPrompt = apart(batchMatMul(together(q, d), promptKeys, scaled), P);
  const toOwn = reshape(batchMatMul(reshape(q, [B, KH, G, d]), keys, scaled), [B, H, 1, n]);
  const shares = softmax(add(concat([toPrompt, toOwn], 3), reshape(mask, [B, 1, 1, P + n])));
  const [ofPrompt, ofOwn] = split(shares, [P, n], 3) as [Tensor, Tensor];
  const fromPrompt = apart(batchMatMul(together(ofPrompt, P), promptValues), d);
  return add(fromPrompt, reshape(batchMatMul(reshape(ofOwn, [B, KH, G, n]), values), [B, H, 1, d]));
}

/** Rows that had ended keep writing end-of-text with log-probability 0; a row ends at any of the stops. */
function finish({ token, samplingLogprob, logprob }: Choice, done: Tensor, { endOfText, stops }: Architecture): Choice & { done: Tensor } {
  const zero = constant(token.graph, 'float32', [], [0]);
  const over = stops.reduce((ended, id) => or(ended, equal(token, whole(token, id))), done);
  return { token: where(done, whole(token, endOfText), token), samplingLogprob: where(done, zero, samplingLogprob), logprob: where(done, zero, logprob), done: over };
}

/** Where a completion ends: the place of the first token that is one of `stops`, or -1. */
export const endOf = (ids: readonly number[], stops: readonly number[]): number => ids.findIndex((id) => stops.includes(id));
