// What the machine has free now and how fast it computes: what only the service can say of it.

import fs from 'node:fs';
import path from 'node:path';
import { readRegularText } from '#core/regular-file.ts';
import type { Computing } from '#core/service/hardware/computing.ts';
import type { Inspector } from '#core/service/inspector.ts';
import type { RunQueue } from './queue.ts';

export interface Machine extends Computing {
  /** memory that a run may take */
  availableBytes: number;
  /** work a second (see plans/time.ts) where no earlier run says it; null: not known */
  pace: number | null;
}

export async function machineNow({
  memoryInUse,
  computing,
}: Pick<RunQueue, 'memoryInUse' | 'computing'>): Promise<Machine> {
  const limit = process.constrainedMemory();
  return {
    ...(await computing()),
    // a run that is at work ends before the next one begins
    availableBytes: Math.min(process.availableMemory(), limit > 0 ? limit : Infinity) + memoryInUse(),
    pace: null,
  };
}

let measured: number | null = null;
/** What this machine does a second, measured once when nothing else runs and kept beside the preferences. */
export async function machinePace({
  home,
  runs,
  inspector,
}: {
  home: string;
  runs: Pick<RunQueue, 'busy'>;
  inspector: Pick<Inspector, 'ask'>;
}): Promise<number | null> {
  const file = path.join(home, 'speed.json');
  try {
    measured ??= (JSON.parse(readRegularText(file, 100_000)) as { trained: number }).trained;
  } catch {
    // not measured yet
  }
  if (measured !== null || runs.busy()) return measured === null ? null : 3 * measured;
  measured = await inspector.ask('speed', null);
  try {
    fs.mkdirSync(home, { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ trained: measured }));
  } catch {
    // then it is measured again next time
  }
  return 3 * measured; // a training pass is counted as three
}
