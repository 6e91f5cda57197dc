// What goes out of a project and comes into a new one, what no export writes over, and what is flagged.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { importHandlers } from '#core/service/data/imports.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { listLabelers } from '#core/store/labelers.ts';
import { listMarks } from '#core/store/marks.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import { setFlag } from '#core/store/flags.ts';
import { addRanking, listComparisons, listRankings } from '#core/store/rankings.ts';
import { listRatings } from '#core/store/ratings.ts';
import { handled } from './handler-context.ts';
import { completionOf } from './projects-at-hand.ts';
import { fresh, folder, freshFile, linesOf, run, refusal, judgedProject } from './judged-project.ts';

/** What a project holds of judgements, in words instead of numbers. */
function inWords(project: Project) {
  const prompts = new Map(listPrompts(project).map((prompt) => [prompt.id, prompt]));
  const completions = new Map(listCompletions(project).map(({ id, text }) => [id, text]));
  const labelers = new Map(listLabelers(project).map(({ id, name }) => [id, name]));
  const sorted = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();
  return {
    comparisons: sorted(
      listComparisons(project).map(({ promptId, labelerId, chosenId, rejectedId }) => [
        prompts.get(promptId)!.text,
        prompts.get(promptId)!.messages,
        labelers.get(labelerId),
        completions.get(chosenId),
        completions.get(rejectedId),
      ]),
    ),
    rankings: sorted(
      listRankings(project)
        .filter(({ repeatOf, status }) => repeatOf === null && status !== 'skipped')
        .map(({ labelerId, status, ranks, confidence, note, naive, durationMs, createdAt, shownOrder }) => [
          labelers.get(labelerId),
          status,
          ranks.map(({ completionId, rank }) => [completions.get(completionId), rank]).sort(),
          confidence,
          note,
          naive,
          durationMs,
          createdAt,
          shownOrder.map((id) => completions.get(id)),
        ]),
    ),
    ratings: sorted(
      listRatings(project).map(({ completionId, labelerId, axis, value, low, high }) => [
        completions.get(completionId),
        labelers.get(labelerId),
        axis,
        value,
        low,
        high,
      ]),
    ),
    marks: sorted(
      listMarks(project).map(({ completionId, labelerId, start, end, label, note }) => [
        completions.get(completionId),
        labelers.get(labelerId),
        start,
        end,
        label,
        note,
      ]),
    ),
    prompts: sorted(
      [...prompts.values()].map(({ text, messages, split, reference, source }) => [
        text,
        messages,
        split,
        reference,
        source,
      ]),
    ),
  };
}

test('a project that goes out and into a new one is the same there: comparisons, rankings, ratings, marks', async () => {
  const { project, ada } = judgedProject();
  const messages = [
    { role: 'system' as const, content: 'Be brief.' },
    { role: 'user' as const, content: 'Why?' },
  ];
  const [promptId] = addPrompts(project, [
    { text: 'System: Be brief.\n\nUser: Why?', messages, split: 'validation', source: 'chat', reference: 'Because.' },
  ]) as [number];
  const [a, b] = addCompletions(project, [
    { ...completionOf(promptId, 'So.'), writer: 'w1' },
    { ...completionOf(promptId, 'So.'), writer: 'w2' },
  ]) as [number, number]; // the same words by two
  addRanking(project, {
    promptId,
    labelerId: ada,
    status: 'ranked',
    ranks: [
      { completionId: a, rank: 2 },
      { completionId: b, rank: 1 },
    ],
    shownOrder: [b, a],
    createdAt: 3000,
  });
  const file = freshFile();
  await run(project, { format: 'tastemaker', file });
  const copy = createProject(fresh());
  const result = await handled(copy, importHandlers).call('imports.run', {
    path: file,
    kind: 'rankings',
    map: {},
    split: 'train',
  });
  expect(result.errors).toEqual([]);
  expect(inWords(copy)).toEqual(inWords(project));
  expect(
    listCompletions(copy)
      .filter(({ text }) => text === 'So.')
      .map(({ writer }) => writer)
      .sort(),
  ).toEqual(['w1', 'w2']);

  const again = freshFile();
  await run(copy, { format: 'tastemaker', file: again });
  const rows = (name: string) =>
    linesOf(name)
      .map((row) => JSON.stringify(row))
      .sort();
  expect(rows(again)).toEqual(rows(file)); // out of the copy comes what went in

  const pairs = freshFile('json');
  await run(project, { format: 'label-studio-pairwise', file: pairs });
  const third = createProject(fresh());
  await handled(third, importHandlers).call('imports.run', { path: pairs, kind: 'rankings', map: {}, split: 'train' });
  const texts = (one: Project) => inWords(one).comparisons.filter((row) => !row.includes('"So."'));
  expect(texts(third)).toEqual(texts(project));
  for (const one of [project, copy, third]) one.close();
});

