// What a job is, and the run folder it works in: manifest, data, metrics, samples, checkpoints, log.
//
// runs/<id>/manifest.json   what was asked for; never changes
//           data.jsonl      the rows it learns from, fixed at the start, so that a resumed run sees the same
//           metrics.jsonl   one row a report       samples.jsonl   fixed prompts, every n updates
//           checkpoints/    <step>.safetensors: every tensor, and in its metadata the rest of the state
//           best/ model/    finished model folders           status.json  how it ended
// A job reads and writes files only; who starts it (command line, service) looks after the database.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import type { RunKind, RunStatus } from '#core/contract.ts';
import { appendJsonl, readJsonl, writeJsonl } from '#core/formats/jsonl.ts';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import { runtimeVersion } from '#core/autodiff/session.ts';
import type { Project } from '#core/store/project.ts';
import type { Config, Settings } from './config.ts';
import type { MetricRow } from './metrics.ts';

export interface Manifest {
  id: string;
  kind: RunKind;
  name: string;
  createdAt: string;
  config: Record<string, number | string | boolean>;
  /** model folders it starts from, by role (policy, reward, ...), relative to the project where they lie inside it */
  models: Record<string, { path: string; sha256: string }>;
  data: { rows: number; sha256: string };
  versions: Record<string, string>;
}

/** What `prepare` hands over from the project. */
export interface Inputs {
  /** role -> model folder */
  models: Record<string, string>;
  data: readonly unknown[];
}

export interface Outcome {
  status: Extract<RunStatus, 'done' | 'stopped'>;
  /** the finished model's folder, relative to the run */
  model: string | null;
  /** one sentence for the terminal */
  summary: string;
}

export interface Job<S extends Settings = Settings> {
  kind: RunKind;
  /** what it does, in one sentence */
  sentence: string;
  settings: S;
  /** Reads what it needs from the project; throws with what is missing. */
  prepare(project: Project, config: Config<S>): Inputs | Promise<Inputs>;
  run(run: RunContext, config: Config<S>): Promise<Outcome>;
}

export interface SavedState {
  step: number;
  tensors: Record<string, Float32Array>;
  /** anything else: cursors, β, positions of random streams */
  rest: Record<string, unknown>;
}

/** How a job talks to the outside. */
export interface RunContext {
  folder: string;
  manifest: Manifest;
  model(role: string): string;
  data<T>(): T[];
  /** a row of numbers for metrics.jsonl and the progress line; `total` steps give the time left */
  report(step: number, total: number, metrics: MetricRow): void;
  samples(step: number, rows: readonly unknown[]): void;
  log(line: string): void;
  /** the newest checkpoint, when the run is being resumed */
  saved(): SavedState | null;
  save(state: SavedState): void;
  /** true once somebody asked to stop: save and return */
  stopping(): boolean;
}

export interface Listeners {
  onReport?(step: number, total: number, metrics: MetricRow): void;
  onLog?(line: string): void;
  stopping?(): boolean;
}

export const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
const KEPT_CHECKPOINTS = 2;

