// Opening a folder in the system's file manager: only where this service wrote something, or inside the open project.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import type { Context, Handlers } from './handlers.ts';
import { typedPath } from './home.ts';

/**
 * By platform; everywhere else it is xdg-open. (Without Finder's name, macOS would start a folder that is a program.)
 */
const FILE_MANAGERS: Partial<Record<NodeJS.Platform, readonly [program: string, ...args: string[]]>> = {
  darwin: ['open', '-a', 'Finder'],
  win32: ['explorer'],
};

const written = new Set<string>();
/** Remembers an export's place, so that it may be shown. */
export const wroteFile = (place: string): void => void written.add(path.resolve(place));

const isInside = (folder: string, place: string): boolean => {
  const within = path.relative(folder, place);
  return !within.startsWith('..') && !path.isAbsolute(within);
};

/**
 * The folder to show: `place` itself, or the one that a file lies in. Links are followed first, so that none leads
 * outside.
 */
function folderOf(place: string, project: string | null): string {
  const stat = fs.statSync(place, { throwIfNoEntry: false });
  if (!stat) throw new TastemakerError('bad-file', `There is no file or folder ${place}.`, 'It was moved or removed.');
  const known = written.has(place) || (project !== null && isInside(fs.realpathSync(project), fs.realpathSync(place)));
  if (!known)
    throw new TastemakerError(
      'bad-argument',
      `${place} is neither in the project nor an export of this session.`,
      'Open it in the file manager yourself.',
    );
  return stat.isDirectory() ? place : path.dirname(place);
}

function projectOf(context: Context): string | null {
  try {
    return context.project.folder;
  } catch {
    return null; // none is open
  }
}

/** 'runtime' where this machine has no display or no file manager. */
export async function openFolder(
  folder: string,
  { platform = process.platform, env = process.env }: { platform?: NodeJS.Platform; env?: NodeJS.ProcessEnv } = {},
): Promise<void> {
  const hint = `The folder is ${folder}.`;
  const [program, ...args] = FILE_MANAGERS[platform] ?? ['xdg-open'];
  if (platform === 'linux' && !env.DISPLAY && !env.WAYLAND_DISPLAY)
    throw new TastemakerError(
      'runtime',
      'The machine that Tastemaker runs on has no display to open a folder on.',
      hint,
    );
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, [...args, folder], { detached: true, stdio: 'ignore', env });
    child.once('error', () =>
      reject(new TastemakerError('runtime', `The file manager (${program}) could not be started.`, hint)),
    );
    child.once('spawn', () => {
      child.unref();
      resolve();
    });
  });
}

export const revealHandlers = {
  'files.reveal': async (context, { path: place }) => {
    await openFolder(folderOf(typedPath(place), projectOf(context)));
    return {};
  },
} satisfies Partial<Handlers>;
