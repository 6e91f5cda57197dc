// A log file that cannot grow without end: at one megabyte it is put aside, and the three newest of those are kept.

import fs from 'node:fs';
import path from 'node:path';

export type Log = (text: string) => void;

/** Writes `text` with the time before it. A log that cannot be written must not stop the work: the text is dropped. */
export function openLog(file: string, { maxBytes = 2 ** 20, kept = 3 } = {}): Log {
  return (text) => {
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      if ((fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= maxBytes) {
        for (let n = kept - 1; n >= 0; n--) {
          const older = n === 0 ? file : `${file}.${n}`;
          if (fs.existsSync(older)) fs.renameSync(older, `${file}.${n + 1}`);
        }
      }
      fs.appendFileSync(file, `${new Date().toISOString()} ${text.trimEnd()}\n`);
    } catch {
      // dropped
    }
  };
}

/** The last lines of a log, oldest first; none where it cannot be read. */
export function lastLines(file: string, count: number): string[] {
  try {
    return fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count);
  } catch {
    return [];
  }
}
