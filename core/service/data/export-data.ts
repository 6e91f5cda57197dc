// Writing what a project holds to a file: preferences in the formats of other programs, prompts and completions as
// rows.

import path from 'node:path';
import type { DataFormat, ExportResult } from '#core/contract/data.ts';
import type { Selection } from '#core/contract/rankings.ts';
import { TastemakerError } from '#core/errors.ts';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { LEFT_OUT, withoutFlagged, WRITE_DEFAULTS, writePreferences } from '#core/formats/preferences/writer.ts';
import type { Pairs, Reason, WriteOptions, Writer } from '#core/formats/preferences/writer.ts';
import { WRITERS } from '#core/formats/preferences/writers.ts';
import { createRowFile } from '#core/formats/row-file.ts';
import { describeLeftOut, describeSelection } from '#core/recipes/parts/dataset.ts';
import { openProject } from '#core/store/database.ts';
import { countJudgements } from '#core/store/judgements.ts';
import type { JudgementFilter } from '#core/store/judgements.ts';
import { holdStill } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { selectRankings } from '#core/store/selection.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { besideFile } from './beside-file.ts';
import { refusePlace } from './export-place.ts';
import { gatherPreferences } from './gather-preferences.ts';
import { ROW_FORMATS } from './row-formats.ts';
import type { RowFormat, RowPortion } from './row-formats.ts';

export interface DataExport extends JudgementFilter {
  format: string;
  file: string;
  pairs: Pairs;
  /** flagged answers too, in formats that cannot say which they are */
  flagged: boolean;
  /** the model folder or tokenizer.json whose token ids are written; null where the format has none */
  tokenizer: string | null;
  queryLength: number;
  responseLength: number;
  responses: number;
  /** only the rankings and answers that it leaves; null = all that the filter above does */
  selection: Selection | null;
}

export const EXPORT_DEFAULTS = {
  split: null,
  labelerIds: null,
  repeats: false,
  flagged: false,
  pairs: WRITE_DEFAULTS.pairs,
  tokenizer: null,
  queryLength: WRITE_DEFAULTS.queryLength,
  responseLength: WRITE_DEFAULTS.responseLength,
  responses: WRITE_DEFAULTS.responses,
  selection: null,
} as const satisfies Omit<DataExport, 'format' | 'file'>;

/** Where an export stands, in rankings (or rows) read of all there are; the last part is its result. */
export type ExportPart = { done: number; total: number } | { result: ExportResult };

/** Every format there is, in words. */
export const DATA_FORMATS: readonly DataFormat[] = [
  ...WRITERS.map(({ name, title, container, holds, tokens, whole }): DataFormat => ({
    name,
    title,
    container,
    holds,
    of: whole ? 'rankings' : 'pairs',
    needsTokenizer: tokens === true,
  })),
  ...ROW_FORMATS.map(({ name, title, container, holds }): DataFormat => ({
    name,
    title,
    container,
    holds,
    of: 'rows',
    needsTokenizer: false,
  })),
];

/** The format of this name. 'bad-argument' with the list of all where there is none. */
function formatNamed(name: string): { writer: Writer } | { rows: RowFormat } {
  const writer = WRITERS.find((one) => one.name === name);
  const rows = ROW_FORMATS.find((one) => one.name === name);
  if (writer) return { writer };
  if (rows) return { rows };
  throw new TastemakerError(
    'bad-argument',
    `There is no data format ${JSON.stringify(name.slice(0, 60))}.`,
    `The formats are: ${DATA_FORMATS.map((one) => one.name).join(', ')}.`,
  );
}

/**
 * 'bad-argument' where a choice would have no effect: rows of prompts and completions are no rankings, and a selection
 * leaves repeats and flagged answers out.
 */
function refuseContradictions(
  format: { writer: Writer } | { rows: RowFormat },
  { selection, labelerIds, repeats, flagged }: DataExport,
): void {
  if ('rows' in format && (selection || labelerIds))
    throw new TastemakerError(
      'bad-argument',
      `The format ${format.rows.name} has every row of a split: labelers, models, runs, confidence and marks select rankings.`,
      'Leave those options out, or choose a format of rankings.',
    );
  if (selection && (repeats || flagged))
    throw new TastemakerError(
      'bad-argument',
      `A selection of rankings leaves ${repeats ? 'hidden repeats' : 'flagged answers'} out.`,
      `Leave out either ${repeats ? 'hidden repeats' : 'flagged answers'} or what selects rankings.`,
      `That is either --${repeats ? 'repeats' : 'flagged'}, or --policy, --run, --min-confidence, --without-mark and --without-flagged-items.`,
    );
}

/**
 * Writes a project's data; reads through a connection of its own, all of one moment, while others go on labelling. The
 * file is there whole at the end, or as it was before. 'bad-argument' for an unknown format, a missing tokenizer or a
 * place where no file may be; 'disk' and 'bad-file' where the disk refuses. Whoever leaves off in the middle leaves no
 * file behind.
 */
