// Starts the workstation as a person does (the command `serve`, a home of its own) and opens it in the browser.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Page } from '@playwright/test';

export interface Workstation {
  home: string;
  url: string;
  /** milliseconds from the start of the process to the line with the address */
  startedInMs: number;
  process: ChildProcess;
  /** what it wrote to standard error */
  said(): string;
  stop(): Promise<void>;
}

/** `tastemaker serve` with these arguments; `home` is kept by the caller where it gives one. */
export async function startWorkstation(
  args: readonly string[] = ['--demo'],
  home = mkdtempSync(join(tmpdir(), 'workstation-')),
): Promise<Workstation> {
  const started = performance.now();
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', resolve('core/cli/main.ts'), 'serve', '--no-open', '--json', ...args],
    {
      cwd: home,
      env: { ...process.env, TASTEMAKER_HOME: join(home, 'settings'), HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const line = await new Promise<string>((found, failed) => {
    createInterface(child.stdout).once('line', found);
    child.once('exit', (code) => failed(new Error(`serve ended with ${code}: ${said}`)));
  });
  return {
    home,
    url: (JSON.parse(line) as { url: string }).url,
    startedInMs: performance.now() - started,
    process: child,
    said: () => said,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Removes a home that no process uses any more. */
export const forget = (home: string): void => rmSync(home, { recursive: true, force: true, maxRetries: 5 });

/** Everything the browser complains about: errors, warnings, failed requests, refused content. */
export function listenForComplaints(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on(
    'console',
    (message) =>
      ['error', 'warning'].includes(message.type()) && complaints.push(`${message.type()}: ${message.text()}`),
  );
  page.on('requestfailed', (request) => {
    // what a reload breaks off is no complaint
    const reason = request.failure()?.errorText ?? '';
    if (reason !== 'net::ERR_ABORTED') complaints.push(`failed: ${request.url()} ${reason}`);
  });
  return complaints;
}

/** Goes to a screen by its key, as a labeler does. */
export async function goTo(
  page: Page,
  screen: 'Home' | 'Label' | 'Data' | 'Models' | 'Train' | 'Inspect' | 'Settings',
): Promise<void> {
  const digit = ['Home', 'Label', 'Data', 'Models', 'Train', 'Inspect', 'Settings'].indexOf(screen) + 1;
  await page.keyboard.press(`Control+${digit}`);
}
