// Which characters of a completion each of its tokens stands for, as the tokenizer of the model that wrote it says.

import fs from 'node:fs';
import path from 'node:path';
import type { Completion } from '#core/contract/samples.ts';
import type { Policy } from '#core/contract/models.ts';
import type { TokenSpan } from '#core/contract/desk.ts';
import { BY_DICTIONARY, UNSPACED } from '#core/findings/words.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { answerTexts, withoutStop } from '#core/recipes/parts/answer-text.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { putsSpaceFirst } from '#core/tokenizer/in-the-middle.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { currentPolicy } from '#core/service/current-models.ts';

type TokenizedText = Pick<Completion, 'text' | 'tokenIds' | 'policyId'> & Partial<Pick<Completion, 'tokenizer'>>;

/** Tokenizers by folder, read once as long as the file stays the same. */
const tokenizers = new Map<string, { stamp: string; loaded: Promise<Tokenizer | null> }>();
const MOST_TOKENIZERS = 4;

/** The tokenizer of a model, or null where its folder is gone or damaged. */
export function tokenizerOf(project: Project, policy: Policy): Promise<Tokenizer | null> {
  const folder = policyPath(project, policy);
  const stat = fs.statSync(isGguf(folder) ? folder : path.join(folder, 'tokenizer.json'), { throwIfNoEntry: false });
  const stamp = stat ? `${stat.size}/${stat.mtimeMs}` : '';
  let known = tokenizers.get(folder);
  if (known?.stamp !== stamp) {
    tokenizers.delete(folder);
    if (tokenizers.size >= MOST_TOKENIZERS) tokenizers.delete(tokenizers.keys().next().value!);
    known = { stamp, loaded: stat ? loadTokenizer(folder).catch(() => null) : Promise.resolve(null) };
    tokenizers.set(folder, known);
  }
  return known.loaded;
}

/**
 * Space and word together, for a text whose tokens are not known; where a script puts no space between words, by
 * dictionary.
 */
export const wordSpans = (text: string): TokenSpan[] =>
  Array.from(text.matchAll(/\s*\S+|\s+$/g)).flatMap((match) => {
    const [chunk] = match;
    const { index } = match;
    const bare = chunk.trimStart();
    if (!UNSPACED.test(chunk)) return [{ start: index, end: index + chunk.length }];
    const from = index + chunk.length - bare.length;
    return Array.from(BY_DICTIONARY.segment(bare), ({ index: at, segment }, i) => ({
      start: i === 0 ? index : from + at,
      end: from + at + segment.length,
    }));
  });

function commonLength(a: string, b: string): number {
  let n = 0;
  while (n < a.length && n < b.length && a.charCodeAt(n) === b.charCodeAt(n)) n++;
  // never half a character
  return n > 0 && n < b.length && b.charCodeAt(n - 1) >= 0xd800 && b.charCodeAt(n - 1) < 0xdc00 ? n - 1 : n;
}

/** Texts of beginnings of an answer. */
type Read = (idLists: readonly (readonly number[])[]) => Promise<string[]>;

/**
 * Spans of ids in the text that they decode to: where each id's prefix ends. Ids that are parts of one character share
 * it; what stands for no text is empty.
 */
async function spansByPrefix(read: Read, ids: readonly number[], text: string): Promise<TokenSpan[] | null> {
  const [prefixes, alone] = await Promise.all([
    read(ids.map((_, i) => ids.slice(0, i + 1))),
    read(ids.map((id) => [id])),
  ]);
  if (ids.length > 0 && prefixes.at(-1) !== text) return null;
  let at = 0;
  return ids.map((_, i) => {
    const start = at;
    at = Math.max(at, commonLength(prefixes[i]!, text));
    if (at > start || alone[i] === '' || start === text.length) return { start, end: at };
    return { start, end: start + (text.codePointAt(start)! > 0xffff ? 2 : 1) };
  });
}

async function spansWith(tokenizer: Tokenizer, { text, tokenIds }: TokenizedText): Promise<TokenSpan[] | null> {
  const body = withoutStop(tokenizer, tokenIds);
  const ended = body.length < tokenIds.length ? [{ start: text.length, end: text.length }] : [];
  if (!(await putsSpaceFirst(tokenizer))) {
    const { ids, spans } = await tokenizer.encodeWithOffsets(text);
    if (ids.length === body.length && ids.every((id, i) => id === body[i])) return [...spans, ...ended];
  }
  // the model need not write the way the tokenizer would cut; older versions left special tokens out of the text
  const before = await tokenizer.encode('.');
  const spelled: Read = (lists) =>
    answerTexts(
      tokenizer,
      lists.map((ids) => ({ prompt: before, ids, part: true })),
    );
  const found =
    (await spansByPrefix(spelled, body, text)) ??
    (await spansByPrefix((lists) => tokenizer.decodeBatch(lists), body, text));
  return found && [...found, ...ended];
}

/**
 * One span a token id, in UTF-16 offsets of the completion's text, end excluded. A completion that has no tokens here
 * (an
 * imported one), or whose tokenizer is gone or another now, gets one span a word instead.
 */
export async function tokenSpans(project: Project, completions: readonly TokenizedText[]): Promise<TokenSpan[][]> {
  const policies = new Map(listPolicies(project).map((policy) => [policy.id, policy]));
  return Promise.all(
    completions.map(async (completion) => {
      const own = completion.policyId === null ? undefined : policies.get(completion.policyId);
      const tokenizer =
        completion.tokenIds.length === 0 ? null : await readTokenizer(project, own ?? currentPolicy(project));
      const isOwn = tokenizer && (completion.tokenizer ?? tokenizer.hash) === tokenizer.hash;
      return (isOwn && (await spansWith(tokenizer, completion))) || wordSpans(completion.text);
    }),
  );
}

const readTokenizer = async (project: Project, policy: Policy | null): Promise<Tokenizer | null> =>
  policy && tokenizerOf(project, policy);
