// The columns of the table of runs: what each shows and sorts by, which are there at first, which runs pass a filter.

import type { RunKind, RunRow, RunStatus, RunFacts, RunResult } from '#core/contract/runs.ts';
import type { MetricMeaning } from '#core/contract/recipes.ts';
import { byteText } from '#renderer/components/byte-text.ts';
import { bestWords, lastWords } from '#renderer/components/charts/metric-words.ts';
import { badgeOf, moment } from './run-words.ts';
import { duration } from '#core/contract/time-words.ts';

/** A run with what is known of it; facts may be still on their way. */
export interface TableRun {
  run: RunRow;
  facts: RunFacts | null;
}

export interface Column {
  name: string;
  title: string;
  /** over the head, where the title alone does not say it */
  hint?: string;
  /** pixels, and the share of what is left over that it takes */
  least: number;
  grow: number;
  right?: boolean;
  text(row: TableRun): string;
  /** what it sorts by; null comes last either way */
  key(row: TableRun): string | number | null;
  /** takes room only where a run has something to show in it */
  onlyFilled?: true;
  /** whether the first click puts the largest first */
  descending: boolean;
}

/** Seconds of work: until now where it still works, without what it waited in the queue. */
export function workSeconds({ run, facts }: TableRun, now: number = Date.now()): number | null {
  if (run.status === 'queued') return null;
  const from = facts?.startedAt ?? run.createdAt;
  const to = run.endedAt ?? now;
  return to >= from ? (to - from) / 1000 : null;
}

export const resultOf = ({ facts }: TableRun, metric: string): RunResult | null =>
  facts?.results.find((one) => one.metric === metric) ?? null;
/** The most telling metric that the run has. */
export const mainResult = ({ facts }: TableRun): RunResult | null => facts?.results[0] ?? null;

type Meanings = Readonly<Record<string, MetricMeaning>>;
const BEFORE_RESULT: readonly Column[] = [
  {
    name: 'state',
    title: 'State',
    least: 96,
    grow: 0,
    text: ({ run }) => badgeOf(run).word,
    key: ({ run }) => badgeOf(run).word,
    descending: false,
  },
  {
    name: 'recipe',
    title: 'Recipe',
    least: 104,
    grow: 0,
    text: ({ run }) => run.words.run,
    key: ({ run }) => run.words.run,
    descending: false,
  },
  {
    name: 'started',
    title: 'Started',
    least: 104,
    grow: 0,
    text: ({ run, facts }) =>
      run.status === 'queued' ? `queued ${moment(run.createdAt)}` : moment(facts?.startedAt ?? run.createdAt),
    key: ({ run, facts }) => facts?.startedAt ?? run.createdAt,
    descending: true,
  },
  {
    name: 'took',
    title: 'Took',
    least: 80,
    grow: 0,
    right: true,
    text: (row) => secondsText(workSeconds(row)),
    key: (row) => workSeconds(row),
    descending: true,
  },
];
const resultColumns = (meanings: Meanings): readonly Column[] => [
  {
    name: 'result',
    title: 'Result',
    hint: 'The most telling number of its recipe: the last value, with the interval that holds it 95 % of the time',
    least: 256,
    grow: 1.1,
    text: (row) => named(mainResult(row), meanings),
    key: (row) => sortedByName(mainResult(row)),
    descending: true,
  },
  {
    name: 'best',
    title: 'Best',
    hint: 'The best value of the number under Result, and the step where it was; which weights a run keeps as its best may go by another, which its page names',
    least: 168,
    grow: 0.8,
    text: (row) => bestText(mainResult(row), meanings),
    key: (row) => mainResult(row)?.best ?? null,
    descending: true,
  },
];
const AFTER_RESULT: readonly Column[] = [
  {
    name: 'size',
    title: 'On disk',
    least: 64,
    grow: 0,
    right: true,
    text: ({ facts }) => (facts ? byteText(facts.bytes) : ''),
    key: ({ facts }) => facts?.bytes ?? null,
    descending: true,
  },
  {
    name: 'tags',
    title: 'Tags',
    least: 60,
    grow: 0.7,
    onlyFilled: true,
    text: ({ facts }) => facts?.tags.join(', ') ?? '',
    key: ({ facts }) => facts?.tags.join(', ') || null,
    descending: false,
  },
  {
    name: 'note',
    title: 'Note',
    least: 70,
    grow: 1,
    onlyFilled: true,
    text: ({ facts }) => facts?.note ?? '',
    key: ({ facts }) => facts?.note || null,
    descending: false,
  },
  {
    name: 'settings',
    title: 'Settings',
    hint: 'Those that are other than the recipe’s defaults',
    least: 140,
    grow: 1.2,
    text: ({ facts }) => settingsText(facts),
    key: ({ facts }) => settingsText(facts) || null,
    descending: false,
  },
];
export const NAME_COLUMN: Column = {
  name: 'name',
  title: 'Run',
  least: 120,
  grow: 1.3,
  text: ({ run }) => run.name,
  key: ({ run }) => run.name.toLowerCase(),
  descending: false,
};
export const COLUMN_GAP = 12;
/**
 * Head and rows as one grid: what the columns are wide, and the least that all take together. `before`: pixels of what
 * stands before them.
 */
