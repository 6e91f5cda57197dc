// The BPE trainer against a naive one, against a reference vocabulary, and read back through the native tokenizer.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { createRandom } from '#core/random.ts';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';
import { BYTE_CHARACTERS, splitWords, trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import type { TokenizerFile } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

const STORIES = join(process.cwd(), '../shared/data/gutenberg/stories.jsonl');
const REFERENCE = join(process.cwd(), '../shared/reference/tokenizer/tokenizer.json');
const noReference = !existsSync(STORIES) || !existsSync(REFERENCE);

const scratch = mkdtempSync(join(tmpdir(), 'bpe-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const random = createRandom(5, 'bpe-test');
const posts = Array.from({ length: 300 }, () => {
  const facts = drawRecord(random);
  return `${writePost(facts, random)} ${writeSummary(facts, random).text}`;
});
const trained = trainBpe(posts, 600);

const byteSymbols = (word: string) => Array.from(new TextEncoder().encode(word), (byte) => BYTE_CHARACTERS[byte]!);

/** Byte-level BPE as one would write it on a blackboard: each merge over the whole word, in order. */
function naiveEncode(text: string, { model }: TokenizerFile): number[] {
  return splitWords(text).flatMap((word) => {
    let symbols = byteSymbols(word);
    for (const merge of model.merges) {
      const [left, right] = merge.split(' ');
      for (let i = 0; i + 1 < symbols.length; i++)
        if (symbols[i] === left && symbols[i + 1] === right) symbols = symbols.toSpliced(i, 2, left! + right!);
    }
    return symbols.map((symbol) => model.vocab[symbol]!);
  });
}

/** The trainer without any of its bookkeeping: recount everything before each merge. */
function naiveMerges(texts: string[], entries: number): string[] {
  const start = trainBpe([], 258).model.vocab;
  const names = Object.keys(start).toSorted((a, b) => start[a]! - start[b]!);
  const ids = new Map(Object.entries(start)); // keys like "7" come first
  const words = texts.flatMap(splitWords).map((word) => byteSymbols(word).map((symbol) => ids.get(symbol)!));
  const merges = new Set<string>();
  while (names.length < entries) {
    const counts = new Map<string, number>();
    for (const word of words)
      for (let i = 0; i + 1 < word.length; i++)
        counts.set(`${word[i]},${word[i + 1]}`, (counts.get(`${word[i]},${word[i + 1]}`) ?? 0) + 1);
    const ranked = [...counts].map(([pair, count]) => ({
      pair: pair.split(',').map(Number) as [number, number],
      count,
    }));
    ranked.sort((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1]);
    const best = ranked[0];
    if (!best || best.count < 2) break;
    const [left, right] = best.pair;
    const name = names[left]! + names[right]!;
    if (!ids.has(name)) ids.set(name, names.push(name) - 1);
    merges.add(`${names[left]} ${names[right]}`);
    for (const word of words)
      for (let i = 0; i + 1 < word.length; i++)
        if (word[i] === left && word[i + 1] === right) word.splice(i, 2, ids.get(name)!);
  }
  return [...merges];
}

describe('training', () => {
  test('equals a trainer that recounts before every merge', () => {
    const texts = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', 'é', '.'), maxLength: 60 }), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(texts, (list) => {
        expect(trainBpe(list, 290).model.merges).toEqual(naiveMerges(list, 290));
      }),
      { numRuns: 150 },
    );
  });

  test.skipIf(noReference)(
    `equals the reference vocabulary${noReference ? ' (skipped: reference numbers not present)' : ''}`,
    () => {
      const stories = readFileSync(STORIES, 'utf8')
        .split('\n')
        .slice(0, 20)
        .map((line) => (JSON.parse(line) as { text: string }).text);
      const { model } = JSON.parse(readFileSync(REFERENCE, 'utf8')) as {
        model: { vocab: Record<string, number>; merges: [string, string][] };
      };
      const ours = trainBpe(stories, 1024).model;
      expect(ours.merges).toEqual(model.merges.map((pair) => pair.join(' ')));
      expect(ours.vocab).toEqual(model.vocab);
    },
  );

  test('puts special tokens first, then all 256 bytes, and takes no pair that occurs once', () => {
    const { vocab, merges } = trainBpe(['abcdef ghi'], 300).model;
    expect([vocab['<|endoftext|>'], vocab['<|pad|>'], Object.keys(vocab).length]).toEqual([0, 1, 258]);
    expect(new Set(BYTE_CHARACTERS.map((character) => vocab[character]))).toEqual(
      new Set(Array.from({ length: 256 }, (_, i) => i + 2)),
    );
    expect(merges).toEqual([]);
    expect(trainBpe(['ab ab'], 300).model.merges).toEqual(['a b']);
  });

  test('does not depend on how texts are cut into a list or on the order of words', () => {
    expect(trainBpe(posts.toReversed(), 600)).toEqual(trained);
  });

  test.each([257, 0, -1, 300.5, Number.NaN])('refuses a vocabulary of %s', (size) => {
    expect(() => trainBpe(['a'], size)).toThrow(expect.objectContaining({ code: 'bad-argument' }));
  });

  test('1 MB of words nobody wrote take seconds', () => {
    const source = createRandom(1, 'letters');
    const text = Array.from({ length: 1_000_000 }, () => 'etaoin shrdlu cmfw ypvb '[source.integer(24)]).join('');
    const start = performance.now();
    expect(Object.keys(trainBpe([text], 2000).model.vocab)).toHaveLength(2000);
    expect(performance.now() - start).toBeLessThan(20_000);
  }, 30_000);
});

describe('read back by the native tokenizer', async () => {
  const folder = join(scratch, 'made', 'here');
  await writeTokenizer(folder, trained);
  const tokenizer = await loadTokenizer(folder);

  test('has its ids, and leaves nothing else in the folder', () => {
    expect([tokenizer.vocabularySize, tokenizer.endOfText, tokenizer.pad]).toEqual([600, 0, 1]);
    expect(readdirSync(folder).toSorted()).toEqual(['tokenizer.json', 'tokenizer_config.json']);
  });

  test('encodes as naive BPE does', async () => {
    const piece = fc.oneof(
      fc.constantFrom(...posts[0]!.split(' ')),
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.constantFrom('  ', "'s ", "don't", '\u0085', '\ufeff', '\n\n'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const text = pieces.join(' ');
        expect(await tokenizer.encode(text)).toEqual(naiveEncode(text, trained));
      }),
      { numRuns: 150 },
    );
    expect(await tokenizer.encodeBatch(posts.slice(0, 50))).toEqual(
      posts.slice(0, 50).map((post) => naiveEncode(post, trained)),
    );
  });

  test('gives back any Unicode text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { maxLength: 5 }), async (texts) => {
        expect(await tokenizer.decodeBatch(await tokenizer.encodeBatch(texts))).toEqual(texts);
      }),
      { numRuns: 150 },
    );
  });
});

test('a folder that can not be made is a disk error, and nothing is left', async () => {
  writeFileSync(join(scratch, 'a-file'), '');
  await expect(writeTokenizer(join(scratch, 'a-file', 'inside'), trained)).rejects.toMatchObject({ code: 'disk' });
});
