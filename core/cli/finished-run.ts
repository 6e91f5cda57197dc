// What a run that has just ended says for itself: its id, its summary, its model and its last metrics.

import fs from 'node:fs';
import { readJsonl } from '#core/formats/jsonl.ts';
import type { MetricRow } from '#core/jobs/metrics.ts';
import type { RunStatus, Run } from '#core/contract.ts';
import { livingProcess } from '#core/jobs/control.ts';
import { readStatus, runFolderOf, runPlaceOf } from '#core/jobs/job.ts';
import type { Finished } from '#core/jobs/start.ts';
import { lockHolder } from '#core/store/lock.ts';
import { modelMadeBy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { isLink, unlinkedPath } from '#core/unlinked.ts';
import type { Report } from './command.ts';

/** The last value of each metric of a run, and the step of the last report. */
export function lastMetrics(runFolder: string): { step: number; metrics: MetricRow } | null {
  const file = unlinkedPath(runFolder, 'metrics.jsonl');
  if (!fs.existsSync(file)) return null;
  const { rows } = readJsonl(file, (row) => row as { step: number; seconds: number } & MetricRow);
  if (rows.length === 0) return null;
  const { step, seconds: _, ...metrics } = Object.assign({}, ...rows) as { step: number; seconds: number } & MetricRow;
  return { step, metrics };
}

/**
 * What became of a run that the database says is at work: `killed` where no process is and nobody writes to the project, and
 * `unrecorded` how it ended where its end has not been taken into the database yet (opening the project does).
 */
export function fateOf(project: Project, { id, status }: Run): { killed: boolean; unrecorded: RunStatus | null } {
  if (!['running', 'paused', 'stopping', 'cancelling'].includes(status) || lockHolder(project.folder) !== null) return { killed: false, unrecorded: null };
  const folder = runPlaceOf(project.folder, id);
  if (isLink(folder)) return { killed: true, unrecorded: null };
  const unrecorded = readStatus(folder)?.status ?? null;
  return { killed: unrecorded === null && livingProcess(folder) === null, unrecorded };
}

export function reportRun(project: Project, { id, status, summary }: Finished): Report {
  const model = modelMadeBy(project, id)?.name ?? null;
  const last = lastMetrics(runFolderOf(project.folder, id));
  const end = status === 'cancelled' ? `Its files stay in runs/${id}.` : status === 'stopped' ? `Stopped and saved; \`tastemaker run resume ${id}\` goes on.` : `The run ${id} is done.`;
  return { data: { id, status, summary, model, ...last }, lines: [summary, `${end}${model ? ` Its model is "${model}".` : ''}`] };
}
