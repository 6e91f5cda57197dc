// Runs the commands of a case through the real command line, one after another in a scratch folder, and judges what
// came of them.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { faults, judge } from './case-checks.ts';
import type { Check, Said } from './case-checks.ts';
import { buildModel, OWN_CASES } from './case-models.ts';
import type { Made } from './case-models.ts';
import { runCli, writeLines } from './command-line.ts';
import { warmCommandLine } from './warm-command-line.ts';
import type { WarmCommandLine } from './warm-command-line.ts';

export interface Case {
  name: string;
  /** what {CASE} stands for; without it a folder is made of `made` and `files` */
  folder?: string;
  what: string;
  kind: string;
  commands: Record<string, string>;
  check: Check;
  /** model folders by their name */
  made?: Record<string, Made>;
  /**
   * rows, a text, or a file in tests/fixtures/cases/files, where bytes may be others: [from, how many, what stands
   * there instead]
   */
  files?: Record<string, unknown[] | string | { copy: string; splice?: [number, number, string][] }>;
}

type Written = Omit<Case, 'name'>;
const readCase = (file: string): Written => JSON.parse(fs.readFileSync(file, 'utf8')) as Written;

/** The cases below a folder that holds one folder a case with its case.json, in the order of their names. */
export const readCases = (root: string): Case[] =>
  fs
    .readdirSync(root)
    .filter((name) => fs.existsSync(path.join(root, name, 'case.json')))
    .sort()
    .map((name) => {
      const folder = path.join(root, name);
      return { ...readCase(path.join(folder, 'case.json')), name, folder };
    });

/** Our own cases, one file each, in the order of their names. */
export const readOwnCases = (): Case[] => {
  const folder = path.join(OWN_CASES, 'expected');
  return fs
    .readdirSync(folder)
    .sort()
    .map((file) => ({ ...readCase(path.join(folder, file)), name: path.basename(file, '.json') }));
};

const spliced = (bytes: Buffer, splices: readonly [number, number, string][]): Buffer =>
  splices.reduce(
    (whole, [at, count, hex]) =>
      Buffer.concat([whole.subarray(0, at), Buffer.from(hex, 'hex'), whole.subarray(at + count)]),
    bytes,
  );

/** Writes what the case is about into a folder of its own. */
function writeInputs(folder: string, { made = {}, files = {} }: Case): void {
  for (const [name, model] of Object.entries(made)) buildModel(path.join(folder, name), model);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    if (Array.isArray(content)) writeLines(file, content);
    else if (typeof content === 'string') fs.writeFileSync(file, content);
    else
      fs.writeFileSync(
        file,
        spliced(fs.readFileSync(path.join(OWN_CASES, 'files', content.copy)), content.splice ?? []),
      );
  }
}

const idle = Array.from({ length: os.availableParallelism() }, warmCommandLine);
afterAll(() => Promise.all(idle.map((warm) => warm.end())));
const waiting: ((warm: WarmCommandLine) => void)[] = [];
/** As many cases at once as there are cores, each with a command line that stays; the others wait their turn. */
export async function inTurn<T>(work: (warm: WarmCommandLine) => Promise<T>): Promise<T> {
  const warm = idle.pop() ?? (await new Promise<WarmCommandLine>((take) => waiting.push(take)));
  try {
    return await work(warm);
  } finally {
    const next = waiting.shift();
    if (next) next(warm);
    else idle.push(warm);
  }
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * What a command said, without the folders and names of the files it was given: a name must not answer for the program.
 */
function withoutNames(output: string, folders: readonly string[], args: readonly string[]): string {
  const given = args.filter((word) => folders.some((folder) => word.startsWith(folder)));
  const names = new Set(
    given.flatMap((word) => {
      const name = path.basename(word);
      return [word, path.relative(folders[1]!, word), name, name.replace(/\.\w+$/, '')];
    }),
  );
  const longestFirst = [...names, ...folders].filter(Boolean).toSorted((a, b) => b.length - a.length);
  return longestFirst.reduce(
    (bare, name) => bare.replaceAll(new RegExp(`(?<![\\w-])${escaped(name)}(?![\\w-])`, 'g'), ''),
    output,
  );
}

/** Null where the case is right; else what is wrong, with everything that its commands said. */
export async function runCase(one: Case, warm: WarmCommandLine): Promise<string | null> {
  const { commands, check } = one;
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'case-')));
  const work = path.join(root, 'work');
  const folder = one.folder ?? path.join(root, 'given');
  try {
    fs.mkdirSync(work);
    if (!one.folder) writeInputs(folder, one);
    const done: Record<string, Said> = {};
    for (const [name, line] of Object.entries(commands)) {
      const args = line
        .split(' ')
        .slice(1)
        .map((word) => word.replaceAll('{CASE}', folder).replaceAll('{WORK}', work));
      const ended = await runCli(warm, work, args, { TASTEMAKER_HOME: path.join(root, 'home') });
      done[name] = { ...ended, args, output: withoutNames(`${ended.stdout}\n${ended.stderr}`, [folder, work], args) };
    }
    const outcome = { work, commands: done };
    const wrong = [judge(outcome, check), ...faults(outcome)].filter((one) => one !== null);
    if (wrong.length === 0) return null;
    const log = Object.entries(done).map(
      ([name, ended]) => `${name} (${ended.code}): ${(ended.stdout + ended.stderr).trim().slice(0, 1500)}`,
    );
    return [...wrong, '', ...log].join('\n');
  } finally {
    fs.rmSync(root, { recursive: true, force: true });
  }
}
