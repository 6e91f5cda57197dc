// Projects are made whole, opened only when sound, and refused without touching a byte.

import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { backupDatabase, listBackups } from '#core/store/backups.ts';
import { checkProject, createProject, openProject } from '#core/store/database.ts';
import { MIGRATIONS } from '#core/store/migrations.ts';
import { transaction } from '#core/store/project.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import { addRanking } from '#core/store/rankings.ts';
import { errorOf, fingerprint, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();

test('a new project has its folders, its mark and its version, and closes to one file', () => {
  const folder = fresh();
  const project = createProject(folder);
  expect(project.name).toBe('p1');
  addPrompts(project, [{ text: 'a', split: 'train', source: 's' }]);
  project.close();
  project.close(); // twice does no harm
  expect(readdirSync(folder).sort()).toEqual(['exports', 'known-here.json', 'models', 'project.db', 'runs']);
  const header = readFileSync(join(folder, 'project.db')).subarray(0, 100);
  expect(header.toString('latin1', 68, 72)).toBe('RLHF');
  expect(header.readUInt32BE(60)).toBe(MIGRATIONS.length);
});

test('a folder that holds something is left alone', () => {
  const folder = fresh();
  mkdirSync(folder);
  createProject(folder).close(); // empty is fine
  const before = fingerprint(folder);
  expect(errorOf(() => createProject(folder))).toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('already holds a project'),
  });
  const other = fresh();
  mkdirSync(other);
  writeFileSync(join(other, 'thesis.txt'), 'x');
  expect(errorOf(() => createProject(other))).toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('not empty'),
  });
  expect(fingerprint(folder)).toEqual(before);
  expect(readdirSync(other)).toEqual(['thesis.txt']);
});

test('no project is made inside another', () => {
  const folder = fresh();
  createProject(folder).close();
  const before = fingerprint(folder);
  for (const inside of ['mine.tastemaker', 'runs/mine.tastemaker', 'runs/0001-ppo/a/mine.tastemaker'])
    expect(errorOf(() => createProject(join(folder, inside)))).toMatchObject({
      code: 'bad-argument',
      message: expect.stringContaining(`inside the project ${folder}`),
    });
  expect(fingerprint(folder)).toEqual(before);
  expect(readdirSync(join(folder, 'runs'))).toEqual([]);
  createProject(fresh()).close(); // beside it is fine
});

test('every connection has the pragmas that keep labels safe', () => {
  const folder = fresh();
  createProject(folder).close();
  for (const write of [true, false]) {
    const project = openProject(folder, { write });
    const values = Object.fromEntries(
      [
        'journal_mode',
        'synchronous',
        'busy_timeout',
        'foreign_keys',
        'trusted_schema',
        'cell_size_check',
        'temp_store',
      ].map((name) => [name, project.db.pragma(name, { simple: true })]),
    );
    expect(values).toEqual({
      journal_mode: 'wal',
      synchronous: 2,
      busy_timeout: 5000,
      foreign_keys: 1,
      trusted_schema: 0,
      cell_size_check: 1,
      temp_store: 2,
    });
    project.close();
  }
});

/** A closed, sound project with enough rows that its body can be damaged. */
function soundProject(): string {
  const { project } = smallProject(fresh());
  addPrompts(
    project,
    Array.from({ length: 400 }, (_, i) => ({
      text: `Prompt number ${i} asks for advice about ${i * 7}.`,
      split: 'train' as const,
      source: 's',
    })),
  );
  project.close();
  return project.folder;
}

function overwrite(file: string, at: number, bytes: Uint8Array): void {
  const content = readFileSync(file);
  content.set(bytes, at);
  writeFileSync(file, content);
}

