// The commands score and logprobs read a prompt once that neighbouring rows share: the numbers stay those of rows read
// apart, in their order.

import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { cliJson, readLines, temporaryFolder, writeLines, writeTinyModel } from './command-line.ts';

const work = temporaryFolder();
const at = (name: string) => path.join(work, name);
beforeAll(async () => {
  await writeTinyModel(at('policy'), { context: 96 });
  const { architecture, weights } = loadCheckpoint(at('policy'));
  saveCheckpoint(
    at('reward'),
    {
      architecture,
      head: 'linear',
      weights: {
        ...weights,
        'score.weight': Float32Array.from({ length: 8 }, (_, i) => i - 3),
        'score.bias': new Float32Array(1),
      },
    },
    { tokenizerFrom: at('policy') },
  );
});

test.each([
  ['score', '--reward', 'reward'],
  ['logprobs', '--policy', 'policy'],
] as const)('%s', async (command, option, model) => {
  const prompts = ['The ship', 'a dog'];
  const rows = prompts.flatMap((prompt) =>
    [' left', ' is missing and', ' eats', ' left again'].map((completion) => ({ prompt, completion })),
  );
  const apart = [0, 4, 1, 5, 2, 6, 3, 7].map((i) => rows[i]!); // no neighbours share a prompt
  const numbers = async (name: string, list: typeof rows) => {
    writeLines(at(`${name}.jsonl`), list);
    await cliJson(work, command, option, model, '--in', `${name}.jsonl`, '--out', `${name}-out.jsonl`);
    return new Map(
      readLines<{ prompt: string; completion: string; score?: number; logprob?: number }>(at(`${name}-out.jsonl`)).map(
        (row) => [row.prompt + row.completion, row.score ?? row.logprob!],
      ),
    );
  };
  const [together, alone] = [await numbers('together', rows), await numbers('apart', apart)];
  expect(new Set(alone.values()).size).toBe(8);
  for (const [text, value] of alone) expect(together.get(text), text).toBeCloseTo(value, 4);
});
