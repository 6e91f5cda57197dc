// Reads a whole project in a process of its own, so that the service answers meanwhile: the complete check, backups and
// restoring one.

import { fork } from 'node:child_process';
import path from 'node:path';
import type { SentError } from '#core/errors.ts';
import { receivedError } from '#core/errors.ts';
import type { BackupRow } from '#core/contract/project.ts';
import { createTurns } from './turns.ts';

export interface AsideResults {
  check: { problems: string[] };
  backup: { file: string };
  backups: { backups: BackupRow[] };
  restore: { kept: string | null };
}
/** What the process sends before it ends. */
export type AsideMessage = { result: AsideResults[keyof AsideResults] } | { fault: SentError };

/** Each reads a whole project: two at once are enough for any disk. */
const turns = createTurns(2);
/** What is being done, by task, folder and name: whoever asks for the same shares the answer. */
const atWork = new Map<string, Promise<AsideResults[keyof AsideResults]>>();

/**
 * `name` is the backup to restore. Rejects with the process's TastemakerError, or an Error where it died. Asked again
 * while
 * it is at work, it gives the same answer; of others, so many at once, and the rest wait.
 */
export function runAside<K extends keyof AsideResults>(task: K, folder: string, name = ''): Promise<AsideResults[K]> {
  const key = JSON.stringify([task, folder, name]);
  const same = atWork.get(key) as Promise<AsideResults[K]> | undefined;
  if (same) return same;
  const work = turns
    .take()
    .then((giveBack) => inProcess(task, folder, name, giveBack))
    .finally(() => atWork.delete(key));
  atWork.set(key, work);
  return work;
}

/** `ended` hears when the process is gone, which is a moment after its answer. */
function inProcess<K extends keyof AsideResults>(
  task: K,
  folder: string,
  name: string,
  ended: () => void,
): Promise<AsideResults[K]> {
  return new Promise((resolve, reject) => {
    const child = fork(path.join(import.meta.dirname, 'aside-process.ts'), [task, folder, name], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    let said = '';
    child.stderr?.on('data', (data: Buffer) => (said = `${said}${data}`.slice(-4000)));
    child.once('message', (message: AsideMessage) => {
      if ('result' in message) resolve(message.result as AsideResults[K]);
      else reject(receivedError(message.fault));
    });
    child.once('error', (error) => {
      ended();
      reject(error);
    });
    child.once('close', ended);
    child.once('close', (code, signal) =>
      reject(new Error(`The process for "${task}" ended with ${signal ?? code}: ${said}`)),
    ); // nothing happens when it has answered
  });
}
