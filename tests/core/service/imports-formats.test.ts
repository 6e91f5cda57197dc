// Importing other people's preference data: everything a file says is in the project once, a second time it is all
// known, and one undo takes it away.

import { existsSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { Arguments } from '#core/contract/calls.ts';
import type { ImportKind } from '#core/contract/data.ts';
import { FORMATS } from '#core/formats/preferences/formats.ts';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { createImporter, WINDOW_IMPORT } from '#core/service/data/import-into.ts';
import { readAsMapped } from '#core/service/data/import-rows.ts';
import { importHandlers } from '#core/service/data/imports.ts';
import { listCompletions } from '#core/store/completions.ts';
import { checkProject, createProject } from '#core/store/database.ts';
import { undoEvent } from '#core/store/events.ts';
import { listItems } from '#core/store/items.ts';
import { listLabelers } from '#core/store/labelers.ts';
import { listMarks } from '#core/store/marks.ts';
import { addPolicy } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { listComparisons, listRankings } from '#core/store/rankings.ts';
import { listRatings } from '#core/store/ratings.ts';
import { pageSamples } from '#core/store/samples.ts';
import { INVENTED } from '#tests/core/formats/preferences/invented-rows.ts';
import { handled } from './handler-context.ts';
import { freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();
const TABLES = [
  'prompts',
  'completions',
  'items',
  'item_completions',
  'rankings',
  'ranking_items',
  'ratings',
  'marks',
] as const;
const tablesOf = (project: Project) =>
  Object.fromEntries(TABLES.map((table) => [table, query(project, `SELECT * FROM ${table}`).all()]));

function opened(project = createProject(fresh())) {
  const { call } = handled(project, importHandlers);
  const fileOf = (...rows: unknown[]) => {
    const path = join(project.folder, 'data.jsonl');
    writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'));
    return path;
  };
  /** What imports.run does, without a thread of its own for each file. */
  const run = async (path: string, kind: ImportKind = 'rankings') => {
    const { rows, errors } = await readAsMapped(path, kind, {});
    const importer = createImporter(project, kind, {
      ...WINDOW_IMPORT,
      split: (_text, _messages, own) => own ?? 'train',
      named: (own) => own,
      source: basename(path),
    });
    importer.add(rows);
    return {
      ...importer.counts,
      errors: [...errors, ...importer.errors],
      made: importer.made(),
      eventId: importer.finish(),
    };
  };
  const runInWindow = (path: string, more: Partial<Arguments<'imports.run'>> = {}) =>
    call('imports.run', { path, kind: 'rankings', map: {}, split: 'train', ...more });
  const preview = (path: string, more: Partial<Arguments<'imports.preview'>> = {}) =>
    call('imports.preview', { path, kind: 'rankings', map: {}, ...more });
  return { project, fileOf, run, runInWindow, preview };
}

/** What an import of these judgements of one prompt makes; the same text by the same writer is one completion. */
const countsOf = (records: readonly Preference[]) => ({
  prompts: 1,
  completions: new Set(
    records.flatMap(({ answers }) => answers.map(({ text, writer }) => JSON.stringify([text, writer]))),
  ).size,
  rankings: records.filter(({ ranks }) => ranks).length,
  ratings: records.flatMap(({ ratings }) => ratings).length,
  marks: records.flatMap(({ marks }) => marks).length,
});

test.each(INVENTED.map(({ name, row, is }) => ({ name, row, is })))(
  '$name: imported once, known the second time, and undone',
  async ({ row, is }) => {
    const { project, fileOf, run } = opened();
    const path = fileOf(row);
    const records = [is].flat();
    const empty = tablesOf(project);
    const { eventId, made, ...result } = await run(path);
    expect(result).toEqual({ added: records.length, duplicates: 0, errors: [] });
    expect(made).toEqual(countsOf(records));
    const [first] = records;
    const [prompt] = listPrompts(project);
    expect(prompt).toMatchObject({
      text: first!.prompt,
      messages: first!.messages,
      reference: first!.reference,
      split: first!.split ?? 'train',
      source: 'data.jsonl',
    });
    const completions = new Map(listCompletions(project).map((one) => [one.id, one]));
    expect(
      listRankings(project).map(({ ranks, note, confidence, durationMs, extra }) => [
        Object.fromEntries(ranks.map(({ completionId, rank }) => [completions.get(completionId)!.text, rank])),
        note,
        confidence,
        durationMs,
        extra ?? {},
      ]),
    ).toEqual(
      records
        .filter(({ ranks }) => ranks)
        .map(({ answers, ranks, note, confidence, durationMs, extra }) => [
          Object.fromEntries(answers.map(({ text }, i) => [text, ranks![i]])),
          note,
          confidence,
          durationMs,
          extra,
        ]),
    );
    expect(
      listRatings(project).map(({ completionId, axis, value, low, high }) => [
        completions.get(completionId)!.text,
        axis,
        value,
        low,
        high,
      ]),
    ).toEqual(
      records.flatMap(({ answers, ratings }) =>
        ratings.map(({ answer, axis, value, low, high }) => [answers[answer]!.text, axis, value, low, high]),
      ),
    );
    expect(
      listMarks(project).map(({ completionId, start, end, label, note }) => [
        completions.get(completionId)!.text,
        start,
        end,
        label,
        note,
      ]),
    ).toEqual(
      records.flatMap(({ answers, marks }) =>
        marks.map(({ answer, start, end, label, note }) => [answers[answer]!.text, start, end, label, note]),
      ),
    );
    expect(first!.ranks ? first!.extra : (prompt!.extra ?? {})).toEqual(first!.extra);
    const full = tablesOf(project);
    expect(await run(path)).toMatchObject({ added: 0, duplicates: records.length, eventId: null });
    expect(tablesOf(project)).toEqual(full);
    undoEvent(project, eventId!);
    expect(tablesOf(project)).toEqual(empty);
    expect(checkProject(project)).toEqual([]);
    project.close();
  },
);

const squality = resolve(process.cwd(), '..', 'shared', 'data', 'squality', 'human-eval.jsonl');
test.skipIf(!existsSync(squality))(
  'SQuALITY whole, with its six workers as people (skipped where ../shared/data/squality is absent)',
  async () => {
    const { project, run, runInWindow, preview } = opened();
    const shown = await preview(squality);
    const empty = tablesOf(project);
    expect(shown).toMatchObject({ format: 'squality', total: 150, duplicates: 0, errors: [], warnings: [] });
    expect(shown.formats).toEqual(FORMATS.map(({ name, title }) => ({ name, title })));
    expect(tablesOf(project)).toEqual(empty); // a preview changes nothing
    const { eventId, ...result } = await runInWindow(squality);
    expect(result).toEqual({
      added: 150,
      duplicates: 0,
      errors: [],
      made: { prompts: 50, completions: 150, rankings: 150, ratings: 2250, marks: 1523 },
      notes: [],
    });
    expect(listLabelers(project).every(({ kind }) => kind === 'person')).toBe(true);
    expect(
      pageSamples(project, {}, 'id', false, 0, 3, { rewardModelId: null, referenceId: null }).rows.map(
        ({ policy }) => policy,
      ),
    ).toEqual(['bart', 'bart-dpr', 'human']);
    expect(listItems(project)).toHaveLength(50);
    expect(listComparisons(project).length).toBeGreaterThan(350);
    expect(await run(squality)).toMatchObject({ added: 0, duplicates: 150 });
    undoEvent(project, eventId!);
    expect(listPrompts(project)).toEqual([]);
    project.close();
  },
);

test('a writer that the project knows as a policy is that policy; an answer without a writer is any with its text', async () => {
  const { project, fileOf, run } = opened();
  const policyId = addPolicy(project, { name: 'sup4', kind: 'policy', path: 'models/sup4' });
  const row = {
    prompt: 'p',
    completions: ['a', 'a', 'b'],
    writers: ['sup4', 'ref', null],
    ranks: [1, 2, 3],
    labeler: 'w',
  };
  await run(fileOf(row));
  expect(listCompletions(project).map((one) => [one.text, one.writer, one.policyId])).toEqual([
    ['a', 'sup4', policyId],
    ['a', 'ref', null],
    ['b', null, null],
  ]);
  expect(
    await run(
      fileOf(
        row,
        { prompt: 'p', chosen: 'b', rejected: 'a' },
        { prompt: 'p', completions: ['a', 'b'], writers: ['ref', 'new'], ranks: [1, 1] },
      ),
    ),
  ).toMatchObject({ added: 2, duplicates: 1, made: { completions: 1, rankings: 2 } });
  expect(listRankings(project).map(({ ranks }) => ranks.map(({ completionId }) => completionId))).toEqual([
    [1, 2, 3],
    [3, 1],
    [2, 4],
  ]);
  // each ranking is on the smallest item that holds it; a pair that comes in one file before its triple finds it there
  expect(listItems(project).map(({ completionIds }) => completionIds)).toEqual([
    [2, 3],
    [1, 2, 3],
    [2, 4],
  ]);
  expect(listRankings(project).map(({ itemId }) => itemId)).toEqual([2, 2, 3]);
  const third = ['sup4', 'x', 'y', 'z'].map((writer) => ({ writer, text: 'c' }));
  const of = (...at: number[]) => ({
    prompt: 'p',
    completions: at.map((i) => third[i]!.text),
    writers: at.map((i) => third[i]!.writer),
    ranks: at.map((_, i) => i + 1),
    labeler: 'w',
  });
  await run(fileOf(of(0, 1), of(0, 1, 2, 3), of(0, 2, 3)));
  expect(
    listItems(project)
      .slice(3)
      .map(({ completionIds }) => completionIds),
  ).toEqual([
    [6, 7, 8],
    [5, 6, 7, 8],
  ]);
  expect(
    listRankings(project)
      .slice(3)
      .map(({ itemId }) => itemId),
  ).toEqual([5, 5, 5]);
  project.close();
});

test('what a second file adds to the same ranking is added, and a rating that says otherwise is an error of its row', async () => {
  const { project, fileOf, run } = opened();
  const row = { prompt: 'p', completions: ['a', 'b'], ranks: [1, 2], labeler: 'w' };
  await run(fileOf(row));
  const rated = {
    ...row,
    ratings: [{ answer: 0, axis: 'overall', value: 5 }],
    marks: [{ answer: 1, start: 0, end: 1, label: 'bad', labeler: 'x' }],
  };
  const otherwise = { ...row, ratings: [{ answer: 0, axis: 'overall', value: 6 }] };
  expect(
    await run(
      fileOf(rated, otherwise, {
        ...otherwise,
        ratings: [
          { answer: 1, axis: 'overall', value: 1 },
          { answer: 1, axis: 'overall', value: 2 },
        ],
      }),
    ),
  ).toMatchObject({
    added: 1,
    made: { prompts: 0, completions: 0, rankings: 0, ratings: 1, marks: 1 },
    errors: [
      { line: 2, message: '"w" rated the same answer 5 on "overall" before, and now 6.' },
      { line: 3, message: '"w" rated the same answer 1 on "overall" before, and now 2.' },
    ],
  });
  expect(await run(fileOf(rated, otherwise))).toMatchObject({ added: 0, duplicates: 1, errors: [{ line: 2 }] });
  expect([
    listRankings(project).length,
    listRatings(project).map(({ value }) => value),
    listLabelers(project).map(({ name }) => name),
  ]).toEqual([1, [5], ['w', 'x']]);
  project.close();
});

test('what our own files say besides comes back to its place: status, naive reading, time, source, split', async () => {
  const { project, fileOf, run } = opened();
  const own = { prompt: 'p', completions: ['a', 'b'], split: 'test', labeler: 'w' };
  const rows = [
    { ...own, ranks: [2, 1], extra: { naive: 'a cat', created_at: 1_700_000_000_000, source: 'tldr', batch: 'b1' } },
    { ...own, ranks: null, extra: { status: 'none-acceptable', source: 'tldr' } },
    { ...own, labeler: 'v', ranks: null, extra: { status: 'none-acceptable' } },
  ];
  expect(await run(fileOf(...rows))).toMatchObject({ added: 3 });
  expect(listPrompts(project)).toMatchObject([{ split: 'test', source: 'tldr', extra: null }]);
  expect(listRankings(project)).toMatchObject([
    { status: 'ranked', naive: 'a cat', createdAt: 1_700_000_000_000, extra: { batch: 'b1' } },
    { status: 'none-acceptable', ranks: [], shownOrder: [1, 2], extra: null },
    { status: 'none-acceptable' },
  ]);
  expect(await run(fileOf(...rows))).toMatchObject({ added: 0, duplicates: 3 });
  project.close();
});

test('another format may be chosen; one that does not exist is refused, and doubtful rows are told of', async () => {
  const { project, fileOf, runInWindow, preview } = opened();
  const path = fileOf({ prompt: 'p', chosen: 'a', rejected: 'b' });
  expect(await preview(path, { format: 'openrlhf' })).toMatchObject({ format: 'openrlhf', errors: [] });
  expect(await preview(path, { format: 'squality' })).toMatchObject({
    format: 'squality',
    errors: [{ line: 1, message: '"questions" is missing.' }],
  });
  await expect(runInWindow(path, { format: 'word' })).rejects.toMatchObject({
    code: 'bad-argument',
    hint: expect.stringContaining('openrlhf'),
  });
  const [{ row }] = INVENTED.filter(({ name }) => name === 'openai-comparisons') as [(typeof INVENTED)[number]];
  expect(await preview(fileOf(row, { ...row, choice: 1 }))).toMatchObject({
    warnings: [{ line: 2, message: expect.stringContaining('confidence 2 of 9') }],
    errors: [],
  });
  expect(await preview(fileOf({ query: [1], sample0: [2], sample1: [3], best: 0 }))).toMatchObject({
    format: 'unknown',
    errors: [{ line: 1, message: expect.stringContaining('token ids') }],
  });
  expect(await preview(fileOf({ what: 'is it' }))).toMatchObject({
    format: 'unknown',
    columns: ['what'],
    errors: [{ line: 1, message: expect.stringContaining('no format that is known') }],
  });
  project.close();
});

test('conversations as prompts, and a prompt that is not there is asked for', async () => {
  const { project, fileOf, run } = opened();
  const user = { role: 'user', content: 'Why?' };
  const path = fileOf(
    { messages: [user, { role: 'assistant', content: 'So.' }], split: 'test' },
    { prompt: 'Why?' },
    { messages: [user] },
  );
  expect(await run(path, 'prompts')).toMatchObject({ added: 2, duplicates: 1 });
  expect(listPrompts(project)).toMatchObject([
    { text: 'Why?', messages: [user], reference: 'So.', split: 'test' },
    { text: 'Why?', messages: null, split: 'test' },
  ]); // the same question goes to the same split
  expect(
    await run(
      fileOf({
        prompt: [user],
        chosen: [{ role: 'assistant', content: 'a' }],
        rejected: [{ role: 'assistant', content: 'b' }],
      }),
    ),
  ).toMatchObject({ made: { prompts: 0, completions: 2, rankings: 1 } });
  expect(listRankings(project)[0]!.promptId).toBe(1);
  project.close();
});
