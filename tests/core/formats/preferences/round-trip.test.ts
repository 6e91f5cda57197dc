// Every format written and read back: what it says it keeps comes back equal, and what it loses it says it loses.

import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { conversationText } from '#core/formats/preferences/conversation.ts';
import type { Message, Preference } from '#core/formats/preferences/preference.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { writePreferences } from '#core/formats/preferences/writer.ts';
import type { Reason, WriteOptions } from '#core/formats/preferences/writer.ts';
import { tldrPrompt } from '#core/formats/prompts.ts';
import { folder, OPTIONS, writerNamed, thereAndBack, plain } from './there-and-back.ts';

// ---- Invented preferences

const text = (maxLength: number) => fc.string({ unit: 'grapheme', maxLength });
const full = (maxLength: number) => text(maxLength).map((some) => `x${some}`);
const orNull = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: null });
const conversation = fc
  .tuple(orNull(full(8)), fc.array(fc.tuple(full(8), full(8)), { maxLength: 2 }), full(12))
  .map(([system, turns, last]): Message[] => [
    ...(system === null ? [] : [{ role: 'system' as const, content: system }]),
    ...turns.flatMap(([user, assistant]): Message[] => [
      { role: 'user', content: user },
      { role: 'assistant', content: assistant },
    ]),
    { role: 'user', content: last },
  ]);
const scalar = fc.oneof(text(6), fc.integer(), fc.boolean(), fc.constant(null));

/**
 * Answers are different, not empty and do not look like the start of an answer's turn: what no format could tell apart.
 */
const preferences: fc.Arbitrary<Preference> = fc
  .record({
    prompt: full(30),
    messages: orNull(conversation),
    texts: fc.uniqueArray(
      text(12).map((some) => ` y${some}`),
      { minLength: 2, maxLength: 5 },
    ),
  })
  .chain(({ prompt, messages, texts }) => {
    const answer = fc.nat({ max: texts.length - 1 });
    return fc.record({
      line: fc.constant(1),
      prompt: fc.constant(messages ? conversationText(messages) : prompt),
      messages: fc.constant(messages),
      answers: fc.tuple(
        ...texts.map((one) =>
          fc.record({
            text: fc.constant(one),
            writer: orNull(full(5).filter((name) => name !== 'ref')),
            tokenIds: orNull(fc.array(fc.nat(), { maxLength: 3 })),
          }),
        ),
      ),
      ranks: orNull(fc.tuple(...texts.map(() => fc.integer({ min: 1, max: 4 })))),
      labeler: orNull(full(5)),
      confidence: orNull(fc.integer({ min: 1, max: 9 })),
      note: orNull(full(9)),
      durationMs: orNull(fc.nat()),
      split: orNull(fc.constantFrom('train' as const, 'validation' as const, 'test' as const)),
      reference: orNull(full(9)),
      ratings: fc.array(
        fc
          .record({
            answer,
            axis: full(4),
            value: fc.integer({ min: 2, max: 6 }),
            low: fc.constantFrom(1, 7),
            high: fc.constant(10),
            labeler: orNull(full(4)),
          })
          .map((rating) => (rating.low === 7 ? { ...rating, low: 9, high: 1 } : rating)),
        { maxLength: 3 },
      ),
      marks: fc.array(
        fc.record({
          answer,
          start: fc.constant(0),
          end: fc.constantFrom(1, 2),
          label: full(4),
          note: orNull(full(4)),
          labeler: orNull(full(4)),
        }),
        { maxLength: 2 },
      ),
      extra: fc
        .dictionary(full(4), scalar, { maxKeys: 3, noNullPrototype: true })
        .map((extra) => Object.fromEntries(Object.entries(extra).map(([key, value]) => [`own_${key}`, value]))),
    });
  });

