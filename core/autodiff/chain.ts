// Several steps of a graph that makes one: its state stays on the device from step to step and comes back after the
// last.
//
// This is what WebGPU has instead of a Loop. Tensors cross to the device and back through graphs of Identity nodes,
// since
// the binding cannot be asked for a buffer's content.

import { createGraph, input } from './graph.ts';
import type { Tensor } from './graph.ts';
import { encodeModel } from './onnx.ts';
import { identity } from './ops/movement.ts';
import { openSession } from './session.ts';
import type { Held, Session, SessionOptions, Value } from './session.ts';

export interface Chain {
  /** `feedsOf(k)` are what differs in step k. Gives the state after the last step, and the outputs of each. */
  run(
    state: Readonly<Record<string, Value>>,
    frozen: Readonly<Record<string, Value>>,
    feedsOf: (step: number) => Readonly<Record<string, Value>>,
  ): Promise<{ state: Record<string, Value>; outputs: Record<string, Value>[] }>;
  endProfile(): void;
  release(): Promise<void>;
}

/**
 * `step` must hold the outputs `carried` names, each of which is given to the input it stands for; the chain ends early
 * where the output `until` falls below 1.
 */
export function createChain(
  step: Session,
  steps: number,
  carried: readonly { from: Tensor; to: string }[],
  until: string | null,
  options: SessionOptions,
): Chain {
  const crossings = new Map<string, Promise<Session>>();
  /** Passes tensors on unchanged: onto the device (`hold`), or off it. */
  async function cross(
    values: Readonly<Record<string, Value | Held>>,
    hold: boolean,
  ): Promise<{ values: Record<string, Value>; held: Record<string, Held> }> {
    const entries = Object.entries(values);
    const key = JSON.stringify([hold, entries.map(([name, { dtype, shape }]) => [name, dtype, shape])]);
    let session = crossings.get(key);
    if (!session) {
      const graph = createGraph();
      const out = entries.map(([name, { dtype, shape }]) => identity(input(graph, name, dtype, shape)));
      session = openSession(encodeModel(graph, out), {
        ...options,
        ...(hold ? { hold: out.map(({ name }) => name) } : {}),
      });
      crossings.set(key, session);
    }
    const done = await (await session).runHolding(values);
    const named = <T>(results: Record<string, T>) =>
      // outputs come in the order they were asked for
      Object.fromEntries(Object.values(results).map((value, i) => [entries[i]![0], value]));
    return { values: named(done.values), held: named(done.held) };
  }
  return {
    run: async (state, frozen, feedsOf) => {
      const still = steps > 1 && Object.keys(frozen).length ? (await cross(frozen, true)).held : {};
      const outputs: Record<string, Value>[] = [];
      let now: Readonly<Record<string, Value | Held>> = state;
      const letGo = (values: Readonly<Record<string, Value | Held>>) =>
        Object.values(values).forEach((value) => 'tensor' in value && value.tensor.dispose());
      try {
        for (let k = 0; k < steps; k++) {
          const { values, held } = await step.runHolding({ ...now, ...frozen, ...still, ...feedsOf(k) });
          letGo(now);
          now = Object.fromEntries(carried.map(({ from, to }) => [to, held[from.name]!]));
          outputs.push(values);
          if (until !== null && (values[until]!.data as Float32Array)[0]! < 1) break;
        }
        return { state: carried.length ? (await cross(now, false)).values : {}, outputs };
      } finally {
        letGo(now);
        letGo(still);
      }
    },
    endProfile: step.endProfile,
    release: async () => {
      for (const session of crossings.values()) await (await session).release();
      await step.release();
    },
  };
}
