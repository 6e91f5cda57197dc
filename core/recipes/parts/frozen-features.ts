// What the frozen blocks at the bottom of a model make of each text, computed once and kept on disk while the blocks
// above learn.
//
// With `layer` blocks frozen, t tokens are a piece [t, C] of the residual stream, one of each prompt and of each of its
// completions, to be put together to any rows; when all blocks are, only the final hidden state at each completion's
// last token is kept. A head that reads layers below gets their residual streams at that token, too: a tap [C] each.

import fs from 'node:fs';
import path from 'node:path';
import { compile } from '#core/autodiff/compile.ts';
import type { Program } from '#core/autodiff/compile.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import { readFully, writeFully } from '#core/formats/file-access.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { layersBelow, tapName } from '#core/models/evaluator.ts';
import type { Below } from '#core/models/evaluator.ts';
import { inRows, packRows, roundedLength, rowShape, rowTensors, rowTokens, rowTypes } from '#core/models/rows.ts';
import type { Group, RowShape } from '#core/models/rows.ts';
import { lowest, trunk } from '#core/models/transformer.ts';
import { weightTypes } from '#core/models/weight-types.ts';
import type { ModelShape } from '#core/plans/model-shape.ts';
import { carriedAbove, numbersAbove } from '#core/plans/plan.ts';
import type { Reading } from '#core/plans/plan.ts';

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
    frozen: weightTypes(checkpointParameters(like)),
    feeds: rowTypes(shape),
    step: ({ graph, frozen: weights, feeds }) => {
      const model = { architecture: like.architecture, weights, adapters: scalesOf(like), graph, forward: true };
      const rows = rowTensors(feeds);
      const whole = all ? trunk(model, rows) : null;
      const { x, at } = whole ? { x: whole.hidden, at: whole.at } : lowest(model, rows, layer);
      const taps = layersBelow(like, layer).map((one) => [tapName(one), at(one)] as const);
      return { state: {}, outputs: { x, ...Object.fromEntries(taps) } };
    },
  };
}
/** How many rows of `tokens` tokens go through them at once. */
export const featureRows = (tokens: number, left: number): number =>
  Math.min(left, Math.max(1, Math.floor(TOKENS / roundedLength(tokens))));

/** Reading `rows` rows with the lowest `layer` blocks, `tokens` in the whole run; no phase where none is frozen. */
export function featuresPhase(
  model: ModelShape,
  layer: number,
  { rows, longest, K, tokens }: { rows: number; longest: number; K: number; tokens: number },
): Reading[] {
  if (layer === 0 || rows === 0) return [];
  const shape = { B: featureRows(longest, rows), T: roundedLength(longest), Q: K, shared: K > 1 };
  return [
    {
      does: 'read',
      model,
      shape,
      rows,
      growing: false,
      key: ['features', layer],
      program: (like, cut) => featuresProgram(like, layer, cut),
      carried: carriedAbove(model, layer, shape),
      kept: 1,
      tokens,
      numbers: numbersAbove(model, 0) - numbersAbove(model, layer),
    },
  ];
}

/** Every prompt once, with all that follows it anywhere: rankings and a reference of one prompt share its work. */
function together(groups: readonly Group[]): Group[] {
  const byPrompt = Map.groupBy(groups, ({ prompt }) => prompt.join());
  return [...byPrompt.values()].flatMap((same) => {
    const completions = new Map(same.flatMap((group) => group.completions.map((ids) => [ids.join(), ids] as const)));
    return inRows({ prompt: same[0]!.prompt, completions: [...completions.values()] });
  });
}

/** Where in the file what was made of a completion is: of its tokens, and the taps at its last one. */
interface Place {
  x: number;
  taps: number;
}
/** The same of a prompt and of its completions. */
interface Places {
  prompt: number;
  completions: Map<string, Place>;
}

/** The file that features are kept in: what is appended to it a batch at a time, and read again for any rows. */
interface FeatureFile {
  append(batch: readonly Group[], shape: RowShape, outputs: Readonly<Record<string, Float32Array>>): void;
  of: Below['of'];
  /** closes and removes it */
  remove(): void;
}

function featureFile(folder: string, like: Checkpoint, layer: number): FeatureFile {
  const { channels: C, layers } = like.architecture;
  const all = layer === layers;
  const taps = layersBelow(like, layer).map(tapName);
  const file = path.join(folder, FILE);
  const fd = fs.openSync(file, 'w+');
  const places = new Map<string, Places>();
  let size = 0;
  const append = (y: Float32Array, from: number, taken: number): void => {
    writeFully(fd, new Uint8Array(y.buffer, y.byteOffset + from * C * 4, taken * C * 4));
    size += taken * C * 4;
  };
  const read = (to: Float32Array, at: number, taken: number, from: number): number => {
    readFully(fd, new Uint8Array(to.buffer, at * C * 4, taken * C * 4), from, file);
    return at + taken;
  };
  /** how many hidden states of a completion are kept */
  const kept = (ids: readonly number[]): number => (all ? 1 : ids.length);
  return {
    append: (batch, { T, Q }, outputs) =>
      batch.forEach(({ prompt, completions }, row) => {
        const known = places.get(prompt.join()) ?? { prompt: size, completions: new Map<string, Place>() };
        places.set(prompt.join(), known);
        const own = all ? 0 : prompt.length;
        let at = size + own * C * 4;
        append(outputs.x!, row * (all ? Q : T), own + completions.reduce((sum, ids) => sum + kept(ids), 0));
        completions.forEach((ids, k) => {
          known.completions.set(ids.join(), { x: at, taps: size });
          at += kept(ids) * C * 4;
          for (const name of taps) append(outputs[name]!, row * Q + k, 1);
        });
      }),
    of: (wanted, { T, Q }, count) => {
      const each = all ? Q : T;
      const x = new Float32Array(count * each * C);
      const tapped = taps.map((name) => [name, new Float32Array(count * Q * C)] as const);
      wanted.forEach(({ prompt, completions }, row) => {
        if (prompt.length === 0) return; // padding
        const known = places.get(prompt.join())!;
        let at = row * each;
        if (!all) at = read(x, at, prompt.length, known.prompt);
        completions.forEach((ids, k) => {
          const place = known.completions.get(ids.join())!;
          at = read(x, at, kept(ids), place.x);
          tapped.forEach(([, y], i) => read(y, row * Q + k, 1, place.taps + i * C * 4));
        });
      });
      return { x, ...Object.fromEntries(tapped) };
    },
    remove: () => {
      if (!fs.existsSync(file)) return;
      fs.closeSync(fd);
      fs.rmSync(file);
    },
  };
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
  const compiled = createExecutableCache();
  const order = together(groups).sort((a, b) => rowTokens(a) - rowTokens(b));
  const count = order.length;
  const { append, of, remove } = featureFile(folder, checkpoint, layer);
  const through = async (): Promise<boolean> => {
    for (let done = 0; order.length;) {
      if (progress(done, count) === true) return false;
      const B = featureRows(rowTokens(order.at(-1)!), order.length);
      const batch = order.splice(-B, B);
      const shape = rowShape(batch, B, 'last');
      const executable = await compiled.get(JSON.stringify(shape), () =>
        compile(featuresProgram(checkpoint, layer, shape)),
      );
      const { outputs } = await executable.run({}, checkpoint.weights, packRows(batch, shape, B, 'last').arrays);
      append(
        batch,
        shape,
        Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array])),
      );
      done += batch.length;
      if (order.length === 0) progress(done, count);
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
  return { layer, whole, of, remove };
}
