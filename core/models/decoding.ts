// Sampling as graphs: prefill of the prompts, then one token a trip with a key-value cache.
//
// Bp prompts (left-padded to P), k completions each, B = Bp·k rows, N new tokens, T = P + N, KH key-value heads, d head
// width.
// Processor and CUDA take both as one graph whose trips are a Loop that ends when every row has; for a provider without
// Loop
// the prompts and one trip are programs of their own.

import type { Program, Tensors, Types } from '#core/autodiff/compile.ts';
import { constant } from '#core/autodiff/graph.ts';
import type { Graph, Tensor } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import {
  add,
  and,
  equal,
  greaterOrEqual,
  lessOrEqual,
  maximum,
  not,
  or,
  sub,
  where,
  whole,
} from '#core/autodiff/ops/elementwise.ts';
import { gather, range, replaceRows } from '#core/autodiff/ops/indexing.ts';
import { batchMatMul } from '#core/autodiff/ops/linalg.ts';
import { cast, concat, reshape, split, transpose } from '#core/autodiff/ops/movement.ts';
import { softmax } from '#core/autodiff/ops/nn.ts';
import { expand, reduceSum, zeros } from '#core/autodiff/ops/reduction.ts';
import { adapterParameters, adapterScales } from './adapter.ts';
import type { AdapterSettings } from './adapter.ts';
import type { Architecture } from './architecture.ts';
import { parameters } from './architecture.ts';
import { chooseToken } from './choose-token.ts';
import type { Choice, ChoiceSettings } from './choose-token.ts';
import { allowed, stateAfter } from './forbidden.ts';
import type { Forbidden } from './forbidden.ts';
import { attend, block, embed, finalNorm, languageModelHead } from './transformer.ts';
import type { Model } from './transformer.ts';

export interface SampleShape {
  prompts: number; // Bp
  each: number; // k
  P: number;
  N: number;
}

/** What is sampled from, how, and in which sizes. */
export interface Sampling {
  architecture: Architecture;
  adapter: AdapterSettings | undefined;
  shape: SampleShape;
  choice: ChoiceSettings;
  /** texts that may not come out */
  forbidden?: Forbidden | null;
}

const float = (...shape: number[]) => ({ dtype: 'float32' as const, shape });
const int = (...shape: number[]) => ({ dtype: 'int32' as const, shape });
const weightTypes = ({ architecture, adapter }: Sampling): Types =>
  Object.fromEntries(
    [...parameters(architecture), ...(adapter ? adapterParameters(architecture, adapter) : [])].map(
      ({ name, shape }) => [name, float(...shape)],
    ),
  );
const modelOf = ({ architecture, adapter }: Sampling, weights: Tensors, graph: Graph): Model => ({
  architecture,
  weights,
  adapters: adapter && adapterScales(adapter),
  graph,
  forward: true,
});

/**
 * The whole of sampling as a program without state: weights frozen; ids [Bp, P], start [Bp] (pads before each prompt),
 * uniforms [N, B].
 */
export function samplingProgram(sampling: Sampling): Program {
  const { prompts: Bp, each, P, N } = sampling.shape;
  const B = Bp * each;
  return {
    state: {},
    frozen: weightTypes(sampling),
    feeds: { ids: int(Bp, P), start: int(Bp), uniforms: float(N, B) },
    step: ({ graph, frozen: weights, feeds }) => {
      const { first, prompts } = prefilled(
        sampling,
        modelOf(sampling, weights, graph),
        feeds.ids!,
        feeds.start!,
        gather(feeds.uniforms!, constant(graph, 'int32', [], [0])),
      );
      const rows = (choice: Choice) =>
        [choice.token, choice.samplingLogprob, choice.logprob].map((x) => reshape(x, [1, B]));
      if (N === 1) return { state: {}, outputs: named(rows(first)) };
      const { stacked } = loop(
        graph,
        N - 1,
        [
          first.token,
          first.done,
          ...standOf(first),
          ...emptyCaches(sampling).map(({ shape }) => zeros(first.logprob, shape)),
        ],
        (iteration, [token, done, ...rest], inner) => {
          const [stands, caches] = standsAndCaches(sampling, rest);
          const uniforms = gather(feeds.uniforms!, add(iteration, whole(iteration, 1)));
          const { chosen, caches: next } = decoded(sampling, modelOf(sampling, weights, inner), {
            step: cast(iteration, 'int32'),
            token: token!,
            done: done!,
            stands,
            caches,
            prompts,
            start: feeds.start!,
            uniforms,
          });
          return {
            carried: [chosen.token, chosen.done, ...standOf(chosen), ...next],
            stacked: [chosen.token, chosen.samplingLogprob, chosen.logprob],
            goOn: greaterOrEqual(unfinished(chosen.done), constant(graph, 'float32', [], [1])),
          };
        },
      );
      return { state: {}, outputs: named(rows(first).map((row, i) => concat([row, stacked[i]!], 0))) };
    },
  };
}

