// What the frozen blocks at the bottom of a model make of each row, computed once and kept on disk while the blocks above learn.
//
// With `layer` blocks frozen, a row of t tokens is a piece [t, C] of the residual stream; when all of them are, only the final
// hidden state at each completion's last token is kept, [K, C].

import fs from 'node:fs';
import path from 'node:path';
import { compile } from '#core/autodiff/compile.ts';
import type { Program } from '#core/autodiff/compile.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import { readFully, writeFully } from '#core/formats/file-access.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { packRows, roundedLength, rowShape, rowTensors, rowTypes } from '#core/models/rows.ts';
import type { Group, RowShape } from '#core/models/rows.ts';
import { stream, trunk } from '#core/models/transformer.ts';

const FILE = 'features.f32', TOKENS = 4096; // of one pass

export interface Features {
  /** false where it was stopped before the last group: then there is nothing to read */
  whole: boolean;
  /** for rows packed to `shape` in this order: [rows · T, C], or [rows · Q, C] where all blocks are frozen; 0 on padding */
  of(groups: readonly Group[], shape: RowShape): Float32Array;
  /** closes and removes the file */
  remove(): void;
}

const tokensOf = ({ prompt, completions }: Group): number => prompt.length + completions.reduce((sum, ids) => sum + ids.length, 0);

/** The lowest `layer` blocks over rows: what they make of each token, or of each wanted slot where they are all there are. */
export function featuresProgram(like: Checkpoint, layer: number, shape: RowShape): Program {
  const all = layer === like.architecture.layers;
  return {
    state: {}, frozen: Object.fromEntries(checkpointParameters(like).map(({ name, shape: size }) => [name, { dtype: 'float32' as const, shape: size }])), feeds: rowTypes(shape),
    step: ({ graph, frozen: weights, feeds }) => {
      const model = { architecture: like.architecture, weights, adapters: scalesOf(like), graph, forward: true };
      return { state: {}, outputs: { y: all ? trunk(model, rowTensors(feeds)).hidden : stream(model, rowTensors(feeds), layer) } };
    },
  };
}
/** How many rows of `tokens` tokens go through them at once. */
export const featureRows = (tokens: number, left: number): number => Math.min(left, Math.max(1, Math.floor(TOKENS / roundedLength(tokens))));

/** Passes every group through the lowest `layer` blocks. `progress` is told how many of them are done, and stops it by saying true. */
export async function computeFeatures(folder: string, checkpoint: Checkpoint, layer: number, groups: readonly Group[], progress: (done: number) => unknown = () => false): Promise<Features> {
  const { architecture } = checkpoint, C = architecture.channels, all = layer === architecture.layers;
  const file = path.join(folder, FILE), fd = fs.openSync(file, 'w+'), places = new Map<Group, { at: number; rows: number }>();
  const compiled = createExecutableCache();
  const order = [...groups].sort((a, b) => tokensOf(a) - tokensOf(b));
  const remove = () => {
    if (!fs.existsSync(file)) return;
    fs.closeSync(fd);
    fs.rmSync(file);
  };
  const through = async (): Promise<boolean> => {
    for (let size = 0; order.length; ) {
      if (progress(places.size) === true) return false;
      const B = featureRows(tokensOf(order.at(-1)!), order.length), batch = order.splice(-B, B), shape = rowShape(batch, B, 'last');
      const executable = await compiled.get(JSON.stringify(shape), () => compile(featuresProgram(checkpoint, layer, shape)));
      const y = (await executable.run({}, checkpoint.weights, packRows(batch, shape, B, 'last').arrays)).outputs.y!.data as Float32Array;
      batch.forEach((group, row) => {
        const rows = all ? group.completions.length : tokensOf(group), from = row * (all ? shape.Q : shape.T) * C;
        writeFully(fd, new Uint8Array(y.buffer, y.byteOffset + from * 4, rows * C * 4));
        places.set(group, { at: size, rows });
        size += rows * C * 4;
      });
    }
    progress(places.size);
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
    whole,
    of: (wanted, { T, Q }) => {
      const each = (all ? Q : T) * C, x = new Float32Array(wanted.length * each);
      wanted.forEach((group, row) => {
        const { at, rows } = places.get(group)!;
        readFully(fd, new Uint8Array(x.buffer, row * each * 4, rows * C * 4), at, file);
      });
      return x;
    },
    remove,
  };
}
