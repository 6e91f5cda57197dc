// `tastemaker generate`: one completion for each prompt of a file.

import path from 'node:path';
import { writeJsonl } from '#core/formats/jsonl.ts';
import { answerTexts } from '#core/recipes/parts/answer-text.ts';
import { forbiddenTexts } from '#core/recipes/parts/forbidden-texts.ts';
import { withStops } from '#core/recipes/parts/prompt-tokens.ts';
import { createSampler } from '#core/models/sampler.ts';
import { defineCommand, flag, requiredText } from './command.ts';
import { loadModelWith } from './model-reference.ts';
import { samplingOptions } from './sampling-options.ts';
import {
  checkFinite,
  checkLength,
  checkOut,
  fileOptions,
  inPortions,
  readTextRows,
  tokenisePrompts,
} from './text-rows.ts';

const PORTION = 128;

export const generateCommand = defineCommand({
  name: 'generate',
  computes: true,
  words: [],
  sentence:
    'Complete rows of {"prompt"}, a text or a list of messages, or {"messages"}: adds "completion", "token_ids" with the hash of their "tokenizer", and "finish" (stop or length).',
  options: {
    policy: requiredText('NAME|PATH', 'The base model or policy.'),
    ...fileOptions,
    greedy: flag('Always take the likeliest token; temperature, top-k, top-p and seed then do nothing.'),
    ...samplingOptions,
  },
  run: async ({ options, tell }) => {
    checkOut(options.out);
    const { checkpoint, tokenizer } = await loadModelWith('words', options.policy, options.project, tell);
    const { architecture, weights } = checkpoint;
    const rows = readTextRows(options.in, ['prompt']);
    const prompts = await tokenisePrompts(options.in, rows, tokenizer);
    const settings = {
      temperature: options.greedy ? 0 : options.temperature,
      topK: options['top-k'],
      topP: options['top-p'],
      maxNew: options['max-new'],
      seed: options.seed,
      forbidden: await forbiddenTexts(tokenizer, architecture.vocabulary, options.forbid),
    };
    rows.forEach(({ line }, i) =>
      checkLength(options.in, line, prompts[i]!.length, settings.maxNew, architecture.context),
    );
    const sampler = createSampler(withStops(architecture, tokenizer), { constants: weights, unchecked: true });
    const sampled = await inPortions('generate', prompts, PORTION, async (some, first) =>
      (
        await sampler.sample(
          weights,
          some.map((prompt, i) => ({ prompt, streams: [`generate/${first + i}`] })),
          settings,
        )
      ).flat(),
    );
    await sampler.release();
    rows.forEach((row, i) => checkFinite(options.in, row, [...sampled[i]!.logprobs, ...sampled[i]!.samplingLogprobs]));
    const completions = await answerTexts(
      tokenizer,
      sampled.map(({ tokenIds }, i) => ({ prompt: prompts[i]!, ids: tokenIds })),
    );
    writeJsonl(
      options.out,
      rows.map(({ row }, i) => ({
        ...row,
        completion: completions[i],
        token_ids: sampled[i]!.tokenIds,
        tokenizer: tokenizer.hash,
        finish: sampled[i]!.finish,
      })),
    );
    const ended = sampled.filter(({ finish }) => finish === 'stop').length;
    return {
      data: { rows: rows.length, ended, out: path.resolve(options.out) },
      lines: [
        `Completed ${rows.length} ${rows.length === 1 ? 'prompt' : 'prompts'}, ${ended} of them to their end: ${options.out}`,
      ],
    };
  },
});