const wrongs: [name: string, code: string, says: RegExp, spoil: (file: string) => void][] = [
  ['empty', 'bad-file', /is empty/, (file) => truncateSync(file, 0)],
  ['cut inside the header', 'bad-file', /truncated: it has 60 bytes/, (file) => truncateSync(file, 60)],
  ['cut in the middle', 'bad-file', /truncated: it has 20000 bytes of \d+/, (file) => truncateSync(file, 20_000)],
  ['cut by one page', 'bad-file', /truncated/, (file) => truncateSync(file, readFileSync(file).length - 4096)],
  [
    'bad first bytes',
    'bad-file',
    /does not begin as a SQLite database/,
    (file) => overwrite(file, 0, Buffer.from('SQLITE FORMAT')),
  ],
  ['bad page size', 'bad-file', /page size of 4097/, (file) => overwrite(file, 16, Uint8Array.of(0x10, 0x01))],
  ['a damaged page', 'bad-file', /is damaged/, (file) => overwrite(file, 4096 * 2, new Uint8Array(4096).fill(0xee))],
  ['a damaged schema', 'bad-file', /is damaged/, (file) => overwrite(file, 100, new Uint8Array(400).fill(0x55))],
  [
    'foreign',
    'bad-file',
    /another program \(application id 0x47504b47\)/,
    (file) => overwrite(file, 68, Buffer.from('GPKG')),
  ],
  ['unmarked', 'bad-file', /another program \(application id 0x0\)/, (file) => overwrite(file, 68, new Uint8Array(4))],
  [
    'newer',
    'newer-version',
    /newer version of Tastemaker \(file version 999,/,
    (file) => overwrite(file, 60, Uint8Array.of(0, 0, 3, 231)),
  ],
];

describe.each([true, false])('opening for writing: %s', (write) => {
  test.each(wrongs)('a file that is %s is refused in one sentence and stays byte for byte', (_, code, says, spoil) => {
    const folder = soundProject();
    spoil(join(folder, 'project.db'));
    const before = fingerprint(folder);
    const error = errorOf(() => openProject(folder, { write }));
    expect(error.name).toBe('TastemakerError');
    expect(error.code).toBe(code);
    expect(error.message).toMatch(says);
    expect(error.message).toContain(join(folder, 'project.db'));
    expect(error.message).not.toContain('\n');
    expect(error.hint).not.toBe('');
    expect(fingerprint(folder)).toEqual(before); // no lock, no log left behind either
  });

  test('damage beside a log leaves both as they were', () => {
    const folder = soundProject();
    const project = openProject(folder, { write: true });
    addPrompts(project, [{ text: 'only in the log so far', split: 'train', source: 's' }]);
    const copy = fresh();
    cpSync(folder, copy, { recursive: true }); // as a killed process would leave it
    project.close();
    expect(fingerprint(copy)['project.db-wal']).toBeDefined();
    overwrite(join(copy, 'project.db'), 4096 * 8, new Uint8Array(4096 * 8).fill(0xee));
    const { 'project.db-shm': _shm, 'project.lock': _lock, ...before } = fingerprint(copy);
    writeFileSync(join(copy, 'project.lock'), ''); // the copied lock names this process, which lives
    expect(errorOf(() => openProject(copy, { write }))).toMatchObject({ code: 'bad-file' });
    const { 'project.db-shm': _shm2, 'project.lock': _lock2, ...after } = fingerprint(copy);
    expect(after).toEqual(before);
  });

  test('a folder without a project says so', () => {
    expect(errorOf(() => openProject(fresh(), { write }))).toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('no project'),
    });
  });
});

test('the hint about a damaged file names the newest backup', () => {
  const folder = soundProject();
  const project = openProject(folder, { write: true });
  backupDatabase(project.db, folder);
  project.close();
  truncateSync(join(folder, 'project.db'), 20_000);
  expect(errorOf(() => openProject(folder, { write: true })).hint).toContain(listBackups(folder)[0]);
});

test('a backup is a whole database of its own', () => {
  const { project } = smallProject(fresh());
  const file = backupDatabase(project.db, project.folder);
  const copy = new Database(file, { readonly: true });
  expect(copy.pragma('quick_check', { simple: true })).toBe('ok');
  expect(copy.pragma('application_id', { simple: true })).toBe(0x524c4846);
  expect(copy.prepare('SELECT text FROM prompts').all()).toEqual(project.db.prepare('SELECT text FROM prompts').all());
  copy.close();
  project.close();
});

test('a copied project is a project', () => {
  const { project } = smallProject(fresh());
  project.close();
  const copy = fresh();
  cpSync(project.folder, copy, { recursive: true });
  const opened = openProject(copy, { write: true });
  expect(listPrompts(opened)).toHaveLength(2);
  expect(checkProject(opened)).toEqual([]);
  opened.close();
});

test('a full disk is "disk", and the transaction leaves nothing', () => {
  const { project } = smallProject(fresh());
  const pages = project.db.pragma('page_count', { simple: true }) as number;
  project.db.pragma(`max_page_count = ${pages}`); // SQLite's own way to meet the end of the disk
  const rows = Array.from({ length: 500 }, (_, i) => ({
    text: `long prompt ${i} ${'x'.repeat(400)}`,
    split: 'train' as const,
    source: 's',
  }));
  expect(errorOf(() => addPrompts(project, rows))).toMatchObject({
    code: 'disk',
    message: expect.stringContaining('full'),
  });
  project.db.pragma('max_page_count = 1000000');
  expect(listPrompts(project)).toHaveLength(2);
  addPrompts(project, rows);
  expect(listPrompts(project)).toHaveLength(502);
  project.close();
});

