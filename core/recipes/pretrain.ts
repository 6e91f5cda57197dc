// Pretraining: a language model from nothing on a folder of texts, with a tokenizer of its own.
//
// The texts are joined with end-of-text between them; each step takes random windows of the model's context.

import { createHash } from 'node:crypto';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { readTexts } from '#core/formats/texts.ts';
import { parameters } from '#core/models/architecture.ts';
import { freshWeights } from '#core/models/checkpoint.ts';
import type { Project } from '#core/store/project.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { choice, count, real, words } from './settings.ts';
import type { Config } from './settings.ts';
import type { Inputs, Recipe, Outcome, RunContext } from './recipe.ts';
import { LANGUAGE_MODEL_SETTINGS, trainOnTexts } from '#core/recipes/parts/language-model-steps.ts';
import { encodeDocuments } from '#core/recipes/parts/prompt-tokens.ts';
import { architectureOf, planPretrain, VALIDATED } from '#core/recipes/parts/pretrain-plan.ts';
import { wholly } from '#core/recipes/parts/tuning.ts';
import { counted, trainedFor } from '#core/recipes/parts/lineage-words.ts';
import { has } from '#core/recipes/parts/needs.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export const PRETRAIN_SETTINGS = {
  texts: words('', 'A text file, a .jsonl file of {"text"} rows, or a folder of them.', { group: 'data', main: true }),
  family: choice('gpt2', ['gpt2', 'llama'], 'The shape of the blocks.', { group: 'shape' }),
  vocabulary: count(5000, [258, 200000], 'Entries of the tokenizer that is trained on the texts.', {
    group: 'shape',
    main: true,
  }),
  layers: count(4, [1, 200], 'Blocks.', { group: 'shape', main: true, memory: { times: 0.5, what: 'layers' } }),
  channels: count(256, [4, 16384], 'Width of the residual stream.', {
    group: 'shape',
    main: true,
    memory: { times: 0.5, what: 'channels' },
  }),
  heads: count(4, [1, 256], 'Attention heads; they divide the channels.', { group: 'shape' }),
  context: count(256, [8, 32768], 'Tokens the model can see.', {
    group: 'shape',
    main: true,
    memory: { times: 0.5, what: 'tokens of context' },
    time: 'tokens of context',
  }),
  steps: count(500, [1, 1e9], 'Optimiser steps.', { group: 'optimisation', main: true, time: 'steps' }),
  validation: real(0.02, [0, 0.5], 'Share of the text kept for validation (its end).', { group: 'data' }),
  ...LANGUAGE_MODEL_SETTINGS,
} as const;
type PretrainConfig = Config<typeof PRETRAIN_SETTINGS>;

interface TextRow {
  name: string;
  characters: number;
  sha256: string;
}

function prepare(_project: Project, config: PretrainConfig): Inputs {
  if (!config.texts)
    throw new TastemakerError(
      'bad-argument',
      'No texts to train on were named.',
      'Name a text file or a folder of them in the setting texts.',
      'Add --set texts=FOLDER.',
    );
  if (config.channels % config.heads !== 0)
    throw new TastemakerError(
      'bad-argument',
      `${config.channels} channels do not divide into ${config.heads} heads.`,
      'Change channels or heads.',
    );
  config.texts = path.resolve(config.texts);
  return {
    models: {},
    data: readTexts(config.texts).map(({ name, text }): TextRow => ({
      name,
      characters: text.length,
      sha256: sha256(text),
    })),
  };
}

async function run(context: RunContext, config: PretrainConfig): Promise<Outcome> {
  // 1 the same texts as when the run began
  context.phase('reading the texts');
  const texts = readTexts(config.texts);
  const known = context.data<TextRow>();
  texts.forEach(({ name, text }, i) => {
    if (known[i]?.sha256 !== sha256(text))
      throw new TastemakerError(
        'bad-data',
        `The text ${name} has changed since run ${context.manifest.id} began.`,
        'Put the first text back, or start a new run.',
      );
  });
  // 2 a tokenizer of their own, and the stream of ids
  const tokenizerFolder = path.join(context.folder, 'tokenizer');
  await writeTokenizer(
    tokenizerFolder,
    trainBpe(
      texts.map(({ text }) => text),
      config.vocabulary,
    ),
  );
  const tokenizer = await loadTokenizer(tokenizerFolder);
  const stream = (
    await encodeDocuments(
      tokenizer,
      texts.map(({ text }) => text),
    )
  ).flat();
  const window = config.context;
  const cut = Math.floor(stream.length * (1 - config.validation));
  if (cut <= window + 1)
    throw new TastemakerError(
      'bad-data',
      `The texts have ${stream.length} tokens, fewer than the context of ${window} plus validation.`,
      'Add text, or lower context or validation.',
    );
  // 3 a model from nothing
  const architecture = architectureOf(config, {
    vocabulary: tokenizer.vocabularySize,
    endOfText: tokenizer.endOfText,
    pad: tokenizer.pad < 0 ? null : tokenizer.pad,
  });
  const weights = freshWeights(parameters(architecture), architecture.layers, config.seed);
  const validation = Array.from({ length: Math.min(VALIDATED, Math.floor((stream.length - cut) / window)) }, (_, i) =>
    stream.slice(cut + i * window, cut + (i + 1) * window),
  );
  // 4 train
  const { status, steps, validationLoss } = await trainOnTexts(
    context,
    config,
    wholly({ architecture, head: 'language-model', weights }),
    {
      steps: config.steps,
      batch: (step) => {
        const random = createRandom(config.seed, `pretrain/${step}`);
        return Array.from({ length: config.batch }, () => {
          const from = random.integer(cut - window);
          const ids = stream.slice(from, from + window + 1);
          return { ids, weights: ids.map(() => 1) };
        });
      },
      validation: validation.map((ids) => ({ prompt: ids.slice(0, 1), completions: [ids.slice(1)] })),
    },
    tokenizerFolder,
  );
  return {
    status,
    model: 'model',
    summary: `Base model: ${steps} steps on ${stream.length.toLocaleString('en')} tokens${validationLoss === null ? '' : `, validation perplexity ${Math.exp(validationLoss).toFixed(1)}`}.`,
  };
}

export const pretrain: Recipe<typeof PRETRAIN_SETTINGS> = {
  title: 'Pre-training',
  sentence: 'A small language model from nothing, on your own texts.',
  makes: 'a base model',
  words: {
    about: 'Pretraining: a small language model from nothing on your own texts.',
    run: 'pre-training',
    start: 'Train',
    step: 'step',
  },
  place: 'aside',
  shows: null,
  model: { kind: 'base', parent: null, from: 'texts', word: 'pretrained' },
  settings: PRETRAIN_SETTINGS,
  asksFor: {
    setting: 'texts',
    missing: 'No texts to train on were named.',
    how: 'Name a text file or a folder in the setting texts.',
  },
  sizes: null,
  charts: ['validation_loss', 'perplexity', 'loss'],
  judgedBy: ['validation_loss', 'perplexity', 'loss'],
  bestBy: 'validation_loss',
  rowsAStep: ({ batch }) => batch,
  needs: () => [has('takes a text file, a .jsonl file or a folder of them: name it in the setting texts')],
  oneClick: (own) => own,
  called: () => 'pretrained',
  lineage: (made) => `Pretrained from scratch on ${counted(made.manifest?.data.rows ?? 0, 'text')}${trainedFor(made)}.`,
  prepare,
  run,
  plan: planPretrain,
};
