// Makes, opens, checks and closes a project: the folder name.tastemaker/ with project.db, models/, runs/, exports/.

import Database from 'better-sqlite3';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { readRegularText } from '#core/regular-file.ts';
import { refuseLink, refuseShared } from '#core/unlinked.ts';
import { applyMigrations } from './apply-migrations.ts';
import { backupDatabase, syncTree } from './backups.ts';
import { checkContents } from './check-texts.ts';
import { APPLICATION_ID, inspectHeader, refuseNewer, sizeOf } from './header.ts';
import { takeBackUnfinished } from './imported-rows.ts';
import { placeAside, sweepLeftovers, sweepProjects } from './leftovers.ts';
import { acquireLock, isOnNetworkDrive, lockHolder } from './lock.ts';
import { MIGRATIONS } from './migrations.ts';
import { isKnownHere, makeKnown } from './known-here.ts';
import { printable } from './printable.ts';
import { unsoundPolicies } from './policies.ts';
import { unsoundRuns } from './runs.ts';
import { requireOurTables } from './schema.ts';
import { straddlingNotices } from './straddling.ts';
import { explain, restoreHint } from './project.ts';
import type { Project } from './project.ts';
import { identityOf, leavePlace, LONGEST_LOG, notePlace } from './whereabouts.ts';

const FOLDERS = ['models', 'runs', 'exports'];

/** Every connection says all of these: the defaults differ between builds, and synchronous changes on reopening. */
const PRAGMAS = [
  'synchronous = FULL', // a confirmed label survives a power cut
  'busy_timeout = 5000',
  'foreign_keys = ON',
  'trusted_schema = OFF', // the file may come from somebody else
  'cell_size_check = ON',
  'mmap_size = 0',
  'temp_store = MEMORY',
];

/**
 * Below this size every opening reads all pages (about 0.5 s); above, only when the file changed since it was last
 * closed.
 */
const ALWAYS_CHECKED = 32 * 1024 * 1024;

const projectName = (folder: string) => basename(folder).replace(/\.tastemaker$/, '');

/**
 * Makes a new project, with what `fill` puts into it, and opens it for writing. It appears whole or not at all: it is
 * built beside its place and renamed. 'bad-argument' where the folder holds something.
 */
export function createProject(folder: string, fill?: (project: Project) => void): Project {
  const root = resolve(folder);
  if (existsSync(root)) {
    const isFolder = statSync(root).isDirectory();
    if (!isFolder || readdirSync(root).length > 0)
      throw new TastemakerError(
        'bad-argument',
        existsSync(join(root, 'project.db'))
          ? `${root} already holds a project.`
          : isFolder
            ? `The folder ${root} is not empty.`
            : `${root} is a file.`,
        'Choose another name, such as mine.tastemaker.',
      );
  }
  refuseInsideProject(root);
  let making: string | null = null;
  try {
    mkdirSync(dirname(root), { recursive: true });
    sweepProjects(dirname(root));
    making = placeAside(root);
    emptyProject(making);
    if (fill) {
      const filling = openProject(making, { write: true });
      try {
        fill(filling);
      } finally {
        filling.close();
      }
    }
    syncTree(making);
    if (existsSync(root)) rmdirSync(root);
    renameSync(making, root);
  } catch (error) {
    if (making) rmSync(making, { recursive: true, force: true });
    throw cannotMake(root, error);
  }
  const project = openProject(root, { write: true });
  makeKnown(project);
  return project;
}

/** What lies in a project's folder is that project's: copied, swept and measured with it. */
function refuseInsideProject(root: string): void {
  let folder = dirname(root);
  while (folder !== dirname(folder)) {
    if (existsSync(join(folder, 'project.db')))
      throw new TastemakerError(
        'bad-argument',
        `${root} would lie inside the project ${folder}.`,
        'Choose a place beside that project.',
      );
    folder = dirname(folder);
  }
}

/** A folder with everything that a project has, and nothing in it. */
function emptyProject(root: string): void {
  for (const name of FOLDERS) mkdirSync(join(root, name), { recursive: true });
  const db = new Database(join(root, 'project.db'));
  try {
    // Before WAL is switched on, so that the main file alone says whose it is and how old.
    db.pragma(`application_id = ${APPLICATION_ID}`);
    applyMigrations(db);
  } finally {
    db.close();
  }
}

function cannotMake(root: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return explain(root, error);
  const { code = '' } = error as NodeJS.ErrnoException;
  const [why, hint] =
    code === 'ENOSPC'
      ? ['the disk is full', 'Free some space and try again; nothing was left behind.']
      : [code, 'Choose a folder where you may write, on a disk with space.'];
  return new TastemakerError('disk', `The project ${root} cannot be made (${why}).`, hint);
}

/**
 * Opens a project. Writing takes the project lock ('locked' if a living process has it), backs up and migrates an older
 * file; reading takes none (but an older file is first brought up to date under the lock). 'bad-file' for a missing,
 * damaged, truncated or foreign file and 'newer-version' for a later one: those change nothing on the disk.
 */
