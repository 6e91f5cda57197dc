// Words with their places: what is cut out at a place is the word, in every script, and case and form do not matter.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLexicon } from '#core/findings/words.ts';

const wordsOf = (text: string): string[] => {
  const lexicon = createLexicon();
  return lexicon.read(text).ids.map((id) => lexicon.word(id));
};

test('words keep their apostrophes and hyphens, a mark counts once however often it is put', () => {
  expect(wordsOf("Pls HALP!!! it's a well-known 'thing'... no?")).toEqual([
    'pls',
    'halp',
    '!!!',
    "it's",
    'a',
    'well-known',
    "'",
    'thing',
    "'",
    '...',
    'no',
    '?',
  ]);
  expect(wordsOf(' \n ')).toEqual([]);
  expect(wordsOf('我不知道该怎么办。')).toContain('不知道');
  expect(wordsOf('🙏🙏 ok')).toEqual(['🙏🙏', 'ok']);
});

test('one number for all spellings of a word', () => {
  const lexicon = createLexicon();
  const { ids } = lexicon.read('Café café cafe\u0301 CAFÉ cafe');
  expect(new Set(ids.slice(0, 4)).size).toBe(1);
  expect(ids[4]).not.toBe(ids[0]);
});

test('a single mark tells nothing by itself, and a sentence ends at a stop', () => {
  const lexicon = createLexicon();
  const { ids } = lexicon.read('so . !! , 🙏 ?!');
  expect(ids.map(lexicon.isTelling)).toEqual([true, false, true, false, true, false, false]);
  expect(ids.map(lexicon.endsSentence)).toEqual([false, true, true, false, false, true, true]);
});

test('words stand in order, do not overlap, and leave nothing but spaces between them', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.lorem()), (text) => {
      const { ids, starts, ends } = createLexicon().read(text);
      let at = 0;
      ids.forEach((_, i) => {
        expect(text.slice(at, starts[i]).trim()).toBe('');
        expect(ends[i]!).toBeGreaterThan(starts[i]!);
        at = ends[i]!;
      });
      expect(text.slice(at).trim()).toBe('');
    }),
  );
});
