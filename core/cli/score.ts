// `tastemaker score`: a reward model's score of each completion in a file.

import fs from 'node:fs';
import path from 'node:path';
import { writeJsonl } from '#core/formats/jsonl.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { sharingPrompts } from '#core/models/rows.ts';
import { defineCommand, flag, requiredText } from './command.ts';
import { loadModelWith } from './model-reference.ts';
import { checkFinite, checkOut, fileOptions, inPortions, readTextRows, tokenise } from './text-rows.ts';

const PORTION = 512;
const NOTE = 'tastemaker.json';

/** Whether a note beside the reward model says that it was trained on completions with their end-of-text. */
function wantsEnd(folder: string): boolean {
  try {
    return (JSON.parse(fs.readFileSync(path.join(folder, NOTE), 'utf8')) as { appends_end_of_text?: unknown }).appends_end_of_text === true;
  } catch {
    return false; // other people's reward models have no such note
  }
}

export const scoreCommand = defineCommand({
  name: 'score',
  computes: true,
  words: [],
  sentence: 'Score rows of {"prompt", "completion"}, texts or lists of messages, with a reward model: adds "score".',
  options: {
    reward: requiredText('NAME|PATH', 'The reward model.'),
    ...fileOptions,
    eos: flag('Append one end-of-text to each completion; to messages, and for reward models of ours, it comes without asking.'),
  },
  run: async ({ options, tell }) => {
    checkOut(options.out);
    const { folder, checkpoint, tokenizer } = await loadModelWith('score', options.reward, options.project, tell);
    const rows = readTextRows(options.in, ['prompt', 'completion']);
    const eos = options.eos || wantsEnd(folder);
    const groups = await tokenise(options.in, rows, tokenizer, checkpoint.architecture, ({ prompt }) => eos || prompt.messages != null);
    const evaluator = createEvaluator(checkpoint);
    const scores = await inPortions('score', groups, PORTION, async (some) => (await evaluator.scores(checkpoint.weights, sharingPrompts(some))).flat());
    await evaluator.release();
    rows.forEach((row, i) => checkFinite(options.in, row, [scores[i]!]));
    writeJsonl(options.out, rows.map(({ row }, i) => ({ ...row, score: scores[i] })));
    const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
    return { data: { rows: rows.length, mean, eos, out: path.resolve(options.out) }, lines: [`Scored ${rows.length} rows, mean ${mean.toFixed(4)}: ${options.out}`] };
  },
});