export function openProject(folder: string, options: { write: boolean }): Project {
  const root = resolve(folder);
  refuseLinks(root);
  // A process that has the file open must not open and close it by other means: the system then forgets SQLite's locks.
  const version = !options.write && lockHolder(root) === process.pid ? MIGRATIONS.length : inspectHeader(root);
  if (options.write) {
    refuseSharedFiles(root);
    const release = acquireLock(root);
    try {
      return connect(root, true, release);
    } catch (error) {
      release();
      throw error;
    }
  }
  // A reader can neither migrate nor roll back what a crash left in a journal.
  let found: string[] = [];
  if (version < MIGRATIONS.length || sizeOf(join(root, 'project.db-journal')) > 0) {
    const written = openProject(root, { write: true });
    found = written.notices;
    written.close();
  }
  const project = connect(root, false, () => {});
  project.notices.unshift(...found);
  return project;
}

/**
 * What is opened or written by its name: a link there would have SQLite, or us, write to what it leads to. (models/
 * holds what a person may have linked.)
 */
const WRITTEN = [
  'runs',
  'exports',
  'backups',
  'project.lock',
  'project.db',
  'project.db-wal',
  'project.db-shm',
  'project.db-journal',
  'project.db-checked',
];
function refuseLinks(root: string): void {
  for (const name of WRITTEN) refuseLink(join(root, name));
}

/**
 * A second name of the same file (a hard link) may be another project's, or any file of this person: SQLite would write
 * into both. The lock is made of one.
 */
function refuseSharedFiles(root: string): void {
  for (const name of WRITTEN)
    if (name.startsWith('project.db'))
      refuseShared(join(root, name), lstatSync(join(root, name), { throwIfNoEntry: false }));
}

function connect(root: string, write: boolean, release: () => void): Project {
  const file = join(root, 'project.db');
  if (write || lockHolder(root) === null) checkPages(root); // a living writer has checked it already
  let db: Database.Database | null = null;
  let guard: Database.Database | null = null;
  try {
    const before = identityOf(root);
    if (write) requireWritable(file); // SQLite would open it for reading, and say so at the first change
    const open = (db = new Database(file, { readonly: !write, fileMustExist: true, timeout: 5000 }));
    for (const pragma of PRAGMAS) open.pragma(pragma);
    const version = open.pragma('user_version', { simple: true }) as number; // the log may know better than the header
    refuseNewer(root, version);
    requireOurTables(open, root, version);
    const notices: string[] = [];
    if (write) {
      notices.push(...journalOf(open, root));
      if (version < MIGRATIONS.length) {
        backupDatabase(open, root);
        notices.push(...migrate(open, root, version));
        open.pragma('wal_checkpoint(TRUNCATE)'); // so that the header tells readers the new version
      }
      guard = guardLog(file);
    }
    const project: Project = {
      folder: root,
      name: projectName(root),
      write,
      notices,
      db: open,
      close: () => closeProject(project, guard, release),
    };
    if (write && !isKnownHere(project)) refuseDangling(open, root);
    notices.push(...straddlingNotices(project));
    if (write) {
      notePlace(project, before);
      open.pragma('wal_autocheckpoint = 0'); // whereabouts.ts folds the log in, and so knows when project.db changes
      open.pragma(`journal_size_limit = ${LONGEST_LOG}`);
      sweepLeftovers(root);
      notices.push(...takeBackUnfinished(project));
    }
    return project;
  } catch (error) {
    guard?.close();
    db?.close();
    throw explain(root, error);
  }
}

/**
 * References hold in whatever this program writes; a project that comes from elsewhere is asked once, for everybody
 * follows them.
 */
function refuseDangling(open: Database.Database, root: string): void {
  const row = open.prepare('SELECT "table", rowid, parent FROM pragma_foreign_key_check LIMIT 1').get() as
    | { table: string; rowid: number | null; parent: string }
    | undefined;
  if (row)
    throw new TastemakerError(
      'bad-file',
      `${join(root, 'project.db')} is not sound: a row of ${printable(row.table)} refers to a row of ${printable(row.parent)} that is not there.`,
      restoreHint(root),
    );
}

function requireWritable(file: string): void {
  try {
    accessSync(file, constants.W_OK);
  } catch (error) {
    throw new TastemakerError(
      'disk',
      `${file} may not be written (${(error as NodeJS.ErrnoException).code}).`,
      'Allow writing to it; or copy the project to a place where you may write, and open the copy.',
    );
  }
}

/** Brings it up to date; a file whose rows or tables are not what its version says is refused, and stays as it was. */
function migrate(open: Database.Database, root: string, version: number): string[] {
  try {
    return applyMigrations(open);
  } catch (error) {
    const { code = 'SQLITE_ERROR', message } = error as Error & { code?: string };
    if (code !== 'SQLITE_ERROR') throw error;
    throw new TastemakerError(
      'bad-file',
      `${join(root, 'project.db')} says that it is a file of version ${version}, but its tables are not (${message}).`,
      restoreHint(root),
    );
  }
}

