// Writing what a project holds to a file: preferences in the formats of other programs, prompts and completions as
// rows.

import fs from 'node:fs';
import path from 'node:path';
import type { DataFormat, ExportResult } from '#core/contract/data.ts';
import type { Selection } from '#core/contract/rankings.ts';
import type { Split } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { describeLeftOut, describeSelection } from '#core/recipes/parts/dataset.ts';
import { readUtf8, replaceFile, writeFully } from '#core/formats/file-access.ts';
import { LEFT_OUT, withoutFlagged, WRITE_DEFAULTS, writePreferences } from '#core/formats/preferences/writer.ts';
import type { Pairs, Reason, WriteOptions, Writer } from '#core/formats/preferences/writer.ts';
import { WRITERS } from '#core/formats/preferences/writers.ts';
import { createRowFile } from '#core/formats/row-file.ts';
import type { RowColumns, RowFileContainer } from '#core/formats/row-encoders.ts';
import type { RowShape } from '#core/formats/row-shape.ts';
import { openProject } from '#core/store/database.ts';
import { completionsAfter, countJudgements, lastCompletion } from '#core/store/judgements.ts';
import type { JudgementFilter } from '#core/store/judgements.ts';
import { holdStill } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { selectRankings } from '#core/store/selection.ts';
import { listPrompts, promptIds } from '#core/store/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { refusePlace } from './export-place.ts';
import { gatherPreferences } from './gather-preferences.ts';
import { sampleModels } from './sample-models.ts';

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

type Row = Record<string, unknown>;
interface RowFormat {
  name: string;
  title: string;
  container: RowFileContainer;
  holds: string;
  columns?: RowColumns;
  shape?: RowShape;
  rows(project: Project, split: Split | null): Generator<{ rows: Row[]; done: number; total: number }>;
}

const PORTION = 500;

function* promptRows(project: Project, split: Split | null): Generator<{ rows: Row[]; done: number; total: number }> {
  const ids = promptIds(project);
  for (let at = 0; at < ids.length; at += PORTION) {
    const prompts = listPrompts(project, { ids: ids.slice(at, at + PORTION) }).filter(
      (prompt) => split === null || prompt.split === split,
    );
    yield {
      done: Math.min(ids.length, at + PORTION),
      total: ids.length,
      rows: prompts.map(({ text, messages, reference, split: own, source, facts, extra }) => ({
        prompt: text,
        ...(messages ? { messages } : {}),
        reference,
        split: own,
        source,
        ...(facts ? { facts } : {}),
        ...(extra ? { extra } : {}),
      })),
    };
  }
}

function* completionRows(
  project: Project,
  split: Split | null,
): Generator<{ rows: Row[]; done: number; total: number }> {
  const { rewardModelId, referenceId } = sampleModels(project);
  const total = lastCompletion(project);
  let after = 0;
  for (;;) {
    const found = completionsAfter(project, split, { rewardId: rewardModelId, referenceId }, after, PORTION);
    if (found.length === 0) return;
    after = found.at(-1)!.id;
    yield {
      done: after,
      total, // by their numbers: counting them would read as much again
      rows: found.map(
        ({ prompt, text, writer, score, kl, logprob, tokens, finish, split: own, runId, step, flagged }) => ({
          prompt,
          completion: text,
          policy: writer,
          score,
          kl,
          logprob,
          tokens,
          finish,
          split: own,
          run: runId,
          step,
          flagged: flagged === 1,
        }),
      ),
    };
  }
}

const columns = (...names: string[]): RowColumns => Object.fromEntries(names.map((name) => [name, 'text']));
const COMPLETIONS_HOLD =
  'Every completion with its prompt, who wrote it, the current reward model’s score, KL to the reference, log-probability, length in tokens, how it ended, the run and step that drew it, and whether it is flagged.';
const ROW_FORMATS: readonly RowFormat[] = [
  {
    name: 'prompts',
    title: 'Prompts, JSON lines',
    container: 'jsonl',
    holds:
      'Every prompt with its conversation, reference, split, source, and the fields of the file that it came from.',
    rows: promptRows,
  },
  {
    name: 'prompts-csv',
    title: 'Prompts, CSV',
    container: 'csv',
    columns: columns('prompt', 'reference', 'split', 'source'),
    holds: 'Every prompt with its reference, split and source. A conversation becomes plain text.',
    rows: promptRows,
  },
  {
    name: 'completions',
    title: 'Completions with scores, JSON lines',
    container: 'jsonl',
    holds: COMPLETIONS_HOLD,
    shape: { floats: ['score', 'kl', 'logprob'] },
    rows: completionRows,
  },
  {
    name: 'completions-csv',
    title: 'Completions with scores, CSV',
    container: 'csv',
    columns: columns(
      'prompt',
      'completion',
      'policy',
      'score',
      'kl',
      'logprob',
      'tokens',
      'finish',
      'split',
      'run',
      'step',
      'flagged',
    ),
    holds: COMPLETIONS_HOLD,
    rows: completionRows,
  },
];

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
 * file
 * is there whole at the end, or as it was before. 'bad-argument' for an unknown format, a missing tokenizer or a place
 * where
 * no file may be; 'disk' and 'bad-file' where the disk refuses. Whoever leaves off in the middle leaves no file behind.
 */
