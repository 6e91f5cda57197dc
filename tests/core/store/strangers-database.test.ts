// A stranger's database and its neighbours, and a person's own files beside a project: nothing is lost, written or
// waited for.
//
// Definitions that are not ours, files of two names, backups that are none, names like those of half-made things.

import Database from 'better-sqlite3';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { wholeFolder } from '#core/service/models/whole-folder.ts';
import { describeBackups } from '#core/store/backup-rows.ts';
import { backupDatabase, listBackups } from '#core/store/backups.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { addPolicy, policyById } from '#core/store/policies.ts';
import { shownPrompt } from '#core/store/excerpts.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { restoreBackup } from '#core/store/restore.ts';
import { saveCopy } from '#core/store/save-copy.ts';
import { appendUnlinked } from '#core/unlinked.ts';
import { errorOf, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const posix = process.platform !== 'win32';
const ENDLESS = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)';
function closed(): string {
  const { project } = smallProject(fresh());
  project.close();
  return project.folder;
}
function spoil(file: string, ...statements: string[]): void {
  const db = new Database(file);
  db.unsafeMode(true);
  for (const sql of statements) db.exec(sql);
  db.close();
}

const FOREIGN: readonly [name: string, says: RegExp, ...sql: string[]][] = [
  [
    'a trigger that takes away what is saved',
    /holds a trigger "more", which is not Tastemaker's/,
    'CREATE TRIGGER more AFTER INSERT ON rankings BEGIN DELETE FROM rankings WHERE id = new.id; END',
  ],
  [
    'one of our triggers that does something else',
    /\(the trigger items_answers_insert is another one\)/,
    'DROP TRIGGER items_answers_insert',
    'CREATE TRIGGER items_answers_insert AFTER INSERT ON item_completions BEGIN DELETE FROM rankings; END',
  ],
  [
    'a view without end',
    /\(the view comparisons is another one\)/,
    'DROP VIEW comparisons',
    `CREATE VIEW comparisons AS ${ENDLESS} SELECT x AS ranking_id, x AS prompt_id, x AS labeler_id, x AS chosen_id, x AS rejected_id FROM c`,
  ],
  [
    'a table without its rules',
    /\(the table settings is another one\)/,
    'DROP TABLE settings',
    'CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)',
  ],
  [
    'a rule that takes for ever',
    /\(the table settings is another one\)/,
    'DROP TABLE settings',
    "CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, CHECK (printf('%.90000c', 'a') NOT LIKE printf('%.90000c', '%') || 'b'))",
    "PRAGMA ignore_check_constraints = ON; INSERT INTO settings VALUES ('a', '1')",
  ],
];
test.each(FOREIGN)('%s is refused in a sentence, at once', (_, says, ...sql) => {
  const folder = closed();
  spoil(join(folder, 'project.db'), ...sql);
  for (const write of [true, false]) {
    const started = performance.now();
    expect(errorOf(() => openProject(folder, { write }))).toMatchObject({
      code: 'bad-file',
      message: expect.stringMatching(says),
    });
    expect(performance.now() - started).toBeLessThan(3000);
  }
});

test("tables and indexes of a person's own, and definitions that another program has spelled anew, are let be", () => {
  const folder = closed();
  spoil(
    join(folder, 'project.db'),
    'CREATE TABLE mine (a)',
    'CREATE INDEX mine_too ON prompts (source)',
    'CREATE TRIGGER mine_alone AFTER INSERT ON mine BEGIN DELETE FROM mine; END',
    'PRAGMA writable_schema = ON',
    `UPDATE sqlite_schema SET sql = replace(replace(sql, 'CREATE TABLE labelers (', 'CREATE  TABLE IF NOT EXISTS "labelers"( -- of people\n'), ' TEXT ', '  text ') WHERE name = 'labelers'`,
  );
  expect(() => openProject(folder, { write: true }).close()).not.toThrow();
});

