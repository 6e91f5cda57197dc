// The tokenizer against reference ids, and its own promises: offsets on whole characters, special ids, plain errors.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { createTokenizer, loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { TokenizerSettings } from '#core/tokenizer/tokenizer.ts';

const REFERENCE = join(process.cwd(), '../shared/reference');
const noReference = !existsSync(REFERENCE);
const SKIPPED = noReference ? ' (skipped: reference numbers not present)' : '';

const scratch = mkdtempSync(join(tmpdir(), 'tokenizer-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const NOTHING: TokenizerSettings = {
  tokenizerConfig: null,
  generationConfig: null,
  modelConfig: null,
  chatTemplate: null,
};
const small = trainBpe(['the ship, the ship on the sea; the 漢字 and the 😀 and the sea'], 280);
const plain = (settings: Partial<TokenizerSettings> = {}, json: object = {}) =>
  createTokenizer({ ...small, ...json }, { ...NOTHING, ...settings }, 'tokenizer.json');

/**
 * A Llama-like tokenizer: spaces as "▁", unknown characters as bytes, a beginning-of-text added by its post-processor.
 */
function byteFallback() {
  const special = ['<unk>', '<s>', '</s>'];
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const vocab = Object.fromEntries([...special, ...bytes, '▁', 'a', 'b', '▁a'].map((token, id) => [token, id]));
  return {
    version: '1.0',
    truncation: { direction: 'Right', max_length: 3, strategy: 'LongestFirst', stride: 0 },
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab,
      merges: ['▁ a'],
    },
  };
}

describe.skipIf(noReference)(`reference ids${SKIPPED}`, () => {
  const families = noReference ? [] : readdirSync(join(REFERENCE, 'models'));
  test.each(families)('%s: prompt ids as other programs compute them', async (family) => {
    const folder = join(REFERENCE, 'models', family);
    const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as {
      texts: string[];
      prompts: string[];
      prompt_ids: number[][];
    };
    const tokenizer = await loadTokenizer(folder);
    expect([tokenizer.vocabularySize, tokenizer.endOfText, tokenizer.pad, tokenizer.chatTemplate]).toEqual([
      1024,
      0,
      1,
      null,
    ]);
    expect(await tokenizer.encodeBatch(expected.prompts)).toEqual(expected.prompt_ids);
    expect(await tokenizer.encode(expected.prompts[0]!)).toEqual(expected.prompt_ids[0]);
    expect(await tokenizer.decodeBatch(expected.prompt_ids)).toEqual(expected.prompts);
    for (const text of expected.texts) expect(await tokenizer.decode(await tokenizer.encode(text))).toBe(text);
  });

  test('a tokenizer.json named directly is the same as its folder', async () => {
    const text = 'The old man in the ship';
    const [byFile, byFolder] = await Promise.all([
      loadTokenizer(join(REFERENCE, 'tokenizer/tokenizer.json')),
      loadTokenizer(join(REFERENCE, 'tokenizer')),
    ]);
    expect(byFile.pad).toBe(1);
    expect(await byFile.encode(text)).toEqual(await byFolder.encode(text));
  });
});

describe('offsets', () => {
  test('are UTF-16, and parts of one character share its span', async () => {
    // every byte is a token
    const tokenizer = createTokenizer(trainBpe([], 258) as unknown as Record<string, unknown>, NOTHING, 'bytes');
    const { ids, spans } = await tokenizer.encodeWithOffsets('aé😀b');
    expect(ids).toHaveLength(1 + 2 + 4 + 1);
    expect(spans.map(({ start, end }) => [start, end])).toEqual([
      [0, 1],
      [1, 2],
      [1, 2],
      [2, 4],
      [2, 4],
      [2, 4],
      [2, 4],
      [4, 5],
    ]);
  });

  test('of byte-fallback tokens cover the character too', async () => {
    const tokenizer = createTokenizer(byteFallback(), { ...NOTHING, tokenizerConfig: { eos_token: '</s>' } }, 'llama');
    const { ids, spans } = await tokenizer.encodeWithOffsets('a 😀b a漢');
    expect(ids.map(tokenizer.token)).toEqual([
      '▁a',
      '▁',
      '<0xF0>',
      '<0x9F>',
      '<0x98>',
      '<0x80>',
      'b',
      '▁a',
      '<0xE6>',
      '<0xBC>',
      '<0xA2>',
    ]);
    expect(spans.map(({ start, end }) => [start, end])).toEqual([
      [0, 1],
      [1, 2],
      [2, 4],
      [2, 4],
      [2, 4],
      [2, 4],
      [4, 5],
      [5, 7],
      [7, 8],
      [7, 8],
      [7, 8],
    ]);
    expect(await tokenizer.decode(ids)).toBe('a 😀b a漢');
  });

  test('of any text run in order, cover all of it and never split a character', async () => {
    const tokenizer = plain();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 40 }), async (text) => {
        const { ids, spans } = await tokenizer.encodeWithOffsets(text);
        expect(ids).toEqual(await tokenizer.encode(text));
        expect(spans).toHaveLength(ids.length);
        let reached = 0;
        for (const { start, end } of spans) {
          expect(start).toBeLessThanOrEqual(reached);
          expect(end).toBeGreaterThan(start);
          expect(text.slice(start, end).isWellFormed()).toBe(true);
          reached = Math.max(reached, end);
        }
        expect(reached).toBe(text.length);
      }),
      { numRuns: 200 },
    );
  });

  test('of half a surrogate pair still count UTF-16 units', async () => {
    const { spans } = await plain().encodeWithOffsets('\ud800x');
    expect([spans[0], spans.at(-1)]).toEqual([
      { start: 0, end: 1 },
      { start: 1, end: 2 },
    ]);
  });
});