/** The prompts alone: the first token of each row, whether that ended it, and each layer's keys and values. */
export function promptProgram(sampling: Sampling): Program {
  const { prompts: Bp, each, P } = sampling.shape;
  return {
    state: {},
    frozen: weightTypes(sampling),
    feeds: { ids: int(Bp, P), start: int(Bp), uniforms: float(Bp * each) },
    step: ({ graph, frozen: weights, feeds }) => {
      const { first, prompts } = prefilled(
        sampling,
        modelOf(sampling, weights, graph),
        feeds.ids!,
        feeds.start!,
        feeds.uniforms!,
      );
      return {
        state: {},
        outputs: {
          ...said(first),
          ...Object.fromEntries(
            prompts.flatMap(([k, v], layer) => [
              [`keys/${layer}`, k],
              [`values/${layer}`, v],
            ]),
          ),
        },
      };
    },
  };
}

/**
 * One more token of each row: what was said last, whether the row is done, and the caches are state; `step` counts from
 * 0.
 */
export function tokenProgram(sampling: Sampling): Program {
  const {
    architecture: { layers, keyValueHeads: KH, headWidth: d },
    shape: { prompts: Bp, each, P },
  } = sampling;
  const B = Bp * each;
  const caches = emptyCaches(sampling);
  return {
    state: {
      token: int(B),
      done: int(B),
      ...(sampling.forbidden ? { stands: int(B) } : {}),
      ...Object.fromEntries(caches.map((type, i) => [`cache/${i}`, type])),
    },
    frozen: {
      ...weightTypes(sampling),
      start: int(Bp),
      ...Object.fromEntries(
        Array.from({ length: layers }, (_, layer) => [
          [`keys/${layer}`, float(Bp, KH, P, d)],
          [`values/${layer}`, float(Bp, KH, P, d)],
        ]).flat(),
      ),
    },
    feeds: { step: int(), uniforms: float(B) },
    until: 'unfinished',
    step: ({ graph, state, frozen, feeds }) => {
      const prompts = Array.from({ length: layers }, (_, layer): [Tensor, Tensor] => [
        frozen[`keys/${layer}`]!,
        frozen[`values/${layer}`]!,
      ]);
      const { token, done, stands = null, ...rest } = state;
      const now = {
        step: feeds.step!,
        token: token!,
        done: equal(done!, whole(done!, 1)),
        stands,
        caches: caches.map((_, i) => rest[`cache/${i}`]!),
        prompts,
        start: frozen.start!,
        uniforms: feeds.uniforms!,
      };
      const { chosen, caches: next } = decoded(sampling, modelOf(sampling, frozen, graph), now);
      const { done: over, stands: after, ...row } = said(chosen);
      return {
        state: {
          token: chosen.token,
          done: over!,
          ...(after ? { stands: after } : {}),
          ...Object.fromEntries(next.map((x, i) => [`cache/${i}`, x])),
        },
        outputs: { ...row, unfinished: unfinished(chosen.done) },
      };
    },
  };
}

/** Keys and values of the tokens written so far, layer by layer: [B·KH·(N - 1), d] each. */
function emptyCaches({
  architecture: { layers, keyValueHeads: KH, headWidth: d },
  shape: { prompts, each, N },
}: Sampling): ReturnType<typeof float>[] {
  return Array.from({ length: 2 * layers }, () => float(prompts * each * KH * (N - 1), d));
}
const named = ([tokens, samplingLogprobs, logprobs]: Tensor[]): Tensors => ({
  tokens: tokens!,
  samplingLogprobs: samplingLogprobs!,
  logprobs: logprobs!,
});
const said = (choice: Chosen): Tensors => ({
  ...named([choice.token, choice.samplingLogprob, choice.logprob]),
  done: cast(choice.done, 'int32'),
  ...(choice.stands ? { stands: choice.stands } : {}),
});
const unfinished = (done: Tensor): Tensor => reduceSum(cast(not(done), 'float32'), [0]);

