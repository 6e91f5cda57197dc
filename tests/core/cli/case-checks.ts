// Decides whether the check of a case holds: what its commands said, how they ended, and what lies in its scratch
// folder.

import fs from 'node:fs';
import path from 'node:path';
import { readLines } from './command-line.ts';
import type { Ended } from './warm-command-line.ts';

/** A check as ../shared/cases/README.md describes it ("What a check says"); each record is one of these. */
export type Check =
  | { all: Check[] }
  | { any: Check[] }
  | { refused: string }
  | { ok: string }
  | { stops: string }
  | { shows: string; number: number }
  | { says: string; pattern: string }
  | { silent: string; pattern: string }
  | { says_more: string; than: string; pattern?: string }
  | { file: string; rows: number }
  | { file: string; absent: true }
  | { file: string; one_split_a_text: true }
  | { file: string; prompt_holds: string }
  | { file: string; prompt_lacks: string }
  | { file: string; text: string }
  | { file: string; uniform: true; floats: string[] }
  | { file: string; field: string; one_of: unknown[] }
  | { file: string; field: string; equals: string; within?: number }
  | { file: string; field: string; values: unknown[] | Record<string, unknown>; by?: string; within?: number };

/** A command of a case that has run: its words, its end, and what it said without the names it was given. */
export interface Said extends Ended {
  args: readonly string[];
  /** standard output and error, folders and names of the given files taken away */
  output: string;
}

interface Outcome {
  work: string;
  commands: Readonly<Record<string, Said>>;
}

type Row = Record<string, unknown>;
/** Why the check does not hold; null where it does. */
type Verdict = string | null;

/** How far a number may be from the wanted one and still count as equal. */
const WITHIN = 0.001;
const STACK = /^\s+at .+:\d+:\d+\)?$/m;

/** Whether two values are the same, numbers within the tolerance, lists and records piece by piece. */
function same(got: unknown, wanted: unknown, within: number): boolean {
  if (typeof got === 'number' && typeof wanted === 'number') return Math.abs(got - wanted) <= within;
  if (Array.isArray(got) && Array.isArray(wanted)) {
    return got.length === wanted.length && got.every((one, i) => same(one, wanted[i], within));
  }
  return JSON.stringify(got) === JSON.stringify(wanted);
}

const said = (outcome: Outcome, name: string): Said => {
  const found = outcome.commands[name];
  if (!found) throw new Error(`The check speaks of a command "${name}", and the case has none.`);
  return found;
};

const quoted = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

/**
 * Exit code 2, one sentence and a hint, lines about single rows at most before them, no stack trace, and nothing at
 * `--out`.
 */
function refused(outcome: Outcome, name: string): Verdict {
  const { code, stderr, args } = said(outcome, name);
  const lines = stderr.trimEnd().split('\n');
  if (code !== 2) return `"${name}" ended with ${code}, not with 2`;
  if (STACK.test(stderr)) return `"${name}" shows a stack trace`;
  const sentences = lines.filter((line) => line.startsWith('Error: '));
  if (sentences.length !== 1 || !/^Error: .*[.?]$/.test(lines.at(-2) ?? '')) return `"${name}" says no single sentence`;
  if (!/^Hint: .{8,}/.test(lines.at(-1) ?? '')) return `"${name}" does not say what to do`;
  const at = args.indexOf('--out');
  const out = at < 0 ? null : args[at + 1]!;
  return out !== null && fs.existsSync(out) ? `"${name}" was refused and left ${out}` : null;
}

function stops(outcome: Outcome, name: string): Verdict {
  const { code, stderr, stdout } = said(outcome, name);
  if (code === 0 || code === null) return `"${name}" ended with ${code}`;
  return STACK.test(stdout + stderr) ? `"${name}" shows a stack trace` : null;
}

function shows(outcome: Outcome, name: string, number: number): Verdict {
  const numbers = (said(outcome, name).output.match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g) ?? []).map(Number);
  return numbers.some((one) => Math.abs(one - number) <= Math.abs(number) / 100)
    ? null
    : `"${name}" does not show ${number}`;
}