test('our own format keeps everything', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(preferences, { minLength: 1, maxLength: 4 }), async (given) => {
      const { read, format } = await thereAndBack(writerNamed('tastemaker'), given);
      expect(format).toBe('tastemaker');
      expect(read).toEqual(given.map((preference, i) => ({ ...preference, line: i + 1 })));
    }),
    { numRuns: 60 },
  );
});

// ---- What other formats keep, said a second time and independently of the writers

interface Kept {
  /** what it is taken for when it is read; the same name where left out */
  readAs?: string;
  /**
   * of the conversation: nothing but its text, the messages, those of more than one, or the messages with a plain
   * prompt as one too
   */
  messages: 'text' | 'own' | 'longer' | 'always';
  /** ranked answers whole; otherwise a pair a row */
  whole?: 'strict' | 'ties';
  fields: readonly ('labeler' | 'confidence' | 'note' | 'durationMs' | 'split')[];
  writers?: true;
}
const KEPT: Readonly<Record<string, Kept>> = {
  'openai-comparisons': { messages: 'text', fields: ['labeler', 'note', 'split'], writers: true },
  'trl-explicit': { messages: 'text', fields: [] },
  'trl-conversational': { messages: 'always', fields: [] },
  openrlhf: { readAs: 'trl-explicit', messages: 'text', fields: [] },
  'llama-factory-alpaca': { messages: 'longer', fields: [] },
  'llama-factory-sharegpt': { messages: 'always', fields: [] },
  'label-studio-ranker': {
    messages: 'text',
    fields: ['labeler', 'durationMs', 'split'],
    writers: true,
    whole: 'strict',
  },
  'label-studio-pairwise': { messages: 'text', fields: ['labeler', 'durationMs', 'split'] },
  'argilla-2': { messages: 'text', fields: ['labeler', 'split'], whole: 'strict' },
  'argilla-1': { messages: 'text', fields: ['labeler', 'split'], whole: 'ties' },
  csv: { readAs: 'trl-explicit', messages: 'text', fields: ['labeler', 'confidence', 'note', 'split'] },
  h2o: { messages: 'text', fields: [] },
  parquet: { readAs: 'trl-explicit', messages: 'text', fields: [] },
  'parquet-conversational': { readAs: 'trl-conversational', messages: 'always', fields: [] },
};

interface Compared {
  prompt: string;
  messages: Message[] | null;
  fields: unknown[];
  better: [text: string, writer: string | null];
  worse: [text: string, writer: string | null];
}
/**
 * The comparisons that preferences make, each with all that is to come along, in an order that does not depend on the
 * file's.
 */
function comparisons(given: readonly Preference[], { messages: keeps, fields, writers }: Kept): string[] {
  return given
    .flatMap((preference): Compared[] => {
      const { prompt, answers, ranks } = preference;
      if (!ranks) return [];
      const messages =
        keeps === 'text' || (keeps === 'longer' && preference.messages?.length === 1)
          ? null
          : (preference.messages ?? (keeps === 'always' ? [{ role: 'user', content: prompt }] : null));
      const named = (i: number): [string, string | null] => [answers[i]!.text, writers ? answers[i]!.writer : null];
      const own = fields.map((field) =>
        field === 'durationMs' && preference.durationMs !== null
          ? Math.round(preference.durationMs)
          : preference[field],
      ); // seconds and back
      return ranks.flatMap((rank, i) =>
        ranks.flatMap((other, j): Compared[] =>
          rank < other ? [{ prompt, messages, fields: own, better: named(i), worse: named(j) }] : [],
        ),
      );
    })
    .map((compared) => JSON.stringify(compared))
    .sort();
}

