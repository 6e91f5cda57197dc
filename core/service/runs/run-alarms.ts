// What the guards of a run said, with the answers that they saw and the prompts of those.

import path from 'node:path';
import type { GuardAlarm } from '#core/contract/runs.ts';
import type { GuardAlarm as AlarmRow } from '#core/recipes/parts/guards.ts';
import { followRows } from '#core/runs/new-lines.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';

type Row = AlarmRow & { step: number };

/** A guard speaks once a run and shows a few answers, so that they are far below this. */
const MOST_BYTES = 1 << 20;
const isSample = ({ promptId, text, score }: Partial<Row['samples'][number]>): boolean =>
  Number.isSafeInteger(promptId) && typeof text === 'string' && Number.isFinite(score);
const isAlarm = ({ step, guard, why, limit, because, samples }: Partial<Row>): boolean =>
  Number.isSafeInteger(step) &&
  [guard, why, because].every((word) => typeof word === 'string') &&
  Number.isFinite(limit) &&
  Array.isArray(samples) &&
  samples.every((sample) => typeof sample === 'object' && sample !== null && isSample(sample));

/** In the order in which they spoke; none of a run without guards. */
export function alarmsOf(project: Project, runFolder: string): GuardAlarm[] {
  const { rows } = followRows<Row>(path.join(runFolder, 'alarms.jsonl'), isAlarm).read(MOST_BYTES);
  return rows.map(({ step, guard, why, limit, because, samples }) => ({
    update: step,
    guard,
    why,
    limit,
    because,
    samples: samples.map(({ promptId, text, score }) => ({ promptId, text, score })),
    prompts: listPrompts(project, { ids: [...new Set(samples.map(({ promptId }) => promptId))] }).map(
      ({ id, text }) => ({ id, text }),
    ),
  }));
}
