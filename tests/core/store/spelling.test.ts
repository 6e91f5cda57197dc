// All spellings of a prompt belong to one split: when they are added, moved, edited and brought together, and in
// projects of before.

import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { normalForm } from '#core/spelling.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { undoEvent } from '#core/store/events.ts';
import { MIGRATIONS } from '#core/store/migrations.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, importPrompts, listPrompts, setSplit } from '#core/store/prompts.ts';
import { spellingOf, splitByShare } from '#core/store/spelling-key.ts';
import { countStraddling, isStraddlingNotice, uniteSpellings } from '#core/store/straddling.ts';
import { temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const splits = (project: Project) => listPrompts(project).map(({ split }) => split);
const NFC = 'Is it a café?\nYes.';
const NFD = NFC.normalize('NFD');
const CRLF = NFC.replace('\n', '\r\n');
const WIDE = `  ${NFC}\n`;

test('spellings share one place; ordinary prompts keep the split that their plain text gave them', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (text, share) => {
        const key = spellingOf(text, null);
        for (const other of [
          text.normalize('NFD'),
          text.normalize('NFC'),
          ` ${text}\r\n`,
          text.replaceAll('\n', '\r\n'),
        ])
          expect(spellingOf(other, null).equals(key) || normalForm(other) !== normalForm(text)).toBe(true);
        if (normalForm(text) !== text) return;
        const before =
          createHash('sha256').update(`split/${text}`).digest().readUInt32BE(0) / 2 ** 32 < share
            ? 'validation'
            : 'train';
        expect(splitByShare(text, null, share)).toBe(before);
        expect(splitByShare(text, [{ role: 'user', content: text }], share)).toBe(before);
      },
    ),
  );
  const said = (system: string, user: string) =>
    spellingOf('', [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ]);
  expect(said('S ', NFD).equals(said('S', CRLF))).toBe(true);
  expect(said('S', NFC).equals(said('T', NFC))).toBe(false);
});

test('a new spelling takes the split of the one that is there, in one import and in the next; moving one moves all', () => {
  const project = createProject(fresh());
  const row = (text: string, split: 'train' | 'validation' | 'test') => ({ text, split, source: 's' });
  expect(importPrompts(project, [row(NFC, 'test'), row(NFD, 'train'), row('other', 'train')])).toMatchObject({
    added: 3,
    settled: 1,
  });
  expect(importPrompts(project, [row(CRLF, 'validation'), row(WIDE, 'test'), row(NFC, 'train')])).toMatchObject({
    added: 2,
    settled: 1,
  });
  expect(splits(project)).toEqual(['test', 'test', 'train', 'test', 'test']);
  const event = setSplit(project, [2], 'validation')!;
  expect(splits(project)).toEqual(['validation', 'validation', 'train', 'validation', 'validation']);
  undoEvent(project, event);
  expect(splits(project)).toEqual(['test', 'test', 'train', 'test', 'test']);
  expect([countStraddling(project), project.notices]).toEqual([0, []]);
  project.close();
});

test('a project of before says how many prompts straddle, keeps them where they are, and brings them together when asked', () => {
  const folder = fresh();
  const project = createProject(folder);
  addPrompts(
    project,
    [NFC, NFD, CRLF, 'A', 'A ', 'B', 'B\n', 'C', 'C '].map((text) => ({ text, split: 'train', source: 's' })),
  );
  for (const [id, split] of [
    [1, 'validation'],
    [2, 'test'],
    [5, 'test'],
    [6, 'test'],
    [7, 'validation'],
  ] as const)
    query(project, 'UPDATE prompts SET split = ? WHERE id = ?').run(split, id);
  query(project, 'UPDATE prompts SET spelling = NULL').run();
  const wanted = ['validation', 'test', 'train', 'train', 'test', 'test', 'validation', 'train', 'train'];
  // as it was before the column was there
  project.db.exec(`DROP INDEX prompts_by_spelling; ALTER TABLE prompts DROP COLUMN spelling;`);
  const index = MIGRATIONS.findIndex(({ name }) => name === 'spelling');
  const migrated = new Database(':memory:');
  migrated.exec(
    String(
      (
        project.db
          .prepare(
            "SELECT group_concat(sql, ';') AS sql FROM sqlite_master WHERE name IN ('prompts', 'prompts_by_split')",
          )
          .get() as { sql: string }
      ).sql,
    ),
  );
  for (const { id, text, split } of query<{ id: number; text: string; split: string }>(
    project,
    'SELECT id, text, split FROM prompts',
  ).all())
    migrated
      .prepare('INSERT INTO prompts (id, text, text_hash, split, source) VALUES (?, ?, ?, ?, ?)')
      .run(id, text, Buffer.from(String(id)), split, 's');
  migrated.exec(MIGRATIONS[index]!.sql);
  const { fill } = MIGRATIONS[index]!;
  expect(fill?.(migrated)).toEqual([expect.stringMatching(/^5 prompts differ only in the spelling from another/)]);
  migrated.close();
  project.db.exec(MIGRATIONS[index]!.sql);
  fill?.(project.db);
  project.close();

  const again = openProject(folder, { write: true });
  expect(splits(again)).toEqual(wanted); // nothing moves by itself
  expect(again.notices.filter(isStraddlingNotice)).toEqual([
    expect.stringMatching(/^7 prompts differ only in their spelling/),
  ]);
  const { moved, eventIds } = uniteSpellings(again);
  expect([moved, splits(again), countStraddling(again)]).toEqual([
    4,
    ['train', 'train', 'train', 'train', 'train', 'validation', 'validation', 'train', 'train'],
    0,
  ]);
  for (const id of eventIds) undoEvent(again, id);
  expect(splits(again)).toEqual(wanted);
  again.close();
});