/** The sentences of an output; numbers do not tell two of them apart. */
function sentencesOf(output: string): Map<string, string> {
  const lines = output
    .split(/\n|(?<=[.!?])\s+/)
    .map((line) => line.trim())
    .filter(Boolean);
  return new Map(lines.map((line) => [line.replaceAll(/\d+(?:[.,]\d+)*/g, '#'), line]));
}

function saysMore(outcome: Outcome, name: string, than: string, pattern = ''): Verdict {
  const other = sentencesOf(said(outcome, than).output);
  const more = [...sentencesOf(said(outcome, name).output)]
    .filter(([bare]) => !other.has(bare))
    .map(([, line]) => line);
  if (more.some((line) => new RegExp(pattern).test(line))) return null;
  return `"${name}" says nothing${pattern && ` of /${pattern}/`} that "${than}" does not say; its own: ${quoted(more)}`;
}

interface Wanted {
  field: string;
  values: unknown[] | Record<string, unknown>;
  by?: string | undefined;
  within?: number | undefined;
}

function valuesAre(rows: readonly Row[], { field, values: wanted, by, within = WITHIN }: Wanted): Verdict {
  if (Array.isArray(wanted)) {
    const got = rows.map((row) => row[field]);
    return same(got, wanted, within) ? null : `${field} is ${quoted(got)}, not ${quoted(wanted)}`;
  }
  const got = Object.fromEntries(rows.map((row) => [String(row[by!]), row[field]]));
  const names = Object.keys(wanted);
  const right = rows.length === names.length && names.every((name) => same(got[name], wanted[name], within));
  return right ? null : `${field} by ${by} is ${quoted(got)}, not ${quoted(wanted)}`;
}

/** The text by which spellings of one prompt are told to be the same: NFC, LF, trimmed. */
function spelling(prompt: unknown): string {
  const text = typeof prompt === 'string' ? prompt : JSON.stringify(prompt);
  return text.normalize('NFC').replaceAll(/\r\n?/g, '\n').trim();
}

function oneSplitAText(rows: readonly Row[]): Verdict {
  const splits = Map.groupBy(rows, (row) => spelling(row['prompt'] ?? row['messages']));
  const torn = [...splits]
    .filter(([, some]) => new Set(some.map((row) => row['split'])).size > 1)
    .map(([text]) => text);
  if (rows.length === 0 || rows.some((row) => row['split'] === undefined)) return 'no row names its split';
  return torn.length === 0 ? null : `${torn.length} texts stand in several splits: ${quoted(torn.slice(0, 3))}`;
}

/** The type under which a table's reader would file a value; a list counts by what it holds. */
function typeOf(value: unknown): string {
  if (Array.isArray(value)) return `list of ${value.length > 0 ? typeOf(value[0]) : 'nothing'}`;
  return value === null ? 'nothing' : typeof value;
}

/**
 * Every row has the same columns, each of one type, and `floats` are written with a point: what readers of JSON lines
 * infer from.
 */
function uniform(rows: readonly Row[], text: string, floats: readonly string[]): Verdict {
  const columns = rows.map((row) => Object.keys(row).toSorted().join());
  if (new Set(columns).size > 1) return `its rows have different columns: ${quoted([...new Set(columns)])}`;
  const typesOf = (name: string) =>
    new Set(rows.map((row) => typeOf(row[name])).filter((type) => !type.endsWith('nothing')));
  const mixed = Object.keys(rows[0] ?? {}).filter((name) => typesOf(name).size > 1);
  if (mixed.length > 0) return `its columns ${mixed.join(', ')} are of several types`;
  const whole = floats.filter((name) => new RegExp(`"${name}": ?-?\\d+[,}]`).test(text));
  return whole.length > 0 ? `it writes ${whole.join(', ')} as a whole number` : null;
}

type FileCheck = Extract<Check, { file: string }>;
type Column = Extract<FileCheck, { field: string }>;

const promptOf = (row: Row | undefined): unknown => row?.['prompt'] ?? row?.['messages'] ?? '';
const holds = (row: Row | undefined, text: string): boolean =>
  JSON.stringify(promptOf(row)).includes(JSON.stringify(text).slice(1, -1));

