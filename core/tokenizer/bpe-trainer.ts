// A byte-level BPE trainer: texts in, the standard tokenizer.json out.
// Sennrich, Haddow, Birch: "Neural Machine Translation of Rare Words with Subword Units" (2016); byte alphabet and word
// pattern of GPT-2.

import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TastemakerError, sentenceOf } from '#core/errors.ts';

export const END_OF_TEXT = '<|endoftext|>';
export const PAD = '<|pad|>';
const SPECIAL = [END_OF_TEXT, PAD]; // their ids are their places: 0 and 1
const MIN_FREQUENCY = 2;
const SMALLEST_VOCABULARY = SPECIAL.length + 256;

/** The part of the standard tokenizer.json that we write. */
export interface TokenizerFile {
  version: '1.0';
  truncation: null;
  padding: null;
  added_tokens: {
    id: number;
    content: string;
    single_word: boolean;
    lstrip: boolean;
    rstrip: boolean;
    normalized: boolean;
    special: boolean;
  }[];
  normalizer: null;
  pre_tokenizer: ByteLevel;
  post_processor: ByteLevel;
  decoder: ByteLevel;
  model: {
    type: 'BPE';
    dropout: null;
    unk_token: null;
    continuing_subword_prefix: null;
    end_of_word_suffix: null;
    fuse_unk: boolean;
    byte_fallback: boolean;
    ignore_merges: boolean;
    vocab: Record<string, number>;
    /**
     * "left right", in the order they are applied; no entry holds a space, so the older spelling that every reader
     * takes will do
     */
    merges: string[];
  };
}
interface ByteLevel {
  type: 'ByteLevel';
  add_prefix_space: boolean;
  trim_offsets: boolean;
  use_regex: boolean;
}

/** GPT-2's pattern. \p{White_Space} and not \s: the two differ on U+0085 and U+FEFF, and readers use the former. */
const WORD =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The words merges never cross; joined they give the text back. */
export const splitWords = (text: string): string[] => text.match(WORD) ?? [];

/** GPT-2's printable stand-in for each byte: itself where it prints, else the next unused character from U+0100. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  const prints = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(prints(byte) ? byte : next++));
})();

/** A kind of word: its current symbols and how often it occurs. */
interface WordType {
  symbols: number[];
  count: number;
}
interface Candidate {
  count: number;
  pair: number;
}

// A pair of ids as one number, ordered by left and then right id: 26 bits each.
const SIDE = 2 ** 26;
const pairOf = (left: number, right: number) => left * SIDE + right;

/**
 * Learn a byte-level BPE of `vocabularySize` entries (fewer where no pair occurs twice): special tokens, 256 bytes,
 * merges. The most frequent pair is merged first; ties go to the lower left id, then the lower right id. Throws
 * 'bad-argument' below 258.
 */
