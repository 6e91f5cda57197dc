// The demo's base model: a small Llama-shaped model that has learnt to summarise the demo world's posts, well and
// badly.
//
//   npm run train:demo-base -- --out DIR [--set key=value]
//
// It learns from generated posts with summaries of mixed quality (demo/world.ts), so that there is something to rank.
// Post tokens count 0.3, and the object's word counts `objectWeight`: without that it keeps mixing up what was broken.

import fs from 'node:fs';
import { createRandom } from '#core/random.ts';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';
import { SLOTS } from '#core/demo/words.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { freshWeights, saveCheckpoint } from '#core/models/checkpoint.ts';
import {
  languageModelFeeds,
  languageModelLoss,
  languageModelRows,
  rowLength,
} from '#core/training/objectives/language-model.ts';
import type { WeightedText } from '#core/training/objectives/language-model.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';

export interface DemoBaseConfig {
  seed: number;
  steps: number;
  batch: number;
  learningRate: number;
  warmup: number;
  /** share of the steps before the learning rate begins to fall */
  hold: number;
  objectWeight: number;
  postWeight: number;
}
export const DEMO_BASE: DemoBaseConfig = {
  seed: 1,
  steps: 12000,
  batch: 16,
  learningRate: 2e-3,
  warmup: 100,
  hold: 0.5,
  objectWeight: 5,
  postWeight: 0.3,
};
/** The longest summary in tokens, as in demo-world.md. */
export const SUMMARY_TOKENS = 40;
const TOKENIZER_EXAMPLES = 6000;
const STEPS_A_RUN = 4;

/** 912 thousand parameters. */
export const demoArchitecture = (tokenizer: Tokenizer): Architecture =>
  newArchitecture({
    family: 'llama',
    vocabulary: tokenizer.vocabularySize,
    channels: 128,
    layers: 4,
    heads: 4,
    feedForward: 352,
    context: 192,
    endOfText: tokenizer.endOfText,
    pad: tokenizer.pad < 0 ? null : tokenizer.pad,
  });

/** Posts with summaries as weighted token ids, `count` at a time. */
async function* examples(tokenizer: Tokenizer, config: DemoBaseConfig, count: number): AsyncGenerator<WeightedText[]> {
  const random = createRandom(config.seed, 'demo-base/examples');
  const objects = new Set(await Promise.all(SLOTS.O.map(async (word) => (await tokenizer.encode(` ${word}`))[0]!)));
  for (;;) {
    const drawn = Array.from({ length: count }, () => {
      const facts = drawRecord(random);
      return { post: writePost(facts, random), summary: writeSummary(facts, random) };
    });
    const posts = await tokenizer.encodeBatch(drawn.map(({ post }) => post));
    const summaries = await tokenizer.encodeBatch(drawn.map(({ summary }) => ` ${summary.text}`));
    yield drawn.map(({ summary }, i) => {
      const answer = summaries[i]!.slice(0, SUMMARY_TOKENS);
      if (summary.ends && answer.length < SUMMARY_TOKENS) answer.push(tokenizer.endOfText);
      return {
        ids: [...posts[i]!, ...answer],
        weights: [
          ...posts[i]!.map(() => config.postWeight),
          ...answer.map((id) => (objects.has(id) ? config.objectWeight : 1)),
        ],
      };
    });
  }
}

/** Trains and writes the model folder; `tell` gets a line now and then. */
export async function trainDemoBase(out: string, config: DemoBaseConfig, tell: (line: string) => void): Promise<void> {
  const random = createRandom(0, 'demo-base/tokenizer');
  fs.mkdirSync(out, { recursive: true });
  await writeTokenizer(
    out,
    trainBpe(
      Array.from({ length: TOKENIZER_EXAMPLES }, () => {
        const facts = drawRecord(random);
        return `${writePost(facts, random)} ${writeSummary(facts, random).text}`;
      }),
      1024,
    ),
  );
  const tokenizer = await loadTokenizer(out);
  const architecture = demoArchitecture(tokenizer);
  const list = parameters(architecture);
  const trainer = createTrainer(
    list,
    freshState(freshWeights(list, architecture.layers, config.seed)),
    languageModelLoss(architecture),
    {
      betas: [0.9, 0.98],
      epsilon: 1e-8,
      epsilonStyle: 'torch',
      weightDecay: 0.01,
      clipNorm: 1,
    },
  );
  tell(
    `${list.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0).toLocaleString('en')} parameters, vocabulary ${architecture.vocabulary}`,
  );

  const window = 16; // batches drawn together and sorted by length, so that a batch wastes little on padding
  const source = examples(tokenizer, config, config.batch * window);
  const order = createRandom(config.seed, 'demo-base/order');
  let waiting: WeightedText[][][] = []; // runs of batches of one row length
  const started = Date.now();
  let told = 0;
  for (let step = 0; step < config.steps;) {
    if (waiting.length === 0) {
      const drawn = ((await source.next()).value as WeightedText[]).sort((a, b) => a.ids.length - b.ids.length);
      const batches = Array.from({ length: window }, (_, i) => drawn.slice(i * config.batch, (i + 1) * config.batch));
      waiting = order.shuffled(
        Array.from({ length: window / STEPS_A_RUN }, (_, i) => batches.slice(i * STEPS_A_RUN, (i + 1) * STEPS_A_RUN)),
      );
    }
    const batches = waiting.pop()!;
    const T = rowLength(Math.max(...batches.flat().map((text) => text.ids.length)), 16);
    const rates = batches.map(
      (_, i) =>
        config.learningRate *
        (step + i < config.warmup
          ? (step + i + 1) / config.warmup
          : Math.max(
              0.02,
              scheduleFactor(
                'cosine',
                Math.max(0, step + i - config.hold * config.steps),
                (1 - config.hold) * config.steps,
              ),
            )),
    );
    const { loss } = await trainer.steps(
      `T${T}`,
      languageModelFeeds(config.batch, T),
      languageModelRows(batches, T),
      rates,
    );
    step += batches.length;
    if (step >= told) {
      const { weights } = trainer.state();
      saveCheckpoint(out, { architecture, head: 'language-model', weights }, { tokenizerFrom: out, dtype: 'F16' });
      tell(
        `step ${step} of ${config.steps}  loss ${loss!.at(-1)!.toFixed(3)}  ${((Date.now() - started) / 1000).toFixed(0)} s`,
      );
      told += 100;
    }
  }
  await trainer.release();
}