/** Creates runs/<id>/ with its manifest and data; the folder appears whole or not at all. */
export function createRunFolder(projectFolder: string, kind: RunKind, name: string, config: Record<string, number | string | boolean>, { models, data }: Inputs): Manifest {
  const runs = path.join(projectFolder, 'runs');
  fs.mkdirSync(runs, { recursive: true });
  const number = Math.max(0, ...fs.readdirSync(runs).map((entry) => Number.parseInt(entry, 10) || 0)) + 1;
  const id = `${String(number).padStart(4, '0')}-${kind}`;
  const rows = data.map((row) => JSON.stringify(row)).join('\n');
  const manifest: Manifest = {
    id, kind, name, config,
    createdAt: new Date().toISOString(),
    models: Object.fromEntries(Object.entries(models).map(([role, folder]) => [role, { path: inside(projectFolder, folder), sha256: hashModel(folder) }])),
    data: { rows: data.length, sha256: sha256(rows) },
    versions: { tastemaker: '0.1.0', node: process.version, onnxruntime: runtimeVersion(), platform: `${process.platform}-${process.arch}`, processor: os.cpus()[0]?.model ?? 'unknown' },
  };
  const folder = path.join(runs, id), temporary = `${folder}.writing`;
  fs.mkdirSync(path.join(temporary, 'checkpoints'), { recursive: true });
  writeJsonl(path.join(temporary, 'data.jsonl'), data);
  fs.writeFileSync(path.join(temporary, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  fs.renameSync(temporary, folder);
  return manifest;
}

const inside = (project: string, folder: string): string => {
  const relative = path.relative(project, folder);
  return relative.startsWith('..') || path.isAbsolute(relative) ? path.resolve(folder) : relative;
};

/** Hash of a model's weights: the single file, or all shards in order. */
function hashModel(folder: string): string {
  const hash = createHash('sha256');
  for (const name of fs.readdirSync(folder).filter((entry) => entry.endsWith('.safetensors')).sort()) hash.update(fs.readFileSync(path.join(folder, name)));
  return hash.digest('hex');
}

export function readManifest(runFolder: string): Manifest {
  const file = path.join(runFolder, 'manifest.json');
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest;
  } catch {
    throw new TastemakerError('bad-file', `${file} is missing or damaged.`, 'Name a run of this project; `tastemaker runs` lists them.');
  }
}

/** Opens a run folder for its job; a resumed run goes on from its newest checkpoint and forgets what came after it. */
export function openRun(projectFolder: string, id: string, { onReport, onLog, stopping }: Listeners = {}): RunContext {
  const folder = path.join(projectFolder, 'runs', id);
  const manifest = readManifest(folder);
  const file = (name: string) => path.join(folder, name);
  for (const [role, model] of Object.entries(manifest.models)) {
    const at = path.resolve(projectFolder, model.path);
    if (!fs.existsSync(at)) throw new TastemakerError('bad-file', `The ${role} model of run ${id} is gone: ${at}.`, 'Put the folder back where it was.');
    if (hashModel(at) !== model.sha256) throw new TastemakerError('bad-model', `The ${role} model of run ${id} has changed since the run began: ${at}.`, 'Put the first weights back, or start a new run.');
  }
  for (const place of [folder, file('checkpoints')]) { // what a killed process was writing
    for (const name of fs.readdirSync(place)) if (/\.writing(-\d+)?$|^\..+\.tmp$/.test(name)) fs.rmSync(path.join(place, name), { recursive: true, force: true });
  }
  if (sha256(fs.readFileSync(file('data.jsonl'), 'utf8').trimEnd()) !== manifest.data.sha256) throw new TastemakerError('bad-file', `The rows of run ${id} have changed since the run began: ${file('data.jsonl')}.`, 'Put the first file back, or start a new run.');
  const checkpoints = () => fs.readdirSync(file('checkpoints')).filter((name) => /^\d+\.safetensors$/.test(name)).sort();
  const newest = checkpoints().at(-1);
  const saved = newest ? readCheckpoint(file(path.join('checkpoints', newest))) : null;
  for (const name of ['metrics.jsonl', 'samples.jsonl']) forgetAfter(file(name), saved?.step ?? -1);
  const started = Date.now();
  return {
    folder, manifest,
    model: (role) => path.resolve(projectFolder, manifest.models[role]!.path),
    data: <T>() => readJsonl(file('data.jsonl'), (row) => row as T).rows,
    report: (step, total, metrics) => {
      appendJsonl(file('metrics.jsonl'), [{ step, seconds: (Date.now() - started) / 1000, ...metrics }]);
      onReport?.(step, total, metrics);
    },
    samples: (step, rows) => appendJsonl(file('samples.jsonl'), rows.map((row) => ({ step, ...(row as object) }))),
    log: (line) => {
      fs.appendFileSync(file('log.txt'), `${new Date().toISOString()} ${line}\n`);
      onLog?.(line);
    },
    saved: () => saved,
    save: ({ step, tensors, rest }) => {
      const name = `${String(step).padStart(7, '0')}.safetensors`;
      writeSafetensors(file(path.join('checkpoints', name)), Object.entries(tensors).map(([tensor, data]) => ({ name: tensor, shape: [data.length], data })), { metadata: { step: String(step), rest: JSON.stringify(rest) } });
      for (const old of checkpoints().slice(0, -KEPT_CHECKPOINTS)) fs.rmSync(file(path.join('checkpoints', old)));
    },
    stopping: stopping ?? (() => false),
  };
}

function readCheckpoint(file: string): SavedState {
  const { metadata, tensors } = readSafetensors(file);
  return { step: Number(metadata.step), rest: JSON.parse(metadata.rest ?? '{}') as Record<string, unknown>, tensors: Object.fromEntries([...tensors].map(([name, tensor]) => [name, tensor.load()])) };
}

/** Drops rows of a killed run that lie past its checkpoint (and a half-written last line). */
function forgetAfter(file: string, step: number): void {
  if (!fs.existsSync(file)) return;
  const kept = readJsonl(file, (row) => row as { step: number }).rows.filter((row) => row.step <= step);
  writeJsonl(file, kept);
}

export function writeStatus(runFolder: string, status: RunStatus, error: string | null = null): void {
  const file = path.join(runFolder, 'status.json');
  fs.writeFileSync(`${file}.writing`, `${JSON.stringify({ status, error, endedAt: new Date().toISOString() })}\n`);
  fs.renameSync(`${file}.writing`, file);
}

/** Rejects with the sentence a person needs: how many there are and how many more it takes. */
export function need(have: number, atLeast: number, what: string, how: string): void {
  if (have < atLeast) throw new TastemakerError('bad-data', `This needs ${atLeast} ${what}; there ${have === 1 ? 'is' : 'are'} ${have}.`, how);
}