test('a file that has a second name elsewhere is not written to', () => {
  const folder = closed();
  const other = `${folder}-private`;
  writeFileSync(other, 'a private line\n');
  for (const name of ['project.db', 'project.db-wal', 'project.db-journal', 'project.db-shm', 'project.db-checked']) {
    const place = join(folder, name);
    const had = existsSync(place);
    linkSync(had ? place : other, had ? `${place}.second` : place);
    expect(errorOf(() => openProject(folder, { write: true }))).toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('a hard link'),
    });
    rmSync(had ? `${place}.second` : place);
  }
  const log = join(folder, 'log.txt');
  linkSync(other, log);
  expect(errorOf(() => appendUnlinked(log, 'a line'))).toMatchObject({
    code: 'bad-file',
    message: expect.stringContaining('a hard link'),
  });
  expect(readFileSync(other, 'utf8')).toBe('a private line\n');
  openProject(folder, { write: true }).close();
});

const NAME = 'project-000009-2026-01-01T00-00-00.000Z-v9.db';
test('backups that are none are listed with what is wrong, and are not restored', () => {
  const folder = closed();
  const file = join(folder, 'project.db');
  const backups = join(folder, 'backups');
  const place = join(backups, NAME);
  mkdirSync(backups);
  const makers: readonly [says: RegExp, make: () => void][] = [
    [/is a database of another program/, () => spoil(place, `CREATE VIEW prompts AS ${ENDLESS} SELECT x FROM c`)],
    [
      /lacks the column prompts\.id/,
      () => {
        copyFileSync(file, place);
        spoil(
          place,
          'PRAGMA foreign_keys = OFF',
          'PRAGMA legacy_alter_table = ON',
          'ALTER TABLE prompts RENAME TO old',
          `CREATE VIEW prompts AS ${ENDLESS} SELECT x AS id FROM c`,
        );
      },
    ],
    [
      /was written by a newer version/,
      () => {
        copyFileSync(file, place);
        spoil(place, 'PRAGMA user_version = 99');
      },
    ],
  ];
  for (const [says, make] of makers) {
    make();
    const before = readFileSync(file);
    expect(describeBackups(folder)).toEqual([
      expect.objectContaining({ name: NAME, prompts: 0, problem: expect.stringMatching(says) }),
    ]);
    expect(errorOf(() => restoreBackup(folder, NAME))).toMatchObject({
      code: 'bad-file',
      message: expect.stringMatching(says),
    });
    expect(readFileSync(file)).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.includes('.restoring.'))).toEqual([]);
    for (const one of [place, `${place}-wal`]) rmSync(one, { force: true });
  }
  openProject(folder, { write: true }).close();
});

test.runIf(posix)('a pipe beside a backup is not read: it is listed with what is wrong', () => {
  const folder = closed();
  const place = join(folder, 'backups', NAME);
  mkdirSync(join(folder, 'backups'));
  copyFileSync(join(folder, 'project.db'), place);
  execFileSync('mkfifo', [`${place}-wal`]);
  expect(describeBackups(folder)).toEqual([
    expect.objectContaining({ name: NAME, prompts: 0, problem: expect.stringMatching(/lies beside a backup/) }),
  ]);
});

test.skipIf(!posix)(
  'where a link or a pipe lies in the place of a log, nothing is restored, and nothing of what it leads to is kept',
  () => {
    const { project } = smallProject(fresh());
    const { folder } = project;
    const name = basename(backupDatabase(project.db, folder));
    const secret = `${folder}-secret`;
    project.close();
    writeFileSync(secret, 'secret');
    for (const spoiled of [false, true])
      for (const end of ['-wal', '-journal', '-shm']) {
        const place = join(folder, `project.db${end}`);
        if (spoiled) writeFileSync(join(folder, 'project.db'), 'broken');
        for (const put of [
          () => symlinkSync(secret, place),
          () => linkSync(secret, place),
          () => execFileSync('mkfifo', [place]),
        ]) {
          put();
          expect(errorOf(() => restoreBackup(folder, name))).toMatchObject({
            code: 'bad-file',
            message: expect.stringContaining(place),
          });
          rmSync(place);
        }
      }
    expect([readdirSync(join(folder, 'backups')), readFileSync(secret, 'utf8')]).toEqual([[name], 'secret']);
    restoreBackup(folder, name);
    expect(listBackups(folder)).toHaveLength(1);
  },
);

