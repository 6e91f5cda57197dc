// Heads: what a trunk gives them at the wanted slots, how scores are shifted, and that nobody else knows their tensors.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import type { Tensors } from '#core/autodiff/compile.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { checkpointParameters, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import {
  adjustedHead,
  headParameters,
  HEADS,
  isScoreTensor,
  parametersAbove,
  SCORE_HEAD_NAMES,
  SCORE_HEADS,
} from '#core/models/heads.ts';
import type { HeadName } from '#core/models/heads.ts';
import { packRows, rowShape, rowTensors, rowTypes } from '#core/models/rows.ts';
import type { Group } from '#core/models/rows.ts';
import { lowest, trunk } from '#core/models/transformer.ts';
import { ONE } from '#tests/core/training/graph-values.ts';
import { tinyModel } from './tiny-models.ts';

const GROUPS: Group[] = [
  { prompt: [3, 4, 5], completions: [[6, 7], [8], [9, 10, 11]] },
  { prompt: [12], completions: [[13, 14, 15, 16], [17], [18]] },
];
const SHAPE = rowShape(GROUPS, 2, 'last');

/** Tensors that `read` makes of a model over the rows above. */
async function over(like: Checkpoint, read: (model: Parameters<typeof trunk>[0], feeds: Tensors) => Tensor[]) {
  const executable = await compile(
    {
      state: {},
      frozen: Object.fromEntries(
        checkpointParameters(like).map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }]),
      ),
      feeds: rowTypes(SHAPE),
      step: ({ graph, frozen: weights, feeds }) => ({
        state: {},
        outputs: Object.fromEntries(
          read({ architecture: like.architecture, weights, graph }, feeds).map((y, i) => [`y${i}`, y]),
        ),
      }),
    },
    ONE,
  );
  const { arrays } = packRows(GROUPS, SHAPE, 2, 'last');
  const { outputs } = await executable.run({}, like.weights, arrays);
  await executable.release();
  return Object.values(outputs).map(({ data }) => Array.from(data as Float32Array));
}

describe('taps', () => {
  const like = tinyModel('llama');
  const { layers, channels: C } = like.architecture;
  const slots = (stream: number[]): number[] => {
    const { at } = packRows(GROUPS, SHAPE, 2, 'last').arrays;
    return Array.from(at as Int32Array).flatMap((t, slot) => {
      const place = Math.floor(slot / SHAPE.Q) * SHAPE.T + t;
      return stream.slice(place * C, (place + 1) * C);
    });
  };

  test('are the residual stream after each layer, at the wanted slots', async () => {
    const of = Array.from({ length: layers + 1 }, (_, layer) => layer);
    const tapped = await over(like, (model, feeds) => of.map((layer) => trunk(model, rowTensors(feeds)).at(layer)));
    const streams = await over(like, (model, feeds) => {
      const { ids, positions, segments } = rowTensors(feeds);
      return trunk(model, { ids, positions: positions!, segments: segments! }).stream;
    });
    for (const layer of of)
      slots(streams[layer]!).forEach((x, i) => expect(tapped[layer]![i], `layer ${layer}`).toBeCloseTo(x, 5));
    expect(tapped[0]).not.toEqual(tapped[1]);
  });

  test('of the lowest blocks, and above them with what was made below, are the same', async () => {
    const wanted = await over(like, (model, feeds) => {
      const taps = trunk(model, rowTensors(feeds));
      return [taps.at(0), taps.at(1), taps.hidden];
    });
    const found = await over(like, (model, feeds) => {
      const rows = rowTensors(feeds);
      const below = lowest(model, rows, 1);
      const taps = trunk(model, rows, { layer: 1, x: below.x, taps: { 0: below.at(0) } });
      return [taps.at(0), taps.at(1), taps.hidden];
    });
    found.forEach((numbers, i) => numbers.forEach((x, n) => expect(x, `tensor ${i}`).toBeCloseTo(wanted[i]![n]!, 5)));
  });
});

