// Templates: what is put together from columns is read back, and what a template or a row lacks is refused in a
// sentence.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  checkColumns,
  fillTemplate,
  parseTemplate,
  readTemplate,
  TLDR_TEMPLATE,
} from '#core/formats/prompt-template.ts';
import { readPrompts } from '#core/formats/prompts.ts';
import { errorOf, fileWith } from './folder.ts';

const lines = (...rows: unknown[]) => `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;

test('a text that a template made is read back into its columns', () => {
  const value = fc
    .string({ unit: fc.constantFrom('a', 'b', ' ', 'é', '🙂', 'X'), minLength: 1 })
    .filter((text) => text.trim() !== '');
  fc.assert(
    fc.property(value, value, value, (subreddit, title, post) => {
      for (const given of [TLDR_TEMPLATE, '{title}\n{post}', 'Q: {title}\\nA: {post}', '{post}']) {
        const template = parseTemplate(given);
        const row = { subreddit, title, post };
        const text = fillTemplate(template, row);
        expect(readTemplate(template, text)).toEqual(
          Object.fromEntries(template.fields.map((field) => [field, row[field as keyof typeof row]])),
        );
        expect(readTemplate(template, text.slice(0, -1), { cut: true })).not.toBeNull();
      }
    }),
  );
  expect(readTemplate(parseTemplate(TLDR_TEMPLATE), 'SUBREDDIT: r/a, and no more')).toBeNull();
  expect(readTemplate(parseTemplate('Q: {q}'), 'What?')).toBeNull();
});

test('a row may lack a column of the template, but not all of them; lists have no place in a text', () => {
  const template = parseTemplate('{title}: {body}');
  expect([fillTemplate(template, { title: 'T', body: null }), fillTemplate(template, { body: 7 })]).toEqual([
    'T: ',
    ': 7',
  ]);
  expect(errorOf(() => fillTemplate(template, { title: ' ', other: 'x' })).message).toBe(
    '"title" and "body" are empty.',
  );
  expect(errorOf(() => fillTemplate(template, { title: ['T'] })).message).toBe('"title" is not text.');
});

test('a template without columns, or of columns that the file lacks, is refused', async () => {
  expect(errorOf(() => parseTemplate('no braces'))).toMatchObject({
    code: 'bad-argument',
    message: 'The template "no braces" names no column.',
  });
  expect(errorOf(() => checkColumns(parseTemplate('{a}{b}'), ['a', 'c']))).toMatchObject({
    message: 'The template names {b}, and the file has no such column.',
    hint: 'Its columns are "a" and "c".',
  });
  await expect(readPrompts(fileWith('line\n', 'p.txt'), { template: '{a}' })).rejects.toMatchObject({
    message: expect.stringContaining('a file of plain lines has no columns'),
  });
  await expect(readPrompts(fileWith(lines({ b: 'x' }), 'p.jsonl'), { template: '{a}' })).rejects.toMatchObject({
    code: 'bad-argument',
  });
});

test('prompts of several columns: of JSON and of a table, with their reference, and with what is left over named', async () => {
  const rows = [
    { subreddit: 'cats', headline: 'My cat', body: 'It sleeps.', summary: 'Cat sleeps.', lang: 'en' },
    { headline: 'Two', body: '' },
    { lang: 'de' },
  ];
  const { prompts, errors, format, notes } = await readPrompts(fileWith(lines(...rows), 'p.jsonl'), {
    template: 'TITLE: {headline}\n{body}\nTL;DR:',
  });
  expect(prompts.map(({ text, reference }) => [text, reference])).toEqual([
    ['TITLE: My cat\nIt sleeps.\nTL;DR:', 'Cat sleeps.'],
    ['TITLE: Two\n\nTL;DR:', null],
  ]);
  expect([format, errors]).toEqual(['template', [{ line: 3, message: 'No column of the template is among "lang".' }]]);
  expect(notes).toEqual(['Columns were not taken, for they have no place here: "lang" and "subreddit".']);
  const table = await readPrompts(fileWith('headline,body,prompt\nA,B,"not this"\n', 'p.csv'), {
    template: '{headline}/{body}',
    map: { source: 'prompt' },
  });
  expect([table.format, table.prompts[0]]).toEqual([
    'csv template',
    expect.objectContaining({ text: 'A/B', source: 'not this' }),
  ]);
});
