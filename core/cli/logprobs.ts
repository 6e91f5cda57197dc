// `tastemaker logprobs`: how likely a policy finds each completion in a file.

import path from 'node:path';
import { writeJsonl } from '#core/formats/jsonl.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { sharingPrompts } from '#core/models/rows.ts';
import { defineCommand, flag, requiredText } from './command.ts';
import { loadModelWith } from './model-reference.ts';
import { checkFinite, checkOut, fileOptions, inPortions, readTextRows, tokenise } from './text-rows.ts';

const PORTION = 256;
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

export const logprobsCommand = defineCommand({
  name: 'logprobs',
  computes: true,
  words: [],
  sentence:
    'Log-probabilities of rows of {"prompt", "completion"}, texts or lists of messages: adds "logprob" (their sum), "tokens" (how many) and "token_logprobs".',
  options: {
    policy: requiredText('NAME|PATH', 'The base model or policy.'),
    ...fileOptions,
    eos: flag(
      'Append one end-of-text to each completion that ends with none; where a row has the "finish" that generate writes, that says it.',
    ),
  },
  run: async ({ options, tell }) => {
    checkOut(options.out);
    const { checkpoint, tokenizer } = await loadModelWith('words', options.policy, options.project, tell);
    const rows = readTextRows(options.in, ['prompt', 'completion']);
    const { prompts, completions, notes } = await tokenise(
      options.in,
      rows,
      tokenizer,
      checkpoint.architecture,
      (_, finish) => options.eos || finish === 'stop',
    );
    const groups = rows.map((_, i) => ({ prompt: prompts[i]!, completions: [completions[i]!] }));
    const evaluator = createEvaluator(checkpoint, { unchecked: true });
    const logprobs = await inPortions('logprobs', groups, PORTION, async (some) =>
      (await evaluator.logprobs(checkpoint.weights, sharingPrompts(some))).flat(),
    );
    await evaluator.release();
    rows.forEach((row, i) => checkFinite(options.in, row, logprobs[i]!));
    writeJsonl(
      options.out,
      rows.map(({ row }, i) => ({
        ...row,
        logprob: sum(logprobs[i]!),
        tokens: logprobs[i]!.length,
        token_logprobs: logprobs[i],
      })),
    );
    const tokens = sum(logprobs.map((values) => values.length));
    const total = sum(logprobs.flat());
    return {
      data: { rows: rows.length, tokens, logprob: total, out: path.resolve(options.out) },
      lines: [
        `${rows.length} rows, ${tokens} tokens, mean ${tokens ? (total / tokens).toFixed(4) : 0} nats a token: ${options.out}`,
        ...notes,
      ],
    };
  },
});