test("a person's own files keep their names and their content, whatever those look like", async () => {
  const folder = fresh();
  const own = [
    'novel.writing-4194000',
    'cats.replaced-4194000',
    'project.db.4194001',
    'photos.db.4194001.partial',
    'x.db.partial',
    '.thesis.4194001-1.tmp',
  ];
  for (const name of own) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'mine'), 'mine');
  }
  mkdirSync(join(folder, '.half.tastemaker.new-4194001-0'));
  createProject(join(folder, 'new.tastemaker')).close();
  await wholeFolder(join(folder, 'novel'), () => {});
  const after = readdirSync(folder);
  expect(after.sort()).toEqual([...own, 'new.tastemaker', 'novel'].sort());
  expect(own.map((name) => readFileSync(join(folder, name, 'mine'), 'utf8'))).toEqual(own.map(() => 'mine'));
});

test('the row of a model that cannot be right answers to no number either', () => {
  const { project } = smallProject(fresh());
  const id = addPolicy(project, { name: 'm', kind: 'base', path: 'models/m' });
  project.db.prepare('UPDATE policies SET path = ? WHERE id = ?').run('models/m\nsecond line', id);
  expect(errorOf(() => policyById(project, id))).toMatchObject({
    code: 'bad-data',
    message: expect.stringContaining('is left out'),
  });
  project.close();
});

test('rows that refer to nothing are found before anybody follows them, in a project that is new here', () => {
  const folder = closed();
  spoil(
    join(folder, 'project.db'),
    'PRAGMA foreign_keys = OFF',
    "INSERT INTO policies (name, kind, path, parent_id, created_at) VALUES ('m', 'base', 'models/m', 77, 1)",
  );
  rmSync(join(folder, 'known-here.json'));
  expect(errorOf(() => openProject(folder, { write: true }))).toMatchObject({
    code: 'bad-file',
    message: expect.stringContaining('a row of policies refers to a row of policies that is not there'),
  });
});

test('conversations and fields of a prompt that cannot be what they should are none', () => {
  const { project, promptId } = smallProject(fresh());
  for (const [column, json] of [
    ['messages', '[{"role":1}]'],
    ['messages', '{"role":"user"}'],
    ['messages', '[]'],
    ['facts', '[1]'],
    ['facts', '{"a":{"b":1}}'],
    ['extra', '7'],
    ['extra', '{"a":[1]}'],
  ] as const) {
    project.db.prepare(`UPDATE prompts SET ${column} = ? WHERE id = ?`).run(json, promptId);
    expect(shownPrompt(listPrompts(project, { ids: [promptId] })[0]!)).toMatchObject({
      messages: null,
      facts: null,
      extra: null,
    });
  }
  project.close();
});

test('the lock of a process that began after now locks nobody out', () => {
  const folder = closed();
  writeFileSync(
    join(folder, 'project.lock'),
    JSON.stringify({ pid: 1, startedAt: Date.now() + 1e12, host: 'another', birth: null }),
  );
  expect(() => openProject(folder, { write: true }).close()).not.toThrow();
});

test.skipIf(!posix)('a copy leaves out what is no file, and goes nowhere into the project itself', async () => {
  const { project } = smallProject(fresh());
  const { folder } = project;
  const copy = fresh();
  execFileSync('mkfifo', [join(folder, 'runs', 'pipe')]);
  await saveCopy(project, copy, folder);
  expect(readdirSync(join(copy, 'runs'))).toEqual([]);
  await expect(saveCopy(project, join(folder, 'exports', 'copy.tastemaker'), folder)).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('lies in the project'),
  });
  project.close();
});
