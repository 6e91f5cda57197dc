// The file browser of a window that has no dialogs of its own: what lies in a folder, and which of it Tastemaker can
// read.

import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { FileEntry } from '#core/contract/app.ts';
import { TastemakerError } from '#core/errors.ts';
import { ADAPTER_CONFIG } from '#core/formats/adapter-base.ts';
import type { Handlers } from './handlers.ts';
import { typedPath } from './home.ts';

const MOST = 5000;
const AT_ONCE = 64;
const KINDS: Readonly<Record<string, FileEntry['kind']>> = {
  '.safetensors': 'model',
  '.gguf': 'gguf',
  '.jsonl': 'data',
  '.json': 'data',
  '.ndjson': 'data',
  '.parquet': 'data',
  '.csv': 'data',
  '.tsv': 'data',
  '.txt': 'data',
};
const byName = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

export const fileHandlers = {
  'files.list': async ({ preferences }, { folder }) => {
    if (folder !== null) return listFolder(typedPath(folder));
    // a last folder that has gone, or may not be read any more, is no reason to show nothing
    return (
      (preferences.lastFolder ? await listFolder(preferences.lastFolder).catch(() => null) : null) ??
      listFolder(os.homedir())
    );
  },
} satisfies Partial<Handlers>;

async function listFolder(folder: string): Promise<{ folder: string; parent: string | null; entries: FileEntry[] }> {
  const names = (await fs.readdir(folder).catch((error: NodeJS.ErrnoException) => refuse(folder, error)))
    .filter((name) => !name.startsWith('.'))
    .slice(0, MOST);
  const entries: FileEntry[] = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const looked = await Promise.all(names.slice(at, at + AT_ONCE).map((name) => look(folder, name)));
    entries.push(...looked.filter((entry) => entry !== null));
  }
  entries.sort((a, b) => Number(b.folder) - Number(a.folder) || byName.compare(a.name, b.name));
  const parent = path.dirname(folder);
  return { folder, parent: parent === folder ? null : parent, entries };
}

/** One entry; null for what has gone meanwhile, a link to nowhere, or what is neither file nor folder. */
async function look(parent: string, name: string): Promise<FileEntry | null> {
  const file = path.join(parent, name);
  const stat = await fs.stat(file).catch(() => null);
  if (stat?.isDirectory()) return { name, path: file, folder: true, bytes: 0, kind: await kindOfFolder(file) };
  return stat?.isFile()
    ? { name, path: file, folder: false, bytes: stat.size, kind: KINDS[path.extname(name).toLowerCase()] ?? null }
    : null;
}

async function kindOfFolder(folder: string): Promise<FileEntry['kind']> {
  const has = (name: string) =>
    fs.access(path.join(folder, name)).then(
      () => true,
      () => false,
    );
  if (folder.endsWith('.tastemaker')) return (await has('project.db')) ? 'project' : null;
  if (!(await has('config.json')) && !(await has(ADAPTER_CONFIG))) return null;
  const inside = await fs.readdir(folder).catch(() => []);
  return inside.some((name) => name.endsWith('.safetensors')) ? 'model' : null;
}

const SAYS: Readonly<Record<string, [says: string, hint: string]>> = {
  ENOENT: ['does not exist', 'Check the path; ~ stands for your home folder.'],
  ENOTDIR: ['is not a folder', 'Give the folder that it lies in.'],
  EACCES: ['may not be read by you', 'Choose another folder, or allow reading it.'],
  EPERM: ['may not be read by you', 'Choose another folder, or allow reading it.'],
};

function refuse(folder: string, { code = '' }: NodeJS.ErrnoException): never {
  const [says, hint] = SAYS[code] ?? [`cannot be read (${code})`, 'Check that its drive is connected.'];
  throw new TastemakerError('bad-file', `${folder} ${says}.`, hint);
}
