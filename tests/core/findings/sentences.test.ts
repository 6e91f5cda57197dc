// The sentences of a text: by hand, and by property that all that says something lies in one.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sentencesOf } from '#core/findings/sentences.ts';

const said = (text: string): string[] => sentencesOf(text).map(({ start, end }) => text.slice(start, end));

test.each([
  [' my boss hid it. should i wait?', ['my boss hid it.', 'should i wait?']],
  ['It cost 3.5 dollars. Too much!!', ['It cost 3.5 dollars.', 'Too much!!']],
  ['“He hid it.” Then he left', ['“He hid it.”', 'Then he left']],
  ['one line\nanother line\n\n', ['one line', 'another line']],
  ['他走了。我哭了！', ['他走了。', '我哭了！']],
  ['He left. ...', ['He left. ...']],
  ['no end', ['no end']],
  ['... !', []],
  ['', []],
])('%j', (text, expected) => {
  expect(said(text)).toEqual(expected);
});

test('sentences follow one another, and nothing that says something lies between them', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'B', '7', '.', '?', ' ', '\n', '。', ')'), maxLength: 40 }),
      (text) => {
        let from = 0;
        for (const { start, end } of sentencesOf(text)) {
          expect(start).toBeGreaterThanOrEqual(from);
          expect(text.slice(from, start)).not.toMatch(/[aB7]/);
          expect(text.slice(start, end)).toMatch(/[aB7]/);
          from = end;
        }
        expect(text.slice(from)).not.toMatch(/[aB7]/);
      },
    ),
  );
});