/** `stands`: how much of a forbidden text stands there, where some are forbidden; int32 [B] */
interface Chosen extends Choice {
  done: Tensor;
  stands: Tensor | null;
}
const standOf = ({ stands }: Chosen): Tensor[] => (stands ? [stands] : []);
const standsAndCaches = ({ forbidden }: Sampling, rest: readonly Tensor[]): [Tensor | null, readonly Tensor[]] =>
  forbidden ? [rest[0]!, rest.slice(1)] : [null, rest];

/** The first token of each row, and the prompts' keys and values. uniforms [B] */
function prefilled(
  sampling: Sampling,
  model: Model,
  ids: Tensor,
  start: Tensor,
  uniforms: Tensor,
): { first: Chosen; prompts: [Tensor, Tensor][] } {
  const { prompts: Bp, each } = sampling.shape;
  const { hidden, prompts } = prefill(model, ids, start);
  const B = Bp * each;
  const logits = repeat(languageModelHead(model, hidden), each);
  const none = constant(model.graph, 'bool', [B], new Uint8Array(B));
  const stands = sampling.forbidden ? constant(model.graph, 'int32', [B], new Int32Array(B)) : null;
  return { first: chosenOf(sampling, logits, uniforms, { done: none, stands }), prompts };
}
/** The next token of each row, of logits [B, V], where nothing forbidden would be complete with it. */
function chosenOf(
  { architecture, choice, forbidden }: Sampling,
  logits: Tensor,
  uniforms: Tensor,
  { done, stands }: Pick<Chosen, 'done' | 'stands'>,
): Chosen {
  if (!forbidden || !stands)
    return {
      ...finish(chooseToken(logits, uniforms, choice, architecture.silent), done, architecture),
      stands: null,
    };
  const chosen = chooseToken(logits, uniforms, choice, architecture.silent, allowed(forbidden, logits, stands));
  const row = finish(chosen, done, architecture);
  return { ...row, stands: stateAfter(logits.graph, forbidden, stands, row.token) };
}
/** Every row of the first axis `each` times over. */
function repeat(x: Tensor, each: number): Tensor {
  const [Bp, ...rest] = x.shape as [number, ...number[]];
  return reshape(expand(reshape(x, [Bp, 1, ...rest]), [Bp, each, ...rest]), [Bp * each, ...rest]);
}

interface Now {
  /** int32 */ step: Tensor;
  token: Tensor;
  done: Tensor;
  stands: Tensor | null;
  caches: readonly Tensor[];
  prompts: readonly [Tensor, Tensor][];
  start: Tensor;
  uniforms: Tensor;
}
/** One trip: the token said last goes through the model, the next one is chosen. */
function decoded(
  sampling: Sampling,
  model: Model,
  { step, token, done, stands, caches, prompts, start: pads, uniforms }: Now,
): { chosen: Chosen; caches: Tensor[] } {
  const { architecture } = sampling;
  const { prompts: Bp, each, P, N } = sampling.shape;
  const { layers, keyValueHeads: KH, headWidth: d } = architecture;
  const { graph } = model;
  const B = Bp * each;
  const T = P + N;
  const here: Model = { ...model, fewRows: true };
  const start = repeat(pads, each); // [B]
  const real = greaterOrEqual(range(start, T - 1), reshape(start, [B, 1])); // [B, T - 1]: not left padding
  const slot = add(step, whole(step, P)); // where this token's key and value go
  const positions = reshape(sub(slot, start), [B, 1]);
  const visible = and(real, lessOrEqual(range(start, T - 1), slot)); // [B, T - 1]: the last token is never read
  const mask = reshape(where(visible, constant(graph, 'float32', [], [0]), constant(graph, 'float32', [], [-1e9])), [
    B,
    1,
    T - 1,
  ]);
  const at = add(
    step,
    constant(
      graph,
      'int32',
      [B * KH, 1],
      Array.from({ length: B * KH }, (_, i) => i * (N - 1)),
    ),
  ); // this token's row in a cache
  const next: Tensor[] = [];
  let x = embed(here, reshape(token, [B, 1]), positions, 1);
  for (let layer = 0; layer < layers; layer++) {
    x = block(here, layer, x, { B, T: 1, positions, want: null }, (q, k, v) => {
      const [keys, values] = [k, v].map((y, i) => replaceRows(caches[2 * layer + i]!, at, reshape(y, [B * KH, d]))) as [
        Tensor,
        Tensor,
      ];
      next.push(keys, values);
      return attendDecoding(
        architecture,
        q,
        prompts[layer]!,
        [keys, values].map((y) => reshape(y, [B, KH, N - 1, d])) as [Tensor, Tensor],
        mask,
      );
    });
  }
  return {
    chosen: chosenOf(sampling, languageModelHead(here, finalNorm(here, x)), uniforms, { done, stands }),
    caches: next,
  };
}

