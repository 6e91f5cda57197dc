// Completions from files: rows and tables, and each way to get one wrong, by its line.
import { expect, test } from 'vitest';
import { readCompletions } from '#core/formats/completions.ts';
import { fileWith } from './folder.ts';

const lines = (...rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join('\n');

test('rows and tables, with and without a policy', async () => {
  expect(
    await readCompletions(
      fileWith(
        lines(
          { prompt: 'p', completion: ' a', policy: 'sup4' },
          { prompt: 'p', completion: '' },
          { prompt: 'p' },
          { completion: 'a' },
          { prompt: 'p', completion: 3 },
        ),
      ),
    ),
  ).toEqual({
    completions: [
      { line: 1, prompt: 'p', messages: null, completion: ' a', policy: 'sup4', split: null },
      { line: 2, prompt: 'p', messages: null, completion: '', policy: null, split: null },
    ],
    errors: [
      { line: 3, message: '"completion" is missing.' },
      { line: 4, message: '"prompt" is missing.' },
      { line: 5, message: '"completion" is not text.' },
    ],
    warnings: [],
    notes: [],
  });
  expect((await readCompletions(fileWith('policy,prompt,completion\nsup4,p," a\nb"\n', 'c.csv'))).completions).toEqual([
    { line: 2, prompt: 'p', messages: null, completion: ' a\nb', policy: 'sup4', split: null },
  ]);
});

test('a map names other columns; a field that does not exist is one error', async () => {
  expect(
    (await readCompletions(fileWith('q,a\np,c\n', 'c.csv'), { map: { prompt: 'q', completion: 'a' } })).completions,
  ).toEqual([{ line: 2, prompt: 'p', messages: null, completion: 'c', policy: null, split: null }]);
  await expect(readCompletions(fileWith('{}'), { map: { colour: 'x' } })).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('"colour"'),
  });
});
