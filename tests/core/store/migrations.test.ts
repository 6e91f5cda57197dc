// Old files come up to date without losing a row, behind a backup.

import Database from 'better-sqlite3';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { applyMigrations } from '#core/store/apply-migrations.ts';
import { listBackups } from '#core/store/backups.ts';
import { listCompletions } from '#core/store/completions.ts';
import { checkProject, createProject, openProject } from '#core/store/database.ts';
import { redoLast, undoEvent, undoLast } from '#core/store/events.ts';
import { listItems, placeOf } from '#core/store/items.ts';
import { listMarks } from '#core/store/marks.ts';
import { MIGRATIONS } from '#core/store/migrations.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import { listComparisons, listRankings } from '#core/store/rankings.ts';
import { listRatings, setRating } from '#core/store/ratings.ts';
import { search } from '#core/store/search.ts';
import { temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const [versionOne, versionTwo, versionThree] = ['version-1.sql', 'version-2.sql', 'version-3.sql'].map((name) =>
  readFileSync(join(import.meta.dirname, name), 'utf8'),
) as [string, string, string];

function oldProject(folder = fresh(), version = versionOne): string {
  mkdirSync(folder, { recursive: true });
  const db = new Database(join(folder, 'project.db'));
  db.exec(`BEGIN; ${version}; COMMIT`);
  db.close();
  return folder;
}

const schemaOf = (db: Database.Database) =>
  db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all();

test('a released migration is never edited', () => {
  expect(versionOne).toContain(MIGRATIONS[0]!.sql);
  expect(versionTwo).toContain(MIGRATIONS[0]!.sql);
  expect(versionTwo).toContain(MIGRATIONS[1]!.sql);
  for (const { sql } of MIGRATIONS.slice(0, 3)) expect(versionThree).toContain(sql);
});

test.each([true, false])(
  'a version 1 file opens (for writing: %s) with every row, searchable, behind a backup',
  (write) => {
    const folder = oldProject();
    const project = openProject(folder, { write });
    expect(project.db.pragma('user_version', { simple: true })).toBe(MIGRATIONS.length);
    expect(listPrompts(project).map((prompt) => [prompt.id, prompt.split, prompt.facts])).toEqual([
      [1, 'train', null],
      [2, 'test', { fruit: 'apple' }],
    ]);
    expect(listCompletions(project)[0]).toEqual({
      id: 1,
      promptId: 1,
      policyId: 1,
      text: 'Ask him to stop.',
      tokenIds: [1, 2],
      logprobs: [-0.5, -1],
      samplingLogprobs: [-0.5, -1],
      finish: 'stop',
      sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 8, seed: 1 },
      runId: 'sample-1',
      step: null,
      writer: null,
      tokenizer: null,
    });
    expect(listRankings(project)).toEqual([
      {
        id: 1,
        promptId: 1,
        labelerId: 1,
        status: 'ranked',
        ranks: [
          { completionId: 1, rank: 1 },
          { completionId: 2, rank: 2 },
        ],
        confidence: 7,
        durationMs: 5200.5,
        shownOrder: [2, 1],
        note: 'clear',
        createdAt: 1700000002000,
        itemId: 1,
        naive: null,
        repeatOf: null,
        guidelines: null,
        extra: null,
      },
    ]);
    expect(listComparisons(project)).toEqual([{ rankingId: 1, promptId: 1, labelerId: 1, chosenId: 1, rejectedId: 2 }]);
    expect(search(project, 'trumpet').map((hit) => hit.id)).toEqual([1]);
    expect(search(project, 'stop')).toMatchObject([{ kind: 'completion', id: 1, promptId: 1 }]);
    const undone = write ? undoLast(project)?.kind : 'ranking.add';
    expect(undone).toBe('ranking.add');
    expect(listRankings(project)).toHaveLength(write ? 0 : 1);
    expect(checkProject(project)).toEqual([]);
    project.close();

    const backup = new Database(join(folder, 'backups', listBackups(folder)[0]!), { readonly: true });
    expect(backup.pragma('user_version', { simple: true })).toBe(1);
    expect(backup.prepare('SELECT count(*) FROM rankings').pluck().get()).toBe(1);
    backup.close();
  },
);

