// Checkpoints whose graphs are compiled as they are asked for, without a process, and the reference models to ask.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import type { Executable } from '#core/autodiff/compile.ts';
import type { Graphs } from '#core/inspection/lens-graphs.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { NUMBERS } from '#tests/core/models/reference-numbers.ts';
import { ONE } from '#tests/core/training/graph-values.ts';

/** Folders of models with what PyTorch computes on them. */
export const REFERENCE_MODELS = NUMBERS.filter(({ absent }) => !absent).flatMap(({ title, folder }) =>
  fs
    .readdirSync(path.join(folder, 'models'))
    .map((name) => ({ title, name, folder: path.join(folder, 'models', name) })),
);

/** Gives a checkpoint its graphs, released after the test file; `keys` are those that were compiled. */
export function compiledGraphs(): (checkpoint: Checkpoint) => Graphs & { keys(): string[] } {
  const all: Promise<Executable>[] = [];
  afterAll(async () => {
    for (const graph of all) await (await graph).release();
  });
  return (checkpoint) => {
    const made = new Map<string, Promise<Executable>>();
    return {
      checkpoint,
      graph: (key, program) => {
        const graph = made.get(key) ?? compile(program(), ONE);
        if (!made.has(key)) all.push(graph);
        made.set(key, graph);
        return graph;
      },
      keys: () => [...made.keys()],
    };
  };
}
