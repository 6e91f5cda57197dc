// Text to ids and back, for every spelling of tokenizer: an answer's ids follow its prompt's, its text comes back, and
// it has one end.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerTexts } from '#core/recipes/parts/answer-text.ts';
import {
  encodeAnswers,
  encodeDocuments,
  encodePrompts,
  sharedTokens,
  withStops,
} from '#core/recipes/parts/prompt-tokens.ts';
import type { SharedToken } from '#core/recipes/parts/prompt-tokens.ts';
import { newArchitecture } from '#core/models/architecture.ts';
import {
  beginningWith,
  BEGIN,
  bytesJson,
  END,
  renumberedJson,
  SMALL_TOKENIZERS,
  spacedJson,
  tokenizerFrom,
  USER,
} from '#tests/core/tokenizer/small-tokenizers.ts';

const prompt = fc.oneof(
  fc.constantFrom('TL;DR:', 'a', 'hello you', 'é\n', 'Why? '),
  fc.string({ minLength: 1, maxLength: 12 }),
);
const answer = fc.oneof(
  fc.constantFrom('I', ' I', '\nI', ' the café', 'the end', '', ' 漢字', 'b b'),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll('▁', '_')),
); // which some tokenizers take for a space
const startsWith = (ids: readonly number[], start: readonly number[]) => start.every((id, i) => id === ids[i]);

describe.each(Object.entries(SMALL_TOKENIZERS))('%s', (_, tokenizer) => {
  const end = tokenizer.token(tokenizer.endOfText);

  test('the ids of an answer are those of prompt and answer after the prompt’s, and where that cannot be it is said', async () => {
    await fc.assert(
      fc.asyncProperty(prompt, answer, async (text, said) => {
        const shared: SharedToken[] = [];
        const [before] = (await encodePrompts(tokenizer, [{ text }])) as [number[]];
        const [ids] = (await encodeAnswers(
          tokenizer,
          [{ prompt: { text }, text: said, ended: false }],
          undefined,
          shared,
        )) as [number[]];
        const whole = await tokenizer.encode(text + said);
        const alone = await tokenizer.encode(text);
        expect(before).toEqual([...tokenizer.begin, ...alone]);
        const parts = startsWith(whole, alone);
        expect(startsWith(whole, [...alone, ...ids])).toBe(parts);
        expect(ids).toHaveLength(parts ? whole.length - alone.length : ids.length);
        const told = { answer: 0, token: expect.any(String) as string };
        expect(shared).toEqual(parts ? [] : [told]);
      }),
      { numRuns: 150 },
    );
  });

  test('the text of an answer comes back from its ids, with or without an end', async () => {
    await fc.assert(
      fc.asyncProperty(prompt, answer, fc.boolean(), async (text, said, ended) => {
        const [before] = (await encodePrompts(tokenizer, [{ text }])) as [number[]];
        const [ids] = (await encodeAnswers(tokenizer, [{ prompt: { text }, text: said, ended }])) as [number[]];
        expect(await answerTexts(tokenizer, [{ prompt: before, ids }])).toEqual([said.toWellFormed()]);
      }),
      { numRuns: 150 },
    );
  });

  test('an answer that has ended has one end, written out or not; one that was cut off has none', async () => {
    await fc.assert(
      fc.asyncProperty(prompt, answer, async (text, said) => {
        const of = async (spelled: string, ended: boolean) =>
          (await encodeAnswers(tokenizer, [{ prompt: { text }, text: spelled, ended }]))[0]!;
        const plain = await of(said, true);
        const written = await of(said + end, true);
        const cut = await of(said, false);
        expect(plain).toEqual([...cut, tokenizer.endOfText]);
        expect(written.filter((id) => id === tokenizer.endOfText)).toEqual([tokenizer.endOfText]);
        expect(written.at(-1)).toBe(tokenizer.endOfText);
        expect(cut).not.toContain(tokenizer.endOfText);
      }),
      { numRuns: 60 },
    );
  });

  test('a text begins as the post-processor has it, once', async () => {
    const { begin } = tokenizer;
    const first = begin.length ? tokenizer.token(begin[0]!) : '';
    const [plain, spelled] = (await encodePrompts(tokenizer, [{ text: 'hello' }, { text: `${first}hello` }])) as [
      number[],
      number[],
    ];
    expect(plain.slice(0, begin.length)).toEqual(begin);
    expect(spelled.filter((id) => begin.includes(id))).toHaveLength(begin.length);
    const [document, ended] = (await encodeDocuments(tokenizer, ['hello', `hello${end}`])) as [number[], number[]];
    expect(document).toEqual([...plain, tokenizer.endOfText]);
    expect(ended).toEqual(document);
  });
});

