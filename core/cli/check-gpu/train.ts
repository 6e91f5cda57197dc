// Section "train": optimiser steps of GPT-2 with 124 million parameters beside PyTorch.

import { deviceWords, chosenDevice } from '#core/autodiff/device.ts';
import { parameters } from '#core/models/architecture.ts';
import { createRandom } from '#core/random.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { stepsARun } from '#core/training/pace.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { inParts } from './in-parts.ts';
import { rowBesidePeer } from './peer.ts';
import type { Context } from './context.ts';
import { ADAM, countOf, median, SIZES, tiledWeights } from './shapes.ts';

const GOALS = { fp32: 1, bf16: 0.9 } as const;
const ROUNDS = 3;
const FIRST = 2;

/**
 * A step with its share of the run's traffic (weights and moments cross twice a run), and the step alone: the
 * difference
 * of runs of K and 2K steps. The goal is for the first, at the
 * pace that runs of the program take (pace.ts).
 */
export async function train(context: Context): Promise<void> {
  const { row, note, tiny, precision } = context;
  const { architecture, title, B, T } = SIZES.train[tiny ? 'tiny' : 'full'];
  const device = chosenDevice();
  const list = parameters(architecture);
  const random = createRandom(1, 'train');
  const trainer = createTrainer(list, freshState(tiledWeights(architecture)), languageModelLoss(architecture), ADAM, {
    device,
  });
  let micro = 1;
  const run = async (K: number): Promise<number> => {
    const ids = Int32Array.from({ length: K * B * T }, () => random.integer(architecture.vocabulary));
    const started = performance.now();
    await trainer.steps(
      'train',
      languageModelFeeds(B / micro, T),
      {
        ids,
        targets: ids.map((_, i) => ids[(i + 1) % ids.length]!),
        mask: new Float32Array(ids.length).fill(1),
        weights: new Float32Array(ids.length).fill(1),
      },
      new Array<number>(K).fill(1e-4),
      micro,
    );
    return performance.now() - started;
  };
  const first = await inParts(
    B,
    micro,
    (parts) => {
      micro = parts;
      return run(FIRST);
    },
    trainer.release,
  );
  const opened = first.made;
  const roughly = await run(FIRST); // the first opens the graph
  note(
    `${title}: ${(countOf(list) / 1e6).toFixed(1)} million parameters, ${B} rows of ${T} tokens, device ${deviceWords(device)}${micro > 1 ? `, each step in ${micro} micro-batches, for want of memory` : ''}; opening the graph took ${((opened - roughly) / 1000).toFixed(1)} s.`,
  );
  const paced = stepsARun(0, { numbers: countOf(list), trained: countOf(list), tokens: B * T }, device);
  const K = Math.max(2, Math.ceil(paced / 2));
  const timed = async (steps: number) => {
    await run(steps);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) times.push(await run(steps));
    return median(times);
  };
  const one = await timed(K);
  const two = await timed(2 * K);
  await trainer.release();
  const step = (two - one) / K;
  const all = two / (2 * K);
  await row({ what: 'the step alone', value: step, unit: 'ms', ok: null });
  await row({ what: 'there and back, a run', value: Math.max(0, one - K * step), unit: 'ms', ok: null });
  await row({ what: 'tokens', value: (1000 * B * T) / all, unit: 'tokens/s', ok: null });
  await rowBesidePeer(
    context,
    { what: `a step in runs of ${2 * K}, with all its traffic`, value: all, unit: 'ms' },
    GOALS[precision],
    ['train'],
    'less',
  );
}
