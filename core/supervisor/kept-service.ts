// A service that is kept up: another process is started when one dies, sooner or later, until it dies too often.

import type { ChildProcess } from 'node:child_process';
import type { Notice, Reply } from '#core/contract/messages.ts';
import { endService, isRunning, startService } from './service-process.ts';
import type { ServiceProgram } from './service-process.ts';

const MOST_DEATHS = 5;
const WITHIN_MS = 30_000;
const FIRST_DELAY_MS = 100;

export interface KeeperEars {
  /** A process was started: the first, or another after a death. */
  started(child: ChildProcess, isAgain: boolean): void;
  hear(message: Reply | Notice): void;
  /** It has died, also while closing. With a sentence: it is not started again, because it died too often. */
  died(gaveUp: string | null): void;
  /** one line for each death */
  log(line: string): void;
}

export interface KeptService {
  pid(): number | null;
  isClosing(): boolean;
  /** Ends it whole, and starts no other. */
  close(): Promise<void>;
}

/** Starts the service at once. */
export function keepService(program: ServiceProgram, { started, hear, died, log }: KeeperEars): KeptService {
  const deaths: number[] = [];
  let child: ChildProcess | null = null;
  let closing: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;

  function start(isAgain: boolean): void {
    child = startService(program, { hear, died: ended, isClosing: () => closing !== null });
    started(child, isAgain);
  }

  function ended(how: string, said: string): void {
    child = null;
    if (closing) return died(null);
    log(`The service ${how}.${said.trim() ? ` It said: ${linesOf(said).join(' | ')}` : ''}`);
    const now = Date.now();
    deaths.push(now);
    const recent = deaths.filter((at) => at > now - WITHIN_MS).length;
    if (recent >= MOST_DEATHS)
      return died(
        `The service stopped ${recent} times within ${WITHIN_MS / 1000} seconds and is not started again: the last time it ${how}.`,
      );
    died(null);
    timer = setTimeout(start, FIRST_DELAY_MS * 2 ** (recent - 1), true);
  }

  start(false);
  return {
    pid: () => child?.pid ?? null,
    isClosing: () => closing !== null,
    close: () => {
      clearTimeout(timer);
      return (closing ??= child && isRunning(child) ? endService(child) : Promise.resolve());
    },
  };
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
