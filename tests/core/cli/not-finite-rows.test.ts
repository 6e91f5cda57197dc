// Weights that are finite and too large: score, logprobs and generate name the line of the file whose numbers are none,
// and write nothing.

import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { families } from '#core/models/families.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { cli, temporaryFolder, writeLines, writeTinyModel } from './command-line.ts';

const work = temporaryFolder();
const at = (name: string) => path.join(work, name);

beforeAll(async () => {
  await writeTinyModel(at('policy'), { context: 96 });
  const { architecture, weights } = loadCheckpoint(at('policy'));
  const gain = `${families[architecture.family].names.finalNorm}.weight`;
  const huge = { ...weights, [gain]: new Float32Array(architecture.channels).fill(3e38) };
  saveCheckpoint(at('huge'), { architecture, head: 'language-model', weights: huge }, { tokenizerFrom: at('policy') });
  saveCheckpoint(
    at('judge'),
    {
      architecture,
      head: 'linear',
      weights: {
        ...huge,
        'score.weight': new Float32Array(architecture.channels).fill(2),
        'score.bias': new Float32Array(1),
      },
    },
    { tokenizerFrom: at('policy') },
  );
  // an empty line and a shared prompt: the line is neither the row's number nor that of its group
  fs.writeFileSync(
    at('rows.jsonl'),
    `\n${JSON.stringify({ prompt: 'left', completion: '' })}\n${JSON.stringify({ prompt: 'left', completion: ' right' })}\n`,
  );
  writeLines(at('prompts.jsonl'), [{ prompt: 'left' }]);
});

test.each([
  ['logprobs', ['--policy', 'huge', '--in', 'rows.jsonl'], 'line 3 of rows.jsonl'],
  ['score', ['--reward', 'judge', '--in', 'rows.jsonl'], 'line 2 of rows.jsonl'],
  ['generate', ['--policy', 'huge', '--in', 'prompts.jsonl', '--max-new', '3'], 'line 1 of prompts.jsonl'],
] as const)('%s', async (command, args, line) => {
  const { code, stderr } = await cli(work, command, ...args, '--out', 'out.jsonl');
  expect(code).toBe(2);
  expect(stderr).toContain(`The model's numbers for ${line} are not finite.`);
  expect(fs.existsSync(at('out.jsonl'))).toBe(false);
});
