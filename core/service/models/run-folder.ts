// What lies in the folder of a run: its manifest, its last numbers, and what it learned from.

import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { runFolderOf } from '#core/store/run-folder.ts';
import { openRegular } from '#core/regular-file.ts';
import { lastStepIn } from '#core/runs/new-lines.ts';
import { lastValues, readResults } from '#core/runs/results.ts';
import type { Project } from '#core/store/project.ts';
import { resultsOf } from '#core/store/run-facts.ts';

/**
 * The last value of every metric of a run: as it was recorded, else (a run of an older version) from its metrics.jsonl;
 * empty where there is none.
 */
export function lastMetrics(project: Project, runId: string): Record<string, number> {
  const recorded = resultsOf(project, runId);
  return lastValues(recorded.length ? recorded : readResults(runFolderOf(project.folder, runId), null));
}

/** The step of the last report; 0 where there is none. */
export const lastStep = (project: Project, runId: string): number => lastStepIn(runFolderOf(project.folder, runId));

/** The lines of a run's file, one at a time. 'bad-file' for what is no file. */
export const linesOf = (file: string): Interface =>
  createInterface({
    input: fs.createReadStream('', { fd: openRegular(file, { follow: false }).fd, encoding: 'utf8' }),
    crlfDelay: Infinity,
  });

const counted = new Map<string, { rankings: number; comparisons: number }>();

/**
 * How many rankings a reward run learned from, and the comparisons they make. Its rows never change, so they are
 * counted once.
 */
export async function rankingsOf(project: Project, runId: string): Promise<{ rankings: number; comparisons: number }> {
  const file = path.join(runFolderOf(project.folder, runId), 'data.jsonl');
  const known = counted.get(file);
  if (known) return known;
  const count = { rankings: 0, comparisons: 0 };
  if (!fs.existsSync(file)) return count;
  for await (const line of linesOf(file)) {
    const { ranks, use = 'train' } = JSON.parse(line || '{}') as { ranks?: number[]; use?: string };
    if (!ranks || use !== 'train') continue; // a reference for the zero point, or what it is validated on
    count.rankings++;
    ranks.forEach((a, i) => ranks.slice(i + 1).forEach((b) => a !== b && count.comparisons++));
  }
  counted.set(file, count);
  return count;
}