export function gridOf(columns: readonly Column[], before: number): { gridTemplateColumns: string; minWidth: string } {
  const tracks = columns.map(({ least, grow }) => (grow ? `minmax(${least}px, ${grow}fr)` : `${least}px`));
  return {
    gridTemplateColumns: `${before}px ${tracks.join(' ')}`,
    minWidth: `${before + columns.reduce((sum, { least }) => sum + least + COLUMN_GAP, 0) + 2 * COLUMN_GAP}px`,
  };
}
export const DEFAULT_COLUMNS: readonly string[] = [
  'state',
  'started',
  'took',
  'result',
  'best',
  'size',
  'tags',
  'note',
];
const KEPT = 'run-columns';
/** The columns that were chosen last on this machine. */
export function rememberedColumns(): readonly string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? 'null');
    return Array.isArray(kept) && kept.every((name) => typeof name === 'string') ? kept : DEFAULT_COLUMNS;
  } catch {
    return DEFAULT_COLUMNS;
  }
}
export const rememberColumns = (names: readonly string[]): void => localStorage.setItem(KEPT, JSON.stringify(names));

const secondsText = (seconds: number | null): string => (seconds === null ? '' : duration(seconds));
/** Shares that are read as so many of a hundred: the word that says of what. */
const SHARES: Readonly<Record<string, string>> = { ended: 'ended', held_out_ended: 'of held-out answers ended' };
/** Whole per cent, but for what is nearly none or nearly all, of which it matters how nearly. */
const percent = (share: number): string => {
  const whole = Math.round(share * 100);
  const isNearly = (whole === 0 || whole === 100) && share !== whole / 100;
  return `${isNearly ? (share * 100).toFixed(1) : whole} %`;
};
const named = (result: RunResult | null, meanings: Meanings): string => {
  if (!result) return '';
  const word = SHARES[result.metric];
  return word ? `${percent(result.last)} ${word}` : `${result.metric} ${valueText(result, meanings)}`;
};
const bestValue = (result: RunResult, meanings: Meanings): string =>
  SHARES[result.metric] ? percent(result.best) : bestWords(result, meanings[result.metric]?.share === true);
const bestText = (result: RunResult | null, meanings: Meanings): string =>
  result && result.bestStep > 0 ? `${bestValue(result, meanings)} at ${result.bestStep.toLocaleString('en')}` : '';
/** Runs of other recipes have other numbers: those of one name stand together. */
const sortedByName = (result: RunResult | null): string | null =>
  result ? `${result.metric} ${(result.last + 1e9).toFixed(6).padStart(20, '0')}` : null;
const settingsText = (facts: RunFacts | null): string =>
  Object.entries(facts?.settings ?? {})
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');

