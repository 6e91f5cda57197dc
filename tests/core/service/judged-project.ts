// A project in which everything was said of some answers, and exports of it.

import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { EXPORT_DEFAULTS, exportedData } from '#core/service/data/export-data.ts';
import type { DataExport } from '#core/service/data/export-data.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addMark } from '#core/store/marks.ts';
import type { Project } from '#core/store/project.ts';
import { addRanking } from '#core/store/rankings.ts';
import { setRating } from '#core/store/ratings.ts';
import { freshProjects, smallProject, workFolder } from './projects-at-hand.ts';

export const fresh = freshProjects();
export const folder = workFolder();
let files = 0;
export const freshFile = (ending = 'jsonl') => path.join(folder, `out-${++files}.${ending}`);
export const linesOf = (file: string): Record<string, unknown>[] =>
  fs
    .readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
export const run = (project: Project, options: Partial<DataExport> & { format: string; file: string }) =>
  exportedData(project.folder, { ...EXPORT_DEFAULTS, ...options });

export async function refusal(work: Promise<unknown>): Promise<TastemakerError> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TastemakerError);
  return error as TastemakerError;
}

/**
 * Ada ranks with a tie, Ben finds nothing good, somebody skips, one repeat is hidden, and one completion is only rated.
 */
export function judgedProject() {
  const { project, promptId, otherPromptId, completionIds, otherId, labelerId: ada } = smallProject(fresh());
  const ben = ensureLabeler(project, 'ben', 'person').id;
  const [a, b, c, d] = completionIds as [number, number, number, number];
  const ranks = [
    { completionId: a, rank: 2 },
    { completionId: b, rank: 1 },
    { completionId: c, rank: 2 },
    { completionId: d, rank: 3 },
  ];
  const first = addRanking(project, {
    promptId,
    labelerId: ada,
    status: 'ranked',
    ranks,
    shownOrder: [d, c, b, a],
    confidence: 7,
    note: 'short and true',
    durationMs: 1500,
    naive: 'a cat?',
    createdAt: 1000,
    extra: { id: 'x9' },
  });
  addRanking(project, {
    promptId,
    labelerId: ada,
    status: 'ranked',
    ranks: [
      { completionId: a, rank: 1 },
      { completionId: b, rank: 2 },
    ],
    repeatOf: first,
    createdAt: 1500,
  });
  addRanking(project, {
    promptId,
    labelerId: ben,
    status: 'none-acceptable',
    ranks: [],
    shownOrder: [b, a],
    createdAt: 2000,
  });
  addRanking(project, { promptId, labelerId: ben, status: 'skipped', ranks: [], createdAt: 2500 });
  setRating(project, { completionId: b, labelerId: ada, axis: 'coherence', value: 6, low: 1, high: 7 });
  setRating(project, { completionId: b, labelerId: ben, axis: 'coherence', value: 2, low: 1, high: 7 });
  addMark(project, { completionId: d, labelerId: ben, start: 0, end: 6, label: 'bad', note: 'why' });
  setRating(project, { completionId: otherId, labelerId: ben, axis: 'overall', value: 3, low: 1, high: 7 });
  return { project, promptId, otherPromptId, completionIds, ada, ben };
}
