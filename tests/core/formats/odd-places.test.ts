// What lies in a file's place and is none (a named pipe, a socket, an endless device, a folder) is refused in a
// sentence within a second, by every reader.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from './folder.ts';

const STILL_MS = 15_000;
interface Read {
  reader: string;
  kind: string;
  ms: number;
  said: string | null;
  isSentence: boolean;
}

/** What the child told of each reading; throws naming the one that it never came back from. */
function readInChild(folder: string): Promise<Read[]> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'odd-places-in-child.ts'), folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let wrong = '';
  let timer: NodeJS.Timeout | undefined;
  let isStill = false;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      isStill = true;
      child.kill('SIGKILL');
    }, STILL_MS);
  };
  wait();
  child.stdout.on('data', (piece: Buffer) => {
    said += String(piece);
    wait();
  });
  child.stderr.on('data', (piece: Buffer) => (wrong += String(piece)));
  return new Promise((resolve, reject) =>
    child.on('close', (code) => {
      clearTimeout(timer);
      const lines = said.trim().split('\n');
      if (isStill || code !== 0)
        reject(
          new Error(
            `${lines.findLast((line) => line.startsWith('>'))} ${isStill ? 'never came back' : `ended the process: ${wrong}`}`,
          ),
        );
      else resolve(lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Read));
    }),
  );
}

/** What is no trouble to do without: read as if it were not there. */
const DONE_WITHOUT =
  /^(look at |licence file|model card|project\.lock|project\.db-checked|metrics\.jsonl|data\.jsonl|log\.txt|samples\.jsonl|a t)/;

test.skipIf(process.platform === 'win32')(
  'every reader answers within a second (skipped: Windows has no such files)',
  async () => {
    const reads = await readInChild(temporaryFolder());
    expect(reads.length).toBeGreaterThan(120);
    const slow = reads.filter(({ ms }) => ms > 1000);
    expect(slow, 'slow').toEqual([]);
    expect(
      reads.filter(({ isSentence }) => !isSentence),
      'no sentence',
    ).toEqual([]);
    expect(
      reads.filter(({ reader, said }) => said === null && !DONE_WITHOUT.test(reader)),
      'read',
    ).toEqual([]);
  },
);
