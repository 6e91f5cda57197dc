// What a run wrote for its held-out prompts, with what the reward model and the reference said of it.

import fs from 'node:fs';
import path from 'node:path';
import { readRegularText } from '#core/regular-file.ts';

const LARGEST = 400e6; // bytes; a little below the longest text that Node can hold

export interface HeldOut {
  step: number;
  promptId: number;
  score: number;
  /** the score with the missing-end rule of the run applied: what PPO works with */
  penalised: number;
  kl: number | null;
  gold: number | null;
}

const known = new Map<string, { stamp: string; rows: HeldOut[] }>();

/**
 * The rows of samples.jsonl that have a score, in the order of their steps; empty where the run wrote none. Read anew
 * only where the file has changed.
 */
export function heldOutOf(runFolder: string): HeldOut[] {
  const file = path.join(runFolder, 'samples.jsonl');
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat) return [];
  const stamp = `${stat.size}/${stat.mtimeMs}`;
  const before = known.get(file);
  if (before?.stamp === stamp) return before.rows;
  const penalised = missingEnd(runFolder);
  const rows = jsonLines(file).flatMap((row): HeldOut[] => {
    const { step, promptId, score, kl, gold, finish } = row as Partial<Record<string, unknown>>;
    if (typeof step !== 'number' || typeof score !== 'number') return [];
    return [
      {
        step,
        promptId: Number(promptId),
        score,
        penalised: penalised(score, finish),
        kl: typeof kl === 'number' ? kl : null,
        gold: typeof gold === 'number' ? gold : null,
      },
    ];
  });
  known.set(file, { stamp, rows });
  return rows;
}

/** The objects of a file of JSON lines; empty where it is not there. */
export function jsonLines(file: string): object[] {
  if (!fs.existsSync(file)) return [];
  return readRegularText(file, LARGEST, { follow: false })
    .split('\n')
    .flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as object];
      } catch {
        return []; // a line that was being written
      }
    });
}

/**
 * What a score counts as where the completion did not end, by the settings `missing_end` and `missing_end_penalty`
 * (D21).
 */
function missingEnd(runFolder: string): (score: number, finish: unknown) => number {
  let config: { missing_end?: unknown; missing_end_penalty?: unknown } = {};
  try {
    ({ config } = JSON.parse(readRegularText(path.join(runFolder, 'manifest.json'), LARGEST, { follow: false })) as {
      config: typeof config;
    });
  } catch {
    /* then nothing is taken off */
  }
  const { missing_end: rule = 'keep', missing_end_penalty: given } = config;
  const penalty = Number(given ?? 0);
  return (score, finish) =>
    finish === 'stop' || rule === 'keep' ? score : rule === 'replace' ? penalty : score - Math.abs(penalty);
}
