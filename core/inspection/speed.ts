// How fast this machine trains: a few steps of a small model, measured once, for the estimates before there are runs to
// go by.

import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { freshWeights } from '#core/models/checkpoint.ts';
import { languageModelFeeds, languageModelLoss, languageModelRows } from '#core/training/objectives/language-model.ts';
import type { WeightedText } from '#core/training/objectives/language-model.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';

const B = 8;
const T = 128;
const STEPS = 2;
const MODEL = newArchitecture({
  family: 'llama',
  vocabulary: 1024,
  channels: 128,
  layers: 4,
  heads: 4,
  feedForward: 352,
  context: T,
  endOfText: 0,
  pad: 1,
});

/** Tokens times parameters trained a second. */
export async function measureSpeed(): Promise<number> {
  const list = parameters(MODEL);
  const trainer = createTrainer(list, freshState(freshWeights(list, MODEL.layers, 1)), languageModelLoss(MODEL), {
    betas: [0.9, 0.999],
    epsilon: 1e-8,
    epsilonStyle: 'torch',
    weightDecay: 0,
    clipNorm: 1,
  });
  const text: WeightedText = {
    ids: Array.from({ length: T }, (_, i) => 2 + ((i * 7) % 1000)),
    weights: Array.from({ length: T }, () => 1),
  };
  const batches = Array.from({ length: STEPS }, () => Array.from({ length: B }, () => text));
  const step = () =>
    trainer.steps(
      'speed',
      languageModelFeeds(B, T),
      languageModelRows(batches, T),
      batches.map(() => 1e-3),
    );
  await step(); // it compiles
  const started = performance.now();
  await step();
  const seconds = (performance.now() - started) / 1000;
  const size = list.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return (STEPS * B * T * size) / seconds;
}