test('special tokens within an answer are spelled out, and only the stop at its end is taken away', async () => {
  const tokenizer = SMALL_TOKENIZERS['bytes']!;
  const [a, b, user, stop] = (await Promise.all(
    ['a', 'b', USER, END].map(async (text) => (await tokenizer.encode(text))[0]!),
  )) as [number, number, number, number];
  const before = await tokenizer.encode('go:');
  expect(
    await answerTexts(
      tokenizer,
      [[a, user, b, stop], [user], [a, stop, stop], [stop], []].map((ids) => ({ prompt: before, ids })),
    ),
  ).toEqual([`a${USER}b`, USER, `a${END}`, '', '']);
});

test('bytes that make no character leave the prompt as it is', async () => {
  const tokenizer = SMALL_TOKENIZERS['▁ llama2']!;
  const [before] = (await encodePrompts(tokenizer, [{ text: 'so:\n' }])) as [number[]];
  const [byte] = (await tokenizer.encode('é')).slice(1) as [number];
  expect(await answerTexts(tokenizer, [{ prompt: before, ids: [byte] }])).toEqual(['�']);
});

test('answers that share a token with their prompt are counted, and the first is shown', async () => {
  const tokenizer = SMALL_TOKENIZERS['bytes']!;
  const shared: SharedToken[] = [];
  const lists = await encodeAnswers(
    tokenizer,
    [
      { prompt: { text: 'a' }, text: 'b', ended: false },
      { prompt: { text: 'x:' }, text: ' the', ended: false },
    ],
    undefined,
    shared,
  );
  expect(lists[0]).toEqual(await tokenizer.encode('b'));
  expect(sharedTokens(shared, 2, (i) => `line ${i + 1}`)).toBe(
    '1 of 2 answers shares a token with the end of its prompt ("ab" in line 1): there the prompt keeps its own tokens, and the answer is cut by itself.',
  );
  expect(sharedTokens([], 2)).toBeNull();
});

test('in a conversation the template ends the answer, once, whatever stop the text spells', async () => {
  const chatTemplate = `{% for m in messages %}${USER}{{ m.content }}${BEGIN}{% endfor %}{% if add_generation_prompt %}${USER}{% endif %}`;
  const tokenizer = tokenizerFrom(bytesJson(), { eos_token: END }, { chatTemplate });
  const turn = (await tokenizer.encode(BEGIN))[0]!;
  const of = async (text: string, ended: boolean) =>
    (
      await encodeAnswers(tokenizer, [
        { prompt: { text: 'hi', messages: [{ role: 'user', content: 'hi' }] }, text, ended },
      ])
    )[0]!;
  const plain = await of('yes', true);
  expect(plain.at(-1)).toBe(turn);
  expect(await of(`yes${BEGIN}`, true)).toEqual(plain);
  expect(await of(`yes${END}`, true)).toEqual(plain);
  expect(await of('yes', false)).toEqual(plain.slice(0, -1));
});

describe('ids that a model wrote', () => {
  const own = SMALL_TOKENIZERS['bytes']!;
  const other = tokenizerFrom(renumberedJson(bytesJson()), { eos_token: END });
  const ask = async (
    tokenizer: typeof own,
    text: string,
    ids: readonly number[],
    of: string | null,
    more: { ended?: boolean; likely?: string | null } = {},
  ) =>
    (
      await encodeAnswers(tokenizer, [
        {
          prompt: { text: 'go:' },
          text,
          ended: more.ended ?? true,
          sampled: { ids, tokenizer: of, likely: more.likely ?? null },
        },
      ])
    )[0]!;
  const spelledBy = async (tokenizer: typeof own, text: string) => [
    ...(await tokenizer.encode(text)),
    tokenizer.endOfText,
  ];

  test('are kept under their own tokenizer, even where the text would be cut otherwise, and made again under another', async () => {
    const loose = [...(await own.encode('a')), ...(await own.encode('b')), own.endOfText];
    expect(await ask(own, 'ab', loose, own.hash)).toEqual(loose);
    expect(await ask(other, 'ab', loose, own.hash)).toEqual(await spelledBy(other, 'ab'));
    expect(await ask(own, 'ab', loose, own.hash, { ended: false })).toEqual(loose.slice(0, -1));
  });

  test('of which no one knows the tokenizer are kept where they prove to be the reader’s', async () => {
    const ids = await spelledBy(own, 'the end');
    const again = await spelledBy(other, 'the end');
    const loose = [...(await own.encode('a')), ...(await own.encode('b')), own.endOfText];
    expect(await ask(own, 'ab', loose, null, { likely: own.hash })).toEqual(loose);
    expect(await ask(own, 'another text', ids, null, { likely: own.hash })).toEqual(
      await spelledBy(own, 'another text'),
    );
    // of a writer whose tokenizer is gone they prove nothing: other merges may make the same text of them
    expect(await ask(own, 'ab', loose, null)).toEqual(await spelledBy(own, 'ab'));
    expect(await ask(other, 'the end', ids, null)).toEqual(again);
    // the very ids, but the model that wrote them has another tokenizer
    expect(
      await ask(own, 'ab', [...(await own.encode('a')), ...(await own.encode('b')), own.endOfText], null, {
        likely: other.hash,
      }),
    ).toEqual(await spelledBy(own, 'ab'));
  });

  test('that no token stands for are never read', async () => {
    expect(await ask(own, 'ab', [99_999], own.hash)).toEqual(await spelledBy(own, 'ab'));
  });
});

