// Every format says truly what it keeps and loses, and the page of formats has an example of each that is read.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { conversationText } from '#core/formats/preferences/conversation.ts';
import type { Message, Preference } from '#core/formats/preferences/preference.ts';
import { FORMATS } from '#core/formats/preferences/formats.ts';
import { PREFERENCE_FIELDS, readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { writePreferences } from '#core/formats/preferences/writer.ts';
import { WRITERS } from '#core/formats/preferences/writers.ts';
import { folder, OPTIONS, writerNamed, thereAndBack, plain } from './there-and-back.ts';

// ---- What a format says of itself

interface Feature {
  word: RegExp;
  given: Preference;
  holds: (read: Preference[]) => boolean;
}
const chat: Message[] = [
  { role: 'user', content: 'Why?' },
  { role: 'assistant', content: 'What?' },
  { role: 'user', content: 'Late.' },
];
const rated = { answer: 1, axis: 'overall', value: 5, low: 1, high: 7, labeler: 'ada' };
const FEATURES: Readonly<Record<string, Feature>> = {
  ties: {
    word: /\bties?\b/,
    given: {
      ...plain,
      answers: [...plain.answers, { text: ' Rain.', writer: null, tokenIds: null }],
      ranks: [2, 1, 3, 2],
      ratings: [rated],
    },
    holds: (read) =>
      read.some(({ answers, ranks }) => answers.length === 4 && ranks !== null && new Set(ranks).size === 3),
  },
  writers: {
    word: /who wrote/,
    given: { ...plain, answers: plain.answers.map((answer, i) => ({ ...answer, writer: `w${i}` })), ratings: [rated] },
    holds: (read) => read.some(({ answers }) => answers.some(({ writer }) => writer === 'w1')),
  },
  labeler: {
    word: /labeler|who ranked/,
    given: { ...plain, labeler: 'ada', ratings: [rated] },
    holds: (read) => read.some(({ labeler }) => labeler === 'ada'),
  },
  confidence: {
    word: /confidence/,
    given: { ...plain, confidence: 9, ratings: [rated] },
    holds: (read) => read.some(({ confidence }) => confidence === 9),
  },
  notes: {
    word: /\bnotes?\b/,
    given: { ...plain, note: 'so it is', ratings: [rated] },
    holds: (read) => read.some(({ note }) => note === 'so it is'),
  },
  durations: {
    word: /durations?/,
    given: { ...plain, durationMs: 2000, ratings: [rated] },
    holds: (read) => read.some(({ durationMs }) => durationMs === 2000),
  },
  splits: {
    word: /splits?/,
    given: { ...plain, split: 'test', ratings: [rated] },
    holds: (read) => read.some(({ split }) => split === 'test'),
  },
  references: {
    word: /references?/,
    given: { ...plain, reference: 'Fog, of course.', ratings: [rated] },
    holds: (read) => read.some(({ reference }) => reference === 'Fog, of course.'),
  },
  ratings: {
    word: /ratings/i,
    given: { ...plain, ratings: [rated] },
    holds: (read) => read.some(({ ratings }) => ratings.some(({ axis }) => axis === 'overall')),
  },
  marks: {
    word: /marks/,
    given: {
      ...plain,
      ratings: [rated],
      marks: [{ answer: 1, start: 0, end: 3, label: 'good', note: null, labeler: null }],
    },
    holds: (read) => read.some(({ marks }) => marks.some(({ label }) => label === 'good')),
  },
  conversations: {
    word: /conversation|dialogue|turns/i,
    given: { ...plain, prompt: conversationText(chat), messages: chat, ratings: [rated] },
    holds: (read) => read.some(({ messages }) => messages?.length === 3),
  },
};

test.each(WRITERS.map(({ name }) => [name]))('%s says truly what it keeps and loses', async (name) => {
  const writer = writerNamed(name);
  const [keeps, loses = ''] = writer.holds.split(' Loses ');
  for (const [feature, { word, given, holds }] of Object.entries(FEATURES)) {
    const rows = [...writePreferences(writer, [given], OPTIONS)].length;
    const kept = rows > 0 && holds((await thereAndBack(writer, [given])).read);
    const saysKept = keeps!.startsWith('Everything') || word.test(keeps!);
    const saysLost =
      /everything else/.test(loses) ||
      word.test(loses) ||
      (feature === 'conversations' && /conversation becomes plain text/.test(writer.holds));
    const does = kept ? 'keeps' : 'loses';
    expect(kept ? saysKept : saysLost, `${name} ${does} ${feature} and does not say so`).toBe(true);
  }
});

test('docs/formats.md names every format, and each of its example rows is read as what it is an example of', async () => {
  const page = fs.readFileSync('docs/formats.md', 'utf8');
  const rows = [...page.matchAll(/^\| `([\w-]+)` \| [^|]+ \| `(\{.*\})` \|/gm)].map(
    ([, name, example]): [string, string] => [name!, example!],
  );
  for (const { name } of [...WRITERS, ...FORMATS]) expect(page, name).toContain(`| \`${name}\` |`);
  for (const field of PREFERENCE_FIELDS) expect(page, field).toContain(`\`${field}\``);
  expect(rows.length).toBe(WRITERS.filter(({ container }) => container === 'json' || container === 'jsonl').length);
  for (const [name, example] of rows) {
    const file = path.join(folder, 'example.jsonl');
    fs.writeFileSync(file, example);
    const {
      format,
      errors,
      rows: read,
    } = await readPreferences(file, { decode: (lists) => Promise.resolve(lists.map((ids) => ids.join(' '))) });
    expect([format, errors, read.length], name).toEqual([name === 'openrlhf' ? 'trl-explicit' : name, [], 1]);
  }
});
