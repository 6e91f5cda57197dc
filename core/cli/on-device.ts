// Lets a command compute on the device that was asked for: checked by its self-test, and with the CUDA libraries where
// the loader finds them.

import { spawn } from 'node:child_process';
import type { WantedDevice } from '#core/contract/hardware.ts';
import { chosenDevice, deviceWords, readDevice } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';
import { homeFolder } from '#core/store/home-folder.ts';
import { settleDevice } from '#core/service/hardware/choose.ts';
import { environmentFor } from '#core/service/hardware/look.ts';
import { readLibraryFolders } from '#core/service/library-folders.ts';

/** Set in the process that was started anew, so that it is not started a third time. */
const STARTED_ANEW = 'TASTEMAKER_STARTED_ANEW';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Chooses what this process computes on. CUDA's libraries have to be known before a process begins, so for them the
 * command runs in a
 * process that is started anew. @returns false where that has done the work.
 * Throws 'runtime' where what was asked for cannot be had or failed its self-test.
 */
export async function computeOn(wanted: WantedDevice | null): Promise<boolean> {
  if (process.env[STARTED_ANEW]) return true;
  const device = wanted === null ? chosenDevice() : await settled(wanted);
  const environment = await environmentFor(device, device.provider === 'cuda' ? readLibraryFolders(homeFolder()) : []);
  const { LD_LIBRARY_PATH, ...rest } = environment;
  if (LD_LIBRARY_PATH === undefined || LD_LIBRARY_PATH === process.env.LD_LIBRARY_PATH) {
    if (wanted !== null || device.provider === 'cuda') Object.assign(process.env, rest);
    return true;
  }
  process.exitCode = await startAnew({ ...environment, [STARTED_ANEW]: '1' });
  return false;
}

async function settled(wanted: WantedDevice): Promise<Device> {
  if (wanted === 'cpu') return readDevice('cpu');
  const { device, reason, refusal } = await settleDevice(homeFolder(), wanted, {
    testing: ({ untested }) =>
      void process.stderr.write(`Testing ${untested ?? wanted} once; this takes up to a minute.\n`),
  });
  if (refusal) throw refusal;
  process.stderr.write(`Computing on ${deviceWords(device)}. ${reason}\n`);
  return device;
}

/** The same command in a process of its own, with our streams; signals are passed on, and it ends as that one ends. */
function startAnew(environment: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      stdio: 'inherit',
      env: { ...process.env, ...environment },
    });
    // sends Ctrl-C to both itself
    const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
    const pass = (signal: NodeJS.Signals) => {
      if (signal !== 'SIGINT' || !atTerminal) child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, pass);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of SIGNALS) process.off(name, pass);
      resolve(code ?? (signal ? 128 : 1));
    });
  });
}