/** What is said of a file as a whole; undefined where the check is about its rows. */
function wholeFile(at: string, check: FileCheck): Verdict | undefined {
  const text = fs.existsSync(at) ? fs.readFileSync(at, 'utf8') : null;
  if ('absent' in check) return text === null ? null : `${check.file} is there`;
  if ('text' in check) {
    return new RegExp(check.text).test(text ?? '')
      ? null
      : `${check.file} has nothing of /${check.text}/: ${text?.slice(0, 300)}`;
  }
  if ('one_of' in check) {
    const value = text === null ? undefined : ((JSON.parse(text) as Row)[check.field] ?? null);
    return check.one_of.some((one) => same(value, one, 0))
      ? null
      : `${check.field} in ${check.file} is ${quoted(value)}`;
  }
  if ('rows' in check) {
    // no file has no rows
    const count = text === null ? 0 : readLines(at).length;
    return count === check.rows ? null : `${check.file} has ${count} rows, not ${check.rows}`;
  }
  return text === null ? `there is no ${check.file}` : undefined;
}

function columnHolds(outcome: Outcome, rows: readonly Row[], check: Column): Verdict {
  if ('values' in check) return valuesAre(rows, check);
  if (!('equals' in check)) return null;
  const other = path.join(outcome.work, check.equals);
  const wanted = fs.existsSync(other) ? readLines<Row>(other) : [];
  if (wanted.length === 0) return `there is nothing in ${check.equals}`;
  return valuesAre(rows, { ...check, values: wanted.map((row) => row[check.field]) });
}

function fileHolds(outcome: Outcome, check: FileCheck): Verdict {
  const at = path.join(outcome.work, check.file);
  const whole = wholeFile(at, check);
  if (whole !== undefined) return whole;
  const rows = readLines<Row>(at);
  if ('one_split_a_text' in check) return oneSplitAText(rows);
  if ('uniform' in check) return uniform(rows, fs.readFileSync(at, 'utf8'), check.floats);
  if ('prompt_holds' in check) {
    return holds(rows[0], check.prompt_holds)
      ? null
      : `the first prompt of ${check.file} is ${quoted(promptOf(rows[0]))}`;
  }
  if ('prompt_lacks' in check) {
    const found = rows.find((row) => holds(row, check.prompt_lacks));
    return found === undefined ? null : `a prompt of ${check.file} is ${quoted(promptOf(found))}`;
  }
  return 'field' in check ? columnHolds(outcome, rows, check) : null;
}

/** Null where the check holds, else why it does not. */
export function judge(outcome: Outcome, check: Check): Verdict {
  const matches = (name: string, pattern: string) => new RegExp(pattern).test(said(outcome, name).output);
  if ('all' in check)
    return (
      check.all
        .map((one) => judge(outcome, one))
        .filter((why) => why !== null)
        .join('; ') || null
    );
  if ('any' in check) {
    const reasons = check.any.map((one) => judge(outcome, one));
    return reasons.includes(null) ? null : `neither: ${reasons.join('; nor: ')}`;
  }
  if ('file' in check) return fileHolds(outcome, check);
  if ('refused' in check) return refused(outcome, check.refused);
  if ('stops' in check) return stops(outcome, check.stops);
  if ('shows' in check) return shows(outcome, check.shows, check.number);
  if ('says_more' in check) return saysMore(outcome, check.says_more, check.than, check.pattern);
  if ('ok' in check) {
    const { code } = said(outcome, check.ok);
    return code === 0 ? null : `"${check.ok}" ended with ${code}`;
  }
  if ('silent' in check)
    return matches(check.silent, check.pattern) ? `"${check.silent}" speaks of /${check.pattern}/` : null;
  return matches(check.says, check.pattern) ? null : `"${check.says}" says nothing of /${check.pattern}/`;
}

/** Commands that ended in a fault of the program: by a signal, or with a stack trace. No case allows that. */
export function faults({ commands }: Outcome): string[] {
  const faulty = Object.entries(commands).filter(
    ([, { code, stdout, stderr }]) => code === null || STACK.test(stdout + stderr),
  );
  return faulty.map(([name]) => `"${name}" ended in a fault of the program`);
}