describe.each(SCORE_HEAD_NAMES)('the head %s', (head) => {
  const words = tinyModel('gpt2');
  const model = withScoreHead(words, 3, true, head);

  test('gives one score a slot, and its parameters are those that the checkpoint holds', async () => {
    expect(SCORE_HEADS[head].outputs).toHaveLength(1);
    const own = headParameters(model).map(({ name }) => name);
    expect(own.every(isScoreTensor)).toBe(true);
    expect(Object.keys(model.weights).filter(isScoreTensor).sort()).toEqual([...own].sort());
    expect(Object.keys(words.weights).filter(isScoreTensor)).toEqual([]);
    expect(new Set(own.map((name) => name.slice(0, name.indexOf('.'))))).toEqual(new Set(HEADS[head].modules));
    const evaluator = createEvaluator(model, ONE);
    const scores = await evaluator.scores(model.weights, GROUPS);
    await evaluator.release();
    expect(scores.map((list) => list.length)).toEqual([3, 3]);
    expect(new Set(scores.flat()).size).toBe(6);
  });

  test('an adjustment makes (score - center) / unit of every score, also where there was no bias', async () => {
    for (const bias of [true, false]) {
      const before = withScoreHead(words, 3, bias, head);
      const evaluator = createEvaluator(before, ONE);
      const plain = (await evaluator.scores(before.weights, GROUPS)).flat();
      await evaluator.release();
      const weights = {
        ...before.weights,
        ...adjustedHead(head, before.weights, { center: 0.7, unit: 2 }, 'all'),
      };
      const after = { ...before, weights };
      const again = createEvaluator(after, ONE);
      const moved = (await again.scores(weights, GROUPS)).flat();
      await again.release();
      moved.forEach((score, i) => expect(score).toBeCloseTo((plain[i]! - 0.7) / 2, 5));
    }
  });

  test('above all blocks nothing is read but the head, and what it makes of the layers', () => {
    const list = checkpointParameters(model);
    const above = parametersAbove(list, model, model.architecture.layers).map(({ name }) => name);
    const own = above.filter(isScoreTensor);
    expect(own).toEqual(headParameters(model).map(({ name }) => name));
    const isNormed = HEADS[head].layers(model.architecture).length > 0;
    expect(above.filter((name) => !isScoreTensor(name)).map((name) => name.split('.').at(-2))).toEqual(
      isNormed ? ['ln_f', 'ln_f'] : [],
    );
  });
});

test('a language model ends with its output matrix, or has none of its own where it is tied', () => {
  const head: HeadName = 'language-model';
  const { architecture } = tinyModel('llama');
  const named = (tied: boolean) =>
    headParameters({ architecture: { ...architecture, tied }, head }).map(({ name }) => name);
  expect([named(true), named(false)]).toEqual([[], ['lm_head.weight']]);
});

/** Where else the names of a head's tensors stand, and why. */
const MAY_NAME: Readonly<Record<string, string>> = {
  'core/models/heads.ts': 'their home',
  'core/models/stored-head.ts': 'what other programs call the linear head in their files',
};
const NAMES =
  /(?<![\w./])(?:score|mix)\.(?:weight|bias|gamma)\b|['"`](?:score|mix)\.['"`]|\^(?:score|mix)\\?\.|v_head\.summary/;

test('nobody else knows the tensors of a head by name', () => {
  const files = ['core', 'renderer', 'electron'].flatMap((folder) =>
    fs
      .readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => path.join(folder, name))
      .filter((name) => /\.(ts|vue|mjs)$/.test(name)),
  );
  expect(files.length).toBeGreaterThan(300);
  const naming = files.filter((file) => NAMES.test(fs.readFileSync(file, 'utf8')));
  expect(naming.sort()).toEqual(Object.keys(MAY_NAME).sort());
  for (const line of ["weights['score.weight']", '"score.bias" is read', "name.startsWith('score.')"])
    expect(line).toMatch(NAMES);
});