/** Switches the write-ahead log on where the drive can share one; says so where it cannot. */
function journalOf(open: Database.Database, root: string): string[] {
  const isShared =
    open.pragma(`journal_mode = ${isOnNetworkDrive(root) ? 'truncate' : 'wal'}`, { simple: true }) === 'wal';
  if (!isShared) open.pragma('journal_mode = TRUNCATE');
  open.pragma('synchronous = FULL'); // switching the journal mode may have changed it
  return isShared
    ? []
    : [
        'This project lies on a drive that cannot share a write-ahead log (a network drive?): it works, but saving is slower and readers wait.',
      ];
}

/**
 * A second connection that only reads. The last connection that closes folds the log into the file at the path, also
 * where
 * another program has written a whole other database into it. While this one is open, the one that writes is not the
 * last,
 * and it may fold in nothing itself.
 */
function guardLog(file: string): Database.Database {
  const guard = new Database(file, { readonly: true });
  guard.prepare('SELECT 1 FROM sqlite_schema').get(); // only now it holds the file
  return guard;
}

/** Closes a project whole; one that has gone from its place without touching what lies there now. */
function closeProject(project: Project, guard: Database.Database | null, release: () => void): void {
  const { db, folder, write } = project;
  if (!db.open) return;
  try {
    const isAway = leavePlace(project) !== null;
    if (!isAway) guard?.close();
    try {
      if (write && !isAway) db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // a full disk: the log stays, and is folded in at the next opening
    }
    db.close();
    guard?.close();
    if (write && !isAway) stampChecked(folder);
  } finally {
    release();
  }
}

/** The size and time of project.db as one string, to recognise it by. */
function stampOf(file: string): string {
  const { size, mtimeMs } = statSync(file);
  return JSON.stringify({ size, mtimeMs });
}

/** Notes that project.db was closed whole, so that a large one need not be read through at the next opening. */
function stampChecked(root: string): void {
  const file = join(root, 'project.db');
  try {
    if (sizeOf(file) >= ALWAYS_CHECKED && sizeOf(`${file}-wal`) === 0) writeFileSync(`${file}-checked`, stampOf(file));
  } catch {
    // only costs the next opening a check
  }
}

/** What the last closing wrote down; null where that is no file of ours. */
function readStamp(file: string): string | null {
  try {
    return readRegularText(file, 1000, { follow: false });
  } catch {
    return null;
  }
}

/** PRAGMA quick_check, before anything may write. 'bad-file' with the first problem found; the file stays as it was. */
function checkPages(root: string): void {
  const file = join(root, 'project.db');
  const hasLog = sizeOf(`${file}-wal`) > 0;
  if (!hasLog && sizeOf(file) >= ALWAYS_CHECKED && readStamp(`${file}-checked`) === stampOf(file)) return;
  let problem: string;
  try {
    // Closing a writing connection would copy a log into the main file; without a log it tidies up after itself.
    const db = new Database(file, { readonly: hasLog, fileMustExist: true, timeout: 5000 });
    try {
      db.pragma('trusted_schema = OFF');
      db.pragma('cell_size_check = ON');
      const version = db.pragma('user_version', { simple: true }) as number;
      refuseNewer(root, version);
      requireOurTables(db, root, version); // the check below computes what a definition says, row by row
      problem = db.pragma('quick_check(1)', { simple: true }) as string;
    } finally {
      db.close();
    }
  } catch (error) {
    throw explain(root, error);
  }
  if (problem !== 'ok')
    throw new TastemakerError(
      'bad-file',
      `${file} is damaged: ${problem.replace(/\s+/g, ' ').replace(/\.$/, '')}.`,
      restoreHint(root),
    );
}

/**
 * The slow, complete check (pages, indexes, references, texts, counts, search index); every problem as a line, none
 * when all is well.
 */
export function checkProject(project: Project): string[] {
  const { db } = project;
  const problems = (db.pragma('integrity_check') as { integrity_check: string }[])
    .map((row) => row.integrity_check)
    .filter((line) => line !== 'ok');
  for (const row of db.pragma('foreign_key_check') as { table: string; rowid: number; parent: string }[])
    problems.push(`row ${row.rowid} of ${row.table} refers to a missing row of ${row.parent}`);
  problems.push(...unsoundRuns(project), ...unsoundPolicies(project));
  if (problems.length === 0) problems.push(...checkContents(project)); // a sick file is not to be read further
  if (project.write)
    for (const table of ['prompts_text', 'completions_text'])
      try {
        db.prepare(`INSERT INTO ${table} (${table}, rank) VALUES ('integrity-check', 1)`).run();
      } catch {
        problems.push(`the search index ${table} does not match its table`);
      }
  return problems;
}
