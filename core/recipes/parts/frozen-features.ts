// What the frozen blocks at the bottom of a model make of each text, computed once and kept on disk while the blocks
// above learn.
//
// With `layer` blocks frozen, t tokens are a piece [t, C] of the residual stream, one of each prompt and of each of its
// completions, to be put together to any rows; when all blocks are, only the final hidden state at each completion's
// last token is kept.

import fs from 'node:fs';
import path from 'node:path';
import { compile } from '#core/autodiff/compile.ts';
import type { Program } from '#core/autodiff/compile.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import { readFully, writeFully } from '#core/formats/file-access.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import type { Below } from '#core/models/evaluator.ts';
import { inRows, packRows, roundedLength, rowShape, rowTensors, rowTokens, rowTypes } from '#core/models/rows.ts';
import type { Group, RowShape } from '#core/models/rows.ts';
import { stream, trunk } from '#core/models/transformer.ts';

const FILE = 'features.f32';
const TOKENS = 4096; // of one pass

export interface Features extends Below {
  /** false where it was stopped before the last group: then there is nothing to read */
  whole: boolean;
  /** closes and removes the file */
  remove(): void;
}

/**
 * The lowest `layer` blocks over rows: what they make of each token, or of each wanted slot where they are all there
 * are.
 */
export function featuresProgram(like: Checkpoint, layer: number, shape: RowShape): Program {
  const all = layer === like.architecture.layers;
  return {
    state: {},
    frozen: Object.fromEntries(
      checkpointParameters(like).map(({ name, shape: size }) => [name, { dtype: 'float32' as const, shape: size }]),
    ),
    feeds: rowTypes(shape),
    step: ({ graph, frozen: weights, feeds }) => {
      const model = { architecture: like.architecture, weights, adapters: scalesOf(like), graph, forward: true };
      return {
        state: {},
        outputs: { y: all ? trunk(model, rowTensors(feeds)).hidden : stream(model, rowTensors(feeds), layer) },
      };
    },
  };
}
/** How many rows of `tokens` tokens go through them at once. */
export const featureRows = (tokens: number, left: number): number =>
  Math.min(left, Math.max(1, Math.floor(TOKENS / roundedLength(tokens))));

/** Every prompt once, with all that follows it anywhere: rankings and a reference of one prompt share its work. */
function together(groups: readonly Group[]): Group[] {
  const byPrompt = Map.groupBy(groups, ({ prompt }) => prompt.join());
  return [...byPrompt.values()].flatMap((same) => {
    const completions = new Map(same.flatMap((group) => group.completions.map((ids) => [ids.join(), ids] as const)));
    return inRows({ prompt: same[0]!.prompt, completions: [...completions.values()] });
  });
}

/** Where in the file the tokens of a prompt and of its completions are. */
interface Places {
  prompt: number;
  completions: Map<string, number>;
}

/**
 * Passes every group through the lowest `layer` blocks. `progress` is told how many rows of how many are done, and
 * stops it by saying true.
 */
export async function computeFeatures(
  folder: string,
  checkpoint: Checkpoint,
  layer: number,
  groups: readonly Group[],
  progress: (done: number, of: number) => unknown = () => false,
): Promise<Features> {
  const { architecture } = checkpoint;
  const C = architecture.channels;
  const all = layer === architecture.layers;
  const file = path.join(folder, FILE);
  const fd = fs.openSync(file, 'w+');
  const places = new Map<string, Places>();
  const compiled = createExecutableCache();
  const order = together(groups).sort((a, b) => rowTokens(a) - rowTokens(b));
  const of = order.length;
  const remove = () => {
    if (!fs.existsSync(file)) return;
    fs.closeSync(fd);
    fs.rmSync(file);
  };
  const through = async (): Promise<boolean> => {
    for (let size = 0, done = 0; order.length;) {
      if (progress(done, of) === true) return false;
      const B = featureRows(rowTokens(order.at(-1)!), order.length);
      const batch = order.splice(-B, B);
      const shape = rowShape(batch, B, 'last');
      const executable = await compiled.get(JSON.stringify(shape), () =>
        compile(featuresProgram(checkpoint, layer, shape)),
      );
      const y = (await executable.run({}, checkpoint.weights, packRows(batch, shape, B, 'last').arrays)).outputs.y!
        .data as Float32Array;
      batch.forEach(({ prompt, completions }, row) => {
        const taken = all ? completions.length : prompt.length + completions.flat().length;
        const from = row * (all ? shape.Q : shape.T) * C;
        writeFully(fd, new Uint8Array(y.buffer, y.byteOffset + from * 4, taken * C * 4));
        const key = prompt.join();
        const known = places.get(key) ?? { prompt: size, completions: new Map<string, number>() };
        places.set(key, known);
        let at = size + (all ? 0 : prompt.length * C * 4);
        for (const ids of completions) {
          known.completions.set(ids.join(), at);
          at += (all ? 1 : ids.length) * C * 4;
        }
        size += taken * C * 4;
      });
      done += batch.length;
      if (order.length === 0) progress(done, of);
    }
    return true;
  };
  let whole = false;
  try {
    whole = await through();
  } finally {
    await compiled.release();
    if (!whole) remove(); // told to stop, or cancelled
  }
  return {
    layer,
    whole,
    of: (wanted, { T, Q }, count) => {
      const each = (all ? Q : T) * C;
      const x = new Float32Array(count * each);
      wanted.forEach(({ prompt, completions }, row) => {
        let at = row * each;
        const read = (numbers: number, from: number) => {
          readFully(fd, new Uint8Array(x.buffer, at * 4, numbers * 4), from, file);
          at += numbers;
        };
        if (prompt.length === 0) return; // padding
        const known = places.get(prompt.join())!;
        if (!all) read(prompt.length * C, known.prompt);
        for (const ids of completions) read((all ? 1 : ids.length) * C, known.completions.get(ids.join())!);
      });
      return x;
    },
    remove,
  };
}
