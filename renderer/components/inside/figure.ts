// What figures of the inside have in common: rows of cells over the positions of a text, and how a token is spelled.

import type { Tint } from '#renderer/components/inspect/token-colours.ts';

export interface Cell {
  text: string;
  tint: Tint;
  /** all numbers of it, in words */
  title: string;
}

export interface FigureRow {
  name: string;
  title: string;
  /** null: there is nothing, or not yet */
  cell(column: number): Cell | null;
}

/** A figure over the tokens of a text, one a column; or over whatever its layout says. */
export interface Figure {
  title: string;
  sentence: string;
  columns: readonly string[];
  rows: readonly FigureRow[];
  layout?: FigureLayout;
}

/** How a picture of a figure is laid out: widths in its pixels. */
export interface FigureLayout {
  /** of the names of the rows */
  name: number;
  column: number;
  /** a column as its heading says it */
  heading(column: string): string;
}

export const NO_TINT: Tint = { hue: 'good', strength: 0 };

/** A token of a vocabulary as a person reads it: byte-level and SentencePiece vocabularies spell a space otherwise. */
export const readable = (token: string): string =>
  token.replaceAll(/[Ġ▁]/g, ' ').replaceAll('Ċ', '⏎').replaceAll('ĉ', '⇥');

/** The same where it has to be seen: a space has a sign. */
export const visible = (token: string): string => readable(token).replaceAll(' ', '␣') || '∅';

/** "−0.25"; "–" for nothing. */
export const numberText = (value: number | null | undefined, digits = 2): string =>
  value === null || value === undefined
    ? '–'
    : value
        .toFixed(digits)
        .replace(/^-(?=[0.]+$)/, '')
        .replace('-', '−');
