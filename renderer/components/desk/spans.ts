// Where marks begin and end in a text: selections snapped to tokens, the caret's steps, and the pieces a text is drawn
// in.

import type { Mark } from '#core/contract/rankings.ts';
import type { TokenSpan } from '#core/contract/desk.ts';

/** Characters, UTF-16, end excluded. */
export interface Stretch {
  start: number;
  end: number;
}
/**
 * A piece of text that is drawn alike: the marks that cover it, whether it is selected, whether the caret stands before
 * it.
 */
export interface Piece extends Stretch {
  text: string;
  marks: Mark[];
  ends: Mark[];
  selected: boolean;
  caret: boolean;
}

/**
 * The smallest run of whole tokens that covers the selection, without the white space at its edges; null where only
 * space was selected.
 */
export function snap(text: string, spans: readonly TokenSpan[], picked: Stretch): Stretch | null {
  const bare = trim(text, picked);
  if (!bare) return null;
  const touched = spans.filter((span) => span.end > bare.start && span.start < bare.end);
  if (touched.length === 0) return bare;
  const start = Math.min(bare.start, ...touched.map((span) => span.start));
  const end = Math.max(bare.end, ...touched.map((span) => span.end));
  return trim(text, { start, end });
}

/** Tokens carry their leading space; a mark should not. Null where nothing but space is left. */
export function trim(text: string, { start, end }: Stretch): Stretch | null {
  const from = Math.max(0, Math.min(start, end));
  const piece = text.slice(from, Math.max(start, end));
  const lead = piece.length - piece.trimStart().length;
  const bare = piece.trim();
  return bare.length > 0 ? { start: from + lead, end: from + lead + bare.length } : null;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** Where what a person takes for one letter begins: a flag, a letter with its accents, a family of five. */
const lettersOf = (text: string): number[] => Array.from(graphemes.segment(text), ({ index }) => index);

/** The stretch with no letter cut in two at either end. */
export function wholeLetters(text: string, { start, end }: Stretch): Stretch {
  const borders = [...lettersOf(text), text.length];
  return { start: borders.findLast((at) => at <= start) ?? 0, end: borders.find((at) => at >= end) ?? text.length };
}

/** Where the caret can stand: before every token's first visible character, never inside a letter, and at the end. */
export function stops(text: string, spans: readonly TokenSpan[]): number[] {
  const starts = spans.map((span) => trim(text, span)?.start ?? span.start);
  const letters = new Set(lettersOf(text));
  return [...new Set([0, ...starts.filter((at) => letters.has(at)), text.length])].sort((a, b) => a - b);
}

/** The next place of the caret, by token or (`characters`) by what a person takes for one letter. */
export function step(
  text: string,
  places: readonly number[],
  at: number,
  direction: -1 | 1,
  characters: boolean,
): number {
  if (!characters)
    return direction > 0
      ? (places.find((place) => place > at) ?? text.length)
      : (places.findLast((place) => place < at) ?? 0);
  const letters = lettersOf(text);
  return direction > 0
    ? (letters.find((letter) => letter > at) ?? text.length)
    : (letters.findLast((letter) => letter < at) ?? 0);
}

/**
 * How much white space a text begins with: what a model puts there says nothing, and only tells who wrote it. None of a
 * text that is nothing else.
 */
export const leadOf = (text: string): number => (text.trim() === '' ? 0 : text.length - text.trimStart().length);

/** Where the white space at a text's end begins: it would only make the card taller. */
export const tailOf = (text: string): number => (text.trim() === '' ? text.length : text.trimEnd().length);

/**
 * Cuts a text where its words begin and end, and at every border of marks, selection and caret. Joined, the pieces are
 * the text again.
 */
export function pieces(text: string, marks: readonly Mark[], selection: Stretch | null, caret: number | null): Piece[] {
  const inText = (offset: number) => Math.max(0, Math.min(text.length, offset));
  const borders = new Set([0, leadOf(text), tailOf(text), text.length]);
  for (const mark of marks) borders.add(inText(mark.start)).add(inText(mark.end));
  if (selection) borders.add(inText(selection.start)).add(inText(selection.end));
  if (caret !== null) borders.add(inText(caret));
  const cuts = [...borders].sort((a, b) => a - b);
  const found: Piece[] = [];
  for (let i = 0; i + 1 < cuts.length; i++) {
    const [start, end] = [cuts[i]!, cuts[i + 1]!];
    const covering = marks.filter((mark) => mark.start <= start && mark.end >= end);
    found.push({
      start,
      end,
      text: text.slice(start, end),
      marks: covering,
      ends: covering.filter((mark) => mark.end === end),
      selected: selection !== null && selection.start <= start && selection.end >= end,
      caret: caret === start,
    });
  }
  // a caret at the very end, or in an empty text, stands before an empty piece
  if (caret !== null && (caret >= text.length || found.length === 0))
    found.push({ start: text.length, end: text.length, text: '', marks: [], ends: [], selected: false, caret: true });
  return found;
}

/** The mark under the caret: the shortest of those that touch it. */
export function markAt(marks: readonly Mark[], at: number): Mark | null {
  const under = marks.filter((mark) => mark.start <= at && mark.end > at);
  const near = under.length > 0 ? under : marks.filter((mark) => mark.end === at);
  return near.toSorted((a, b) => a.end - a.start - (b.end - b.start) || b.start - a.start)[0] ?? null;
}
