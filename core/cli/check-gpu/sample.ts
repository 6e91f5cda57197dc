// Section "sample": completions of GPT-2 with 124 million parameters beside transformers' generate.

import { chosenDevice } from '#core/autodiff/device.ts';
import { createSampler } from '#core/models/sampler.ts';
import { rowBesidePeer } from './peer.ts';
import type { Context } from './context.ts';
import { median, randomPrompts, SIZES, tiledWeights } from './shapes.ts';

const GOAL = 3;
const ROUNDS = 3;

export async function sample(context: Context): Promise<void> {
  const { note, tiny } = context;
  const { architecture, title, B, P, N } = SIZES.sample[tiny ? 'tiny' : 'full'];
  const weights = tiledWeights(architecture);
  const prompts = randomPrompts(B, P, architecture.vocabulary);
  const sampler = createSampler({ ...architecture, stops: [] }, { device: chosenDevice(), constants: weights });
  const turn = async (): Promise<number> => {
    const started = performance.now();
    const made = await sampler.sample(
      weights,
      prompts.map((prompt, i) => ({ prompt, streams: [`sample/${i}`] })),
      { temperature: 0.7, topK: 0, topP: 1, maxNew: N, seed: 1, rows: B },
    );
    const tokens = made.flat().reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
    if (tokens !== B * N) throw new Error(`${tokens} tokens were sampled instead of ${B * N}`);
    return performance.now() - started;
  };
  const opened = await turn();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await turn());
  await sampler.release();
  note(
    `${title}, ${B} prompts of ${P} tokens, ${N} new ones, temperature 0.7; opening the graph took ${((opened - median(times)) / 1000).toFixed(1)} s.`,
  );
  await rowBesidePeer(
    context,
    { what: 'sampling', value: (1000 * B * N) / median(times), unit: 'tokens/s' },
    GOAL,
    ['sample'],
    'more',
  );
}