test('a version 2 file gets items of at most nine, rankings that know theirs, and what was never stored of its completions', () => {
  const project = openProject(oldProject(fresh(), versionTwo), { write: true });
  expect(listItems(project)).toEqual([
    { id: 1, promptId: 1, completionIds: [1, 2, 3, 4, 5], source: 'sample', reason: null },
    { id: 2, promptId: 1, completionIds: [6, 7, 8, 9, 10], source: 'sample', reason: null },
    { id: 3, promptId: 2, completionIds: [11, 12], source: 'import', reason: null },
  ]);
  expect(project.db.prepare('SELECT id, policy_id, place FROM items').raw().all()).toEqual([
    [1, 1, placeOf(1)],
    [2, 1, placeOf(2)],
    [3, null, placeOf(3)],
  ]);
  // whole, the pair of an import, skipped (by what was shown), and one of completions that no item holds together
  expect(listRankings(project).map(({ id, itemId, repeatOf }) => [id, itemId, repeatOf])).toEqual([
    [1, 1, null],
    [2, 3, null],
    [3, 2, null],
    [4, null, null],
  ]);
  expect(listComparisons(project)).toHaveLength(7);
  expect(
    project.db
      .prepare('SELECT id, step, tokens, logprob, repetition FROM completions WHERE id IN (1, 2, 3, 11)')
      .raw()
      .all(),
  ).toEqual([
    [1, null, 6, -3, 0.25],
    [2, null, 1, -0.1, 0],
    [3, null, 2, -Infinity, 0],
    [11, null, 0, 0, 0],
  ]);
  expect(search(project, 'tree').map((hit) => hit.id)).toEqual([11]);
  // events of before: the deletion is taken back, and what was taken back may be done again
  expect(undoLast(project, 1)).toMatchObject({ kind: 'ranking.delete' });
  expect(listRankings(project, { id: 5 })).toMatchObject([{ status: 'skipped', itemId: null, naive: null }]);
  expect(redoLast(project, 1)).toMatchObject({ kind: 'ranking.delete' });
  expect(listRankings(project, { id: 5 })).toEqual([]);
  expect(redoLast(project, 1)).toBeNull(); // the deletion came after that undo
  expect(checkProject(project)).toEqual([]);
  project.close();
});

test('a version 3 file keeps its prompts, answers and ratings, which get a scale, and its events still undo', () => {
  const project = openProject(oldProject(fresh(), versionThree), { write: true });
  expect(listPrompts(project)).toMatchObject([
    { id: 1, reference: 'Loud neighbour.', messages: null, extra: null },
    { id: 2, facts: { fruit: 'apple' }, messages: null, extra: null },
  ]);
  expect(listCompletions(project).map(({ id, tokenIds, writer }) => [id, tokenIds, writer])).toEqual([
    [1, [7, 8, 9], null],
    [2, [3], null],
    [3, [], null],
    [4, [], null],
  ]);
  expect(listRankings(project)).toMatchObject([
    { id: 1, note: 'clear', naive: 'a trumpet', extra: null },
    { id: 2, labelerId: 2, extra: null },
  ]);
  const own = { labelerId: 1, axis: 'overall', low: 1, high: 7 };
  expect(listRatings(project)).toEqual([
    { id: 1, completionId: 1, value: 6, ...own },
    { id: 2, completionId: 2, value: 1, ...own },
  ]);
  expect(listMarks(project)).toMatchObject([{ id: 1, note: 'polite' }]);
  // events of before know no scale, no messages and no writers
  expect(undoLast(project, 1)).toMatchObject({ kind: 'rating.set' });
  expect(listRatings(project, { completionIds: [1] })).toEqual([{ id: 1, completionId: 1, value: 3, ...own }]);
  expect(undoEvent(project, 9)).toMatchObject({ kind: 'prompt.remove' });
  expect(listPrompts(project, { ids: [3] })).toMatchObject([
    { text: 'A question that was thrown away.', messages: null },
  ]);
  expect(listRatings(project, { completionIds: [5] })).toEqual([
    { id: 4, completionId: 5, value: 4, ...own, labelerId: 2 },
  ]);
  // prompts that were there are known by the same hash, and no id comes twice: 3 was a rating that is gone
  expect(addPrompts(project, [{ text: 'What should I plant?', split: 'train', source: 'again' }])).toEqual([2]);
  expect(setRating(project, { completionId: 3, labelerId: 1, axis: 'accuracy', value: 66.5, low: 0, high: 100 })).toBe(
    5,
  );
  expect(checkProject(project)).toEqual([]);
  project.close();
});

test.each([
  ['1', versionOne],
  ['2', versionTwo],
  ['3', versionThree],
])('a migrated file (version %s) has the schema of a new one', (_, version) => {
  const migrated = openProject(oldProject(fresh(), version), { write: true });
  const made = createProject(fresh());
  expect(schemaOf(migrated.db)).toEqual(schemaOf(made.db));
  migrated.close();
  made.close();
});

test('every table is STRICT', () => {
  const project = createProject(fresh());
  const loose = project.db
    .prepare(`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict
    AND name NOT LIKE 'sqlite_%'`)
    .pluck()
    .all();
  expect(loose).toEqual([]);
  project.close();
});

test('the newest five backups are kept', () => {
  const folder = fresh();
  for (let i = 0; i < 7; i++) {
    rmSync(join(folder, 'project.db'), { force: true }); // the old file again
    openProject(oldProject(folder), { write: true }).close();
  }
  const kept = listBackups(folder);
  expect(kept).toHaveLength(5);
  expect(kept).toEqual([...kept].sort().reverse());
});

test('a migration that fails leaves the version before it', () => {
  const db = new Database(':memory:');
  applyMigrations(db, 1);
  db.exec('CREATE TABLE completions_text (x)'); // in the way of the second half of migration 2
  expect(() => applyMigrations(db)).toThrow('completions_text');
  expect(db.pragma('user_version', { simple: true })).toBe(1);
  expect(db.prepare("SELECT name FROM sqlite_schema WHERE name = 'prompts_text'").all()).toEqual([]);
  expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
  db.close();
});
