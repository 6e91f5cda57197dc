// A project whose folder is moved, removed or exchanged while it is open: nothing is confirmed that is not in it, and
// nothing is lost that was.

import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { backupDatabase } from '#core/store/backups.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import type { Project } from '#core/store/project.ts';
import { addRanking, listRankings } from '#core/store/rankings.ts';
import { saveCopy } from '#core/store/save-copy.ts';
import { setSetting } from '#core/store/settings.ts';
import { folderNow, requireInPlace, strayed } from '#core/store/whereabouts.ts';
import { errorOf, fingerprint, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const aside = (folder: string) => join(dirname(folder), `aside-${basename(folder)}`);
const rank = (project: Project) =>
  addRanking(project, {
    promptId: 1,
    labelerId: 1,
    status: 'ranked',
    ranks: [1, 2].map((completionId, i) => ({ completionId, rank: i + 1 })),
  });
const other = (folder: string): void => {
  const { project } = smallProject(folder);
  rank(project);
  project.close();
};

interface Way {
  name: string;
  kind: 'gone' | 'replaced' | 'log';
  happens(folder: string): void;
  /** where what was confirmed lies afterwards, without our doing */
  lies?(folder: string): string;
}
const SELF = (folder: string) => folder;
const WAYS: readonly Way[] = [
  { name: 'the folder is moved', kind: 'gone', happens: (folder) => renameSync(folder, aside(folder)), lies: aside },
  { name: 'the folder is deleted', kind: 'gone', happens: (folder) => rmSync(folder, { recursive: true }) },
  { name: 'project.db is deleted', kind: 'gone', happens: (folder) => rmSync(join(folder, 'project.db')) },
  {
    name: 'the folder is exchanged for another project',
    kind: 'replaced',
    lies: aside,
    happens: (folder) => {
      renameSync(folder, aside(folder));
      other(folder);
    },
  },
  {
    name: 'project.db is replaced by another file',
    kind: 'replaced',
    happens: (folder) => {
      other(`${folder}-new.tastemaker`);
      renameSync(join(`${folder}-new.tastemaker`, 'project.db'), join(folder, 'project.db'));
    },
  },
  {
    name: 'a part of the path becomes a file',
    kind: 'gone',
    lies: aside,
    happens: (folder) => {
      renameSync(folder, aside(folder));
      writeFileSync(folder, 'a file');
    },
  },
  {
    name: 'the write-ahead log is deleted',
    kind: 'log',
    lies: SELF,
    happens: (folder) => rmSync(join(folder, 'project.db-wal')),
  },
];

test.each(WAYS)(
  '$name: nothing more is confirmed, what was is not lost, and no one else is touched',
  async ({ kind, happens, lies }) => {
    const { project } = smallProject(fresh());
    const { folder } = project;
    const confirmed = [rank(project), rank(project), rank(project)];
    happens(folder);
    const there = printOf(folder);
    for (let i = 0; i < 3; i++) {
      expect(errorOf(() => rank(project))).toMatchObject({
        code: 'moved',
        message: expect.stringContaining('while it was open'),
        hint: expect.stringMatching(/copy|Open it/),
      });
      expect(errorOf(() => setSetting(project, 'x', i)).code).toBe('moved'); // a single statement, too
    }
    expect(strayed(project)).toMatchObject({
      kind,
      found: lies && lies !== SELF && process.platform === 'linux' ? lies(folder) : null,
    });
    // it can still be read …
    expect(listRankings(project).map(({ id }) => id)).toEqual(expect.arrayContaining(confirmed));
    const copy = fresh();
    await saveCopy(project, copy, folderNow(project)); // … and saved
    project.close();
    const saved = openProject(copy, { write: true });
    expect(
      listRankings(saved)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(confirmed);
    expect(checkProject(saved)).toEqual([]);
    saved.close();
    // no ghost where nothing was; not a byte of another project
    expect(kind === 'log' ? there : printOf(folder)).toEqual(there);
    const moved = openProject(lies?.(folder) ?? copy, { write: true }); // not locked by us any more
    expect(listRankings(moved).map(({ id }) => id)).toEqual(confirmed);
    expect(checkProject(moved)).toEqual([]);
    moved.close();
  },
);

/** All that lies at a place, without what is ours beside another project.db; null where nothing does. */
function printOf(folder: string): Record<string, string> | null {
  if (!existsSync(folder)) return null;
  if (!statSync(folder).isDirectory()) return { file: readFileSync(folder, 'utf8') };
  const { 'project.db-wal': _wal, 'project.db-shm': _shm, 'project.lock': _lock, ...print } = fingerprint(folder);
  return print;
}

test('put back in its place it goes on, and all is there', () => {
  const { project } = smallProject(fresh());
  const { folder } = project;
  const first = rank(project);
  renameSync(folder, aside(folder));
  expect(errorOf(() => rank(project)).code).toBe('moved');
  renameSync(aside(folder), folder);
  requireInPlace(project);
  const second = rank(project);
  project.close();
  const again = openProject(folder, { write: true });
  expect(listRankings(again).map(({ id }) => id)).toEqual([first, second]);
  again.close();
});

test('a backup copied over project.db while it is open is noticed, and our log does not spoil it', () => {
  const { project } = smallProject(fresh());
  const { folder } = project;
  rank(project);
  const backup = backupDatabase(project.db, folder);
  rank(project);
  requireInPlace(project);
  copyFileSync(backup, join(folder, 'project.db')); // into the same file, as cp does
  utimesSync(join(folder, 'project.db'), new Date(), new Date(Date.now() + 5000));
  const error = errorOf(() => rank(project));
  expect(error).toMatchObject({ code: 'moved', message: expect.stringContaining('overwritten') });
  project.close();
  const again = openProject(folder, { write: true });
  expect(listRankings(again)).toHaveLength(1); // what the backup holds
  expect(checkProject(again)).toEqual([]);
  again.close();
});

test('a new time alone is no other file', () => {
  const { project } = smallProject(fresh());
  rank(project);
  for (const at of [1e9, 2e9]) {
    utimesSync(join(project.folder, 'project.db'), at, at);
    rank(project);
  }
  expect(strayed(project)).toBeNull();
  project.close();
});

test('the log of the project that lies there now is not removed with ours', () => {
  const { project } = smallProject(fresh());
  const { folder } = project;
  rank(project);
  // at work itself, its rankings are only in its log
  const second = smallProject(`${folder}-second.tastemaker`).project;
  rank(second);
  renameSync(folder, aside(folder));
  renameSync(second.folder, folder);
  const log = readFileSync(join(folder, 'project.db-wal'));
  expect(log.length).toBeGreaterThan(0);
  expect(errorOf(() => rank(project)).code).toBe('moved');
  project.close();
  expect(readFileSync(join(folder, 'project.db-wal'))).toEqual(log);
  second.db.close();
});

test('comparing costs a few microseconds, and long logs are folded in', () => {
  const { project } = smallProject(fresh());
  const started = performance.now();
  const many = 2000;
  for (let i = 0; i < many; i++) requireInPlace(project);
  const each = (performance.now() - started) / many;
  console.log(`comparing the open file with its path: ${(each * 1000).toFixed(1)} µs`);
  expect(each).toBeLessThan(1);
  for (let i = 0; i < 30; i++) setSetting(project, 'long', 'x'.repeat(500_000) + i);
  const log = join(project.folder, 'project.db-wal');
  expect(readFileSync(log).length).toBeLessThan(6 * 2 ** 20);
  expect(strayed(project)).toBeNull();
  project.close();
  expect(readdirSync(project.folder).sort()).toEqual(['exports', 'known-here.json', 'models', 'project.db', 'runs']);
});

test.runIf(process.platform === 'linux')(
  'a reader in this process leaves the writer its locks: closing a file by other means than SQLite would drop them',
  () => {
    const { project } = smallProject(fresh());
    rank(project);
    const { ino } = statSync(join(project.folder, 'project.db'));
    const locks = () =>
      readFileSync('/proc/locks', 'utf8')
        .split('\n')
        .filter((line) => line.includes(` ${process.pid} `) && line.includes(`:${ino} `));
    const before = locks();
    expect(before).not.toEqual([]);
    openProject(project.folder, { write: false }).close();
    expect(locks().length).toBe(before.length);
    project.close();
  },
);
