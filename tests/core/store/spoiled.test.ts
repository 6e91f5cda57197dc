// Files that are ours by their mark and are not what they say, may not be written, or have single bits flipped: each in
// a sentence, never a crash.

import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createRandom } from '#core/random.ts';
import { TastemakerError } from '#core/errors.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import { MIGRATIONS } from '#core/store/migrations.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { fingerprint, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
function closedProject(): string {
  const { project } = smallProject(fresh());
  addPrompts(
    project,
    Array.from({ length: 200 }, (_, i) => ({
      text: `Prompt number ${i} asks for advice about ${i * 7}.`,
      split: 'train' as const,
      source: 's',
    })),
  );
  project.close();
  return project.folder;
}
const errorOf = (work: () => unknown): unknown => {
  try {
    work();
    return null;
  } catch (error) {
    return error;
  }
};
const sentence = (error: unknown) => {
  expect(error).toBeInstanceOf(TastemakerError);
  expect((error as TastemakerError).message).toMatch(/^[^\n]+\.$/);
  expect((error as TastemakerError).hint).not.toBe('');
  return (error as TastemakerError).message;
};

describe('what its version does not say', () => {
  const spoiled: [name: string, sql: string, says: RegExp][] = [
    ['a table is missing', 'DROP TABLE drafts', /lacks the (table drafts|column drafts\.)/],
    ['a column is missing', 'ALTER TABLE rankings RENAME COLUMN naive TO other', /lacks the column rankings\.naive/],
    ['a trigger is missing', 'DROP TRIGGER prompts_text_insert', /lacks the trigger prompts_text_insert/],
    [
      'other tables stand in their place',
      'PRAGMA writable_schema = ON; DELETE FROM sqlite_schema; CREATE TABLE songs (id INTEGER PRIMARY KEY, title TEXT)',
      /lacks the (column|table) |is damaged/,
    ],
    [
      'an older version is said',
      'PRAGMA user_version = 3',
      /says that it is a file of version 3, but (its tables are not|it lacks)/,
    ],
    [
      'version 1 is said',
      'PRAGMA user_version = 1',
      /says that it is a file of version 1, but (its tables are not|it lacks)/,
    ],
  ];
  test.each(spoiled)('%s: refused in a sentence, for writing and for reading', (_, sql, says) => {
    const folder = closedProject();
    const file = join(folder, 'project.db');
    const db = new Database(file);
    db.unsafeMode(true);
    db.pragma('foreign_keys = OFF');
    db.exec(sql);
    db.close();
    for (const write of [true, false]) expect(sentence(errorOf(() => openProject(folder, { write })))).toMatch(says);
    const again = new Database(file, { readonly: true });
    expect(again.pragma('user_version', { simple: true })).toBe(
      Number(/user_version = (\d)/.exec(sql)?.[1] ?? MIGRATIONS.length),
    ); // as it was
    again.close();
  });
});

/** Runs a line of code as a user who may not write everywhere: root may. */
function asAnyone(code: string): { status: number | null; said: string } {
  const root = process.getuid?.() === 0;
  const script = `import { openProject } from ${JSON.stringify(resolve('core/store/database.ts'))};
    const told = (work) => { try { return work(); } catch (error) { return error.name + ' ' + error.code + ': ' + error.message + ' | ' + error.hint; } };
    ${code}`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    { encoding: 'utf8', env: { ...process.env, TASTEMAKER_HOME: place }, ...(root ? { uid: 65534, gid: 65534 } : {}) },
  );
  return { status, said: `${stdout}${stderr}`.trim() };
}
const place = mkdtempSync(join(tmpdir(), 'anyone-'));
chmodSync(place, 0o777);
afterAll(() => rmSync(place, { recursive: true, force: true }));
/** Whether another user may read this program at all. */
const mayRead = process.platform !== 'win32' && asAnyone('console.log("yes")').said === 'yes';

test.runIf(mayRead)(
  `a project.db, or a folder, that may not be written: a sentence and what works${mayRead ? '' : ' (skipped: nobody else may read this program)'}`,
  () => {
    const folder = join(place, 'study.tastemaker');
    cpSync(closedProject(), folder, { recursive: true });
    for (const name of ['', 'models', 'runs', 'exports']) chmodSync(join(folder, name), 0o777);
    chmodSync(join(folder, 'project.db'), 0o444);
    const file = asAnyone(
      `console.log(told(() => { const p = openProject(${JSON.stringify(folder)}, { write: true }); p.close(); return 'opened'; }));`,
    );
    expect(file.said).toMatch(
      /^TastemakerError disk: .*project\.db may not be written \(EACCES\)\. \| .*copy the project/,
    );
    expect(fingerprint(folder)['project.lock']).toBeUndefined(); // and it is not locked
    chmodSync(join(folder, 'project.db'), 0o666);
    chmodSync(folder, 0o555);
    const locked = asAnyone(
      `console.log(told(() => { const p = openProject(${JSON.stringify(folder)}, { write: true }); p.close(); return 'opened'; }));`,
    );
    expect(locked.said).toMatch(
      /^TastemakerError disk: .*project\.lock cannot be written \(E(ACCES|ROFS)\)\. \| .*copy the project to a place where you may write/,
    );
    chmodSync(folder, 0o777);
  },
);

test('single bits flipped in the texts of prompts and answers are found by the check, and those in the structure by opening or the check', () => {
  const folder = closedProject();
  const file = join(folder, 'project.db');
  const content = readFileSync(file);
  const random = createRandom(5, 'flips');
  const flipAt = (at: number, bit: number) => {
    const spoiled = Buffer.from(content);
    spoiled[at]! ^= 1 << bit;
    writeFileSync(file, spoiled);
  };
  /** What opening and the check say. */
  const seen = (): string[] => {
    try {
      const project = openProject(folder, { write: false });
      try {
        return checkProject(project);
      } finally {
        project.close();
      }
    } catch (error) {
      return [sentence(error)];
    }
  };
  for (const text of ['Prompt number 77 asks', 'Prompt number 3 asks', 'Answer number 2.']) {
    const spoiled = Buffer.from(content);
    let places = 0;
    for (let at = content.indexOf(text); at >= 0; at = content.indexOf(text, at + 1)) {
      // pages that were freed hold old copies
      spoiled[at + 2]! ^= 1;
      places++;
    }
    expect(places).toBeGreaterThan(0);
    writeFileSync(file, spoiled);
    expect(seen().join()).toMatch(/the text of (prompt|completion) \d+ is not what was written/);
  }
  let found = 0;
  const flips = 50;
  for (let i = 0; i < flips; i++) {
    flipAt(random.integer(content.length), random.integer(8));
    found += Number(seen().length > 0); // whatever it hits: never anything but a list or a sentence
  }
  console.log(`${found} of ${flips} single-bit flips anywhere in project.db are seen`);
  copyFileSync(file, `${file}.last`);
  writeFileSync(file, content);
  expect(seen()).toEqual([]);
});