describe('special tokens', () => {
  test('none is added, and truncation asked for by the file is not applied', async () => {
    const tokenizer = createTokenizer(byteFallback(), { ...NOTHING, tokenizerConfig: { eos_token: '</s>' } }, 'llama');
    const ids = await tokenizer.encode('b b b');
    expect(ids).toHaveLength(6);
    expect(ids).not.toContain(1);
  });

  test('are skipped by decode, as are ids outside the vocabulary', async () => {
    const tokenizer = plain();
    const ids = await tokenizer.encode('the ship');
    expect(await tokenizer.decode([0, ...ids, 99_999, 1])).toBe('the ship');
    expect(await tokenizer.decodeBatch([[], [0], ids])).toEqual(['', '', 'the ship']);
    expect([tokenizer.token(0), tokenizer.token(99_999), tokenizer.token(-1)]).toEqual([
      '<|endoftext|>',
      '[99999]',
      '[-1]',
    ]);
  });

  const cases: [string, Partial<TokenizerSettings>, number, number][] = [
    ['by their usual names', {}, 0, 1],
    [
      'as named',
      { tokenizerConfig: { eos_token: 'a', pad_token: 'b' } },
      small.model.vocab['a']!,
      small.model.vocab['b']!,
    ],
    [
      'as named by an object',
      { tokenizerConfig: { eos_token: { content: 'c' }, pad_token: null } },
      small.model.vocab['c']!,
      1,
    ],
    [
      'by id, the generation configuration first',
      { generationConfig: { eos_token_id: [7, 8] }, modelConfig: { eos_token_id: 9 } },
      7,
      1,
    ],
    ['by id from the model configuration', { generationConfig: {}, modelConfig: { eos_token_id: 9 } }, 9, 1],
    [
      'past a name and an id that do not exist',
      { tokenizerConfig: { eos_token: '</nowhere>' }, generationConfig: { eos_token_id: 4000 } },
      0,
      1,
    ],
    [
      'in special_tokens_map.json, where older folders name them',
      { tokenizerConfig: {}, specialTokensMap: { eos_token: { content: 'd' } }, modelConfig: { eos_token_id: 9 } },
      small.model.vocab['d']!,
      1,
    ],
  ];
  test.each(cases)('are found %s', (_, settings, endOfText, pad) => {
    const tokenizer = plain(settings);
    expect([tokenizer.endOfText, tokenizer.pad]).toEqual([endOfText, pad]);
  });

  test('no pad token is -1', () => {
    expect(createTokenizer(byteFallback(), { ...NOTHING, tokenizerConfig: { eos_token: '</s>' } }, 'llama').pad).toBe(
      -1,
    );
  });

  test('no end-of-text is an error that says what to add', () => {
    expect(() => createTokenizer(byteFallback(), NOTHING, 'f.json')).toThrow('f.json names no end-of-text token.');
    // beside a model's config.json the usual name is no guess to make
    expect(() => plain({ modelConfig: {} })).toThrow('tokenizer.json names no end-of-text token.');
  });
});

describe('chat template', () => {
  test.each([
    ['a string', 'T'],
    [
      'a list with a default',
      [
        { name: 'tools', template: 'X' },
        { name: 'default', template: 'T' },
      ],
    ],
  ])('from %s', (_, chat_template) => expect(plain({ tokenizerConfig: { chat_template } }).chatTemplate).toBe('T'));

  test('a file of its own comes first', async () => {
    const folder = mkdtempSync(join(scratch, 'chat-'));
    await writeTokenizer(folder, small);
    expect((await loadTokenizer(folder)).chatTemplate).toBeNull();
    writeFileSync(join(folder, 'chat_template.jinja'), '{{ messages }}');
    expect((await loadTokenizer(folder)).chatTemplate).toBe('{{ messages }}');
  });
});

describe('bad files are named', () => {
  const broken: [string, Record<string, string>, string][] = [
    ['missing', {}, 'tokenizer.json does not exist.'],
    ['cut off', { 'tokenizer.json': '{"model": {' }, 'tokenizer.json is not valid JSON'],
    ['not an object', { 'tokenizer.json': '[1]' }, 'tokenizer.json does not hold a JSON object.'],
    [
      'of another kind',
      { 'tokenizer.json': '{"model": {"type": "Nothing"}}' },
      'tokenizer.json is not a tokenizer this program can read',
    ],
    [
      'beside it malformed',
      { 'tokenizer.json': JSON.stringify(small), 'tokenizer_config.json': '{' },
      'tokenizer_config.json is not valid JSON',
    ],
  ];
  test.each(broken)('%s', async (_, files, message) => {
    const folder = mkdtempSync(join(scratch, 'bad-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const error: unknown = await loadTokenizer(folder).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TastemakerError);
    expect(error).toMatchObject({ code: 'bad-file' });
    expect((error as TastemakerError).message).toContain(join(folder, ''));
    expect((error as TastemakerError).message).toContain(message);
  });

  test('a folder that does not exist', async () => {
    await expect(loadTokenizer(join(scratch, 'nowhere'))).rejects.toMatchObject({ code: 'bad-file' });
  });
});
