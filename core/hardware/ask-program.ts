// Asks another program on this machine: what it printed, or that it is absent or takes too long.

import { spawn } from 'node:child_process';

/** `absent`: it could not be started. `slow`: it was ended at its time limit; what it printed until then is there. */
export interface Answer {
  outcome: 'ended' | 'absent' | 'slow';
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface AskOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** milliseconds; null lets it take as long as it wants */
  timeout?: number | null;
  /** gets each line of both streams as it comes */
  onLine?(line: string): void;
}

/** Never throws. A program that cannot even be killed (a driver that hangs in the kernel) does not hold us up. */
export function askProgram(
  program: string,
  args: readonly string[],
  { env = process.env, cwd, timeout = 5000, onLine }: AskOptions = {},
): Promise<Answer> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    let stdout = '';
    let stderr = '';
    const timer =
      timeout === null
        ? null
        : setTimeout(() => {
            child.kill('SIGKILL');
            end('slow', null);
          }, timeout);
    const end = (outcome: Answer['outcome'], code: number | null) => {
      if (timer) clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve({ outcome, code, stdout, stderr });
    };
    const lines = { out: lineReader(onLine), err: lineReader(onLine) };
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      stdout += piece;
      lines.out(piece);
    });
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      stderr += piece;
      lines.err(piece);
    });
    child.once('error', () => end('absent', null));
    child.once('close', (code) => end('ended', code));
  });
}

/** Cuts a stream of pieces into lines; what has no end of line yet waits for the next piece. */
export function lineReader(tell: ((line: string) => void) | undefined): (piece: string) => void {
  let rest = '';
  return (piece) => {
    const lines = (rest + piece).split(/\r?\n/);
    rest = lines.pop()!;
    if (tell) for (const line of lines) if (line.trim()) tell(line);
  };
}