test('no database and no file of any project is written over, wherever links lead', async () => {
  const { project } = judgedProject();
  const other = createProject(fresh());
  const link = path.join(folder, 'linked');
  const before = fs.readFileSync(path.join(other.folder, 'project.db'));
  fs.symlinkSync(project.folder, link);
  fs.symlinkSync(path.join(project.folder, 'project.db'), path.join(folder, 'rows.csv'));
  const database = path.join(folder, 'somebody.sqlite');
  fs.copyFileSync(path.join(other.folder, 'project.db'), database);
  const places = [
    path.join(link, 'project.db'),
    path.join(link, 'runs', 'x.csv'),
    path.join(link, 'models', '..', 'x.csv'),
    path.join(other.folder, 'project.db'),
    path.join(other.folder, 'new.csv'),
    path.join(folder, 'rows.csv'),
  ];
  for (const file of places)
    expect((await refusal(run(project, { format: 'csv', file }))).message, file).toContain(
      "among the project's own files",
    );
  expect((await refusal(run(project, { format: 'csv', file: database }))).message).toContain('is a database');
  for (const name of ['-wal', '-journal']) {
    fs.writeFileSync(
      `${database}${name}`,
      Buffer.from(
        name === '-wal'
          ? [0x37, 0x7f, 0x06, 0x82, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
          : [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 0, 0, 0, 0, 0],
      ),
    );
    expect((await refusal(run(project, { format: 'prompts', file: `${database}${name}` }))).message).toContain(
      'is a database',
    );
  }
  const pipe = path.join(folder, 'pipe.csv');
  const kind = spawnSync('mkfifo', [pipe]).status === 0 ? 'named pipe' : 'folder';
  if (kind === 'folder') fs.mkdirSync(pipe); // where there are no pipes
  expect((await refusal(run(project, { format: 'csv', file: pipe }))).message).toContain(kind);
  expect(fs.readFileSync(path.join(other.folder, 'project.db')).equals(before)).toBe(true);
  // its own folder for exports is for them, through the link too, and an earlier export is written anew
  for (let i = 0; i < 2; i++) await run(project, { format: 'csv', file: path.join(link, 'exports', 'out.csv') });
  expect(fs.existsSync(path.join(project.folder, 'exports', 'out.csv'))).toBe(true);
  for (const one of [project, other]) one.close();
});

test('flagged answers are left out for programs that learn and counted, taken along when asked, and said in our own files', async () => {
  const { project, promptId, completionIds, ada } = judgedProject();
  setFlag(project, { labelerId: ada, completionId: completionIds[0]! }, true);
  const pairs = freshFile();
  const all = freshFile();
  const ours = freshFile();
  const rows = freshFile();
  const text = listCompletions(project, { ids: [completionIds[0]!] })[0]!.text;
  const { leftOut, notes } = await run(project, { format: 'trl-explicit', file: pairs });
  // in Ada's ranking and in Ben's judgement
  expect([leftOut.flagged, notes]).toEqual([2, expect.arrayContaining(['Left out: 2 flagged answers.'])]);
  expect(linesOf(pairs).some(({ chosen, rejected }) => chosen === text || rejected === text)).toBe(false);
  expect(linesOf(pairs)).toHaveLength(3);
  expect((await run(project, { format: 'trl-explicit', file: all, flagged: true })).leftOut.flagged).toBeUndefined();
  expect(linesOf(all).some(({ rejected }) => rejected === text)).toBe(true);
  await run(project, { format: 'tastemaker', file: ours });
  const [first] = linesOf(ours) as { completions: string[]; flagged: boolean[] }[];
  expect(first!.completions.filter((_, i) => first!.flagged[i])).toEqual([text]);
  await run(project, { format: 'completions', file: rows });
  expect(
    linesOf(rows)
      .filter(({ flagged }) => flagged)
      .map(({ completion, prompt }) => [completion, prompt]),
  ).toEqual([[text, listPrompts(project, { ids: [promptId] })[0]!.text]]);
  project.close();
});