/** The prompts' last hidden states [Bp, C], and each layer's keys and values [Bp, KH, P, d]. */
function prefill(model: Model, ids: Tensor, start: Tensor): { hidden: Tensor; prompts: [Tensor, Tensor][] } {
  const { architecture, graph } = model;
  const [Bp, P] = ids.shape as [number, number];
  const pads = reshape(start, [Bp, 1]);
  const positions = maximum(sub(range(ids, P), pads), constant(graph, 'int32', [], [0])); // [Bp, P]
  const causal = constant(
    graph,
    'bool',
    [1, P, P],
    Array.from({ length: P * P }, (_, n) => (n % P <= Math.floor(n / P) ? 1 : 0)),
  );
  const diagonal = constant(
    graph,
    'bool',
    [1, P, P],
    Array.from({ length: P * P }, (_, n) => (n % P === Math.floor(n / P) ? 1 : 0)),
  );
  const real = reshape(greaterOrEqual(range(ids, P), pads), [Bp, 1, P]);
  const mask = where(
    or(and(causal, real), diagonal),
    constant(graph, 'float32', [], [0]),
    constant(graph, 'float32', [], [-1e9]),
  ); // [Bp, P, P]
  const lastOnly = {
    flat: constant(
      graph,
      'int32',
      [Bp],
      Array.from({ length: Bp }, (_, b) => b * P + P - 1),
    ),
    positions: gather(positions, constant(graph, 'int32', [1], [P - 1]), 1),
    Q: 1,
  };
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
 * Attention of one new token a row: q [B, H, 1, d] over its prompt's keys and values [Bp, KH, P, d], which the k
 * completions of
 * a prompt read together and no trip copies, and over the row's own [B, KH, n, d]. mask [B, 1, P + n] -> [B, H, 1, d].
 */
function attendDecoding(
  { heads: H, keyValueHeads: KH, headWidth: d }: Architecture,
  q: Tensor,
  [promptKeys, promptValues]: [Tensor, Tensor],
  [keys, values]: [Tensor, Tensor],
  mask: Tensor,
): Tensor {
  const B = q.shape[0]!;
  const [Bp, , P] = promptKeys.shape as [number, number, number];
  const n = keys.shape[2]!;
  const G = H / KH;
  const k = B / Bp;
  // rows of one prompt side by side: [B, H, width] <-> [Bp, KH, k·G, width]
  const together = (x: Tensor, width: number) =>
    reshape(k === 1 ? x : transpose(reshape(x, [Bp, k, KH, G * width]), [0, 2, 1, 3]), [Bp, KH, k * G, width]);
  const apart = (x: Tensor, width: number) =>
    reshape(k === 1 ? x : transpose(reshape(x, [Bp, KH, k, G * width]), [0, 2, 1, 3]), [B, H, 1, width]);
  const scaled = { transB: true, scale: 1 / Math.sqrt(d) };
  const toPrompt = apart(batchMatMul(together(q, d), promptKeys, scaled), P);
  const toOwn = reshape(batchMatMul(reshape(q, [B, KH, G, d]), keys, scaled), [B, H, 1, n]);
  const shares = softmax(add(concat([toPrompt, toOwn], 3), reshape(mask, [B, 1, 1, P + n])));
  const [ofPrompt, ofOwn] = split(shares, [P, n], 3) as [Tensor, Tensor];
  const fromPrompt = apart(batchMatMul(together(ofPrompt, P), promptValues), d);
  return add(fromPrompt, reshape(batchMatMul(reshape(ofOwn, [B, KH, G, n]), values), [B, H, 1, d]));
}

/** Rows that had ended keep writing end-of-text with log-probability 0; a row ends at any of the stops. */
function finish(
  { token, samplingLogprob, logprob }: Choice,
  done: Tensor,
  { endOfText, stops }: Architecture,
): Choice & { done: Tensor } {
  const zero = constant(token.graph, 'float32', [], [0]);
  const over = stops.reduce((ended, id) => or(ended, equal(token, whole(token, id))), done);
  return {
    token: where(done, whole(token, endOfText), token),
    samplingLogprob: where(done, zero, samplingLogprob),
    logprob: where(done, zero, logprob),
    done: over,
  };
}
