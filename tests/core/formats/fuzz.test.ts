// Opens 10,000 damaged safetensors, GGUF, config.json and tokenizer.json files: each is a whole one, or refused in one
// sentence that names it.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createRandom } from '#core/random.ts';
import { temporaryFolder } from './folder.ts';
import { hurtBytes, hurtJson } from './mutations.ts';

const CASES = 10_000;
const STILL = 20_000; // ms without a next case: it hangs

/**
 * Runs the cases in a process of their own and gives what it printed; throws where it ended otherwise than by itself.
 */
function opened(folder: string): Promise<string[]> {
  const script = path.join(import.meta.dirname, 'fuzz-in-child.ts');
  const child = spawn(process.execPath, [script, folder, '0', String(CASES)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const at = () => fs.readFileSync(path.join(folder, 'at'), 'utf8').trim();
  let out = '';
  let err = '';
  let last = '';
  let since = Date.now();
  child.stdout.on('data', (piece) => (out += String(piece)));
  child.stderr.on('data', (piece) => (err = (err + String(piece)).slice(-3000)));
  const watch = setInterval(() => {
    const now = fs.existsSync(path.join(folder, 'at')) ? at() : '';
    if (now !== last) [last, since] = [now, Date.now()];
    else if (Date.now() - since > STILL) child.kill('SIGKILL');
  }, 500);
  return new Promise((resolve, reject) => {
    child.on('close', (code, signal) => {
      clearInterval(watch);
      if (code === 0) resolve(out.trim().split('\n'));
      else
        reject(
          new Error(`Case ${at()} ended the process (${signal ?? code}); node ${script} FOLDER repeats it.\n${err}`),
        );
    });
  });
}

test('no crash, no hang, no more memory than four times the file and 64 MB, and always a sentence', async () => {
  const lines = (await opened(temporaryFolder())).map(
    (line) => JSON.parse(line) as { wrong?: string; cases: number; opened: Record<string, number> },
  );
  expect(lines.slice(0, -1), 'cases that ended otherwise').toEqual([]);
  const { cases, opened: whole } = lines.at(-1)!;
  expect(cases).toBe(CASES);
  expect(Object.keys(whole)).toEqual(['safetensors', 'gguf', 'config', 'tokenizer']);
  for (const [kind, count] of Object.entries(whole)) {
    // damage that always or never shows would say nothing
    expect(count, kind).toBeGreaterThan(CASES / 100);
    expect(count, kind).toBeLessThan((CASES / 4) * 0.6);
  }
}, 120_000);

test('damage is the same every time, and is damage', () => {
  const text = JSON.stringify({ model: { type: 'BPE', vocab: { a: 0, b: 1 } }, list: [1, 2, { x: null }] });
  const bytes = Buffer.from(text);
  const texts = Array.from({ length: 300 }, (_, i) => hurtJson(text, createRandom(2, `${i}`)));
  expect(texts).toEqual(Array.from({ length: 300 }, (_, i) => hurtJson(text, createRandom(2, `${i}`))));
  expect(texts.filter((one) => one !== text).length).toBeGreaterThan(280);
  expect(new Set(texts).size).toBeGreaterThan(200);
  expect(
    Array.from({ length: 100 }, (_, i) => hurtBytes(bytes, createRandom(3, `${i}`), 40)).filter(
      (one) => !one.equals(bytes),
    ).length,
  ).toBeGreaterThan(85);
  expect(bytes.toString()).toBe(text);
});
