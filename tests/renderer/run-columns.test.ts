// The table of runs: what its columns say and sort by, which runs pass a filter, and which settings differ.
import { GROUPS } from '#core/recipes/settings.ts';
import { wordsOf } from '#core/service/runs/run-rows.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Field } from '#core/contract/recipes.ts';
import type { RunRow, RunFacts } from '#core/contract/runs.ts';
import { RECIPES } from '#core/recipes/table.ts';
import { METRICS } from '#core/recipes/metrics.ts';
import {
  allColumns,
  gridOf,
  mainResult,
  NAME_COLUMN,
  NO_FILTER,
  passes,
  settingsDiff,
  shownColumns,
  sorted,
  workSeconds,
} from '#renderer/components/train/run-columns.ts';
import type { TableRun } from '#renderer/components/train/run-columns.ts';
import { beganWords, tabsOf } from '#renderer/components/train/run-words.ts';
import { groupsOf } from '#renderer/components/train/setting-groups.ts';

const run = (id: string, changes: Partial<RunRow> = {}): RunRow => ({
  id,
  kind: 'ppo',
  words: wordsOf('ppo'),
  name: `run ${id}`,
  status: 'done',
  createdAt: Number(id) * 1000,
  endedAt: Number(id) * 1000 + 60_000,
  error: null,
  step: 0,
  total: 0,
  secondsLeft: null,
  phase: '',
  modelId: null,
  summary: null,
  resumable: false,
  atRest: false,
  ...changes,
});
const facts = (id: string, gold: number | null, changes: Partial<RunFacts> = {}): RunFacts => ({
  id,
  note: '',
  tags: [],
  startedAt: Number(id) * 1000 + 20_000,
  bytes: 10,
  settings: {},
  results:
    gold === null
      ? []
      : [{ metric: 'gold', last: gold, best: gold + 1, bestStep: 5, lastError: 0.1, bestError: 0.2, count: 64 }],
  ...changes,
});
const rows: TableRun[] = [
  { run: run('1'), facts: facts('1', 4) },
  { run: run('2'), facts: facts('2', null) },
  { run: run('3'), facts: facts('3', -2) },
  { run: run('4'), facts: null },
  { run: run('5'), facts: facts('5', 10) },
];
const column = (name: string) => allColumns(rows, METRICS).find((one) => one.name === name)!;
const ids = (list: readonly TableRun[]) => list.map((one) => one.run.id).join('');

describe('columns', () => {
  test('a result is said with its interval, a best with its step', () => {
    expect(column('result').text(rows[0]!)).toBe('gold 4 ± 0.2');
    expect(column('best').text(rows[0]!)).toBe('5 ± 0.39 at 5');
    expect(mainResult(rows[1]!)).toBeNull();
  });
  test('the interval of a share stays within 0 and 1', () => {
    const sure = { lastError: 1 / 3, bestError: 1 / 3, count: 2 };
    const result = { metric: 'validation_accuracy', last: 2 / 3, best: 2 / 3, bestStep: 3, ...sure };
    const row = { run: run('1'), facts: facts('1', null, { results: [result] }) };
    const texts = ['result', 'best'].map((name) => column(name).text(row));
    expect(texts).toEqual(['validation_accuracy 66.7 % (16 to 95)', '66.7 % (16 to 95) at 3']);
  });
  test('a share is said in per cent with its word, and more exactly where it is nearly none or all', () => {
    const ended = (last: number) => {
      const result = { metric: 'ended', last, best: last, bestStep: 3, lastError: null, bestError: null, count: null };
      const row = { run: run('1'), facts: facts('1', null, { results: [result] }) };
      return [column('result').text(row), column('best').text(row)];
    };
    expect(ended(0.9583)).toEqual(['96 % ended', '96 % at 3']);
    expect(ended(0.9991)).toEqual(['99.9 % ended', '99.9 % at 3']);
    expect([ended(1)[0], ended(0)[0], ended(0.001)[0]]).toEqual(['100 % ended', '0 % ended', '0.1 % ended']);
  });
  test('of tags and notes take no room while no run has one', () => {
    const named = (list: readonly TableRun[]) =>
      shownColumns(allColumns(list, METRICS), ['state', 'tags', 'note', 'nothing'], list).map(({ name }) => name);
    expect(named(rows)).toEqual(['state']);
    expect(named([...rows, { run: run('6'), facts: facts('6', 1, { note: 'kept' }) }])).toEqual(['state', 'note']);
  });
  test('sort by a number either way; what has none comes last either way, newest first', () => {
    expect(ids(sorted(rows, column('last gold'), true))).toBe('51342');
    expect(ids(sorted(rows, column('last gold'), false))).toBe('31542');
    expect(ids(sorted(rows, column('result'), false))).toBe('31542');
    expect(ids(sorted(rows, NAME_COLUMN, false))).toBe('12345');
  });
  test('sorting keeps every run, whatever they are sorted by', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.double({ noNaN: true, min: -1e6, max: 1e6 })), { maxLength: 20 }),
        fc.boolean(),
        (values, descending) => {
          const list = values.map((value, i): TableRun => ({
            run: run(String(i + 1)),
            facts: facts(String(i + 1), value),
          }));
          const order = sorted(list, column('last gold'), descending);
          const found = order.map((one) => mainResult(one)?.last ?? null);
          const given = found.filter((value) => value !== null);
          expect(order).toHaveLength(list.length);
          expect(found.slice(0, given.length)).toEqual(given);
          for (let i = 1; i < given.length; i++)
            expect(descending ? given[i - 1]! >= given[i]! : given[i - 1]! <= given[i]!).toBe(true);
        },
      ),
    );
  });
  test('a metric for which neither way is better has no best', () => {
    const withKl: TableRun[] = [
      {
        run: run('1'),
        facts: facts('1', null, {
          results: [{ metric: 'kl', last: 3, best: 3, bestStep: 9, lastError: null, bestError: null, count: null }],
        }),
      },
    ];
    expect(
      allColumns(withKl, METRICS)
        .filter(({ name }) => name.endsWith('kl'))
        .map(({ name }) => name),
    ).toEqual(['last kl']);
  });
  test('head and rows are one grid', () => {
    expect(gridOf([NAME_COLUMN, column('took')], 18)).toEqual({
      gridTemplateColumns: '18px minmax(120px, 1.3fr) 80px',
      minWidth: `${18 + 120 + 80 + 4 * 12}px`,
    });
  });
});

