// How a run ended, as status.json in its folder says; that file may come from somebody else, or be damaged.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import type { RunStatus } from '#core/contract/runs.ts';
import type { Outcome } from '#core/recipes/recipe.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { makeRunFolder, replaceUnlinked, textUnlinked } from '#core/unlinked.ts';

type Fields = Record<string, unknown>;
const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTime = (value: unknown): boolean => typeof value === 'string' && Number.isFinite(Date.parse(value));

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
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

/** How a run ended, as it stands in its folder. */
export interface Ending {
  status: Extract<RunStatus, 'done' | 'stopped' | 'failed' | 'cancelled'>;
  error: string | null;
  endedAt: string;
  outcome: Outcome | null;
}

const statusFile = (runFolder: string) => path.join(runFolder, 'status.json');

export function writeStatus(
  runFolder: string,
  status: Ending['status'],
  { error = null, outcome = null }: { error?: string | null; outcome?: Outcome | null } = {},
): void {
  makeRunFolder(runFolder);
  replaceUnlinked(
    statusFile(runFolder),
    `${JSON.stringify({ status, error, endedAt: new Date().toISOString(), outcome } satisfies Ending)}\n`,
  );
}

/**
 * The same of a run that nothing works at; where a link stands in its folder, the database alone says that it is
 * cancelled.
 */
export function markCancelled(projectFolder: string, id: string): void {
  try {
    writeStatus(runFolderOf(projectFolder, id), 'cancelled');
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
  }
}

/** Null while it has not ended, or where what stands there can be no ending. */
export function readStatus(runFolder: string): Ending | null {
  const text = textUnlinked(statusFile(runFolder));
  return text === null ? null : endingIn(text);
}

export const removeStatus = (runFolder: string): void => fs.rmSync(statusFile(runFolder), { force: true });
