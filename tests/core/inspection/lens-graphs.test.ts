// The lens against PyTorch's residual streams of every family, read the slow way, and against the model's own output.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readLayers } from '#core/inspection/lens-graphs.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { expectClose, readNumbers } from '#tests/core/models/reference-numbers.ts';
import { FAMILIES, tinyModel } from '#tests/core/models/tiny-models.ts';
import { ONE } from '#tests/core/training/graph-values.ts';
import { compiledGraphs, REFERENCE_MODELS } from './asked-graphs.ts';
import { divergenceOf, entropyOf, logitsOf, logSoftmax, normed, normOf, rankOf } from './slow-numbers.ts';

const withGraphs = compiledGraphs();

describe.each(REFERENCE_MODELS)('$title: $name', ({ folder }) => {
  test('layers × positions are PyTorch’s residual streams, normed once and read by the output matrix', async () => {
    const E = readNumbers(path.join(folder, 'expected.safetensors'));
    const checkpoint = loadCheckpoint(folder);
    const { layers: L, channels: C } = checkpoint.architecture;
    const [mask] = E.rows('attention_mask') as [number[]];
    const ids = E.rows('input_ids')[0]!.filter((_, t) => mask[t] === 1); // what is padded is padded on the right
    const K = 5;
    const found = await readLayers(withGraphs(checkpoint), {
      ids,
      from: 0,
      to: ids.length,
      layers: Array.from({ length: L + 1 }, (_, layer) => layer),
      count: K,
    });
    expect(found.map(({ layer }) => layer)).toEqual(Array.from({ length: L + 1 }, (_, layer) => layer));
    const streamOf = (layer: number) => {
      const all = E.floats(`hidden/${layer}`);
      return ids.map((_, t) => Array.from(all.subarray(t * C, (t + 1) * C)));
    };
    const logprobsOf = (layer: number) =>
      streamOf(layer).map((x) => logSoftmax(logitsOf(checkpoint, normed(checkpoint, x))));
    const last = logprobsOf(L);
    for (const { layer, ...numbers } of found) {
      const wanted = logprobsOf(layer);
      const what = (name: string) => `${name} after layer ${layer}`;
      expectClose(numbers.norms, streamOf(layer).map(normOf), what('norms'));
      expectClose(numbers.entropies, wanted.map(entropyOf), what('entropies'));
      const divergences = wanted.map((row, t) => divergenceOf(last[t]!, row));
      expectClose(numbers.divergences, divergences, what('divergences'));
      const followed = ids.slice(1);
      expect([numbers.nextLogprobs.at(-1), numbers.nextRanks.at(-1)]).toEqual([null, null]);
      const next = numbers.nextLogprobs.slice(0, -1) as number[];
      expectClose(
        next,
        followed.map((id, t) => wanted[t]![id]!),
        what('next tokens'),
      );
      expect(numbers.nextRanks.slice(0, -1), what('ranks')).toEqual(followed.map((id, t) => rankOf(wanted[t]!, id)));
      wanted.forEach((row, t) => {
        const best = [...row.keys()].toSorted((a, b) => row[b]! - row[a]!).slice(0, K);
        expect(numbers.ids[t], what(`best at ${t}`)).toEqual(best);
        expectClose(
          numbers.logprobs[t]!,
          best.map((id) => row[id]!),
          what(`ln p of the best at ${t}`),
        );
      });
    }
    // and PyTorch's own logits: what stands after the last block is normed once, not twice
    const V = checkpoint.architecture.vocabulary;
    const logits = E.floats('logits');
    const own = ids.map((_, t) => logSoftmax(Array.from(logits.subarray(t * V, (t + 1) * V))));
    expectClose(found.at(-1)!.entropies, own.map(entropyOf), 'entropies of PyTorch’s logits');
    expect(found.at(-1)!.divergences).toEqual(ids.map(() => 0));
  });
});

const TEXT = [5, 9, 4, 30, 22, 22, 7, 41, 3, 17];

test.each(FAMILIES)('%s: the last layer is what the model says of the text itself', async (family) => {
  const checkpoint = tinyModel(family);
  const { layers: L } = checkpoint.architecture;
  const asked = { ids: TEXT, from: 0, to: TEXT.length, layers: [L], count: 1 };
  const [last] = await readLayers(withGraphs(checkpoint), asked);
  const row = [{ prompt: TEXT.slice(0, 1), completions: [TEXT.slice(1)] }];
  const evaluator = createEvaluator(checkpoint, ONE);
  const [[logprobs]] = (await evaluator.logprobs(checkpoint.weights, row)) as [[number[]]];
  await evaluator.release();
  expectClose(last!.nextLogprobs.slice(0, -1) as number[], logprobs, 'ln p of the next token', {
    relative: 2e-6,
    absolute: 2e-6,
  });
});

describe('a part of a text', () => {
  const checkpoint = tinyModel('gpt2');
  const whole = { ids: TEXT, from: 0, to: TEXT.length, layers: [0, 1, 2], count: 3 };

  test('has the numbers of the whole, whatever else is asked for', async () => {
    const all = await readLayers(withGraphs(checkpoint), whole);
    const part = await readLayers(withGraphs(checkpoint), { ...whole, from: 3, to: 7, layers: [1] });
    expect(part).toHaveLength(1);
    expect(part[0]!.ids).toEqual(all[1]!.ids.slice(3, 7));
    expect(part[0]!.nextRanks).toEqual(all[1]!.nextRanks.slice(3, 7));
    expectClose(part[0]!.divergences, all[1]!.divergences.slice(3, 7), 'divergences');
    expectClose(part[0]!.norms, all[1]!.norms.slice(3, 7), 'norms');
  });

  test('is read in pieces where the vocabulary is large, to the same numbers', async () => {
    const V = 2 ** 17; // 32 positions at a time
    const large = withGraphs(
      tinyModel('gpt2', 3, { vocabulary: V, channels: 8, layers: 1, heads: 2, keyValueHeads: 2 }),
    );
    const ids = Array.from({ length: 45 }, (_, t) => (t * 40_009) % V);
    const asked = { ids, from: 0, to: ids.length, layers: [0, 1], count: 2 };
    const found = await readLayers(large, asked);
    const [, atOnce] = large.keys().map((key) => (JSON.parse(key) as [string, number])[1]);
    expect(atOnce).toBe(32);
    const last = await readLayers(large, { ...asked, from: 30, to: 45 });
    found.forEach((layer, m) => {
      expect(layer.ids).toHaveLength(45);
      expect(layer.ids.slice(30)).toEqual(last[m]!.ids);
      expect(layer.nextRanks.slice(30)).toEqual(last[m]!.nextRanks);
      expectClose(layer.entropies.slice(30), last[m]!.entropies, 'entropies');
    });
  });
});

test('logits are let go layer by layer: twelve layers of a large vocabulary take no more memory than a few', async () => {
  const MIB = 2 ** 20;
  const V = 2 ** 17; // 16 MiB a tensor of 32 positions; with those of all layers at once it took 710
  const deep = withGraphs(tinyModel('gpt2', 3, { vocabulary: V, channels: 8, layers: 12, heads: 2, keyValueHeads: 2 }));
  const ids = Array.from({ length: 32 }, (_, t) => (t * 40_009) % V);
  const layers = Array.from({ length: 13 }, (_, layer) => layer);
  const before = process.memoryUsage.rss();
  expect(await readLayers(deep, { ids, from: 0, to: 32, layers, count: 1 })).toHaveLength(13);
  expect((process.memoryUsage.rss() - before) / MIB).toBeLessThan(400); // the runtime keeps its peak, about 150
});
