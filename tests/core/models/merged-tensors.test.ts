// A model's tensors one at a time: the bits of the whole model, adapters and scaling included, and a bias moved without
// a trace.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { chosenMatrices } from '#core/models/adapter.ts';
import { loadCheckpoint, openCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { families } from '#core/models/families.ts';
import { foldedBias, lazyWeights, mergedTensors } from '#core/models/merged-tensors.ts';
import { createRandom } from '#core/random.ts';
import { expectClose, readJson } from './reference-numbers.ts';
import { FAMILIES, randomTokens, tinyModel, withAdapter } from './tiny-models.ts';

const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'merged-')));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
function saved(checkpoint: Checkpoint): string {
  const folder = path.join(scratch, `model-${++folders}`);
  saveCheckpoint(folder, checkpoint);
  return folder;
}
const whole = (folder: string) => {
  const { architecture, head, tensors } = mergedTensors(openCheckpoint(folder));
  return { architecture, head, weights: { ...lazyWeights(tensors) } };
};

describe.each(FAMILIES)('%s', (family) => {
  const words = tinyModel(family);
  const base = saved(words);
  const scorer = withScoreHead(words, 3);
  scorer.weights['score.bias'] = Float32Array.of(2.5);
  const kinds: [string, Checkpoint][] = [
    ['a language model', words],
    ['a reward model', scorer],
    ['an adapter on all matrices', withAdapter(words, {}, { folder: base })],
    [
      'an adapter on some, with a rank of its own',
      withAdapter(
        words,
        {
          matrices: chosenMatrices(words.architecture, 'attention'),
          ranks: { [chosenMatrices(words.architecture, 'attention')[0]!]: 5 },
        },
        { folder: base },
      ),
    ],
    ['an adapter with a score head', withAdapter(scorer, {}, { folder: base })],
  ];

  test.each(kinds)('%s: what loading it whole gives, bit for bit', (_, checkpoint) => {
    const folder = saved(checkpoint);
    expect(whole(folder)).toEqual(loadCheckpoint(folder));
    expect(
      mergedTensors(openCheckpoint(folder)).tensors.map(({ name, shape, load }) => [
        name,
        load().length - shape.reduce((a, b) => a * b, 1),
      ]),
    ).toEqual(Object.keys(loadCheckpoint(folder).weights).map((name) => [name, 0]));
  });

  test('scores that were saved with mean and deviation', () => {
    for (const bias of [true, false]) {
      const folder = saved(withScoreHead(words, 3, bias));
      const config = path.join(folder, 'config.json');
      fs.writeFileSync(
        config,
        JSON.stringify({ ...readJson<object>(config), normalize_reward: true, mean: 0.75, std: 2.5 }),
      );
      expect(whole(folder)).toEqual(loadCheckpoint(folder));
      expect(whole(folder).weights['score.bias']![0]).toBeCloseTo(-0.75 / 2.5, 6);
    }
  });

  test('a bias goes into the final norm where that has one, and scores stay', async () => {
    const {
      model: { tensors },
      bias,
    } = foldedBias(mergedTensors(openCheckpoint(saved(scorer))));
    const weights = { ...lazyWeights(tensors) };
    const hasPlace = families[family].norm === 'layer';
    expect([bias, 'score.bias' in weights]).toEqual(hasPlace ? [0, false] : [2.5, true]);
    expect(hasPlace ? scorer.weights : weights).toEqual(scorer.weights);
    if (!hasPlace) return;
    const random = createRandom(4, 'rows');
    const groups = [9, 5, 12].map((length) => ({
      prompt: randomTokens(random, 3),
      completions: [randomTokens(random, length)],
    }));
    const before = createEvaluator(scorer);
    const after = createEvaluator({ ...scorer, weights });
    expectClose(
      (await after.scores(weights, groups)).flat(),
      (await before.scores(scorer.weights, groups)).flat(),
      'scores',
      { relative: 1e-5, absolute: 1e-5 },
    );
    await before.release();
    await after.release();
    // and nothing else has changed
    const changed = Object.keys(weights).filter((name) =>
      weights[name]!.some((value, i) => value !== scorer.weights[name]![i]),
    );
    expect(changed).toEqual([`${families[family].names.finalNorm}.bias`]);
  });

  test('no bias and a bias of 0 are the same; a head of zeros keeps its bias', () => {
    const none = foldedBias(mergedTensors(openCheckpoint(saved(withScoreHead(words, 3, true)))));
    expect([none.bias, none.model.tensors.some(({ name }) => name === 'score.bias')]).toEqual([0, false]);
    const flat = {
      ...scorer,
      weights: { ...scorer.weights, 'score.weight': new Float32Array(words.architecture.channels) },
    };
    expect(foldedBias(mergedTensors(openCheckpoint(saved(flat)))).bias).toBe(2.5);
  });
});
