// What a run takes on the disk, by what it is for, and which of it nothing needs any more.
//
// Links are never followed: what they point to is not of the run.

import fs from 'node:fs';
import path from 'node:path';
import type { RunStatus, RunPart, RunSpace } from '#core/contract/runs.ts';
import { LIVING } from '#core/contract/runs.ts';

interface File {
  /** relative to the run's folder, with forward slashes */
  name: string;
  bytes: number;
}

/** Which part a file belongs to; null for what stays as long as the run does. */
function partOf(name: string): RunPart | null {
  if (/(^|\/)[^/]*\.writing(-\d+)?(\/|$)|(^|\/)\.[^/]+\.tmp$/.test(name)) return 'leftovers';
  if (name.startsWith('checkpoints/')) return 'checkpoints';
  if (name.startsWith('looks/')) return 'looks';
  if (name === 'features.f32') return 'features';
  return name === 'completions.jsonl' || name === 'measures.jsonl' ? 'rollouts' : null;
}

/** Every regular file below a folder. */
function filesBelow(folder: string, name = ''): File[] {
  return fs.readdirSync(path.join(folder, name), { withFileTypes: true }).flatMap((entry): File[] => {
    const inner = name ? `${name}/${entry.name}` : entry.name;
    if (entry.isDirectory()) return filesBelow(folder, inner);
    const stat = entry.isFile() ? fs.lstatSync(path.join(folder, inner), { throwIfNoEntry: false }) : undefined;
    return stat ? [{ name: inner, bytes: stat.size }] : [];
  });
}

function filesOf(runFolder: string): File[] {
  try {
    return fs.lstatSync(runFolder).isDirectory() ? filesBelow(runFolder) : [];
  } catch {
    return []; // it has not begun, or is at work and files come and go
  }
}

const sum = (files: readonly File[]): number => files.reduce((total, { bytes }) => total + bytes, 0);

export const bytesOf = (runFolder: string): number => sum(filesOf(runFolder));

/** A run that stopped or failed can be resumed: its checkpoints and what it drew are its state. */
const isResumable = (status: RunStatus): boolean => status === 'stopped' || status === 'failed';
/** what resuming does not need */
const FREE_WHEN_OVER: readonly RunPart[] = ['looks', 'features', 'leftovers'];
const isFree = (status: RunStatus, part: RunPart): boolean =>
  !LIVING.includes(status) && (FREE_WHEN_OVER.includes(part) || !isResumable(status));

const PARTS: readonly RunPart[] = ['checkpoints', 'looks', 'rollouts', 'features', 'leftovers'];

/** Whether a file is of one of these models: the names of their folders in the run's. */
const isOfModel = (name: string, models: readonly string[]): boolean =>
  models.some((model) => name.startsWith(`${model}/`));

/** What the run takes, and what of it is free; `models` in it, by the names of their folders, stay. */
export function spaceOf(
  runFolder: string,
  status: RunStatus,
  models: readonly string[],
): Omit<RunSpace, 'id' | 'name'> {
  const files = filesOf(runFolder);
  const byPart = Map.groupBy(files, ({ name }) => (isOfModel(name, models) ? null : partOf(name)));
  const found = PARTS.flatMap((part) => {
    const own = byPart.get(part) ?? [];
    return own.length ? [{ part, bytes: sum(own), files: own.length }] : [];
  });
  const held = found.filter(({ part }) => !isFree(status, part)).reduce((total, { bytes }) => total + bytes, 0);
  const why = LIVING.includes(status) ? 'the run is not over' : 'resuming it needs them';
  return {
    bytes: sum(files),
    free: found.filter(({ part }) => isFree(status, part)),
    held: held ? { bytes: held, why } : null,
  };
}

/** Removes the free files of these parts, but for those of models; returns how many bytes that gave. */
export function freeSpace(
  runFolder: string,
  status: RunStatus,
  parts: readonly RunPart[],
  models: readonly string[],
): number {
  const going = filesOf(runFolder).filter(({ name }) => {
    const part = isOfModel(name, models) ? null : partOf(name);
    return part !== null && parts.includes(part) && isFree(status, part);
  });
  for (const { name } of going) fs.rmSync(path.join(runFolder, name), { force: true });
  for (const { name } of going) {
    // folders that were half written, or held the weights of a look
    const folder = path.join(runFolder, path.dirname(name));
    if (!fs.existsSync(folder)) continue;
    if (/\.writing(-\d+)?$|^looks\/\d+$/.test(path.dirname(name)) && fs.readdirSync(folder).length === 0)
      fs.rmdirSync(folder);
  }
  return sum(going);
}

/**
 * What a model that stays needs of the run that made it: lineage, comparison with later models, the log of what it
 * learnt from.
 */
const OF_A_MODEL: readonly string[] = [
  'manifest.json',
  'data.jsonl',
  'metrics.jsonl',
  'samples.jsonl',
  'validation.jsonl',
  'status.json',
];

/**
 * Removes a run's folder, or (where models in it stay: the names of their folders in it) all that these do not need.
 */
export function removeRunFiles(runFolder: string, models: readonly string[]): void {
  const stat = fs.lstatSync(runFolder, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory()) return fs.rmSync(runFolder); // a link: what it leads to stays
  const kept = models.length ? new Set([...OF_A_MODEL, ...models]) : new Set<string>();
  const remove = (names: readonly string[]) => {
    for (const name of names)
      if (!kept.has(name)) fs.rmSync(path.join(runFolder, name), { recursive: true, force: true });
  };
  if (models.some((name) => name.startsWith('looks/'))) {
    kept.add('looks');
    remove(fs.readdirSync(path.join(runFolder, 'looks')).map((name) => `looks/${name}`));
  }
  remove(fs.readdirSync(runFolder));
  if (kept.size === 0) fs.rmdirSync(runFolder);
}
