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

/** Numbers in a piece: few enough for a cache and for one thread, which spares the threads their waits. */
const PIECE = 1 << 15;

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

export async function createUpdater(settings: AdamSettings, options: SessionOptions = {}, piece = PIECE): Promise<Updater> {
  const one = { dtype: 'float32' as const, shape: [piece] };
  const compiled = new Map<boolean, Executable>();
  for (const decay of [true, false]) {
    compiled.set(decay, await compile({
      state: { w: one, m: one, v: one }, frozen: {}, feeds: { gradient: one, clip: { dtype: 'float32', shape: [1] }, adam: { dtype: 'float32', shape: [ADAM_FEED] } },
      step: ({ state: { w, m, v }, feeds: { gradient, clip, adam } }) => ({ state: { ...adamStep([{ w: w!, m: m!, v: v!, gradient: gradient!, decay }], adam!, reshape(clip!, []), settings)[0]! }, outputs: {} }),
    }, options));
  }
  const last = { w: new Float32Array(piece), m: new Float32Array(piece), v: new Float32Array(piece), gradient: new Float32Array(piece) };
  return {
    update: async (state, gradient, clip, feed, decay) => {
      const executable = compiled.get(decay)!, factor = Float32Array.of(clip);
      for (let at = 0; at < gradient.length; at += piece) {
        const end = Math.min(gradient.length, at + piece), rest = end - at < piece; // a rest is filled up to a piece
        const part = (name: keyof typeof last, all: Float32Array) => {
          const own = all.subarray(at, end);
          if (!rest) return own;
          last[name].set(own);
          return last[name];
        };
        const { state: next } = await executable.run({ w: part('w', state.w), m: part('m', state.m), v: part('v', state.v) }, {}, { gradient: part('gradient', gradient), clip: factor, adam: feed });
        for (const name of ['w', 'm', 'v'] as const) state[name].set((next[name] as Float32Array).subarray(0, end - at), at);
      }
    },
    release: async () => {
      for (const executable of compiled.values()) await executable.release();
    },
  };
}
