// One process of the service: started with a plain environment, heard until it has ended, and ended whole.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Notice, Reply } from '#core/contract/messages.ts';

const CLOSING_MS = 10_000;
const KEPT_OUTPUT = 2000;

export interface ServiceProgram {
  /** the Node to run it with, and the script */
  node: string;
  script: string;
  /** TASTEMAKER_HOME says where preferences and logs lie; what would change Node itself is taken out */
  env: NodeJS.ProcessEnv;
}

export interface ServiceEars {
  hear(message: Reply | Notice): void;
  /** Told once, after every message has been heard: how it ended, and the last that it printed. */
  died(how: string, said: string): void;
  /** Whether it is to end: a process without a channel that is not is killed. */
  isClosing(): boolean;
}

export function startService(
  { node, script, env }: ServiceProgram,
  { hear, died, isClosing }: ServiceEars,
): ChildProcess {
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', script], {
    env: plainEnvironment(env),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'json',
    windowsHide: true,
  });
  let said = '';
  let ended: string | null = null;
  let hungUp = false;
  let isOver = false;
  const over = () => {
    if (ended === null || !hungUp || isOver) return;
    isOver = true;
    died(ended, said);
  };
  child.stderr!.on('data', (data: Buffer) => (said = `${said}${data}`.slice(-KEPT_OUTPUT)));
  child.on('message', (message) => hear(message as Reply | Notice));
  child.once('disconnect', () => {
    hungUp = true; // every message it sent has been heard
    if (ended === null && !isClosing()) child.kill('SIGKILL'); // alive without a channel: of no use
    over();
  });
  child.once('exit', (code, signal) => {
    ended = signal ? `was ended by ${signal}` : `ended with ${code}`;
    over();
  });
  child.once('error', (error) => {
    if (child.pid !== undefined) return; // a failed kill or send
    [ended, hungUp] = [`could not be started: ${error.message}`, true];
    over();
  });
  return child;
}

export const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null;

/** Lets it end by itself, and by force where that takes too long; resolves at its end. */
export function endService(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const kill = setTimeout(() => child.kill('SIGKILL'), CLOSING_MS);
    child.once('exit', () => {
      clearTimeout(kill);
      resolve();
    });
    if (child.connected) child.disconnect(); // it answers by closing the project and ending
  });
}

/**
 * The environment without what makes Node or Electron another program (NODE_OPTIONS loads code, NODE_EXTRA_CA_CERTS
 * trusts others, ELECTRON_RUN_AS_NODE turns one into the other). What the system's own loader reads is the person's
 * affair.
 */
export const plainEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(NODE|ELECTRON)_/i.test(name)));
