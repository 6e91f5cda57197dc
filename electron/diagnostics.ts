// What a person may copy into a report when something broke: versions and the last lines of the log, without names of
// folders.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { redact } from '#core/redact.ts';

export function shellDiagnostics(reason: string, logFolder: string): string {
  const versions = ['electron', 'chrome', 'node'].map((name) => `${name} ${process.versions[name] ?? '?'}`).join(', ');
  return redact(
    [
      `Tastemaker: ${reason}`,
      `${process.platform} ${process.arch} ${os.release()}, ${versions}`,
      ...lastLines(path.join(logFolder, 'service.log'), 40),
    ].join('\n'),
    { home: os.homedir() },
  );
}

function lastLines(file: string, count: number): string[] {
  try {
    return fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count);
  } catch {
    return ['(no log)'];
  }
}
