// AdamW on arrays in place, a piece at a time: for a state too large to hold twice.
//
// The dozen arrays of a piece stay in a core's cache, so this takes no longer than the same update inside the training
// graph, whose every operator passes over the whole of a parameter; and the numbers are the same to the bit.

import { compile } from '#core/autodiff/compile.ts';
import type { Executable } from '#core/autodiff/compile.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import type { SessionOptions } from '#core/autodiff/session.ts';
import { ADAM_FEED, adamStep } from './adamw.ts';
import type { AdamSettings } from './adamw.ts';

/** Numbers in a piece: 135 million took 1.30 s in pieces of 2^15, 0.92 s of 2^18 (both cores work at one), 1.19 s of 2^22 (out of the cache). */
const PIECE = 1 << 18;

export interface OwnState {
  w: Float32Array;
  m: Float32Array;
  v: Float32Array;
}

export interface Updater {
  /** Changes w, m and v; `gradient` is before clipping, `clip` its factor, `feed` as from `adamFeed`. */
  update(state: OwnState, gradient: Float32Array, clip: number, feed: Float32Array, decay: boolean): Promise<void>;
  release(): Promise<void>;
}

export function createUpdater(settings: AdamSettings, options: SessionOptions = {}, piece = PIECE): Updater {
  const compiled = new Map<string, Executable>();
  async function compiledFor(size: number, decay: boolean): Promise<Executable> {
    const key = `${size}/${decay}`, one = { dtype: 'float32' as const, shape: [size] };
    if (!compiled.has(key)) compiled.set(key, await compile({
      state: { w: one, m: one, v: one }, frozen: {}, feeds: { gradient: one, clip: { dtype: 'float32', shape: [1] }, adam: { dtype: 'float32', shape: [ADAM_FEED] } },
      step: ({ state: { w, m, v }, feeds: { gradient, clip, adam } }) => ({ state: { ...adamStep([{ w: w!, m: m!, v: v!, gradient: gradient!, decay }], adam!, reshape(clip!, []), settings)[0]! }, outputs: {} }),
    }, options));
    return compiled.get(key)!;
  }
  return {
    update: async (state, gradient, clip, feed, decay) => {
      const pieces = Math.ceil(gradient.length / piece), factor = Float32Array.of(clip);
      for (let i = 0, at = 0; i < pieces; i++) { // of nearly equal sizes, so that few graphs are compiled and none is half empty
        const size = Math.floor(gradient.length / pieces) + (i < gradient.length % pieces ? 1 : 0), end = at + size;
        const { state: next } = await (await compiledFor(size, decay)).run({ w: state.w.subarray(at, end), m: state.m.subarray(at, end), v: state.v.subarray(at, end) }, {}, { gradient: gradient.subarray(at, end), clip: factor, adam: feed });
        for (const name of ['w', 'm', 'v'] as const) state[name].set(next[name] as Float32Array, at);
        at = end;
      }
    },
    release: async () => {
      for (const executable of compiled.values()) await executable.release();
      compiled.clear();
    },
  };
}
