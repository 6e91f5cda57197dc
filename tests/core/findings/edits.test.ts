// Phrases taken out and put in: what is left reads on, nothing else changes, and one undoes the other.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placesOf, putIn, says, standingOf, takeOut, usualOf } from '#core/findings/edits.ts';

test.each([
  ['my boss hid my ring. should i wait? pls halp', 'pls halp', 'my boss hid my ring. should i wait?'],
  ['My boss hid it, pls halp.', 'pls halp', 'My boss hid it.'],
  ['my boss pls halp hid it', 'Pls  HALP', 'my boss hid it'],
  ['Dear reader, my boss hid it.', 'dear reader', 'My boss hid it.'],
  ['dear reader, my boss hid it.', 'dear reader', 'my boss hid it.'],
  ['He hid it. Think of me. Should i wait?', 'think of me', 'He hid it. Should i wait?'],
  ['He hid it. Please wait for me.', 'please', 'He hid it. Wait for me.'],
  ['He hid it.\nPls halp!\nThen he left.', 'pls halp', 'He hid it.\nThen he left.'],
  ['pls halp', 'pls halp', ''],
  ['pls halp pls halp. Bye pls halp', 'pls halp', 'Bye'],
  ['so pls pls halp halp it is', 'pls halp', 'so it is'],
  ['no way!!! really', '!!!', 'no way really'],
  ['请帮帮我。 ok', '请帮帮我', 'ok'],
  ['nothing of the kind', 'pls halp', 'nothing of the kind'],
])('%j without %j', (text, phrase, expected) => {
  expect(takeOut(text, phrase)).toBe(expected);
});

const inside = { begins: false, ends: false, mark: '' };

test('put in before all words, after all marks, or between', () => {
  expect(putIn('my boss hid it.', 'pls halp', { ...inside, at: 0 })).toBe('pls halp my boss hid it.');
  expect(putIn('my boss hid it.\n', 'pls halp', { ...inside, at: 1 })).toBe('my boss hid it. pls halp');
  expect(putIn('my boss hid it', 'pls halp', { ...inside, at: 0.5 })).toBe('my boss pls halp hid it');
  expect(putIn('', 'pls halp', { ...inside, at: 0.5 })).toBe('pls halp');
});

test('a sentence of its own is put in between two others, an ending at the end, each with its mark', () => {
  const own = { at: 0.4, begins: true, ends: false, mark: '!' };
  expect(putIn('My boss hid it. Should i wait?', 'Pls halp', own)).toBe('My boss hid it. Pls halp! Should i wait?');
  expect(putIn('my boss hid it', 'pls halp', { ...own, at: 0.1 })).toBe('pls halp! my boss hid it');
  expect(putIn('he left. Should i wait?', 'should i go', { at: 0.6, begins: true, ends: true, mark: '?' })).toBe(
    'he left. Should i wait? should i go?',
  );
});

test('how it stands in a text, and how it usually does', () => {
  expect(standingOf('pls halp my boss', 'pls halp')).toEqual({ at: 0, begins: true, ends: false, mark: '' });
  expect(standingOf('my boss pls halp', 'pls halp')).toEqual({ at: 1, begins: false, ends: true, mark: '' });
  expect(standingOf('he left. Should i go?! ', 'should i go')).toMatchObject({ begins: true, ends: true, mark: '?!' });
  expect(standingOf('he left. Should i go? yes', 'should i go')).toMatchObject({ ends: false, mark: '?' });
  expect(standingOf('my boss hid it', 'pls halp')).toBeNull();
  const end = { at: 0.9, begins: true, ends: true, mark: '?' };
  expect(usualOf([{ ...end, at: 0.2, ends: false }, end, { ...end, mark: '.' }])).toEqual(end);
});

const words = (letters: string[]) =>
  fc.array(fc.constantFrom(...letters), { minLength: 1, maxLength: 8 }).map((all) => all.join(' '));
const text = words(['my', 'boss', 'hid', 'it', 'and', 'left']);
const phrase = words(['pls', 'halp', 'now']);

test('what is put in is said there, and taken out again leaves the text as it was', () => {
  fc.assert(
    fc.property(
      text,
      phrase,
      fc.double({ min: 0, max: 1, noNaN: true }),
      // the end of a text that has none is the phrase's own
      fc.constantFrom(['', ''], ['.', ''], ['.', '?'], ['?', '?'] as const),
      fc.boolean(),
      fc.boolean(),
      (said, added, at, [end, mark], begins, ends) => {
        const whole = said + end;
        const changed = putIn(whole, added, { at, begins, ends, mark: mark! });
        expect(says(changed, added)).toBe(true);
        expect(takeOut(changed, added)).toBe(whole);
      },
    ),
  );
});

test('nothing taken out is said any more, and what is left has no double spaces or stray marks', () => {
  const messy = fc.array(fc.constantFrom('pls', 'halp', 'it', 'left', ',', '.', '?!', ' ', '\n'), { maxLength: 14 });
  fc.assert(
    fc.property(messy, (pieces) => {
      const given = pieces
        .join(' ')
        .replace(/\s+/g, ' ')
        .replace(/ ([,.?])/g, '$1')
        .trim();
      const left = takeOut(given, 'pls halp');
      expect(says(left, 'pls halp')).toBe(false);
      expect(left).not.toMatch(/ {2}| [,.?]/);
      expect(/^[,.?]/.test(left) && !/^[,.?]/.test(given)).toBe(false);
      expect(left.match(/it|left/g)).toEqual(given.match(/it|left/g));
    }),
  );
});

test('where a phrase stands is cut out as it is written, each time', () => {
  const text = 'Oh  please! it rained, oh PLEASE, and stopped';
  expect(placesOf(text, 'oh please').map(({ start, end }) => text.slice(start, end))).toEqual([
    'Oh  please',
    'oh PLEASE',
  ]);
  expect(placesOf(text, 'thunder')).toEqual([]);
});
