// Packs prompts and completions into rows: [prompt][completion 1]...[completion K], right-padded.
//
// Completions of one prompt share its tokens: a completion sees the prompt and itself (segments), and its positions
// restart after the prompt, so the arithmetic is that of separate rows at a fraction of the work. Rows with a single
// completion are plain texts and need neither segments nor positions. No row is without a limit: what attention costs
// grows
// with the square of a row, so completions go on in a further row, which begins with the prompt again.

import type { Arrays, Types } from '#core/autodiff/compile.ts';
import type { Tensors } from '#core/autodiff/compile.ts';
import type { Rows } from './transformer.ts';

export interface Group {
  prompt: readonly number[];
  completions: readonly (readonly number[])[];
}

/**
 * What is wanted of each completion: its last token, every token's predictor, or those and the place after the last.
 */
export type Slots = 'last' | 'tokens' | 'tokens-and-end';

export interface RowShape {
  B: number;
  T: number;
  Q: number;
  /** whether rows hold several completions */
  shared: boolean;
}

const slotCount = (completion: readonly number[], slots: Slots): number =>
  slots === 'last' ? 1 : completion.length + (slots === 'tokens-and-end' ? 1 : 0);
/** Tokens of a group in one row. */
export const rowTokens = ({ prompt, completions }: Group): number =>
  prompt.length + completions.reduce((sum, completion) => sum + completion.length, 0);
const rowSlots = ({ completions }: Group, slots: Slots): number =>
  completions.reduce((sum, completion) => sum + slotCount(completion, slots), 0);
const up = (value: number, step: number): number => Math.max(step, Math.ceil(value / step) * step);

/**
 * Tokens of completions in one row, unless the prompt has more: reading a prompt twice costs more than a row twice as
 * long. Measured: 96 completions of 40 tokens take 0.3 to 0.5 of the time and half the memory of one row for all.
 */
export const SHARED_TOKENS = 640;

/** Completions `from` to before `to` of a group. */
export interface Span {
  from: number;
  to: number;
}

/**
 * Which completions of a group lie in which row, in order and about as many tokens in each; `completions` are their
 * lengths.
 */
export function rowSpans(prompt: number, completions: readonly number[]): Span[] {
  const room = Math.max(SHARED_TOKENS, prompt);
  const all = completions.reduce((sum, length) => sum + length, 0);
  for (let rows = Math.max(1, Math.ceil(all / room)); ; rows++) {
    const spans = evenSpans(completions, all, rows);
    if (
      spans.every(
        ({ from, to }) =>
          to - from <= 1 || completions.slice(from, to).reduce((sum, length) => sum + length, 0) <= room,
      )
    )
      return spans;
  }
}
/** Each completion goes to the row that its middle falls into. */
function evenSpans(completions: readonly number[], all: number, rows: number): Span[] {
  const spans: Span[] = [];
  let before = 0;
  let last = -1;
  completions.forEach((length, k) => {
    const row = Math.min(rows - 1, Math.floor(((before + length / 2) / Math.max(1, all)) * rows));
    if (row === last) spans.at(-1)!.to = k + 1;
    else spans.push({ from: k, to: k + 1 });
    [last, before] = [row, before + length];
  });
  return spans.length ? spans : [{ from: 0, to: 0 }];
}

/** A group as the groups that make one row each: itself where it fits into one. */
export function inRows(group: Group): Group[] {
  const { prompt, completions } = group;
  const spans = rowSpans(
    prompt.length,
    completions.map(({ length }) => length),
  );
  return spans.length === 1
    ? [group]
    : spans.map(({ from, to }) => ({ prompt, completions: completions.slice(from, to) }));
}

/** Neighbours with the same prompt as one group; the completions stay in their order. */
export function sharingPrompts(groups: readonly Group[]): Group[] {
  const shared: { prompt: readonly number[]; completions: (readonly number[])[] }[] = [];
  for (const { prompt, completions } of groups) {
    const before = shared.at(-1);
    if (before && before.prompt.length === prompt.length && before.prompt.every((id, t) => id === prompt[t]))
      before.completions.push(...completions);
    else shared.push({ prompt, completions: [...completions] });
  }
  return shared;
}

/**
 * Lengths round up to multiples of 8, long ones of an eighth of their power of two, so that few graphs are compiled.
 * The same goes for slots.
 */
export const roundedLength = (tokens: number): number =>
  up(tokens, tokens < 256 ? 8 : 2 ** Math.floor(Math.log2(tokens)) / 8);

/**
 * The smallest compiled shape that holds every one of `groups`, in rows of `B`. It depends on nothing else, so that a
 * resumed run meets the same shapes.
 */
export function rowShape(
  groups: readonly Group[],
  B: number,
  slots: Slots,
  rounded: (tokens: number) => number = roundedLength,
): RowShape {
  const shared = groups.some(({ completions }) => completions.length > 1);
  const most = Math.max(...groups.map((group) => rowSlots(group, slots)));
  return {
    B,
    shared,
    T: rounded(Math.max(...groups.map(rowTokens))),
    Q: slots === 'last' ? most : rounded(most),
  };
}

/** ids, at and, for shared rows, positions and segments. */
export function rowTypes({ B, T, Q, shared }: RowShape): Types {
  const row = { dtype: 'int32', shape: [B, T] } as const;
  return { ids: row, at: { dtype: 'int32', shape: [B, Q] }, ...(shared ? { positions: row, segments: row } : {}) };
}
/** The same as the trunk takes them. */
export const rowTensors = (feeds: Tensors): Rows => ({
  ids: feeds.ids!,
  at: feeds.at!,
  ...(feeds.positions ? { positions: feeds.positions, segments: feeds.segments! } : {}),
});

/** Where each completion's slots lie in the flat [rows · Q] order. */
export interface Packed {
  arrays: Arrays;
  /** [group][completion] -> flat index of its first slot */
  first: number[][];
}

/** Fills rows, one a group; there may be fewer groups than `count` rows, and groups without tokens (padding). */
export function packRows(groups: readonly Group[], { T, Q, shared }: RowShape, count: number, slots: Slots): Packed {
  const ids = new Int32Array(count * T);
  const positions = new Int32Array(count * T);
  const segments = new Int32Array(count * T);
  const at = new Int32Array(count * Q);
  const first = groups.map(({ prompt, completions }, row) => {
    const start = row * T;
    prompt.forEach((id, t) => {
      ids[start + t] = id;
      positions[start + t] = t;
    });
    let t = prompt.length;
    let slot = row * Q;
    const places = completions.map((completion, k) => {
      const place = slot;
      completion.forEach((id, n) => {
        ids[start + t + n] = id;
        positions[start + t + n] = prompt.length + n;
        segments[start + t + n] = k + 1;
      });
      // token n is predicted at the position before it: the prompt's last for the first token
      const before = (n: number) => (n === 0 ? prompt.length - 1 : t + n - 1);
      if (slots === 'last') at[slot++] = before(completion.length);
      else for (let n = 0; n < slotCount(completion, slots); n++) at[slot++] = before(n);
      t += completion.length;
      return place;
    });
    for (let pad = t; pad < T; pad++) segments[start + pad] = completions.length + 1;
    return places;
  });
  return { arrays: { ids, at, ...(shared ? { positions, segments } : {}) }, first };
}
