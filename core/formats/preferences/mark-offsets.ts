// Offsets of marks in the units that programs count text by, turned into ours: UTF-16 code units, end excluded.

import { cutsCharacter } from './format.ts';
import { short } from './prompt-part.ts';
import { badRow, isText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

/** UTF-16 as JavaScript and Java count, code points as Python does, bytes of UTF-8 as Rust and Go do. */
export const OFFSET_UNITS = ['utf-16', 'code-points', 'bytes'] as const;
export type OffsetUnit = (typeof OFFSET_UNITS)[number];

const SPELLED: Readonly<Record<string, OffsetUnit>> = {
  'utf-16': 'utf-16',
  utf16: 'utf-16',
  'utf-16-code-units': 'utf-16',
  'code-units': 'utf-16',
  javascript: 'utf-16',
  'code-points': 'code-points',
  codepoints: 'code-points',
  'code-point': 'code-points',
  characters: 'code-points',
  chars: 'code-points',
  unicode: 'code-points',
  'utf-32': 'code-points',
  utf32: 'code-points',
  python: 'code-points',
  bytes: 'bytes',
  byte: 'bytes',
  'utf-8': 'bytes',
  utf8: 'bytes',
  'utf-8-bytes': 'bytes',
};
/** Where a row, or a mark, says its unit; and where a mark has the text that it is of. */
const UNIT_FIELDS = ['unit', 'mark_offsets', 'offset_unit', 'offsets'];
const QUOTE_FIELDS = ['text', 'quote', 'selection', 'span'];

/** The unit that a row or a mark states; null where it states none. One that is not known is a bad row. */
export function unitOf(stated: Row, where: string): OffsetUnit | null {
  const field = UNIT_FIELDS.find(
    (name) => stated[name] !== undefined && stated[name] !== null && typeof stated[name] !== 'object',
  );
  if (field === undefined) return null;
  const value = stated[field];
  const unit = isText(value)
    ? SPELLED[
        value
          .trim()
          .toLowerCase()
          .replace(/[\s_]+/g, '-')
      ]
    : undefined;
  if (!unit)
    throw badRow(
      `${where} counts its offsets in ${short(String(value))}, which is none of ${OFFSET_UNITS.join(', ')}.`,
    );
  return unit;
}

/** The text that a mark says it is of; null where it does not say. */
export function quoteOf(mark: Row): string | null {
  const field = QUOTE_FIELDS.find((name) => isText(mark[name]) && mark[name] !== '');
  return field === undefined ? null : (mark[field] as string);
}

/** An offset in UTF-16, or null where it is beyond the text or inside a character. */
function place(text: string, offset: number, unit: OffsetUnit): number | null {
  if (unit === 'utf-16') return offset <= text.length && !cutsCharacter(text, offset) ? offset : null;
  let at = 0;
  let counted = 0;
  for (const character of text) {
    if (counted >= offset) break;
    counted += unit === 'bytes' ? Buffer.byteLength(character) : 1;
    at += character.length;
  }
  return counted === offset ? at : null;
}

/** The span that two offsets mean in this unit, or null where they mean none. */
function spanIn(text: string, start: number, end: number, unit: OffsetUnit): { start: number; end: number } | null {
  const from = place(text, start, unit);
  const to = place(text, end, unit);
  return from !== null && to !== null && from < to ? { start: from, end: to } : null;
}

export interface Span {
  start: number;
  end: number;
  /** the unit is a guess: none is stated, there is no text to check it by, and it matters */
  isGuess: boolean;
}

/**
 * Where a mark lies in its answer, in UTF-16. In the stated unit, checked against the text that the mark quotes where
 * it
 * quotes one; where none is stated, in the unit in which it lies at what it quotes, else in UTF-16. Throws for a bad
 * row.
 */
export function spanOf(
  text: string,
  [start, end]: readonly [number, number],
  unit: OffsetUnit | null,
  quote: string | null,
  where: string,
): Span {
  const units = unit ? [unit] : OFFSET_UNITS;
  if (quote !== null) {
    const found = units
      .map((one) => spanIn(text, start, end, one))
      .find((span) => span && text.slice(span.start, span.end) === quote);
    if (found) return { ...found, isGuess: false };
    const lies = unit && spanIn(text, start, end, unit);
    throw badRow(
      `${where} is of the text ${short(quote)}, but at ${start} to ${end}${unit ? ` (${unit})` : ''} its answer has ${lies ? short(text.slice(lies.start, lies.end)) : 'something else'}.`,
      `State the unit of the offsets as "mark_offsets": one of ${OFFSET_UNITS.join(', ')}.`,
    );
  }
  const span = spanIn(text, start, end, unit ?? 'utf-16');
  if (span) return { ...span, isGuess: unit === null && /[\ud800-\udbff]/.test(text) };
  const isOut = end > text.length;
  throw badRow(
    isOut || (unit !== null && unit !== 'utf-16')
      ? `${where} does not lie in its answer${unit ? ` (${unit})` : ''}.`
      : start >= end
        ? `${where} does not lie in its answer.`
        : `${where} cuts a character in two.`,
  );
}