test('writing through a reader is "disk", a foreign writer is "locked"', () => {
  const { project, promptId, labelerId } = smallProject(fresh());
  const reader = openProject(project.folder, { write: false });
  const row = { promptId, labelerId, status: 'skipped' as const, ranks: [] };
  expect(errorOf(() => addRanking(reader, row))).toMatchObject({
    code: 'disk',
    message: expect.stringContaining('reading only'),
  });
  reader.close();
  const intruder = new Database(join(project.folder, 'project.db'));
  intruder.exec('BEGIN IMMEDIATE');
  project.db.pragma('busy_timeout = 20');
  expect(errorOf(() => addRanking(project, row))).toMatchObject({ code: 'locked' });
  intruder.exec('ROLLBACK');
  intruder.pragma('busy_timeout = 20');
  // ours holds the file from its start
  transaction(project, () => expect(() => intruder.exec('BEGIN IMMEDIATE')).toThrow('locked'));
  intruder.close();
  addRanking(project, row);
  project.close();
});

test('damage met while reading is "bad-file"', () => {
  const folder = soundProject();
  const writer = openProject(folder, { write: true }); // while it lives, readers trust its check
  const page = writer.db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'prompts'").pluck().get() as number;
  overwrite(join(folder, 'project.db'), 4096 * (page - 1), new Uint8Array(4096).fill(0xee));
  const reader = openProject(folder, { write: false });
  expect(errorOf(() => listPrompts(reader))).toMatchObject({
    code: 'bad-file',
    message: expect.stringContaining('damaged'),
  });
  reader.close();
  writer.close();
});

test('a transaction that throws leaves nothing, whatever was inside', () => {
  const { project } = smallProject(fresh());
  expect(() =>
    transaction(project, () => {
      addPrompts(project, [{ text: 'gone again', split: 'train', source: 's' }]);
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(listPrompts(project)).toHaveLength(2);
  project.close();
});

describe('the project lock', () => {
  test('one writer, many readers; the error names the process', () => {
    const { project } = smallProject(fresh());
    expect(JSON.parse(readFileSync(join(project.folder, 'project.lock'), 'utf8'))).toMatchObject({
      pid: process.pid,
      startedAt: expect.any(Number),
    });
    const error = errorOf(() => openProject(project.folder, { write: true }));
    expect(error).toMatchObject({ code: 'locked', message: expect.stringContaining(`pid ${process.pid}`) });
    const readers = [openProject(project.folder, { write: false }), openProject(project.folder, { write: false })];
    for (const reader of readers) expect(listPrompts(reader)).toHaveLength(2);
    addPrompts(project, [{ text: 'third', split: 'train', source: 's' }]);
    for (const reader of readers) expect(listPrompts(reader)).toHaveLength(3);
    for (const reader of readers) reader.close();
    project.close();
    expect(existsSync(join(project.folder, 'project.lock'))).toBe(false);
  });

  const dead = spawnSync(process.execPath, ['-e', '0']).pid;
  const stale: [string, string][] = [
    ['a dead process', JSON.stringify({ pid: dead, startedAt: Date.now() - 5000, host: 'here', birth: null })],
    [
      'a process before the last start of the machine',
      JSON.stringify({ pid: process.pid, startedAt: 1000, host: 'here', birth: null }),
    ],
    ['nobody (half-written)', '{"pid": 1'],
  ];
  test.each(stale)('the lock of %s is taken over', (_, content) => {
    const { project } = smallProject(fresh());
    project.close();
    const file = join(project.folder, 'project.lock');
    writeFileSync(file, content);
    const opened = openProject(project.folder, { write: true });
    expect(JSON.parse(readFileSync(file, 'utf8')).pid).toBe(process.pid);
    opened.close();
    expect(readdirSync(project.folder).sort()).toEqual(['exports', 'known-here.json', 'models', 'project.db', 'runs']);
  });

  test.runIf(process.platform === 'linux')('a number given to a new process does not keep the lock', () => {
    const { project } = smallProject(fresh());
    project.close();
    writeFileSync(
      join(project.folder, 'project.lock'),
      JSON.stringify({ pid: process.pid, startedAt: Date.now(), host: 'here', birth: 'another-boot 12' }),
    );
    const opened = openProject(project.folder, { write: true });
    expect(readFileSync(join(project.folder, 'project.lock'), 'utf8')).not.toContain('another-boot');
    opened.close();
  });

  test('the lock of a living process is not', () => {
    const { project } = smallProject(fresh());
    project.close();
    const file = join(project.folder, 'project.lock');
    writeFileSync(file, JSON.stringify({ pid: process.ppid, startedAt: Date.now() - 1000, host: 'here', birth: null }));
    const before = fingerprint(project.folder);
    expect(errorOf(() => openProject(project.folder, { write: true }))).toMatchObject({
      code: 'locked',
      message: expect.stringContaining(`pid ${process.ppid}`),
    });
    expect(fingerprint(project.folder)).toEqual(before);
  });
});
