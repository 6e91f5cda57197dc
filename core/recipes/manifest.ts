// What a run was asked for, as the manifest in its folder says: it may come from somebody else, or be damaged.

import path from 'node:path';
import type { RunKind } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { isPrintable } from '#core/store/printable.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { isRunId } from '#core/store/runs.ts';
import { textUnlinked } from '#core/unlinked.ts';
import type { Conventions } from './parts/conventions.ts';
import type { Frozen } from './parts/dataset.ts';

export interface Manifest {
  id: string;
  kind: RunKind;
  name: string;
  createdAt: string;
  config: Record<string, number | string | boolean>;
  /** model folders it starts from, by role (policy, reward, ...), relative to the project where they lie inside it */
  models: Record<string, { path: string; sha256: string }>;
  data: { rows: number; sha256: string } & Partial<Frozen>;
  versions: Record<string, string>;
  /** how each model wants its texts, by role; absent in runs of 0.1.0 */
  conventions?: Record<string, Conventions>;
}

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

/** What a run was asked for; null where its folder is gone. */
export function manifestOf(project: Pick<Project, 'folder'>, runId: string): Manifest | null {
  try {
    return readManifest(runFolderOf(project.folder, runId));
  } catch {
    return null;
  }
}

export function readManifest(runFolder: string): Manifest {
  const file = path.join(runFolder, 'manifest.json');
  const text = textUnlinked(file);
  const found = text === null ? null : manifestIn(text);
  if (!found || found.id !== path.basename(runFolder))
    throw new TastemakerError(
      'bad-file',
      `${file} is missing or damaged.`,
      'Name a run of this project.',
      '`tastemaker runs` lists them.',
    );
  return found;
}