test.each(Object.entries(KEPT))('%s: every comparison comes back with what it keeps', async (name, kept) => {
  await fc.assert(
    fc.asyncProperty(fc.array(preferences, { minLength: 1, maxLength: 3 }), async (given) => {
      const rows = [...writePreferences(writerNamed(name), given, OPTIONS)];
      fc.pre(rows.length > 0);
      const { read, format } = await thereAndBack(writerNamed(name), given);
      expect(format).toBe(kept.readAs ?? name);
      expect(comparisons(read, { ...kept, messages: kept.messages === 'text' ? 'text' : 'own' })).toEqual(
        comparisons(given, kept),
      );
      if (!kept.whole) return;
      const ranked = given.filter(
        ({ ranks }) => ranks !== null && (kept.whole === 'ties' || new Set(ranks).size === ranks.length),
      );
      for (const { answers } of ranked)
        expect(
          read.some(
            (one) => one.answers.map(({ text: own }) => own).join() === answers.map(({ text: own }) => own).join(),
          ),
        ).toBe(true);
    }),
    { numRuns: 25 },
  );
});

test('dialogues come back turn by turn; a system message before the first of them', async () => {
  await fc.assert(
    fc.asyncProperty(
      preferences.filter(({ ranks }) => new Set(ranks).size > 1),
      async (given) => {
        const { read } = await thereAndBack(writerNamed('hh-rlhf'), [given]);
        const [first, ...rest] = given.messages ?? [{ role: 'user' as const, content: given.prompt }];
        const messages =
          first!.role === 'system'
            ? [{ role: 'user' as const, content: `${first!.content}\n\n${rest[0]!.content}` }, ...rest.slice(1)]
            : [first!, ...rest];
        expect(comparisons(read, { messages: 'own', fields: [] })).toEqual(
          comparisons([{ ...given, messages, prompt: conversationText(messages) }], { messages: 'own', fields: [] }),
        );
      },
    ),
    { numRuns: 25 },
  );
});

test('a prompt inside the answers comes back as the same texts', async () => {
  await fc.assert(
    fc.asyncProperty(
      preferences.filter(({ ranks }) => new Set(ranks).size > 1),
      async (given) => {
        const { read, format } = await thereAndBack(writerNamed('trl-implicit'), [
          { ...given, prompt: `What is it? ${given.prompt}`, messages: null },
        ]);
        const whole = (all: readonly Preference[], prompt?: string) =>
          comparisons(
            all.map((one) => ({
              ...one,
              prompt: '',
              answers: one.answers.map((answer) => ({ ...answer, text: (prompt ?? one.prompt) + answer.text })),
            })),
            { messages: 'text', fields: [] },
          );
        expect(format).toBe('trl-implicit');
        expect(whole(read)).toEqual(whole([given], `What is it? ${given.prompt}`));
      },
    ),
    { numRuns: 25 },
  );
});

test('token ids: the best answer, cut or filled up to the length that the code wants', async () => {
  await fc.assert(
    fc.asyncProperty(
      preferences.filter(({ ranks }) => ranks !== null),
      async (some) => {
        const given = { ...some, answers: some.answers.map((answer) => ({ ...answer, tokenIds: null })) };
        const rows = [...writePreferences(writerNamed('openai-2019'), [given], OPTIONS)] as Record<string, number[]>[];
        for (const row of rows)
          expect([row['query']!.length, row['sample0']!.length, row['sample1']!.length, row['sample2']]).toEqual([
            400,
            100,
            100,
            undefined,
          ]);
        const best = given.ranks!.indexOf(Math.min(...given.ranks!));
        expect(rows.length).toBe(given.ranks!.lastIndexOf(given.ranks![best]!) === best ? 1 : 0);
        if (rows.length === 0) return;
        const { read } = await thereAndBack(writerNamed('openai-2019'), [given]);
        expect(read[0]!.prompt).toBe(given.prompt);
        const [winner] = read[0]!.answers.filter((_, i) => read[0]!.ranks![i] === 1);
        expect(winner!.text).toBe(given.answers[best]!.text);
      },
    ),
    { numRuns: 25 },
  );
});

