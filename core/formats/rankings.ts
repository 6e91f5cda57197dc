// Rankings from other people's files: several completions with ranks, by text or by id, and chosen/rejected pairs.
import path from 'node:path';
import { readCsv } from './csv.ts';
import { readJsonl } from './jsonl.ts';
import { asRow, badRow, isText, mapRow, optionalText, requiredText, type Row, type RowError } from './rows.ts';

interface RankingFields {
  line: number;
  /** 1 is best; equal numbers are ties; one per completion */
  ranks: number[];
  labeler: string | null;
  /** 1 to 9 */
  confidence: number | null;
  note: string | null;
}
/** One ranking: of texts, or of completions that the project knows by id. */
export type RankingRow =
  | (RankingFields & { kind: 'texts'; prompt: string; completions: string[] })
  | (RankingFields & { kind: 'ids'; promptId: number; completionIds: number[] });

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;

function listOf<T>(row: Row, field: string, is: (value: unknown) => value is T, what: string): T[] {
  const value = row[field];
  if (!Array.isArray(value)) throw badRow(value === undefined ? `"${field}" is missing.` : `"${field}" is not a list.`);
  const wrong = value.findIndex((item) => !is(item));
  if (wrong >= 0) throw badRow(`Item ${wrong + 1} of "${field}" is not ${what}.`);
  return value as T[];
}

function readFields(row: Row, line: number, ranks: number[], completions: number): RankingFields {
  if (completions < 2) throw badRow(`A ranking needs two completions at least; this one has ${completions}.`);
  if (ranks.length !== completions) throw badRow(`There are ${completions} completions but ${ranks.length} ranks.`, 'Give every completion its rank.');
  const confidence = row['confidence'] ?? null;
  if (confidence !== null && !(isId(confidence) && confidence <= 9)) throw badRow('"confidence" is not a whole number from 1 to 9.');
  return { line, ranks, labeler: optionalText(row, 'labeler'), confidence, note: optionalText(row, 'note') };
}

/** What a ranking's columns may be called, and what --map and the window let one name otherwise. */
export const RANKING_FIELDS = ['prompt', 'completions', 'ranks', 'prompt_id', 'completion_ids', 'chosen', 'rejected', 'labeler', 'confidence', 'note'];

function readRanking(value: unknown, line: number): RankingRow {
  const row = asRow(value);
  if ('chosen' in row || 'rejected' in row) {
    const completions = ['chosen', 'rejected'].map((field) => {
      if (Array.isArray(row[field])) throw badRow(`"${field}" is a list of messages, not text.`, 'Give prompt, chosen and rejected as plain texts.');
      if (!isText(row[field])) throw badRow(row[field] === undefined ? `"${field}" is missing.` : `"${field}" is not text.`);
      return row[field];
    });
    if (completions[0] === completions[1]) throw badRow('"chosen" and "rejected" are the same text.');
    return { kind: 'texts', prompt: requiredText(row, 'prompt'), completions, ...readFields(row, line, [1, 2], 2) };
  }
  const ranks = () => listOf(row, 'ranks', isId, 'a whole number from 1');
  if ('completion_ids' in row || 'prompt_id' in row) {
    const promptId = row['prompt_id'];
    if (!isId(promptId)) throw badRow('"prompt_id" is not the number of a prompt.');
    const completionIds = listOf(row, 'completion_ids', isId, 'the number of a completion');
    const twice = completionIds.find((id, i) => completionIds.indexOf(id) !== i);
    if (twice !== undefined) throw badRow(`Completion ${twice} is ranked twice.`);
    return { kind: 'ids', promptId, completionIds, ...readFields(row, line, ranks(), completionIds.length) };
  }
  const prompt = requiredText(row, 'prompt');
  const completions = listOf(row, 'completions', isText, 'text');
  const again = completions.findIndex((text, i) => completions.indexOf(text) !== i);
  if (again >= 0) throw badRow(`Completions ${completions.indexOf(completions[again]!) + 1} and ${again + 1} are the same text.`, 'Rank each text once.');
  return { kind: 'texts', prompt, completions, ...readFields(row, line, ranks(), completions.length) };
}

/** A table's cells are texts: an empty one is absent, and a number is written in digits. */
function fromTable(row: Row): Row {
  const numbers = ['confidence', 'prompt_id'];
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== '').map(([field, value]) => [field, numbers.includes(field) && isText(value) && /^\d+$/.test(value) ? Number(value) : value]));
}

/**
 * Reads JSON lines, each {"prompt", "completions", "ranks"}, {"prompt_id", "completion_ids", "ranks"} or {"prompt",
 * "chosen", "rejected"} (ranks 1 and 2; also as a .csv or .tsv table), with "labeler", "confidence" and "note" where known. `map` names columns that are called otherwise. A bad row is left out and named by its line.
 */
export function readRankings(file: string, { map = {} }: { map?: Record<string, string> } = {}): { rankings: RankingRow[]; errors: RowError[] } {
  mapRow(null, map, RANKING_FIELDS); // a wrong map is one error, not one a row
  const table = ['.csv', '.tsv'].includes(path.extname(file).toLowerCase());
  const { rows, errors } = table
    ? readCsv(file, (row, line) => readRanking(fromTable(mapRow(row, map, RANKING_FIELDS) as Row), line))
    : readJsonl(file, (row, line) => readRanking(mapRow(row, map, RANKING_FIELDS), line));
  return { rankings: rows, errors };
}
