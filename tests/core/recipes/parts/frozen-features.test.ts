// Features of frozen blocks: training on them is training on the whole model, at any border between frozen and
// learning.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { computeFeatures } from '#core/recipes/parts/frozen-features.ts';
import { checkpointParameters, withScoreHead } from '#core/models/checkpoint.ts';
import { packRows, rowShape } from '#core/models/rows.ts';
import type { Group } from '#core/models/rows.ts';
import { createRandom } from '#core/random.ts';
import { pairWeights } from '#core/training/objectives/pair-losses.ts';
import { isScoreTensor, SCORE_HEAD_NAMES } from '#core/models/heads.ts';
import { rewardFeeds, rewardLoss } from '#core/training/objectives/row-losses.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { FAMILIES, randomTokens, tinyModel } from '#tests/core/models/tiny-models.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'features-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
// an epsilon that does not blow up what is only rounding: a key's bias has no gradient
const ADAM = { betas: [0.9, 0.999], epsilon: 1e-2, epsilonStyle: 'torch', weightDecay: 0, clipNorm: null } as const;

const cases = FAMILIES.flatMap((family) =>
  [1, 2].flatMap((layer) => SCORE_HEAD_NAMES.map((head) => [family, layer, head] as const)),
);
test.each(cases)(
  '%s, %d blocks frozen, the head %s: the same losses, gradient norms and weights',
  async (family, layer, head) => {
    const start = withScoreHead(tinyModel(family), 4, true, head);
    const { architecture } = start;
    const random = createRandom(7, family);
    const groups = [
      [3, 5, 2],
      [9, 1, 4],
      [6, 6, 1],
      [2, 8, 3],
    ].map((lengths): Group => ({
      prompt: randomTokens(random, 3 + random.integer(9)),
      completions: lengths.map((length) => randomTokens(random, length)),
    }));
    const learns = (name: string) =>
      isScoreTensor(name) || (layer < architecture.layers && /(layers|h)\.1\./.test(name));
    const all = checkpointParameters(start);
    const own = all.filter(({ name }) => learns(name));
    const frozen = { parameters: all.filter(({ name }) => !learns(name)), weights: start.weights };
    expect(own.length).toBeGreaterThan(layer < architecture.layers ? 4 : 1);
    const state = () => freshState(Object.fromEntries(own.map(({ name }) => [name, start.weights[name]!])));
    const rates = [1e-2, 1e-2];
    const shape = rowShape(groups, 2, 'last');
    const { arrays } = packRows(groups, shape, 4, 'last');
    const pairs = Float32Array.from(groups.flatMap(() => [...pairWeights([1, 2, 3], shape.Q)]));
    const whole = createTrainer(own, state(), rewardLoss(start), ADAM, { frozen, threads: 1 });
    const wanted = await whole.steps('whole', rewardFeeds(start, shape), { ...arrays, pairs }, rates);

    const features = await computeFeatures(folder, start, layer, groups);
    const above = createTrainer(own, state(), rewardLoss(start, layer), ADAM, { frozen, threads: 1 });
    const found = await above.steps(
      'above',
      rewardFeeds(start, shape, null, layer),
      { ...(layer === architecture.layers ? {} : arrays), ...features.of(groups, shape, groups.length), pairs },
      rates,
    );
    features.remove();
    expect(fs.readdirSync(folder)).toEqual([]);
    for (const name of ['loss', 'grad_norm', 'accuracy'])
      found[name]!.forEach((value, i) => expect(value, name).toBeCloseTo(wanted[name]![i]!, 4));
    for (const { name } of own)
      above
        .state()
        .weights[name]!.forEach((value, i) => expect(value, name).toBeCloseTo(whole.state().weights[name]![i]!, 4));
    await whole.release();
    await above.release();
  },
);
