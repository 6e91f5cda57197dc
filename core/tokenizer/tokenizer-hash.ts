// Whether two tokenizers make the same ids of every text: a hash over all that makes ids, and over nothing else.

import { createHash } from 'node:crypto';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** How a model cuts words, and what its settings are where a file does not say. */
const MODEL_SETTINGS: Json = {
  type: 'BPE',
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
};
/** Settings of steps that change no id, and what others are where a file leaves them out. */
const IDLE = new Set(['trim_offsets']);
const STEP_SETTINGS: Readonly<Record<string, Json>> = {
  ByteLevel: { add_prefix_space: true, use_regex: true },
  Metaspace: { replacement: '▁', prepend_scheme: 'always', split: true },
};

/** A step as entries in one order; a sequence as its steps, however deep they lie. */
function steps(step: unknown): unknown[] {
  if (!isObject(step)) return [];
  const inner = step['type'] === 'Sequence' ? (step['normalizers'] ?? step['pretokenizers']) : null;
  return inner === null ? [ordered({ ...STEP_SETTINGS[String(step['type'])], ...step })] : list(inner).flatMap(steps);
}

/** Values with the keys of every object in order, so that equal ones are equal texts. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isObject(value)) return value;
  return Object.entries(value)
    .filter(([key]) => !IDLE.has(key))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, ordered(inner)]);
}

/**
 * SHA-256 of a tokenizer.json's map of tokens to ids, merges, added tokens, normalizer and pre-tokenizer, and of the
 * ids it begins texts with.
 */
export function tokenizerHash(json: Json, begin: readonly number[]): string {
  const model = isObject(json['model']) ? json['model'] : {};
  const { vocab, merges, ...settings } = model;
  const added = list(json['added_tokens']).filter(isObject);
  const flags = ({ single_word = false, lstrip = false, rstrip = false, normalized = true }: Json) => [
    single_word,
    lstrip,
    rstrip,
    normalized,
  ];
  const tokens = new Map<unknown, unknown>([
    ...(isObject(vocab)
      ? Object.entries(vocab)
      : list(vocab).map((entry): [unknown, unknown] => [JSON.stringify(entry), 0])),
    ...added.map(({ content, id }): [unknown, unknown] => [content, id]),
  ]);
  const hash = createHash('sha256');
  const take = (part: unknown) => hash.update(`${JSON.stringify(part)}\n`);
  take([...tokens].sort(([a, i], [b, j]) => Number(i) - Number(j) || (String(a) < String(b) ? -1 : 1)));
  take(list(merges).map((merge) => (Array.isArray(merge) ? merge.join(' ') : merge)));
  take(added.map((one) => [one['content'], one['id'], ...flags(one)]).sort((a, b) => Number(a[1]) - Number(b[1])));
  take(ordered({ ...MODEL_SETTINGS, ...settings, dropout: null }));
  take(steps(json['normalizer']));
  take(steps(json['pre_tokenizer']));
  take(begin);
  return hash.digest('hex');
}
