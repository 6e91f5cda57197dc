// Reading invented rows of preference data as a file of them.

import { isNumbered } from '#core/formats/preferences/format.ts';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import type { ReadOptions } from '#core/formats/preferences/read-preferences.ts';
import { fileWith } from '#tests/core/formats/folder.ts';

export const lines = (...rows: unknown[]): string =>
  rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n');

/** Everything that a reader says of JSON lines with these rows. */
export const readRows = (rows: readonly unknown[], options: ReadOptions = {}) =>
  readPreferences(fileWith(lines(...rows)), options);

/** A record with nothing in it but what is given. */
export const record = (given: Partial<Preference>): Preference => ({
  line: 1,
  prompt: 'P',
  messages: null,
  answers: [],
  ranks: null,
  labeler: null,
  confidence: null,
  note: null,
  durationMs: null,
  split: null,
  reference: null,
  ratings: [],
  marks: [],
  extra: {},
  ...given,
});
export const by = (text: string, writer: string | null = null): Preference['answers'][number] => ({
  text,
  writer,
  tokenIds: null,
});
export const preferencesOf = (rows: Awaited<ReturnType<typeof readPreferences>>['rows']): Preference[] =>
  rows.filter((row): row is Preference => !isNumbered(row));
