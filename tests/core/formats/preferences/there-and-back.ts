// Preferences written in a format and read back, with an encoding of their own.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect } from 'vitest';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { isNumbered } from '#core/formats/preferences/format.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { WRITE_DEFAULTS, writePreferences } from '#core/formats/preferences/writer.ts';
import type { Reason, Writer, WriteOptions } from '#core/formats/preferences/writer.ts';
import { WRITERS } from '#core/formats/preferences/writers.ts';
import { createRowFile } from '#core/formats/row-file.ts';

export const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'round-trip-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** A tokenizer of code points. */
export const encode = (text: string) => Array.from(text, (character) => character.codePointAt(0)! + 1000);
export const decode = (lists: readonly (readonly number[])[]) =>
  Promise.resolve(
    lists.map((ids) =>
      ids
        .filter((id) => id !== 0)
        .map((id) => String.fromCodePoint(id - 1000))
        .join(''),
    ),
  );
export const OPTIONS: WriteOptions = {
  ...WRITE_DEFAULTS,
  encode,
  queryLength: 400,
  responseLength: 100,
  responses: 2,
  pad: 50259,
};

export const writerNamed = (name: string): Writer => WRITERS.find((writer) => writer.name === name)!;

/** Writes the file as an export does and reads it as an import does. */
export async function thereAndBack(
  writer: Writer,
  given: readonly Preference[],
  options: Partial<WriteOptions> = {},
  readAs?: string,
): Promise<{ read: Preference[]; left: Reason[]; format: string }> {
  const file = path.join(folder, `data.${writer.container}`);
  const left: Reason[] = [];
  const out = createRowFile(file, writer.container, writer.columns, writer.shape);
  out.add([...writePreferences(writer, given, { ...OPTIONS, ...options }, (reason) => left.push(reason))]);
  out.finish();
  const { rows, errors, format } = await readPreferences(file, {
    ...(readAs === undefined ? {} : { format: readAs }),
    decode,
  });
  expect(errors, writer.name).toEqual([]);
  return { read: rows.filter((row): row is Preference => !isNumbered(row)), left, format };
}

// ---- By example

export const plain: Preference = {
  line: 1,
  prompt: 'Why is it late?',
  messages: null,
  answers: [' Fog.', ' Snow.', ' Ice.'].map((one) => ({ text: one, writer: null, tokenIds: null })),
  ranks: [2, 1, 3],
  labeler: null,
  confidence: null,
  note: null,
  durationMs: null,
  split: null,
  reference: null,
  ratings: [],
  marks: [],
  extra: {},
};
