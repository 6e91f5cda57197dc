// Tells whether an open project still lies where it was opened, so that nothing is confirmed that is not in it.
//
// SQLite goes on with the file that it has open, wherever that is by now: a folder that was moved, removed or exchanged
// takes every further row with it. So the file at the path is compared with the one that was opened, before and after
// every change: two or three stats, a few microseconds.

import Database from 'better-sqlite3';
import { readdirSync, readlinkSync, renameSync, statSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { clock } from './clock.ts';
import type { Project } from './project.ts';

/**
 * `gone`: nothing lies at the path; `replaced`: another file does; `log`: only the write-ahead log is not ours;
 * `overwritten`: another program wrote into our file.
 */
export interface Strayed {
  kind: 'gone' | 'replaced' | 'log' | 'overwritten';
  /** when it was last seen in its place */
  seenAt: number;
  /** the folder that it lies in now, where the system says */
  found: string | null;
}

interface Identity {
  dev: bigint;
  ino: bigint;
}
interface Place {
  file: Identity;
  folder: Identity;
  /** the write-ahead log, where there is one */
  log: Identity | null;
  /** what only our own checkpoints change; null: to be noted anew, or not to be relied on */
  stamp: { mtimeNs: bigint; size: bigint } | null;
  /** whether the file's time says when it was written: not on network drives, nor on Windows, which tells it late */
  stamped: boolean;
  seenAt: number;
  strayed: Strayed | null;
}

const places = new WeakMap<Project, Place>();
/** The log is folded into project.db when it is longer than this; SQLite's own measure. */
export const LONGEST_LOG = 4 * 2 ** 20;

const look = (file: string): BigIntStats | undefined => {
  try {
    return statSync(file, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined; // a part of the path is no folder any more, or may not be entered: it is not there for us
  }
};
const same = (a: Identity, b: Identity): boolean => a.dev === b.dev && a.ino === b.ino;
const fileOf = (project: Project): string => join(project.folder, 'project.db');

/**
 * Remembers where a project lies that has just been opened for writing. `before` is the file as it was before it was
 * opened.
 */
export function notePlace(project: Project, before: Identity): void {
  const file = look(fileOf(project));
  const log = look(`${fileOf(project)}-wal`);
  const folder = look(project.folder);
  if (!folder || !file || !same(file, before))
    throw new TastemakerError('moved', `${fileOf(project)} was exchanged while it was being opened.`, 'Open it again.');
  const stamped = log !== undefined && process.platform !== 'win32';
  places.set(project, { file, folder, log: log ?? null, stamp: null, stamped, seenAt: Date.now(), strayed: null });
}

/** What identifies project.db in this folder. */
export const identityOf = (folder: string): Identity => statSync(join(folder, 'project.db'), { bigint: true });

/** What has become of an open project; null while it is in its place. One that comes back is in its place again. */
export function strayed(project: Project): Strayed | null {
  const place = places.get(project);
  if (!place) return null;
  if (place.strayed?.kind === 'overwritten') return place.strayed;
  const kind = compare(project, place);
  if (kind === null) {
    [place.seenAt, place.strayed] = [Date.now(), null];
    return null;
  }
  const found = kind === 'gone' || kind === 'replaced' ? whereNow(place.file) : null;
  if (place.strayed?.kind === kind && place.strayed.found === found) return place.strayed;
  place.strayed = { kind, found, seenAt: place.seenAt };
  settle(project, place, kind);
  return place.strayed;
}

/** 'moved', saying what has become of it, unless the project is in its place. */
export function requireInPlace(project: Project): void {
  const found = strayed(project);
  if (found) throw new TastemakerError('moved', ...sayStrayed(found));
}

/** The folder in which the models and runs of an open project lie; null where it has gone. */
export function folderNow(project: Project): string | null {
  const place = places.get(project);
  const there = look(project.folder);
  if (!place || (there && same(there, place.folder))) return project.folder;
  return strayed(project)?.found ?? null;
}

/** What has become of a project, in a sentence or two, and what to do. */
export function sayStrayed({ kind, found, seenAt }: Strayed): [sentence: string, hint: string] {
  const since = `Nothing has been saved since ${clock(seenAt)}`;
  if (kind === 'overwritten')
    return [
      `The project's database was overwritten by another program while it was open: what was saved before ${clock(seenAt)} may be lost, and nothing has been saved since.`,
      'Close the project and open it again: it then shows what lies in the file now. Its backups may hold more.',
    ];
  if (kind === 'log')
    return [
      `A file of the project's database (project.db-wal) was removed or replaced while it was open. ${since}; what was saved before is in project.db.`,
      'Close the project and open it again, or save a copy of what is open.',
    ];
  if (kind === 'replaced' && found === null)
    return [
      `The project's folder was exchanged, or its database replaced, while it was open: what you saved may not be in what lies there now. ${since}.`,
      'Save a copy of what is open: all that was saved before is in it.',
    ];
  if (found !== null)
    return [
      `The project's folder was moved to ${found} while it was open. What was saved before is in it. ${since}.`,
      'Open it where it lies now.',
    ];
  return [
    `The project's folder was moved or deleted while it was open. ${since}; what was saved before is still open here.`,
    'Save a copy of what is open, or put the folder back in its place.',
  ];
}

function compare(project: Project, place: Place): Strayed['kind'] | null {
  const file = look(fileOf(project));
  if (!file) return 'gone';
  if (!same(file, place.file)) return 'replaced';
  if (place.log) {
    const log = look(`${fileOf(project)}-wal`);
    if (!log || !same(log, place.log)) return 'log'; // what was saved last lies in the log that was ours
  }
  if (!place.stamped || project.db.inTransaction) return null;
  if (place.stamp && (place.stamp.mtimeNs !== file.mtimeNs || place.stamp.size !== file.size) && !saysTheSame(project))
    return 'overwritten';
  place.stamp = { mtimeNs: file.mtimeNs, size: file.size };
  return null;
}

/** Folds the log into project.db when it is long; the only way in which that file changes while we have it open. */
export function foldLog(project: Project): void {
  const place = places.get(project);
  if (!place?.log || (look(`${fileOf(project)}-wal`)?.size ?? 0n) <= BigInt(LONGEST_LOG)) return;
  project.db.pragma('wal_checkpoint(PASSIVE)');
  place.stamp = null;
}

/** The numbers that every new row raises, and the project's own id. */
function fingerprint(db: Database.Database): string {
  return JSON.stringify([
    db.prepare('SELECT name, seq FROM sqlite_sequence ORDER BY name').all(),
    db.prepare("SELECT value FROM settings WHERE name = 'id'").all(),
  ]);
}

/** Whether the file says what we know: its time alone may have been changed. */
function saysTheSame(project: Project): boolean {
  let fresh: Database.Database | null = null;
  try {
    fresh = new Database(fileOf(project), { readonly: true });
    return fresh.pragma('quick_check(1)', { simple: true }) === 'ok' && fingerprint(fresh) === fingerprint(project.db);
  } catch {
    return false;
  } finally {
    fresh?.close();
  }
}

/** The folder that holds the file by now, where the system tells the name of an open file (Linux). */
function whereNow(file: Identity): string | null {
  try {
    for (const name of readdirSync('/proc/self/fd')) {
      const link = `/proc/self/fd/${name}`;
      const open = look(link);
      if (!open || !same(open, file)) continue;
      const now = readlinkSync(link);
      const there = look(now);
      return there && same(there, file) && basename(now) === 'project.db' ? dirname(now) : null;
    }
  } catch {
    // another system
  }
  return null;
}

/**
 * What is saved becomes whole in the file that is ours, and our log cannot be taken for that of the file that lies
 * there
 * now: SQLite would mix the two at the next opening.
 */
function settle(project: Project, place: Place, kind: Strayed['kind']): void {
  place.stamp = null;
  try {
    if (kind === 'overwritten') renameSync(`${fileOf(project)}-wal`, `${fileOf(project)}-wal.of-what-was-overwritten`);
    else if (place.log && !project.db.inTransaction) project.db.pragma('wal_checkpoint(TRUNCATE)');
  } catch {
    // a full disk, or a folder that may not be written: the log stays what it is
  }
}

/** The project is about to be closed: what has become of it, for the last time. */
export function leavePlace(project: Project): Strayed | null {
  const found = strayed(project);
  places.delete(project);
  return found;
}