export function trainBpe(texts: Iterable<string>, vocabularySize: number): TokenizerFile {
  if (!Number.isInteger(vocabularySize) || vocabularySize < SMALLEST_VOCABULARY || vocabularySize > SIDE) {
    throw new TastemakerError(
      'bad-argument',
      `A vocabulary of ${vocabularySize} entries is out of range.`,
      `Ask for at least ${SMALLEST_VOCABULARY}: ${SPECIAL.length} special tokens and 256 bytes.`,
    );
  }
  const tokens = [...SPECIAL, ...BYTE_CHARACTERS.toSorted((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const byteIds = BYTE_CHARACTERS.map((character) => ids.get(character)!);
  const pairs = countPairs(countWords(texts, byteIds));
  const merges = new Set<string>(); // a pair whose left or right token is built anew another way can come back
  while (tokens.length < vocabularySize) {
    const pair = pairs.mostFrequent();
    if (pair === null) break;
    const left = Math.floor(pair / SIDE);
    const right = pair % SIDE;
    const token = tokens[left]! + tokens[right]!;
    let id = ids.get(token); // two ways of building one token share its id
    if (id === undefined) {
      id = tokens.push(token) - 1;
      ids.set(token, id);
    }
    merges.add(`${tokens[left]} ${tokens[right]}`);
    pairs.merge(pair, id);
  }
  return describe(tokens, [...merges]);
}

/** The pairs of neighbours in all words, their counts kept up to date while pairs are merged. */
interface Pairs {
  /** the pair that is merged next; null where none occurs often enough */
  mostFrequent(): number | null;
  /** `id` takes the place of the pair in every word */
  merge(pair: number, id: number): void;
}

function countPairs(words: readonly WordType[]): Pairs {
  const counts = new Map<number, number>(); // pair -> occurrences
  const places = new Map<number, Set<number>>(); // pair -> the words it may occur in
  const queue = createQueue();
  const changed = new Set<number>(); // pairs whose count moved since they were last queued
  function add(left: number, right: number, count: number, word: number): void {
    const pair = pairOf(left, right);
    counts.set(pair, (counts.get(pair) ?? 0) + count);
    changed.add(pair);
    if (count < 0) return;
    const place = places.get(pair);
    if (place) place.add(word);
    else places.set(pair, new Set([word]));
  }
  function requeue(): void {
    for (const pair of changed) {
      const count = counts.get(pair)!;
      if (count > 0) queue.push({ count, pair });
      else {
        counts.delete(pair);
        places.delete(pair);
      }
    }
    changed.clear();
  }
  /** Merge one pair in one word; only the counts of its neighbours move. */
  function mergeIn(word: number, left: number, right: number, id: number): void {
    const { symbols, count } = words[word]!;
    const out: number[] = [];
    for (let i = 0; i < symbols.length; i++) {
      if (symbols[i] !== left || symbols[i + 1] !== right) {
        out.push(symbols[i]!);
        continue;
      }
      const before = out.at(-1);
      const after = symbols[i + 2];
      if (before !== undefined) {
        add(before, left, -count, word);
        add(before, id, count, word);
      }
      if (after !== undefined) {
        add(right, after, -count, word);
        add(id, after, count, word);
      }
      out.push(id);
      i++;
    }
    words[word]!.symbols = out;
  }

  for (const [word, { symbols, count }] of words.entries()) {
    for (let i = 0; i + 1 < symbols.length; i++) add(symbols[i]!, symbols[i + 1]!, count, word);
  }
  requeue();
  return {
    mostFrequent: () => {
      for (let best = queue.pop(); best; best = queue.pop()) {
        const count = counts.get(best.pair) ?? 0;
        if (count === best.count) return count < MIN_FREQUENCY ? null : best.pair; // else stale: queued again since
      }
      return null;
    },
    merge: (pair, id) => {
      const left = Math.floor(pair / SIDE);
      for (const word of places.get(pair)!) mergeIn(word, left, pair % SIDE, id);
      counts.delete(pair);
      places.delete(pair);
      changed.delete(pair);
      requeue();
    },
  };
}

function countWords(texts: Iterable<string>, byteIds: readonly number[]): WordType[] {
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of splitWords(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const encoder = new TextEncoder();
  return [...counts].map(([word, count]) => ({
    symbols: Array.from(encoder.encode(word), (byte) => byteIds[byte]!),
    count,
  }));
}

/** A binary heap: the highest count first, then the lowest pair. */
function createQueue(): { push(item: Candidate): void; pop(): Candidate | undefined } {
  const heap: Candidate[] = [];
  const before = (a: Candidate, b: Candidate) => a.count > b.count || (a.count === b.count && a.pair < b.pair);
  return {
    push: (item) => {
      let i = heap.push(item) - 1;
      for (let parent = (i - 1) >> 1; i > 0 && before(item, heap[parent]!); parent = (i - 1) >> 1) {
        heap[i] = heap[parent]!;
        i = parent;
      }
      heap[i] = item;
    },
    pop: () => {
      const top = heap[0];
      const last = heap.pop();
      if (heap.length === 0 || !last) return top;
      let i = 0;
      for (let child = 1; child < heap.length; child = 2 * i + 1) {
        if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
        if (!before(heap[child]!, last)) break;
        heap[i] = heap[child]!;
        i = child;
      }
      heap[i] = last;
      return top;
    },
  };
}

function describe(tokens: readonly string[], merges: string[]): TokenizerFile {
  const byteLevel: ByteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}

/**
 * Write tokenizer.json and tokenizer_config.json into `folder` (made if missing), each whole or not at all. Throws
 * 'disk'.
 */
export async function writeTokenizer(folder: string, file: TokenizerFile): Promise<void> {
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    eos_token: END_OF_TEXT,
    bos_token: END_OF_TEXT,
    pad_token: PAD,
    clean_up_tokenization_spaces: false,
  };
  try {
    await mkdir(folder, { recursive: true });
    await writeWhole(join(folder, 'tokenizer.json'), file);
    await writeWhole(join(folder, 'tokenizer_config.json'), config);
  } catch (error) {
    const reason = sentenceOf(error);
    throw new TastemakerError(
      'disk',
      `The tokenizer could not be written to ${folder}: ${reason}.`,
      'Check that the disk has room and that you may write there.',
    );
  }
}

/** A temporary name in the same folder, flushed, then renamed. */
async function writeWhole(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.part`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(`${JSON.stringify(value, null, 1)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