export async function* exportData(projectFolder: string, options: DataExport): AsyncGenerator<ExportPart> {
  const format = formatNamed(options.format);
  const { writer } = 'writer' in format ? format : { writer: null };
  const file = path.resolve(options.file);
  refuseContradictions(format, options);
  refusePlace(file);
  if (writer?.tokens && options.tokenizer === null)
    throw new TastemakerError(
      'bad-argument',
      `The format ${writer.name} holds token ids, and no tokenizer was named.`,
      'Name the model whose tokens they are to be.',
    );
  const tokenizer = writer?.tokens ? await loadTokenizer(options.tokenizer!) : null;
  const beside = writer?.beside ? besideFile(writer, file) : null;
  const project = openProject(projectFolder, { write: false });
  const { container, columns: named, shape } = 'writer' in format ? format.writer : format.rows;
  try {
    holdStill(project);
    const out = createRowFile(file, container, named, shape);
    try {
      const leftOut: Partial<Record<Reason, number>> = {};
      const leave = (reason: Reason, count = 1) => {
        if (count > 0) leftOut[reason] = (leftOut[reason] ?? 0) + count;
      };
      let rows = 0;
      const selected: string[] = [];
      const add = (some: readonly Row[]) => {
        out.add(some);
        rows += some.length;
      };
      if ('rows' in format) {
        for (const { rows: some, done, total } of format.rows.rows(project, options.split)) {
          add(some);
          yield { done, total };
        }
      } else {
        const chosen = options.selection && selectRankings(project, options.selection);
        // a selection says itself what it leaves out
        const { skipped, repeats } = chosen ? { skipped: 0, repeats: 0 } : countJudgements(project, options);
        leave('skipped', skipped);
        leave('repeats', repeats);
        if (chosen)
          selected.push(
            `Selected: ${describeSelection(options.selection!)}.`,
            ...(Object.keys(chosen.leftOut).length
              ? [`Left out by the selection: ${describeLeftOut(chosen.leftOut)}.`]
              : []),
          );
        for (const { preferences, done, total } of gatherPreferences(
          project,
          options,
          chosen &&
            new Map(chosen.rankings.map(({ rankingId, answers }) => [rankingId, new Set(answers.map(({ id }) => id))])),
        )) {
          const encode = tokenizer
            ? await encoderOf(
                tokenizer,
                preferences.flatMap(({ prompt, answers }) => [prompt, ...answers.map(({ text }) => text)]),
              )
            : () => [];
          const { pairs, queryLength, responseLength, responses } = options;
          const how: WriteOptions = {
            pairs,
            queryLength,
            responseLength,
            responses,
            encode,
            pad: tokenizer ? tokenizer.vocabularySize + 2 : 0,
          }; // 19:language/encodings.py pads with an id beyond the vocabulary
          const kept =
            options.flagged || format.writer.flags
              ? preferences
              : preferences.map((preference) => withoutFlagged(preference, leave));
          add([...writePreferences(format.writer, kept, how, leave)]);
          yield { done, total };
        }
      }
      const { bytes, notes: said } = out.finish();
      beside?.write();
      const notes = (Object.entries(leftOut) as [Reason, number][]).map(
        ([reason, count]) => `Left out: ${count} ${LEFT_OUT[reason][count === 1 ? 0 : 1]}.`,
      );
      yield {
        result: { file, beside: beside?.file ?? null, rows, leftOut, notes: [...selected, ...notes, ...said], bytes },
      };
    } finally {
      out.abandon();
    }
  } finally {
    project.close();
  }
}

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

/**
 * The file beside the data with this data's entry added; what stands in it already is read first, and must be what it
 * is said to be.
 */
function besideFile({ beside }: Writer, file: string): { file: string; write(): void } {
  const { file: name, entry } = beside!;
  const place = path.join(path.dirname(file), name);
  if (path.basename(file) === name)
    throw new TastemakerError(
      'bad-argument',
      `${file} has the name of the file that describes the data.`,
      'Give the data another name, such as preferences.json.',
    );
  let entries: Row = {};
  if (fs.existsSync(place)) {
    try {
      const read: unknown = JSON.parse(readUtf8(place));
      if (typeof read !== 'object' || read === null || Array.isArray(read))
        throw new SyntaxError('it is not an object');
      entries = read as Row;
    } catch (error) {
      throw new TastemakerError(
        'bad-file',
        `${place} stands beside the data and cannot be added to: ${(error as Error).message}.`,
        'Correct it, or export into another folder.',
      );
    }
  }
  const key = path.basename(file, path.extname(file));
  return {
    file: place,
    write: () =>
      replaceFile(place, (fd) =>
        writeFully(
          fd,
          new TextEncoder().encode(`${JSON.stringify({ ...entries, [key]: entry(path.basename(file)) }, null, 2)}\n`),
        ),
      ),
  };
}