test('ratings by axis come back on their seven points, one summary and labeler a row', async () => {
  const { read } = await thereAndBack(writerNamed('openai-axis'), [
    {
      ...plain,
      prompt: tldrPrompt({ subreddit: 'tifu', title: 'Late again', post: 'My cat ate my badge.' }),
      labeler: 'ada',
      split: 'validation',
      extra: { id: 't3_x1', batch: 'b1' },
      answers: [
        { text: ' Cat.', writer: 'sup4', tokenIds: null },
        { text: ' I was late.', writer: 'ref', tokenIds: null },
      ],
      ratings: [
        { answer: 0, axis: 'overall', value: 4, low: 1, high: 7, labeler: 'ada' },
        { answer: 0, axis: 'accuracy', value: 100, low: 0, high: 100, labeler: 'ada' },
        { answer: 1, axis: 'overall', value: 1, low: 3, high: 1, labeler: 'ben' },
      ],
    },
  ]);
  const common = {
    prompt: 'SUBREDDIT: r/tifu\n\nTITLE: Late again\n\nPOST: My cat ate my badge.\n\nTL;DR:',
    split: 'validation',
    ranks: null,
  };
  expect(read).toMatchObject([
    {
      ...common,
      answers: [{ text: ' Cat.', writer: 'sup4' }],
      labeler: 'ada',
      ratings: [
        { axis: 'overall', value: 4, low: 1, high: 7 },
        { axis: 'accuracy', value: 7 },
      ],
      extra: { id: 't3_x1', batch: 'b1' },
    },
    {
      ...common,
      answers: [{ text: ' I was late.', writer: 'ref' }],
      labeler: 'ben',
      reference: ' I was late.',
      ratings: [{ axis: 'overall', value: 7 }],
    }, // a first rank of three is the best
  ]);
});

test('confidence goes over to nine points between two summaries and back; a post and an article keep their parts', async () => {
  for (const confidence of [1, 3, 5, 7, 9])
    for (const ranks of [
      [1, 2],
      [2, 1],
    ]) {
      const [back] = (
        await thereAndBack(writerNamed('openai-comparisons'), [
          { ...plain, answers: plain.answers.slice(0, 2), ranks, confidence },
        ])
      ).read;
      // who chose the second was not in doubt: their 5 says the first
      expect(back!.confidence).toBe(ranks[0] === 2 ? Math.max(3, confidence) : confidence);
    }
  const rows = (prompt: string, extra = {}) =>
    [
      ...writePreferences(
        writerNamed('openai-comparisons'),
        [{ ...plain, prompt, extra: { id: 'a1', ...extra } }],
        OPTIONS,
      ),
    ][0]!['info'];
  expect(rows('Article:\nIt rained.\n\nTL;DR:\n', { site: 'news' })).toEqual({
    id: 'a1',
    site: 'news',
    title: null,
    article: 'It rained.',
  });
  expect(rows('SUBREDDIT: r/a\n\nTITLE: b\n\nPOST: c\n\nTL;DR:')).toEqual({
    id: 'a1',
    post: 'c',
    title: 'b',
    subreddit: 'a',
  });
  expect(rows('Why?')).toEqual({ id: 'a1', prompt: 'Why?' });
});

test('what such a file said in its own words comes out as it came in', async () => {
  const row = {
    info: { id: 'x', post: 'P.', title: 'T', subreddit: 's' },
    summaries: [
      { text: ' a', policy: 'ref', note: 'n0' },
      { text: ' b', policy: 'sup4', note: null },
    ],
    choice: 1,
    worker: 'w7',
    batch: 'batch9',
    split: 'valid2',
    extra: { confidence: 8, note: 'because' },
  };
  const file = path.join(folder, 'own.jsonl');
  fs.writeFileSync(file, JSON.stringify(row));
  const { rows } = await readPreferences(file);
  expect([...writePreferences(writerNamed('openai-comparisons'), rows as Preference[], OPTIONS)]).toEqual([row]);
  const alpaca = {
    instruction: 'Sum up.',
    input: 'It rained.',
    chosen: 'Rain.',
    rejected: 'Sun.',
    system: 'Be brief.',
    history: [],
  };
  fs.writeFileSync(file, JSON.stringify(alpaca));
  expect([
    ...writePreferences(
      writerNamed('llama-factory-alpaca'),
      (await readPreferences(file)).rows as Preference[],
      OPTIONS,
    ),
  ]).toEqual([alpaca]);
  fs.writeFileSync(file, JSON.stringify({ prompt: 'P', chosen: 'A', rejected: 'B', margin: 0.5 }));
  expect([
    ...writePreferences(writerNamed('openrlhf'), (await readPreferences(file)).rows as Preference[], OPTIONS),
  ]).toEqual([{ prompt: 'P', chosen: 'A', rejected: 'B', margin: 0.5 }]);
});

