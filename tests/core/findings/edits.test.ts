// Phrases taken out and put in: what is left reads on, nothing else changes, and one undoes the other.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placesOf, putIn, says, standsAt, takeOut } from '#core/findings/edits.ts';

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

test('put in before all words, after all marks, or between', () => {
  expect(putIn('my boss hid it.', 'pls halp', 0)).toBe('pls halp my boss hid it.');
  expect(putIn('my boss hid it.\n', 'pls halp', 1)).toBe('my boss hid it. pls halp');
  expect(putIn('my boss hid it', 'pls halp', 0.5)).toBe('my boss pls halp hid it');
  expect(putIn('', 'pls halp', 0.5)).toBe('pls halp');
  expect(standsAt('pls halp my boss', 'pls halp')).toBe(0);
  expect(standsAt('my boss pls halp', 'pls halp')).toBe(1);
  expect(standsAt('my boss hid it', 'pls halp')).toBeNull();
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
      fc.constantFrom('', '.', '?'),
      (said, added, at, end) => {
        const whole = said + end;
        const changed = putIn(whole, added, at);
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
