// What a run that has just ended says for itself: its id, its summary, its model and its last metrics.

import path from 'node:path';
import type { MetricRow } from '#core/recipes/metrics.ts';
import type { RunStatus, Run } from '#core/contract/runs.ts';
import { livingProcess } from '#core/runs/control.ts';
import { readStatus } from '#core/runs/ending.ts';
import { runFolderOf, runPlaceOf } from '#core/store/run-folder.ts';
import { followRows, isMetricRow } from '#core/runs/new-lines.ts';
import type { Finished } from '#core/runs/start.ts';
import { lockHolder } from '#core/store/lock.ts';
import { modelMadeBy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { isLink } from '#core/unlinked.ts';
import type { Report } from './command.ts';
import { AT_WORK } from '#core/contract/runs.ts';

const PIECE = 1 << 20; // bytes

export interface LastMetrics {
  step: number;
  metrics: MetricRow;
  /** lines that are left out, torn by a crash; absent where there are none */
  damaged?: number;
}

/** The last value of each metric of a run, and the step of the last report. */
export function lastMetrics(runFolder: string): LastMetrics | null {
  const file = followRows<{ step: number; seconds: number } & MetricRow>(
    path.join(runFolder, 'metrics.jsonl'),
    isMetricRow,
  );
  const found: Partial<{ step: number; seconds: number }> & MetricRow = {};
  for (let read = file.read(PIECE); read.more; read = file.read(PIECE)) Object.assign(found, ...read.rows);
  const { step, seconds: _, ...metrics } = found;
  const damaged = file.damaged();
  return step === undefined ? null : { step, metrics, ...(damaged ? { damaged } : {}) };
}

/**
 * What became of a run that the database says is at work: `killed` where no process is and nobody writes to the
 * project, and
 * `unrecorded` how it ended where its end has not been taken into the database yet (opening the project does).
 */
export function fateOf(project: Project, { id, status }: Run): { killed: boolean; unrecorded: RunStatus | null } {
  if (!AT_WORK.includes(status) || lockHolder(project.folder) !== null) return { killed: false, unrecorded: null };
  const folder = runPlaceOf(project.folder, id);
  if (isLink(folder)) return { killed: true, unrecorded: null };
  const unrecorded = readStatus(folder)?.status ?? null;
  return { killed: unrecorded === null && livingProcess(folder) === null, unrecorded };
}

export function reportRun(project: Project, { id, status, summary }: Finished): Report {
  const model = modelMadeBy(project, id)?.name ?? null;
  const last = lastMetrics(runFolderOf(project.folder, id));
  const end =
    status === 'cancelled'
      ? `Its files stay in runs/${id}.`
      : status === 'stopped'
        ? `Stopped and saved; \`tastemaker run resume ${id}\` goes on.`
        : `The run ${id} is done.`;
  return {
    data: { id, status, summary, model, ...last },
    lines: [summary, `${end}${model ? ` Its model is "${model}".` : ''}`],
  };
}
