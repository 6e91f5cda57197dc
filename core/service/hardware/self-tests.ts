// Self-tests in processes of their own, for a broken provider may end its process; and what they said, kept in the home
// folder.

import { fork } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { SelfTest } from '#core/contract/hardware.ts';
import { deviceEnvironment, deviceWords } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';
import { firstProblem } from '#core/autodiff/self-test.ts';
import type { Check } from '#core/autodiff/self-test.ts';
import { replaceFile, writeFully } from '#core/formats/file-access.ts';
import type { SelfTestMessage } from '#core/runs/self-test-process.ts';

const PROCESS_FILE = path.resolve(import.meta.dirname, '..', '..', 'runs', 'self-test-process.ts');
const SILENT_MS = 60_000;
const KEPT_FILE = 'self-tests.json';
const MOST_KEPT = 12;

export interface SelfTestOptions {
  /** what the process needs besides its device, such as where the CUDA libraries lie */
  environment?: Readonly<Record<string, string>>;
  /** a process that says nothing for this long is ended */
  silentMs?: number;
  signal?: AbortSignal | undefined;
  processFile?: string;
}

/**
 * Tests `device`. Never rejects: a process that crashes, is ended or says nothing is a test that failed, and a
 * sentence.
 */
export function runSelfTest(
  device: Device,
  { environment = {}, silentMs = SILENT_MS, signal, processFile = PROCESS_FILE }: SelfTestOptions = {},
): Promise<SelfTest> {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = fork(processFile, [], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { ...process.env, ...environment, ...deviceEnvironment(device) },
      ...(signal ? { signal, killSignal: 'SIGKILL' as const } : {}),
    });
    let at: string | null = null;
    let said = '';
    let checks: Check[] | null = null;
    let tooSlow = false;
    const patience = setTimeout(() => {
      tooSlow = true;
      child.kill('SIGKILL');
    }, silentMs);
    const end = (how: string): void => {
      clearTimeout(patience);
      const seconds = (performance.now() - began) / 1000;
      const base = { at: Date.now(), seconds };
      if (!checks) return resolve({ ...base, ok: false, sentence: how, checks: [] });
      const problem = firstProblem(checks);
      const kept = checks.map(({ name, ok, worst, tolerance }) => ({ name, ok, worst, tolerance }));
      resolve({
        ...base,
        ok: problem === null,
        checks: kept,
        sentence: problem?.problem ?? `All ${checks.length} checks agree with the processor (${seconds.toFixed(1)} s).`,
      });
    };
    child.stderr?.on('data', (data: Buffer) => (said = `${said}${data}`.slice(-4000)));
    child.on('message', (message: SelfTestMessage) => {
      patience.refresh();
      if ('at' in message) at = message.at;
      else checks = message.checks;
    });
    child.once('error', (error) => end(`Its process could not be started: ${error.message}.`));
    child.once('close', (code, by) => {
      const where = at === null ? 'before it computed anything' : `while it computed ${at}`;
      const last = said.trim().split('\n').at(-1) ?? '';
      end(
        tooSlow
          ? `It said nothing for ${Math.round(silentMs / 1000)} s ${where} and was ended.`
          : `Its process ${by ? `was ended by ${by}` : `ended with ${code}`} ${where}.${last ? ` Its last line: ${last.slice(0, 300)}` : ''}`,
      );
    });
  });
}

/** What a device is called in a key: the same device with the same files under the same driver needs no second test. */
export const selfTestKey = (device: Device, facts: readonly (string | null)[]): string =>
  [deviceWords(device), ...facts.map((fact) => fact ?? '?')].join(' | ');

export interface KeptSelfTests {
  read(key: string): SelfTest | null;
  keep(key: string, test: SelfTest): void;
}

/** self-tests.json in the home folder; a damaged one, or one that cannot be written, means testing again. */
export function keptSelfTests(home: string): KeptSelfTests {
  const file = path.join(home, KEPT_FILE);
  const load = (): Record<string, SelfTest> => {
    try {
      const found = JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, SelfTest>;
      return Object.fromEntries(
        Object.entries(found).filter(
          ([, test]) =>
            typeof test?.ok === 'boolean' &&
            typeof test.sentence === 'string' &&
            Number.isFinite(test.at) &&
            Number.isFinite(test.seconds) &&
            Array.isArray(test.checks),
        ),
      );
    } catch {
      return {};
    }
  };
  return {
    read: (key) => load()[key] ?? null,
    keep: (key, test) => {
      const newest = Object.entries({ ...load(), [key]: test })
        .toSorted(([, a], [, b]) => b.at - a.at)
        .slice(0, MOST_KEPT);
      try {
        fs.mkdirSync(home, { recursive: true });
        replaceFile(file, (fd) =>
          writeFully(fd, Buffer.from(`${JSON.stringify(Object.fromEntries(newest), null, 1)}\n`)),
        );
      } catch {
        // then it is tested again at the next start
      }
    },
  };
}
