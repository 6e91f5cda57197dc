// The real command line, in a process that stays or in one of its own, and small things for it to work on.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { freshWeights, saveCheckpoint } from '#core/models/checkpoint.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { warmCommandLine } from './warm-command-line.ts';
import type { Ended, WarmCommandLine } from './warm-command-line.ts';

export const MAIN = path.join(process.cwd(), 'core/cli/main.ts');

const environment = (changes: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...process.env,
  TASTEMAKER_THREADS: '1',
  ...changes,
});

/**
 * Starts `tastemaker ...args` in `cwd` as a process of its own, with `changes` to our environment; `ended` resolves
 * when it is over.
 */
export function startCli(
  cwd: string,
  args: readonly string[],
  changes: NodeJS.ProcessEnv = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(changes),
  });
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  return { child, ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr }))) };
}

/** Runs `tastemaker ...args` in `cwd` and environment as `startCli` does, in a process that stays. */
export const runCli = (
  warm: WarmCommandLine,
  cwd: string,
  args: readonly string[],
  changes: NodeJS.ProcessEnv = {},
): Promise<Ended> => warm.run({ cwd, args, env: environment(changes) });

const warm = warmCommandLine(); // of this test file
afterAll(() => warm.end());
export const cli = (cwd: string, ...args: string[]): Promise<Ended> => runCli(warm, cwd, args);

/** The JSON that the command printed; fails with what it said where it did not succeed. */
export async function cliJson<T>(cwd: string, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(cwd, ...args, '--json');
  if (code !== 0) throw new Error(`tastemaker ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** A folder that goes away after the test file. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cli-'));
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const writeLines = (file: string, rows: readonly unknown[]): void =>
  fs.writeFileSync(file, rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join(''));
export const readLines = <T>(file: string): T[] =>
  fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

const TEXT =
  'The ship left the harbour at dawn and nobody on the quay waved. The captain read the letter twice, folded it, and said nothing. ';

/** A model folder of one narrow layer with a tokenizer of its own; a few milliseconds to make and to run. */
export async function writeTinyModel(folder: string, changes: Partial<Architecture> = {}): Promise<void> {
  const tokenizerFolder = `${folder}-tokenizer`;
  await writeTokenizer(tokenizerFolder, trainBpe([TEXT.repeat(3)], 300));
  const tokenizer = await loadTokenizer(tokenizerFolder);
  const architecture = newArchitecture({
    family: 'gpt2',
    vocabulary: tokenizer.vocabularySize,
    channels: 8,
    layers: 1,
    heads: 2,
    feedForward: 16,
    context: 48,
    endOfText: tokenizer.endOfText,
    pad: tokenizer.pad,
    ...changes,
  });
  saveCheckpoint(
    folder,
    { architecture, head: 'language-model', weights: freshWeights(parameters(architecture), 1, 1, 0.3) },
    { tokenizerFrom: tokenizerFolder },
  );
}
