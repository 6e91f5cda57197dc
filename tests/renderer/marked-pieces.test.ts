// Spans in a text: the pieces are the text, and each says what covers it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { piecesOf, wordsIn } from '#renderer/components/data/marked-pieces.ts';
import type { Span } from '#renderer/components/data/marked-pieces.ts';

test('the pieces together are the text, and a letter is marked where a span covers it', () => {
  const span = fc.record({
    start: fc.nat(12),
    end: fc.nat(14),
    tone: fc.constantFrom<Span['tone']>('good', 'bad', 'other'),
  });
  fc.assert(
    fc.property(fc.string({ maxLength: 10 }), fc.array(span, { maxLength: 4 }), (text, spans) => {
      const pieces = piecesOf(text, spans);
      expect(pieces.map((piece) => piece.text).join('')).toBe(text);
      let at = 0;
      for (const piece of pieces) {
        for (let i = at; i < at + piece.text.length; i++)
          expect(piece.span !== null).toBe(spans.some(({ start, end }) => start <= i && i < end));
        at += piece.text.length;
      }
    }),
  );
});

test('searched words are found whatever their case, every time they stand there', () => {
  expect(wordsIn('My cat. my CAT!', ['my', 'cat']).map(({ start, end }) => [start, end])).toEqual([
    [0, 2],
    [8, 10],
    [3, 6],
    [11, 14],
  ]);
  expect(wordsIn('İstanbul my', ['my']).map(({ start, end }) => 'İstanbul my'.slice(start, end))).toEqual(['my']);
  expect(wordsIn('text', ['', 'x'])).toHaveLength(1);
});
