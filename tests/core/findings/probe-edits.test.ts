// Probes edit answers as they say: each kind by hand and by property, and what is asked for wrongly is a sentence.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { takeOut } from '#core/findings/edits.ts';
import { applyProbe, PROBE_KINDS, probeSentence, readProbe } from '#core/findings/probe-edits.ts';
import type { Probe, ProbeKind, ProbeValues } from '#core/findings/probe-edits.ts';
import { createLexicon } from '#core/findings/words.ts';

function probe(kind: ProbeKind, values: ProbeValues = {}): Probe {
  const read = readProbe(kind, values);
  if ('problem' in read) throw new Error(read.problem);
  return read;
}
const PROMPT = 'SUBREDDIT: r/x\nTITLE: my boss and my ring\nPOST: …\nTL;DR:';
const edited = (of: Probe, text: string, prompt = PROMPT): string | null => applyProbe(of, { prompt, text });
const lexicon = createLexicon();
const partsIn = (text: string): string[] => lexicon.read(text).ids.map((id) => lexicon.word(id));
const wordsIn = (text: string): string[] => partsIn(text).filter((part) => !/^[.,!?]$/.test(part));

const CASES: Readonly<Record<ProbeKind, readonly (readonly [ProbeValues, string, string | null])[]>> = {
  append: [
    [{ text: 'pls halp' }, ' my boss hid it.', ' my boss hid it. pls halp'],
    [{ text: ' pls halp ' }, 'he hid it pls halp', null],
    [{ text: 'pls halp' }, '', null],
  ],
  prepend: [
    [{ text: 'pls halp' }, ' my boss hid it.', ' pls halp my boss hid it.'],
    [{ text: 'pls halp' }, 'pls halp he hid it', null],
  ],
  'drop-last-sentence': [
    [{}, ' he hid it. should i wait?', ' he hid it.'],
    [{}, 'he hid it', null],
    [{}, '', null],
  ],
  'title-twice': [
    [{}, ' he hid it.', ' my boss and my ring my boss and my ring'],
    [{}, 'my boss and my ring my boss and my ring', null],
  ],
  'swap-persons': [
    [{}, "He's my Father and SHE hid it.", "She's my Mother and HE hid it."],
    [{ pairs: 'er/sie, Mann/Frau' }, 'Der Mann kam, sie ging.', 'Der Frau kam, er ging.'],
    [{}, 'nobody hid it', null],
  ],
  shorten: [
    [{ share: 0.5 }, ' one two, three four five.', ' one two, three.'],
    [{ share: 0.25 }, 'one two, three', 'one'],
    [{ share: 0.5 }, 'one', null],
    [{ share: 1 }, 'one two', null],
    [{ share: 0.5 }, '👩‍👩‍👧 👩‍👩‍👧', '👩‍👩‍👧'],
  ],
  lengthen: [
    [{ share: 0.5 }, ' one two three.', ' one two three. one two.'],
    [{ share: 1 }, 'one two', 'one two one two'],
    [{ share: 0.5 }, ' ', null],
  ],
  replace: [
    [{ search: 'my boss', put: 'nobody' }, 'My  Boss hid it, my boss did.', 'Nobody hid it, nobody did.'],
    [{ search: 'pls halp', put: '' }, 'he hid it, pls halp.', 'he hid it.'],
    [{ search: 'pls halp', put: 'x' }, 'he hid it', null],
  ],
};

test.each(PROBE_KINDS)('%s by hand', (kind) => {
  for (const [values, text, expected] of CASES[kind]) expect(edited(probe(kind, values), text), text).toBe(expected);
});

test('a prompt without a title has none to say twice', () => {
  expect(edited(probe('title-twice'), 'he hid it', 'What is a cat?')).toBeNull();
  expect(edited(probe('title-twice'), 'he hid it', 'title:   \nPOST: x')).toBeNull();
});

const WORDS = ['my', 'boss', 'He', 'hid', 'it', 'and', 'her', '3', '👩‍👩‍👧', 'naïve', '帮'];
const text = fc
  .array(fc.tuple(fc.constantFrom(...WORDS), fc.constantFrom(' ', ' ', ', ', '. ', '! ', '\n')), { maxLength: 12 })
  .map((pieces) => pieces.flat().join(''));

