// What the small files of a run must look like: they may come from somebody else, or be damaged.

import { isPrintable } from '#core/store/printable.ts';
import { isRunId } from '#core/store/runs.ts';
import type { Ending, Manifest, Outcome } from './job.ts';

type Fields = Record<string, unknown>;
const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTime = (value: unknown): boolean => typeof value === 'string' && Number.isFinite(Date.parse(value));
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isPlain = (value: unknown): boolean => ['number', 'string', 'boolean'].includes(typeof value);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const isModel = (value: unknown): boolean =>
  isRecord(value) && isPrintable(value['path']) && value['path'] !== '' && typeof value['sha256'] === 'string';

/** The manifest that a text is; null where it is none. */
export function manifestIn(text: string): Manifest | null {
  const found = parsed(text);
  if (!isRecord(found)) return null;
  const { id, kind, name, createdAt, config, models, data } = found;
  const holds =
    isRunId(id) &&
    isPrintable(kind) &&
    isPrintable(name) &&
    (createdAt === undefined || isTime(createdAt)) &&
    isRecord(config) &&
    Object.values(config).every(isPlain) &&
    isRecord(models) &&
    Object.values(models).every(isModel) &&
    isRecord(data) &&
    isCount(data['rows']) &&
    typeof data['sha256'] === 'string';
  return holds ? (found as unknown as Manifest) : null;
}

const ENDINGS: readonly unknown[] = ['done', 'stopped', 'failed', 'cancelled'] satisfies Ending['status'][];
/** Where a run leaves its model: nowhere else is one looked for. */
const MODELS: readonly unknown[] = [null, 'model'];

function isOutcome(value: unknown): value is Outcome {
  if (!isRecord(value)) return false;
  const { status, model, summary, counts = {} } = value;
  return (
    ENDINGS.includes(status) &&
    MODELS.includes(model) &&
    typeof summary === 'string' &&
    isRecord(counts) &&
    Object.values(counts).every(Number.isFinite)
  );
}

/** The ending that a text is; null where it is none. */
export function endingIn(text: string): Ending | null {
  const found = parsed(text);
  if (!isRecord(found)) return null;
  const { status, error = null, endedAt, outcome = null } = found;
  const holds =
    ENDINGS.includes(status) &&
    isTime(endedAt) &&
    (error === null || typeof error === 'string') &&
    (outcome === null || isOutcome(outcome));
  return holds ? ({ ...found, error, outcome } as Ending) : null;
}
