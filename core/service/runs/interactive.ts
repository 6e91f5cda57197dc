// Runs one short task in a process of its own that ends with it: its memory is given back, and a crash is not ours.

import { fork } from 'node:child_process';
import path from 'node:path';
import type { ErrorCode } from '#core/errors.ts';
import { TastemakerError } from '#core/errors.ts';

const FILE = path.resolve(import.meta.dirname, '..', '..', 'runs', 'interactive-process.ts');

/** `env` says what it computes on. Rejects with the process's TastemakerError, or an Error where it died. */
export function runInteractive(
  task: object,
  signal: AbortSignal,
  env: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = fork(FILE, [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { ...process.env, ...env },
      signal,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr?.on('data', (data: Buffer) => (said = `${said}${data}`.slice(-4000)));
    child.once(
      'message',
      (message: { result: unknown } | { fault: { code: ErrorCode; message: string; hint: string } }) => {
        if ('result' in message) resolve(message.result);
        else reject(new TastemakerError(message.fault.code, message.fault.message, message.fault.hint));
      },
    );
    child.once('error', (error) =>
      reject(
        signal.aborted
          ? new TastemakerError('bad-argument', 'The project was closed meanwhile.', 'Open it and try again.')
          : error,
      ),
    );
    child.once('close', (code, by) =>
      reject(
        new TastemakerError(
          'runtime',
          `The process that worked on it ended early (${by ?? `exit code ${code}`}): ${said.trim().split('\n').at(-1) ?? ''}`,
          by === 'SIGKILL'
            ? 'It may have run out of memory: use a smaller model, or fewer and shorter completions.'
            : 'Try again; if it happens again, please report this line.',
        ),
      ),
    );
    child.send(task);
  });
}
