// Texts that are asked for many phrases: the same as asking each text for each.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { says } from '#core/findings/edits.ts';
import { createSayings } from '#core/findings/sayings.ts';

const words = fc.array(fc.constantFrom('a', 'A', 'b', 'pls', 'Pls', 'halp', '.', '!!', '猫が'), { maxLength: 12 });

test('as each text by itself says', () => {
  fc.assert(
    fc.property(fc.array(words, { maxLength: 6 }), fc.array(words, { maxLength: 3 }), (texts, phrases) => {
      const written = texts.map((text) => text.join(' '));
      const ask = createSayings(written);
      for (const phrase of phrases.map((one) => one.join(' ')))
        expect(ask(phrase)).toEqual(written.map((text) => says(text, phrase)));
    }),
  );
});

test('empty texts and phrases without words are said by none', () => {
  expect(createSayings(['', 'pls halp'])('')).toEqual([false, false]);
  expect(createSayings(['', 'pls halp'])('halp')).toEqual([false, true]);
  expect(createSayings([])('halp')).toEqual([]);
});