describe('the hash of a tokenizer', () => {
  const json = bytesJson();
  const model = json['model'] as { vocab: Record<string, number>; merges: [string, string][] };
  const hash = (changed: object, settings = {}) =>
    tokenizerFrom({ ...json, ...changed }, { eos_token: END, ...settings }).hash;
  const first = hash({});

  test('is the same for what makes the same ids, however it is written down', () => {
    expect(hash({ model: { ...model, merges: model.merges.map((pair) => pair.join(' ')) } })).toBe(first);
    expect(hash({ model: { ...model, vocab: Object.fromEntries(Object.entries(model.vocab).toReversed()) } })).toBe(
      first,
    );
    expect(
      hash({
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [{ type: 'ByteLevel', add_prefix_space: false, trim_offsets: false }],
        },
      }),
    ).toBe(first);
    expect(hash({}, { chat_template: 'T', pad_token: USER, eos_token: USER })).toBe(first);
  });

  test.each<[string, object]>([
    ['ids', renumberedJson(json)],
    ['merges', { model: { ...model, merges: model.merges.toReversed() } }],
    ['added tokens', { added_tokens: (json['added_tokens'] as object[]).slice(0, 2) }],
    [
      'how one is found',
      { added_tokens: (json['added_tokens'] as object[]).map((one, i) => (i === 2 ? { ...one, lstrip: true } : one)) },
    ],
    ['the normalizer', { normalizer: { type: 'NFC' } }],
    [
      'the pre-tokenizer',
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [{ type: 'Digits', individual_digits: true }, json['pre_tokenizer']],
        },
      },
    ],
    ['what it begins with', { post_processor: beginningWith(model.vocab, [BEGIN]) }],
  ])('differs with %s', (_, changed) => expect(hash(changed)).not.toBe(first));
});

test('what stands before a text is read from every kind of post-processor', () => {
  const json = spacedJson('llama2');
  const { vocab } = json['model'] as { vocab: Record<string, number> };
  const begin = (post_processor: object | null) =>
    tokenizerFrom({ ...json, post_processor }, { eos_token: '</s>' }).begin;
  const template = beginningWith(vocab, ['<s>']);
  const level = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true };
  expect([null, level, { ...template, single: (template['single'] as object[]).toReversed() }].map(begin)).toEqual([
    [],
    [],
    [],
  ]);
  expect(
    [
      template,
      { type: 'Sequence', processors: [level, template] },
      { type: 'RobertaProcessing', sep: ['</s>', 2], cls: ['<s>', 1], trim_offsets: true, add_prefix_space: true },
    ].map(begin),
  ).toEqual([[1], [1], [1]]);
  expect(begin({ type: 'Sequence', processors: [template, beginningWith(vocab, ['<unk>'])] })).toEqual([0, 1]);
});

test('rows of the embedding without a token are told to the sampler', () => {
  const tokenizer = SMALL_TOKENIZERS['bytes']!;
  const size = tokenizer.vocabularySize;
  const { silent, stops } = withStops(
    newArchitecture({
      family: 'llama',
      vocabulary: size + 3,
      channels: 8,
      layers: 1,
      heads: 2,
      feedForward: 8,
      context: 16,
      endOfText: 0,
    }),
    tokenizer,
  );
  expect([silent, stops]).toEqual([[size, size + 1, size + 2], [0]]);
});