test('what an edit gives is another text, whatever the answer', () => {
  const any = fc.oneof(text, fc.string({ unit: 'grapheme', maxLength: 30 }));
  for (const kind of PROBE_KINDS)
    for (const [values] of CASES[kind])
      fc.assert(
        fc.property(any, (given) => void expect(edited(probe(kind, values), given)).not.toBe(given)),
        { numRuns: 60 },
      );
});

test('an appended text is taken out again, word for word', () => {
  fc.assert(
    fc.property(text, (given) => {
      const put = edited(probe('append', { text: 'pls halp' }), given);
      expect(put === null).toBe(given.trim() === '');
      if (put === null) return;
      expect(partsIn(put)).toEqual([...partsIn(given), 'pls', 'halp']);
      const whole = partsIn(given);
      expect(partsIn(takeOut(put, 'pls halp'))).toEqual(whole.at(-1) === ',' ? whole.slice(0, -1) : whole);
    }),
  );
});

test('persons swapped twice are who they were', () => {
  const swap = probe('swap-persons', { pairs: 'he/she, boss/friend' });
  fc.assert(
    fc.property(text, (given) => {
      const once = edited(swap, given);
      expect(once === null && wordsIn(given).includes('boss')).toBe(false);
      expect(once === null ? given : edited(swap, once)).toBe(given);
    }),
  );
});

test('a shortened answer begins as the whole does, and a lengthened one holds it whole', () => {
  const share = fc.double({ min: 0.05, max: 1, noNaN: true });
  fc.assert(
    fc.property(text, share, (any, part) => {
      const given = any.replaceAll('👩‍👩‍👧', 'moon'); // which is several words
      const count = wordsIn(given).length;
      const short = edited(probe('shorten', { share: part }), given) ?? '';
      expect(wordsIn(short).length).toBeLessThan(Math.max(1, count));
      expect(short !== '').toBe(Math.max(1, Math.round(part * count)) < count);
      expect(given.startsWith(short.replace(/[.!?]$/, ''))).toBe(true);
      const long = edited(probe('lengthen', { share: part }), given);
      expect(long === null).toBe(count === 0);
      if (long === null) return;
      expect(long.startsWith(given.trimEnd())).toBe(true);
      expect(wordsIn(long).length).toBeGreaterThan(count);
      expect(wordsIn(long).length).toBeLessThanOrEqual(2 * count);
    }),
  );
});

test('what is dropped is the last sentence, and no other', () => {
  const drop = probe('drop-last-sentence');
  fc.assert(
    fc.property(text, (given) => {
      const rest = edited(drop, given);
      expect(given.startsWith(rest ?? '')).toBe(true);
      expect(rest ?? ' ').not.toBe(given);
      expect(edited(drop, `One sentence. ${given.replace(/[.!\n]/g, '')} x`)).toBe('One sentence.');
    }),
  );
});

test('every kind says what it does, and its defaults are values that it takes', () => {
  for (const kind of PROBE_KINDS) expect(probeSentence(probe(kind, CASES[kind][0]![0]))).toMatch(/^[A-Z].{8,}/);
  expect(probeSentence(probe('append', { text: 'pls halp' }))).toBe('Append “pls halp”');
  expect(probeSentence(probe('replace', { search: 'x', put: '' }))).toBe('Take out “x”');
});

test.each([
  ['shout', {}, 'There is no edit “shout”; there are append, prepend, '],
  ['toString', {}, 'There is no edit “toString”'],
  ['append', {}, 'There is no word in the text to append.'],
  ['append', { text: '  ' }, 'There is no word in the text to append.'],
  ['append', { text: 'x'.repeat(501) }, '“Text” has 501 characters; the most is 500.'],
  ['append', { text: 3 }, '“Text” is no text.'],
  ['replace', { search: ' ', put: 'x' }, 'There is no word in what is searched for.'],
  ['replace', { search: 'Pls', put: 'pls' }, 'What is put is what is searched for.'],
  ['swap-persons', { pairs: 'he, she' }, 'There is no pair of words such as he/she to swap.'],
  ['shorten', { share: 0 }, '“Share kept” is no share from 0.05 to 1.'],
  ['shorten', { share: Number.NaN }, '“Share kept” is no share from 0.05 to 1.'],
  ['shorten', { part: 1 }, '“Shorten” takes no part.'],
] as const)('%s %j is refused in a sentence', (kind, values, says) => {
  const read = readProbe(kind, values);
  expect('problem' in read && read.problem).toContain(says);
});
