// `tastemaker score`: a reward model's score of each completion in a file.

import path from 'node:path';
import { writeJsonl } from '#core/formats/jsonl.ts';
import { isConversation } from '#core/recipes/parts/prompt-tokens.ts';
import { rewardScorer } from '#core/recipes/parts/scorers.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { readingOf, readsEnd } from '#core/models/score-reading.ts';
import { defineCommand, flag, requiredText } from './command.ts';
import { loadModelWith } from './model-reference.ts';
import { checkFinite, checkOut, fileOptions, inPortions, readTextRows, tokenise } from './text-rows.ts';
import { mean } from '#core/evaluation/mean.ts';

const PORTION = 512;
export const scoreCommand = defineCommand({
  name: 'score',
  computes: true,
  words: [],
  sentence: 'Score rows of {"prompt", "completion"}, texts or lists of messages, with a reward model: adds "score".',
  options: {
    reward: requiredText('NAME|PATH', 'The reward model.'),
    ...fileOptions,
    eos: flag(
      'Append one end-of-text to each completion that ends with none; to messages, and for reward models of ours, it comes without asking. A row whose "finish" is "length" gets none.',
    ),
  },
  run: async ({ options, tell }) => {
    checkOut(options.out);
    const { folder, checkpoint, tokenizer } = await loadModelWith('scores', options.reward, options.project, tell);
    const rows = readTextRows(options.in, ['prompt', 'completion']);
    const own = readingOf(folder);
    const reading = { ...own, appendsEnd: own.appendsEnd || options.eos };
    const { prompts, completions, notes } = await tokenise(
      options.in,
      rows,
      tokenizer,
      checkpoint.architecture,
      ({ prompt }) => readsEnd(reading, isConversation(tokenizer, prompt)),
    );
    const asked = rows.map((_, i) => ({ prompt: prompts[i]!, completion: completions[i]! }));
    const evaluator = createEvaluator(checkpoint, { unchecked: true });
    const { score } = rewardScorer(evaluator, checkpoint, reading);
    const found = await inPortions('score', asked, PORTION, score);
    const scores = found.map((one) => one!.value);
    await evaluator.release();
    rows.forEach((row, i) => checkFinite(options.in, row, [scores[i]!]));
    writeJsonl(
      options.out,
      rows.map(({ row }, i) => ({ ...row, score: scores[i] })),
    );
    const overall = mean(scores);
    return {
      data: { rows: rows.length, mean: overall, eos: reading.appendsEnd, out: path.resolve(options.out) },
      lines: [`Scored ${rows.length} rows, mean ${overall.toFixed(4)}: ${options.out}`, ...notes],
    };
  },
});
