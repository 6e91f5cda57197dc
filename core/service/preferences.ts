// One person's preferences on this machine: preferences.json, written whole or not at all.

import fs from 'node:fs';
import path from 'node:path';
import type { Preferences, RecentProject } from '#core/contract/app.ts';
import { TastemakerError } from '#core/errors.ts';

const DEFAULTS: Preferences = {
  theme: 'system',
  keys: {},
  layout: 'columns',
  advance: true,
  sidebar: true,
  recent: [],
  lastFolder: null,
  device: 'auto',
};
const MOST_RECENT = 12;

/**
 * What each preference must look like to be believed: another version, or a person's editor, may have written the file.
 */
const SOUND: { readonly [K in keyof Preferences]: (value: unknown) => boolean } = {
  theme: (value) => ['system', 'light', 'dark'].includes(value as string),
  keys: (value) => isRecord(value) && Object.values(value).every((key) => typeof key === 'string'),
  layout: (value) => ['stack', 'columns'].includes(value as string),
  advance: (value) => typeof value === 'boolean',
  sidebar: (value) => typeof value === 'boolean',
  recent: (value) =>
    Array.isArray(value) &&
    value.every(
      (row) =>
        isRecord(row) &&
        typeof row.folder === 'string' &&
        typeof row.name === 'string' &&
        typeof row.openedAt === 'number',
    ),
  lastFolder: (value) => value === null || typeof value === 'string',
  device: (value) => ['auto', 'cpu', 'cuda', 'cuda:bf16', 'webgpu'].includes(value as string),
};

type Stored = Record<string, unknown>;
const isRecord = (value: unknown): value is Stored =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface PreferencesFile {
  read(): Preferences;
  /**
   * Writes the file anew. What another process wrote meanwhile, and keys we do not know, stay. 'disk' where it cannot
   * be written.
   */
  change(changes: Partial<Preferences>): Preferences;
  /** Puts a project first among the recent ones. */
  remember(project: RecentProject): void;
  /** Sentences about what was found damaged. */
  readonly notices: readonly string[];
}

/**
 * A damaged file is put aside under another name and the defaults hold; a value that makes no sense counts as not set.
 */
export function openPreferences(home: string): PreferencesFile {
  const file = path.join(home, 'preferences.json');
  const notices: string[] = [];
  let current = load();

  function load(): Stored {
    let text: string;
    try {
      text = fs.readFileSync(file, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') notices.push(`Your preferences could not be read (${code}), so the defaults hold.`);
      return {};
    }
    try {
      const found: unknown = JSON.parse(text);
      if (isRecord(found)) return found;
    } catch {
      // told below
    }
    const aside = `preferences.damaged-${new Date().toISOString().replaceAll(':', '-')}.json`;
    try {
      fs.renameSync(file, path.join(home, aside));
      notices.push(`Your preferences were damaged, so the defaults hold; the damaged file was kept as ${aside}.`);
    } catch {
      notices.push('Your preferences are damaged, so the defaults hold.');
    }
    return {};
  }

  const read = (): Preferences => {
    const sound = Object.fromEntries(
      Object.entries(DEFAULTS).map(([name, fallback]) => [
        name,
        SOUND[name as keyof Preferences](current[name]) ? current[name] : fallback,
      ]),
    ) as unknown as Preferences;
    return {
      ...sound,
      recent: sound.recent.filter(({ folder }) => fs.existsSync(path.join(folder, 'project.db'))).slice(0, MOST_RECENT),
    };
  };

  const change = (changes: Partial<Preferences>): Preferences => {
    const changed = { ...load(), ...changes };
    const partial = `${file}.${process.pid}`;
    try {
      fs.mkdirSync(home, { recursive: true });
      const handle = fs.openSync(partial, 'w', 0o600);
      try {
        fs.writeFileSync(handle, `${JSON.stringify(changed, null, 2)}\n`);
        fs.fsyncSync(handle);
      } finally {
        fs.closeSync(handle);
      }
      fs.renameSync(partial, file);
    } catch (error) {
      fs.rmSync(partial, { force: true });
      throw new TastemakerError(
        'disk',
        `Your preferences could not be written to ${file} (${(error as NodeJS.ErrnoException).code}).`,
        'Allow writing to this folder, and see that the disk has space.',
      );
    }
    current = changed;
    return read();
  };

  const remember = (project: RecentProject) => {
    current = load();
    change({
      recent: [project, ...read().recent.filter(({ folder }) => folder !== project.folder)].slice(0, MOST_RECENT),
    });
  };
  return { read, change, remember, notices };
}
