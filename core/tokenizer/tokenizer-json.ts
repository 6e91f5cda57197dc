// A tokenizer.json made ready for the native package, which ends the whole process where it meets certain nonsense.
//
// What was found to end it (tests/core/tokenizer/tokenizer-json.test.ts tries each): merges that make no token, pieces
// of length
// 0, a decoder that strips from the end, damaged tables of SentencePiece, and patterns whose matching takes
// exponentially many steps.
// What keeps it busy without end: steps that lengthen a text again and again.

import { TastemakerError } from '#core/errors.ts';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const MOST_STEPS = 64;
const MOST_GROWTH = 1000;
const LONGEST_AFFIX = 100;

/** By how much a step that replaces may lengthen a text; a pattern may match between any two characters. */
function growthOf({ content, pattern }: Json): number {
  if (typeof content !== 'string' || !isObject(pattern)) return 1;
  const replaced = typeof pattern['String'] === 'string' ? pattern['String'].length : 0;
  return replaced > 0 ? Math.max(1, content.length / replaced) : 1 + content.length;
}

/** Where a list of steps may stand. */
const STEP_LISTS: readonly string[] = ['normalizers', 'pretokenizers', 'decoders'];

/** What a step of a certain type may not be; null where it may. */
const STEPS: Readonly<Record<string, (step: Json) => string | null>> = {
  Precompiled: () => 'uses the normalizer "Precompiled", which is not read',
  FixedLength: ({ length }) => (typeof length === 'number' && length >= 1 ? null : 'cuts pieces of the "length" 0'),
  Prepend: ({ prepend }) =>
    typeof prepend === 'string' && prepend.length > LONGEST_AFFIX
      ? `puts more than ${LONGEST_AFFIX} characters before every text`
      : null,
  Strip: ({ stop = 0 }) => (stop === 0 ? null : 'has a decoder "Strip" whose "stop" is not 0, which is not read'),
};

/**
 * Without what adds tokens, changes lengths or draws lots: a post-processor adds special tokens or trims spaces from
 * offsets,
 * truncation and padding change the length, dropout is chance. Throws 'bad-file' for what the native package cannot
 * stand.
 */
export function safeTokenizer(json: Json, file: string): Json {
  const refuse = (what: string): never => {
    throw new TastemakerError(
      'bad-file',
      `${file} ${what}.`,
      'Take a tokenizer of the families that are read: byte-level BPE, or BPE over SentencePiece’s spelling.',
    );
  };
  const open: Json[] = []; // no recursion: a file may be nested without end
  const take = (child: unknown, key: string) => {
    // the native package would take it for a step
    if (Array.isArray(child)) refuse(`has a list as ${JSON.stringify(key.slice(0, 50))}`);
    if (isObject(child)) open.push(child);
  };
  for (const key of ['normalizer', 'pre_tokenizer', 'decoder']) take(json[key], key);
  let steps = 0;
  let growth = 1;
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const { type, Regex: pattern } = node;
    const fault = typeof type === 'string' && Object.hasOwn(STEPS, type) ? STEPS[type]!(node) : null;
    if (fault) refuse(fault);
    if (typeof pattern === 'string' && mayRunAway(pattern))
      refuse(
        `has the pattern ${JSON.stringify(pattern.slice(0, 60))}, which repeats a group of repetitions or alternatives`,
      );
    if (typeof type === 'string' && ++steps > MOST_STEPS) refuse(`has more than ${MOST_STEPS} steps`);
    growth *= growthOf(node);
    if (growth > MOST_GROWTH) refuse(`has steps that could make a text more than ${MOST_GROWTH} times as long`);
    for (const [key, child] of Object.entries(node)) {
      if (STEP_LISTS.includes(key) && Array.isArray(child)) for (const step of child) take(step, key);
      else take(child, key);
    }
  }
  const model = json['model'];
  if (!isObject(model)) return refuse('has no "model"');
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix'])
    if (typeof model[key] === 'string' && model[key].length > LONGEST_AFFIX)
      refuse(`has a "${key}" of more than ${LONGEST_AFFIX} characters`);
  const { vocab, merges, continuing_subword_prefix: prefix } = model;
  const start = typeof prefix === 'string' ? prefix : '';
  if (isObject(vocab) && Array.isArray(merges)) {
    const [at] = [...merges.entries()].find(([, merge]) => !isWhole(merge, vocab, start)) ?? [];
    if (at !== undefined)
      refuse(
        `has a merge, number ${at + 1}, whose halves and what they make are not all in its vocabulary${start && `, the second half beginning with ${JSON.stringify(start.slice(0, 20))}`}`,
      );
  }
  return {
    ...json,
    post_processor: null,
    truncation: null,
    padding: null,
    model: { ...model, ...(model['type'] === 'BPE' || 'dropout' in model ? { dropout: null } : {}) },
  };
}

/** The added tokens that are looked for in normalized text; one that does not say is such a one. */
export function normalizedTokens(json: Json): string[] {
  const added: unknown[] = Array.isArray(json['added_tokens']) ? json['added_tokens'] : [];
  return added
    .filter(isObject)
    .filter(({ normalized, content }) => normalized !== false && typeof content === 'string' && content !== '')
    .map(({ content }) => content as string);
}

/** Whether a merge joins two tokens to a third; the second one's prefix goes. */
function isWhole(merge: unknown, vocab: Json, prefix: string): boolean {
  if (typeof merge === 'string' && merge.startsWith('#version')) return true; // the first line of a merges.txt
  const parts: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
  const [left, right] = parts;
  if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string' || !right.startsWith(prefix))
    return false;
  return (
    Object.hasOwn(vocab, left) && Object.hasOwn(vocab, right) && Object.hasOwn(vocab, left + right.slice(prefix.length))
  );
}

const UNBOUNDED = /^(?:[*+]|\{\d*,\})/;

/**
 * Whether a pattern repeats a group that itself repeats or offers alternatives, as (a*)* or (a|aa)+ do: such a one can
 * take exponentially many steps.
 */
export function mayRunAway(pattern: string): boolean {
  const groups = [false]; // of each open group, whether it repeats or offers something
  for (let i = 0; i < pattern.length; i++) {
    const letter = pattern[i]!;
    if (letter === '\\') {
      i++;
      if (pattern[i + 1] === '{') i = Math.max(i, pattern.indexOf('}', i)); // \p{L}
    } else if (letter === '[') {
      for (let depth = 1; depth > 0 && ++i < pattern.length;) {
        if (pattern[i] === '\\') i++;
        else depth += pattern[i] === '[' ? 1 : pattern[i] === ']' ? -1 : 0;
      }
    } else if (letter === '(') {
      groups.push(false);
      if (pattern[i + 1] === '?') i++;
    } else if (letter === ')') {
      const loose = groups.pop();
      const repeated = UNBOUNDED.test(pattern.slice(i + 1, i + 12));
      if (loose && repeated) return true;
      if (groups.length === 0) groups.push(false); // one too many: the pattern is refused elsewhere
      groups[groups.length - 1] ||= loose === true;
    } else if (letter === '|' || UNBOUNDED.test(pattern.slice(i, i + 12))) groups[groups.length - 1] = true;
  }
  return false;
}
