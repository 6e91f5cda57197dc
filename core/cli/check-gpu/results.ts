// What the check of a graphics card found, as one JSON file: runs on a card, and apart from them what was looked at
// without one.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';

/** One figure, or one thing that was compared. */
export interface Row {
  what: string;
  value: number | string;
  unit: string;
  /** the same of PyTorch and what stands on it, where it was measured */
  peer?: number;
  /** how many times as fast as the peer we are */
  times?: number;
  /** what was asked for, in words */
  goal?: string;
  /** null: nothing to judge by */
  ok: boolean | null;
}

/** `cut short`: it took longer than it may, or its process ended; what it had found by then is there. */
export type SectionState = 'passed' | 'failed' | 'cut short' | 'not run';

export interface Section {
  state: SectionState;
  /** what was found in a sentence, or why it was not run */
  sentence: string;
  /** when it began, ISO 8601 */
  at: string;
  seconds: number;
  /** the card, or the processor, it ran on */
  on: string;
  rows: Row[];
  notes: string[];
  /** the most that the card's memory held beyond what it held before; null where nobody looked */
  peakBytes: number | null;
}

/**
 * `card`: on a card. `absent`: no card was there. `trial`: tiny shapes on a processor. `stand-in`: the CUDA provider
 * over libraries that compute nothing.
 */
export type Kind = 'card' | 'absent' | 'trial' | 'stand-in';
export const KINDS: readonly Kind[] = ['card', 'absent', 'trial', 'stand-in'];

export interface Run {
  /** when the latest run of this kind began */
  at: string;
  state: 'running' | 'done' | 'stopped';
  minutes: number;
  sections: Record<string, Section>;
}
export interface Results {
  format: 1;
  runs: Partial<Record<Kind, Run>>;
}

export const RESULTS_FILE = 'gpu.json';

/** The file of a folder, or of the first of several that has one. 'bad-file' where it is none of ours. */
export function readResults(folders: readonly string[]): Results {
  const file = folders.map((folder) => path.join(folder, RESULTS_FILE)).find((name) => fs.existsSync(name));
  if (!file) return { format: 1, runs: {} };
  try {
    const found = JSON.parse(fs.readFileSync(file, 'utf8')) as Results;
    if (found.format === 1 && typeof found.runs === 'object') return found;
  } catch {
    // said below
  }
  throw new TastemakerError(
    'bad-file',
    `${file} does not hold results of this check.`,
    'Move it elsewhere, or name another folder with --out.',
  );
}

const ran = (section: Section | undefined): boolean => section !== undefined && section.state !== 'not run';

/** The results with one more section. What a card has shown stays where the section was not run this time. */
export function withSection(results: Results, kind: Kind, name: string, section: Section): Results {
  const run = results.runs[kind]!;
  const known = run.sections[name];
  const kept =
    kind === 'card' && ran(known) && !ran(section)
      ? {
          ...known!,
          notes: [
            ...known!.notes.filter((note) => !note.startsWith(AGAIN)),
            `${AGAIN} ${section.at.slice(0, 10)}: ${section.sentence}`,
          ],
        }
      : section;
  return { ...results, runs: { ...results.runs, [kind]: { ...run, sections: { ...run.sections, [name]: kept } } } };
}
const AGAIN = 'Not run again on';

/** Writes a file under another name, then renames it: it is whole at every moment. */
export function writeWhole(file: string, text: string): void {
  const partial = `${file}.${process.pid}`;
  const handle = fs.openSync(partial, 'w');
  try {
    fs.writeFileSync(handle, text);
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
  fs.renameSync(partial, file);
}