test('the time that a run waited in the queue is none that it took', () => {
  expect(workSeconds(rows[0]!)).toBe(40);
  expect(workSeconds({ run: run('9', { status: 'queued', endedAt: null }), facts: null })).toBeNull();
  expect(beganWords(run('9', { status: 'queued' }), null)).toMatch(/^queued /);
  expect(beganWords(run('9'), 5)).toMatch(/^started /);
});

test('a filter takes recipe, state, tag and words of name, note, tags and changed settings together', () => {
  const one: TableRun = {
    run: run('7', { name: 'Greedy' }),
    facts: facts('7', 1, { note: 'cheats early', tags: ['beta 0'], settings: { beta: 0, learning_rate: 3e-4 } }),
  };
  for (const filter of [
    { text: 'greedy cheats' },
    { text: 'beta' },
    { text: 'learning_rate 0.0003' },
    { kind: 'ppo' as const },
    { status: 'done' as const },
    { tag: 'beta 0' },
  ])
    expect(passes(one, { ...NO_FILTER, ...filter })).toBe(true);
  for (const filter of [
    { text: 'greedy careful' },
    { kind: 'sft' as const },
    { status: 'failed' as const },
    { tag: 'beta' },
  ])
    expect(passes(one, { ...NO_FILTER, ...filter })).toBe(false);
});

test('only the settings that differ are shown, and one that a run does not have is a dash', () => {
  expect(
    settingsDiff([
      { a: 1, b: '', c: true },
      { a: 1, b: 'x', d: 5 },
    ]),
  ).toEqual([
    { name: 'b', values: ['(empty)', 'x'] },
    { name: 'c', values: ['true', null] },
    { name: 'd', values: [null, '5'] },
  ]);
  expect(settingsDiff([{ a: 1 }, { a: 1 }])).toEqual([]);
});

test('settings stand in the groups of their card, in its order; a group without any is left out', () => {
  const field = (name: string, group: string): Field => ({
    name,
    kind: 'text',
    default: '',
    range: null,
    choices: null,
    sentence: '',
    group,
    main: false,
    when: null,
  });
  const groups = Object.entries(GROUPS).map(([name, title]) => ({ name, title }));
  const fields = Object.entries(RECIPES.ppo.settings).map(([name, { group }]) => field(name, group));
  const found = groupsOf(fields, groups);
  expect(found.map(({ name }) => name)).toEqual(groups.map(({ name }) => name).filter((name) => name !== 'shape'));
  expect(found.flatMap((group) => group.fields.map(({ name }) => name)).sort()).toEqual(
    Object.keys(RECIPES.ppo.settings).sort(),
  );
  expect(groupsOf([field('b', 'kl'), field('a', 'kl')], groups)[0]!.fields.map(({ name }) => name)).toEqual(['b', 'a']);
});

test('every recipe shows what it made', () => {
  expect(tabsOf(RECIPES.sample.shows, false).map(({ title }) => title)).toEqual([
    'Charts',
    'Samples',
    'Log',
    'Settings',
  ]);
  expect(tabsOf(RECIPES.reward.shows, false)[1]).toEqual({ name: 'rankings', title: 'Held-out rankings' });
  expect(tabsOf(RECIPES.ppo.shows, false)[1]!.name).toBe('samples');
  expect(tabsOf(RECIPES.ppo.shows, true, true).map(({ name }) => name)).toEqual([
    'charts',
    'findings',
    'samples',
    'log',
    'manifest',
  ]);
  expect(tabsOf(RECIPES.score.shows, false, true).map(({ name }) => name)).not.toContain('findings');
  expect(tabsOf(RECIPES.pretrain.shows, false)).toHaveLength(3);
  expect(tabsOf(RECIPES.score.shows, true)[1]!.name).toBe('samples'); // whatever wrote samples shows them
});