test('pairs: all, the best against the worst, or neighbours; ties, equal texts and rankings that find nothing good make none', async () => {
  const five = {
    ...plain,
    answers: ['a', 'b', 'c', 'd', 'e'].map((one) => ({ text: one, writer: null, tokenIds: null })),
    ranks: [1, 2, 2, 4, 9],
  };
  const pairs = async (options: Partial<WriteOptions>, given: Preference = five) => {
    const { read, left } = await thereAndBack(writerNamed('trl-explicit'), [given], options);
    return [read.map(({ answers }) => answers.map(({ text: own }) => own).join('>')).join(' '), left.join(' ')];
  };
  expect(await pairs({})).toEqual(['a>b a>c a>d a>e b>d c>d b>e c>e d>e', 'ties']);
  expect(await pairs({ pairs: 'best-worst' })).toEqual(['a>e', 'ties']);
  expect(await pairs({ pairs: 'neighbours' })).toEqual(['a>b a>c b>d c>d d>e', 'ties']);
  const written = (given: Preference, name = 'trl-explicit') => {
    const left: Reason[] = [];
    return [
      [...writePreferences(writerNamed(name), [given], OPTIONS, (reason) => left.push(reason))].length,
      left.join(' '),
    ];
  };
  expect(written({ ...plain, ranks: [1, 1, 1] })).toEqual([0, 'ties ties ties']);
  expect(written({ ...plain, ranks: null })).toEqual([0, 'unranked']);
  expect(written({ ...plain, ranks: [1, 2, 3], extra: { status: 'none-acceptable' } })).toEqual([0, 'noneAcceptable']);
  expect(written({ ...plain, answers: [plain.answers[0]!, plain.answers[0]!], ranks: [1, 2] })).toEqual([
    0,
    'sameText',
  ]);
  expect(
    written(
      { ...plain, answers: [plain.answers[0]!, { text: '', writer: null, tokenIds: null }], ranks: [1, 2] },
      'csv',
    ),
  ).toEqual([0, 'emptyText']);
  expect(written({ ...plain, ranks: null }, 'openai-axis')).toEqual([0, 'unrated']);
  expect(written(plain, 'openai-2019')).toEqual([1, '']);
  expect(written({ ...plain, ranks: [1, 1, 2] }, 'openai-2019')).toEqual([0, 'ties']);
});

test('good and bad answers: the best and the worst, and all bad where none was acceptable', async () => {
  const { read, left } = await thereAndBack(writerNamed('trl-unpaired'), [plain]);
  expect(read.map(({ answers, ranks }) => [answers.map(({ text: own }) => own), ranks])).toEqual([
    [
      [' Snow.', ' Ice.'],
      [1, 2],
    ],
  ]);
  expect(left).toEqual(['middle']);
  const none = (
    await thereAndBack(writerNamed('trl-unpaired'), [{ ...plain, ranks: null, extra: { status: 'none-acceptable' } }])
  ).read;
  expect(none).toMatchObject([
    {
      ranks: null,
      ratings: [
        { answer: 0, value: 0 },
        { answer: 1, value: 0 },
        { answer: 2, value: 0 },
      ],
    },
  ]);
});
