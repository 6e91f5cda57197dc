// The command line in a process that stays: each call has its own folder, arguments and environment, as if it were a
// process of its own.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Answered, Asked } from './command-process.ts';

export interface Ended {
  /** null where a signal ended the process */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface WarmCommandLine {
  /** Runs one call; calls wait for each other. */
  run(asked: Asked): Promise<Ended>;
  /** Ends its process, when the calls are over. */
  end(): Promise<void>;
}

const PROCESS = path.join(import.meta.dirname, 'command-process.ts');

/** Its process starts with the first call, and again after a call that ended it. */
export function warmCommandLine(): WarmCommandLine {
  let child: ChildProcess | null = null;
  let last: Promise<unknown> = Promise.resolve();
  const beside = { stdout: '', stderr: '' }; // what does not go through the streams: of native code, of a crash
  const start = (cwd: string): ChildProcess => {
    const started = fork(PROCESS, [], { cwd, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    for (const name of ['stdout', 'stderr'] as const)
      started[name]!.on('data', (piece: Buffer) => void (beside[name] += piece.toString()));
    return started.once('exit', () => void (child = null));
  };
  const ask = async (asked: Asked): Promise<Ended> => {
    const at = (child ??= start(asked.cwd));
    Object.assign(beside, { stdout: '', stderr: '' });
    const { code, stdout, stderr } = await new Promise<Ended>((resolve) => {
      const died = (exit: number | null) => resolve({ code: exit, stdout: '', stderr: '' });
      at.once('close', died).once('message', (answered: Answered) => {
        at.off('close', died);
        resolve(answered);
      });
      at.send(asked);
    });
    return { code, stdout: beside.stdout + stdout, stderr: beside.stderr + stderr };
  };
  return {
    run: (asked) => {
      const ended = last.then(() => ask(asked));
      last = ended;
      return ended;
    },
    end: async () => {
      await last;
      const at = child;
      if (!at) return;
      const gone = new Promise<void>((resolve) => at.once('exit', () => resolve()));
      at.disconnect();
      await gone;
    },
  };
}
