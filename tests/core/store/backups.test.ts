// Backups are whole, verified and in the order they were made, and one is put back whole or not at all.

import { existsSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { describeBackups } from '#core/store/backup-rows.ts';
import { backupDatabase, listBackups } from '#core/store/backups.ts';
import { checkProject, createProject, openProject } from '#core/store/database.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import { restoreBackup } from '#core/store/restore.ts';
import { errorOf, fingerprint, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
afterEach(() => void vi.useRealTimers());

const add = (folder: string, text: string) => {
  const project = openProject(folder, { write: true });
  addPrompts(project, [{ text, split: 'train', source: 's' }]);
  project.close();
};
const textsIn = (folder: string) => {
  const project = openProject(folder, { write: false });
  const texts = listPrompts(project).map(({ text }) => text);
  project.close();
  return texts;
};

test('they keep their order while the clock is set back, and the oldest goes, not the newest', () => {
  const { project } = smallProject(fresh());
  const made: string[] = [];
  for (const [i, year] of [2030, 2030, 2029, 2031, 2020, 2019, 2018].entries()) {
    vi.setSystemTime(new Date(Date.UTC(year, 0, 1, 0, 0, i)));
    made.push(basename(backupDatabase(project.db, project.folder)));
  }
  expect(listBackups(project.folder)).toEqual(made.slice(2).reverse());
  writeFileSync(
    join(project.folder, 'backups', 'project-2040-01-01T00-00-00.000Z-v7.db'),
    'of before there were numbers',
  ); // is the oldest
  expect(listBackups(project.folder).at(-1)).toContain('2040');
  expect(describeBackups(project.folder).map(({ prompts, problem }) => [prompts, problem === null])).toEqual([
    ...Array.from({ length: 5 }, () => [2, true]),
    [0, false],
  ]);
  project.close();
});

test('one that was cut off in the making is no backup, and goes at the next opening', () => {
  const { project } = smallProject(fresh());
  backupDatabase(project.db, project.folder);
  for (const name of [
    'project-2026-01-01T00-00-00.000Z-v7.db.partial',
    'project-000009-2026-01-01T00-00-00.000Z-v7.db.4194303.partial',
  ])
    writeFileSync(join(project.folder, 'backups', name), 'half');
  expect(listBackups(project.folder)).toHaveLength(1);
  project.close();
  openProject(project.folder, { write: true }).close();
  expect(readdirSync(join(project.folder, 'backups'))).toHaveLength(1);
});

test('restoring puts the old state back and keeps the new one, which can be restored as well', () => {
  const folder = fresh();
  createProject(folder).close();
  add(folder, 'first');
  const before = openProject(folder, { write: true });
  const name = basename(backupDatabase(before.db, folder));
  before.close();
  add(folder, 'second');
  const kept = restoreBackup(folder, name)!;
  expect(textsIn(folder)).toEqual(['first']);
  restoreBackup(folder, basename(kept));
  expect(textsIn(folder)).toEqual(['first', 'second']);
  const again = openProject(folder, { write: true });
  expect(checkProject(again)).toEqual([]);
  again.close();
});

test('what lies in the log of a killed process is in what is kept', () => {
  const folder = fresh();
  createProject(folder).close();
  const project = openProject(folder, { write: true });
  const name = basename(backupDatabase(project.db, folder));
  addPrompts(project, [{ text: 'only in the log', split: 'train', source: 's' }]);
  const log = readFileSync(join(folder, 'project.db-wal'));
  const main = readFileSync(join(folder, 'project.db'));
  project.close();
  writeFileSync(join(folder, 'project.db'), main); // as a kill would leave it
  writeFileSync(join(folder, 'project.db-wal'), log);
  const kept = restoreBackup(folder, name)!;
  expect(textsIn(folder)).toEqual([]);
  restoreBackup(folder, basename(kept));
  expect(textsIn(folder)).toEqual(['only in the log']);
});

test('a damaged backup, one that is not there, or an open project: refused in a sentence, and nothing is changed', () => {
  const { project } = smallProject(fresh());
  const { folder } = project;
  const file = backupDatabase(project.db, folder);
  const name = basename(file);
  expect(errorOf(() => restoreBackup(folder, name)).code).toBe('locked');
  project.close();
  const content = readFileSync(file);
  content.fill(0xee, 4096 * 3, 4096 * 5);
  writeFileSync(file, content);
  const print = fingerprint(folder);
  expect(errorOf(() => restoreBackup(folder, name))).toMatchObject({
    code: 'bad-file',
    message: expect.stringContaining('is damaged'),
  });
  for (const bad of ['nothing.db', '../project.db', 'project-000001-2026-01-01T00-00-00.000Z-v7.db'])
    expect(errorOf(() => restoreBackup(folder, bad)).code).toBe('bad-argument');
  expect(fingerprint(folder)).toEqual(print);
});

test('a project that cannot be opened any more is restored, and its bytes are kept', () => {
  const { project } = smallProject(fresh());
  const { folder } = project;
  const name = basename(backupDatabase(project.db, folder));
  project.close();
  truncateSync(join(folder, 'project.db'), 20_000);
  expect(errorOf(() => openProject(folder, { write: true })).hint).toContain(name);
  const kept = restoreBackup(folder, name)!;
  expect(basename(kept)).toMatch(/^damaged-/);
  expect(readFileSync(kept)).toHaveLength(20_000);
  const again = openProject(folder, { write: true });
  expect(checkProject(again)).toEqual([]);
  again.close();
  expect(existsSync(`${kept}-wal`)).toBe(false);
});

test('a project.db that is not there at all is restored, too', () => {
  const { project } = smallProject(fresh());
  const { folder } = project;
  const name = basename(backupDatabase(project.db, folder));
  project.close();
  renameSync(join(folder, 'project.db'), join(folder, 'elsewhere.db'));
  expect(restoreBackup(folder, name)).toBeNull();
  expect(textsIn(folder)).toHaveLength(2);
});