const LAST = 'last ';
const BEST = 'best ';
/** Two columns a metric that any of the runs has. */
function metricColumns(runs: readonly TableRun[], meanings: Meanings): Column[] {
  const metrics = [...new Set(runs.flatMap(({ facts }) => facts?.results.map(({ metric }) => metric) ?? []))];
  return metrics.flatMap((metric): Column[] => {
    const hint = meanings[metric]?.sentence ?? '';
    const descending = meanings[metric]?.better !== 'low';
    const last: Column = {
      name: LAST + metric,
      title: metric,
      hint: `The last value. ${hint}`,
      least: 122,
      grow: 0,
      right: true,
      text: (row) => valueText(resultOf(row, metric), meanings),
      key: (row) => resultOf(row, metric)?.last ?? null,
      descending,
    };
    const best: Column = {
      name: BEST + metric,
      title: `best ${metric}`,
      hint: `The best value, and its step. ${hint}`,
      least: 150,
      grow: 0,
      right: true,
      text: (row) => bestText(resultOf(row, metric), meanings),
      key: (row) => resultOf(row, metric)?.best ?? null,
      descending,
    };
    return meanings[metric]?.better === null ? [last] : [last, best];
  });
}
const valueText = (result: RunResult | null, meanings: Meanings): string =>
  result ? lastWords(result, meanings[result.metric]?.share === true) : '';

/** Every column that these runs can have. */
export const allColumns = (runs: readonly TableRun[], meanings: Meanings): Column[] => [
  ...BEFORE_RESULT,
  ...resultColumns(meanings),
  ...AFTER_RESULT,
  ...metricColumns(runs, meanings),
];

/** The chosen columns, in their order, but for those that would stand empty. */
export const shownColumns = (
  columns: readonly Column[],
  chosen: readonly string[],
  rows: readonly TableRun[],
): Column[] =>
  chosen
    .flatMap((name) => columns.find((column) => column.name === name) ?? [])
    .filter(({ onlyFilled, text }) => !onlyFilled || rows.some((row) => text(row) !== ''));

export interface RunFilter {
  text: string;
  kind: RunKind | '';
  status: RunStatus | '';
  tag: string;
}
export const NO_FILTER: Readonly<RunFilter> = { text: '', kind: '', status: '', tag: '' };
export const isFiltering = (filter: RunFilter): boolean => Object.values(filter).some(Boolean);

/** Every word must stand in its name, id, note, tags or changed settings. */
export function passes({ run, facts }: TableRun, { text, kind, status, tag }: RunFilter): boolean {
  if ((kind && run.kind !== kind) || (status && run.status !== status) || (tag && !facts?.tags.includes(tag)))
    return false;
  const all = [run.name, run.id, run.words.run, facts?.note ?? '', facts?.tags.join(' ') ?? '', settingsText(facts)]
    .join('\n')
    .toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

/** Numbers in names count as numbers: run 9 comes before run 60. */
const WORDS = new Intl.Collator('en', { numeric: true });

/** In the order of a column; what it has no value for comes last, equal ones newest first. */
export function sorted(rows: readonly TableRun[], { key }: Column, descending: boolean): TableRun[] {
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => ({ row, by: key(row) }))
    .sort((a, b) => {
      if (a.by === null || b.by === null)
        return Number(a.by === null) - Number(b.by === null) || b.row.run.createdAt - a.row.run.createdAt;
      const order =
        typeof a.by === 'number' && typeof b.by === 'number' ? a.by - b.by : WORDS.compare(String(a.by), String(b.by));
      return sign * order || b.row.run.createdAt - a.row.run.createdAt;
    })
    .map(({ row }) => row);
}

/** The settings that differ between runs: a row a setting, a value a run; what a run does not have is null. */
export function settingsDiff(
  configs: readonly Readonly<Record<string, unknown>>[],
): { name: string; values: (string | null)[] }[] {
  const names = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  return names.flatMap((name) => {
    const values = configs.map((config) =>
      name in config ? (config[name] === '' ? '(empty)' : String(config[name])) : null,
    );
    return new Set(values).size > 1 ? [{ name, values }] : [];
  });
}