export async function* exportData(projectFolder: string, options: DataExport): AsyncGenerator<ExportPart> {
  const format = formatNamed(options.format);
  const { writer } = 'writer' in format ? format : { writer: null };
  const file = path.resolve(options.file);
  refuseContradictions(format, options);
  refusePlace(file);
  const tokenizer = writer?.tokens ? await tokenizerFor(writer, options) : null;
  const beside = writer?.beside ? besideFile(writer.beside, file) : null;
  const project = openProject(projectFolder, { write: false });
  const { container, columns, shape } = 'writer' in format ? format.writer : format.rows;
  try {
    holdStill(project);
    const out = createRowFile(file, container, columns, shape);
    try {
      const leftOut: LeftOut = {};
      const chosen = options.selection && selectRankings(project, options.selection);
      const portions =
        'rows' in format
          ? format.rows.rows(project, options.split)
          : preferenceRows(project, { writer: format.writer, tokenizer, chosen, options, leftOut });
      let rows = 0;
      for await (const { rows: some, done, total } of portions) {
        out.add(some);
        rows += some.length;
        yield { done, total };
      }
      const { bytes, notes } = out.finish();
      beside?.write();
      const said = [...selectionNotes(options.selection, chosen), ...leftOutNotes(leftOut), ...notes];
      yield { result: { file, beside: beside?.file ?? null, rows, leftOut, notes: said, bytes } };
    } finally {
      out.abandon();
    }
  } finally {
    project.close();
  }
}

type LeftOut = Partial<Record<Reason, number>>;
type Chosen = ReturnType<typeof selectRankings> | null;

function tokenizerFor({ name }: Writer, { tokenizer }: DataExport): Promise<Tokenizer> {
  if (tokenizer === null)
    throw new TastemakerError(
      'bad-argument',
      `The format ${name} holds token ids, and no tokenizer was named.`,
      'Name the model whose tokens they are to be.',
    );
  return loadTokenizer(tokenizer);
}

interface PreferenceExport {
  writer: Writer;
  tokenizer: Tokenizer | null;
  /** what the selection of the options leaves; null without one */
  chosen: Chosen;
  options: DataExport;
  /** counts what is left out */
  leftOut: LeftOut;
}

/** The project's preferences as rows of a format, a portion at a time. */
async function* preferenceRows(
  project: Project,
  { writer, tokenizer, chosen, options, leftOut }: PreferenceExport,
): AsyncGenerator<RowPortion> {
  const leave = (reason: Reason, count = 1) => {
    if (count > 0) leftOut[reason] = (leftOut[reason] ?? 0) + count;
  };
  // a selection says itself what it leaves out
  const { skipped, repeats } = chosen ? { skipped: 0, repeats: 0 } : countJudgements(project, options);
  leave('skipped', skipped);
  leave('repeats', repeats);
  const only =
    chosen &&
    new Map(chosen.rankings.map(({ rankingId, answers }) => [rankingId, new Set(answers.map(({ id }) => id))]));
  const { pairs, queryLength, responseLength, responses } = options;
  const pad = tokenizer ? tokenizer.vocabularySize + 2 : 0; // 19:language/encodings.py pads beyond the vocabulary
  for (const { preferences, done, total } of gatherPreferences(project, options, only)) {
    const encode = tokenizer ? await encoderOf(tokenizer, preferences.flatMap(textsOf)) : () => [];
    const how: WriteOptions = { pairs, queryLength, responseLength, responses, encode, pad };
    const kept =
      options.flagged || writer.flags
        ? preferences
        : preferences.map((preference) => withoutFlagged(preference, leave));
    yield { rows: [...writePreferences(writer, kept, how, leave)], done, total };
  }
}

const textsOf = ({ prompt, answers }: Preference): string[] => [prompt, ...answers.map(({ text }) => text)];

function selectionNotes(selection: Selection | null, chosen: Chosen): string[] {
  if (!selection || !chosen) return [];
  const isWhole = Object.keys(chosen.leftOut).length === 0;
  return [
    `Selected: ${describeSelection(selection)}.`,
    ...(isWhole ? [] : [`Left out by the selection: ${describeLeftOut(chosen.leftOut)}.`]),
  ];
}

const leftOutNotes = (leftOut: LeftOut): string[] =>
  (Object.entries(leftOut) as [Reason, number][]).map(
    ([reason, count]) => `Left out: ${count} ${LEFT_OUT[reason][count === 1 ? 0 : 1]}.`,
  );

/** The same to its end, telling how far it is; what a command wants. */
export async function exportedData(
  projectFolder: string,
  options: DataExport,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<ExportResult> {
  for await (const part of exportData(projectFolder, options)) {
    if ('result' in part) return part.result;
    onProgress(part.done, part.total);
  }
  throw new Error('an export ended without a result');
}

/** Token ids of these texts, worked out at once. */
async function encoderOf(tokenizer: Tokenizer, texts: readonly string[]): Promise<(text: string) => readonly number[]> {
  const wanted = [...new Set(texts)];
  const ids = await tokenizer.encodeBatch(wanted);
  const known = new Map(wanted.map((text, i) => [text, ids[i]!]));
  return (text) => known.get(text)!;
}
