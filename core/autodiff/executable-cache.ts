// Keeps the last few compiled graphs, since each holds its own memory; the least used one is released when room is
// needed.

import type { Executable } from './compile.ts';

export interface ExecutableCache {
  /** The graph of this key, compiled by `make` when it is not at hand. */
  get(key: string, make: () => Promise<Executable>): Promise<Executable>;
  release(): Promise<void>;
}

const ROOM = 2; // graphs: six held 4.9 GB in the demo's PPO where two hold 2.7, and save 5 % of its time

export function createExecutableCache(room = ROOM): ExecutableCache {
  const kept = new Map<string, Executable>(); // oldest use first
  return {
    get: async (key, make) => {
      const found = kept.get(key) ?? (await make());
      kept.delete(key);
      kept.set(key, found);
      if (kept.size > room) {
        const [oldest, executable] = kept.entries().next().value!;
        kept.delete(oldest);
        await executable.release();
      }
      return found;
    },
    release: async () => {
      for (const executable of kept.values()) await executable.release();
      kept.clear();
    },
  };
}
