// What a job is, and the run folder it works in: manifest, data, metrics, samples, checkpoints, log.
//
// runs/<id>/manifest.json   what was asked for; never changes, and is written last: with it the folder is complete
//           data.jsonl      the rows it learns from, fixed at the start, so that a resumed run sees the same
//           metrics.jsonl   one row a report       samples.jsonl   fixed prompts, every n updates
//           completions.jsonl, measures.jsonl      what it drew and measured, for whoever owns the database to take in
//           checkpoints/    <step>.safetensors: every tensor, and in its metadata the rest of the state
//           best/ model/    finished model folders           status.json  how it ended
//           control heartbeat.json                           what it shall do, how far it is (control.ts)
// A job reads and writes files only; who starts it (command line, service) looks after the database.

import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import type { Completion } from '#core/contract/samples.ts';
import type { RunKind, RunStatus } from '#core/contract/runs.ts';
import { replaceFile, withFile, writeFully } from '#core/formats/file-access.ts';
import { adapterBase, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { appendJsonl, eachLine, readJsonl, writeJsonl } from '#core/formats/jsonl.ts';
import { runtimeVersion } from '#core/autodiff/session.ts';
import { printable } from '#core/store/printable.ts';
import { isTaken } from '#core/store/process-birth.ts';
import type { Project } from '#core/store/project.ts';
import { isRunId } from '#core/store/runs.ts';
import {
  makeFolders,
  makeRunFolder,
  refuseLink,
  refuseLinksIn,
  replaceUnlinked,
  textUnlinked,
  unlinkedPath,
} from '#core/unlinked.ts';
import { newestCheckpoint, saveCheckpointOf } from './checkpoints.ts';
import type { SavedState } from './checkpoints.ts';
import type { Config, Settings } from './config.ts';
import type { Conventions } from './conventions.ts';
import type { Frozen } from './dataset.ts';
import type { Pulse } from './control.ts';
import type { MetricRow } from './metrics.ts';
import { withRules } from './stop-rules.ts';
import { endingIn, manifestIn } from './run-files.ts';
import { writeLog } from './run-log.ts';
import { requireSamePlace } from './run-place.ts';

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

/** What `prepare` hands over from the project. */
export interface Inputs {
  /** role -> model folder */
  models: Record<string, string>;
  /** one a line of data.jsonl; one that is of a prompt says so as `promptId`, and none is of a test prompt */
  data: Iterable<object>;
  /** the selection that the rows came from, and what it left out */
  frozen?: Frozen;
}

/** What a model says of a completion; `role` names the model as the manifest does. */
export interface Said {
  role: string;
  score?: number;
  /** the sum over the model's own tokens of the text, where these are not the completion's */
  logprob?: number;
  /** one a token */
  tokenLogprobs?: number[];
  tokenValues?: number[];
  /** the model wrote the completion itself: its log-probabilities are the completion's own */
  own?: true;
}
/** A completion as a job hands it over; those of one `group` (of one prompt, in a row) belong together. */
export interface Drawn extends Pick<
  Completion,
  'promptId' | 'text' | 'tokenIds' | 'tokenizer' | 'logprobs' | 'samplingLogprobs' | 'finish' | 'sampling'
> {
  /** how many rows the group has */
  group: number;
  /** a model of the manifest by its role, or what the run itself makes */
  writer: string | 'run';
  said?: Said[];
}
export type Measured = Said & { completionId: number };

export interface Outcome {
  status: Extract<RunStatus, 'done' | 'stopped'>;
  /** the finished model's folder, relative to the run */
  model: string | null;
  /** one sentence for the terminal */
  summary: string;
  /** what was done, in numbers */
  counts?: Record<string, number>;
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

/** How a job talks to the outside. */
export interface RunContext {
  folder: string;
  manifest: Manifest;
  model(role: string): string;
  data<T>(): T[];
  /** a row of numbers for metrics.jsonl and the progress line; `total` steps give the time left */
  report(step: number, total: number, metrics: MetricRow): void;
  samples(step: number, rows: readonly unknown[]): void;
  completions(step: number, rows: readonly Drawn[]): void;
  measures(step: number, rows: readonly Measured[]): void;
  /** Says in a word what comes now; a place to wait at while the run is paused. */
  phase(word: string): void;
  /** Says how far the phase is by itself; another such place, in the middle of a long one. */
  count(done: number, total: number): void;
  /** The settings with the stop rules as they are now: a person may have changed them since the run began. */
  ruled<C extends Readonly<Record<string, unknown>>>(config: C): C;
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
  pulse?: Pulse;
}

export const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

/** The next free id: a number that no run folder has, and the kind. */
export function nextRunId(projectFolder: string, kind: RunKind, taken: readonly string[]): string {
  const runs = unlinkedPath(projectFolder, 'runs');
  makeFolders(projectFolder, 'runs');
  const number =
    Math.max(0, ...[...fs.readdirSync(runs), ...taken].map((entry) => Number.parseInt(entry, 10) || 0)) + 1;
  return `${String(number).padStart(4, '0')}-${kind}`;
}

/**
 * Fills runs/<id>/ with data and manifest (`computes` says on what, beside the versions); the manifest comes last, and
 * without it there is no run to go on with.
 */
export function createRunFolder(
  projectFolder: string,
  id: string,
  kind: RunKind,
  name: string,
  config: Record<string, number | string | boolean>,
  { models, data, frozen }: Inputs,
  computes: Record<string, string> = {},
  conventions: Record<string, Conventions> = {},
): Manifest {
  const folder = runFolderOf(projectFolder, id);
  const hash = createHash('sha256');
  refuseLinksIn(folder);
  requireSamePlace(folder);
  makeFolders(projectFolder, 'runs', id, 'checkpoints');
  let rows = 0;
  writeJsonl(
    path.join(folder, 'data.jsonl'),
    hashed(data, (row) => void hash.update(rows++ ? `\n${row}` : row)),
  );
  const manifest: Manifest = {
    id,
    kind,
    name,
    config,
    createdAt: new Date().toISOString(),
    models: Object.fromEntries(
      Object.entries(models).map(([role, model]) => [
        role,
        { path: inside(projectFolder, model), sha256: hashModel(model) },
      ]),
    ),
    conventions,
    data: { rows, sha256: hash.digest('hex'), ...frozen },
    versions: {
      tastemaker: '0.1.0',
      node: process.version,
      onnxruntime: runtimeVersion(),
      platform: `${process.platform}-${process.arch}`,
      processor: os.cpus()[0]?.model ?? 'unknown',
      ...computes,
    },
  };
  requireSamePlace(folder);
  replaceFile(path.join(folder, 'manifest.json'), (fd) =>
    writeFully(fd, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)),
  );
  return manifest;
}

function* hashed(rows: Iterable<unknown>, take: (json: string) => void): Generator<unknown> {
  for (const row of rows) {
    take(JSON.stringify(row));
    yield row;
  }
}

const inside = (project: string, folder: string): string => {
  const relative = path.relative(project, folder);
  return relative.startsWith('..') || path.isAbsolute(relative) ? path.resolve(folder) : relative;
};

/**
 * Takes a file into a hash a piece at a time: one may be larger than a buffer can be. `without`: bytes at its end that
 * do not count.
 */
function hashFile(hash: Hash, file: string, without = 0): void {
  withFile(file, (fd, size) => {
    const piece = Buffer.alloc(1 << 22);
    for (let at = 0; at < size - without;) {
      const got = fs.readSync(fd, piece, 0, Math.min(piece.length, size - without - at), at);
      if (got === 0) return;
      hash.update(piece.subarray(0, got));
      at += got;
    }
  });
}

/** Hash of a model's weights: the single file, or all shards in order; of an adapter with its base. */
function hashModel(folder: string): string {
  const hash = createHash('sha256');
  const files = isGguf(folder)
    ? [folder]
    : fs
        .readdirSync(folder)
        .filter((entry) => entry.endsWith('.safetensors'))
        .sort()
        .map((name) => path.join(folder, name));
  for (const file of files) hashFile(hash, file);
  if (isAdapterFolder(folder)) hash.update(hashModel(adapterBase(folder)));
  return hash.digest('hex');
}

function hashRows(file: string): string {
  const hash = createHash('sha256');
  hashFile(hash, file, 1); // the last line break
  return hash.digest('hex');
}

/**
 * Where the folder of a run is, or would be: to compare it with, and for run-disk.ts, which follows no link. To open
 * what is in it: runFolderOf.
 */
export function runPlaceOf(projectFolder: string, id: string): string {
  if (!isRunId(id))
    throw new TastemakerError(
      'bad-file',
      `"${printable(id)}" cannot be the id of a run.`,
      'The project is damaged, or not made by Tastemaker.',
    );
  return path.join(projectFolder, 'runs', id);
}

/**
 * The folder of a run. 'bad-file' where its id would lead out of the project, or a link stands in its place or in that
 * of runs/.
 */
export function runFolderOf(projectFolder: string, id: string): string {
  const place = runPlaceOf(projectFolder, id);
  refuseLink(path.dirname(place));
  refuseLink(place);
  return place;
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

/** Opens a run folder for its job; a resumed run goes on from its newest checkpoint and forgets what came after it. */
export function openRun(
  projectFolder: string,
  id: string,
  { onReport, onLog, stopping, pulse }: Listeners = {},
): RunContext {
  const folder = runFolderOf(projectFolder, id);
  refuseLinksIn(folder);
  const manifest = readManifest(folder);
  const file = (name: string) => path.join(folder, name);
  for (const [role, model] of Object.entries(manifest.models)) {
    const at = path.resolve(projectFolder, model.path);
    if (!fs.existsSync(at))
      throw new TastemakerError(
        'bad-file',
        `The ${role} model of run ${id} is gone: ${at}.`,
        'Put it back where it was.',
      );
    if (hashModel(at) !== model.sha256)
      throw new TastemakerError(
        'bad-model',
        `The ${role} model of run ${id} has changed since the run began: ${at}.`,
        'Put the first weights back, or start a new run.',
      );
  }
  for (const place of [folder, file('checkpoints')]) {
    // what a killed process was writing
    for (const name of fs.readdirSync(place))
      if (isLeftOver(name)) fs.rmSync(path.join(place, name), { recursive: true, force: true });
  }
  if (hashRows(file('data.jsonl')) !== manifest.data.sha256)
    throw new TastemakerError(
      'bad-file',
      `The rows of run ${id} have changed since the run began: ${file('data.jsonl')}.`,
      'Put the first file back, or start a new run.',
    );
  const log = (line: string) => {
    writeLog(folder, line);
    onLog?.(line);
  };
  const saved = newestCheckpoint(id, file('checkpoints'), log);
  for (const name of ['metrics.jsonl', 'samples.jsonl', 'completions.jsonl', 'measures.jsonl'])
    forgetAfter(file(name), saved?.step ?? -1);
  const started = Date.now();
  const append = (name: string, step: number, rows: readonly unknown[]) =>
    appendJsonl(
      file(name),
      rows.map((row) => ({ step, ...(row as object) })),
    );
  const asked = () => pulse?.border() ?? false;
  let ruled = '';
  return {
    folder,
    manifest,
    model: (role) => path.resolve(projectFolder, manifest.models[role]!.path),
    data: <T>() => readJsonl(file('data.jsonl'), (row) => named(row as { promptId?: number; id?: number }) as T).rows,
    report: (step, total, metrics) => {
      append('metrics.jsonl', step, [{ seconds: (Date.now() - started) / 1000, ...metrics }]);
      pulse?.progress(step, total);
      onReport?.(step, total, metrics);
    },
    samples: (step, rows) => append('samples.jsonl', step, rows),
    completions: (step, rows) =>
      append(
        'completions.jsonl',
        step,
        rows.map((row) => ({
          ...row,
          logprobs: brief(row.logprobs),
          samplingLogprobs: brief(row.samplingLogprobs),
          ...(row.said ? { said: row.said.map(briefly) } : {}),
        })),
      ),
    measures: (step, rows) => append('measures.jsonl', step, rows.map(briefly)),
    phase: (word) => {
      pulse?.phase(word);
      asked(); // to stop waits for a border where it can save
    },
    count: (done, total) => {
      pulse?.part(done, total);
      asked();
    },
    ruled: (config) => {
      const now = withRules(folder, config);
      const changed = Object.entries(now)
        .filter(([name, value]) => config[name] !== value)
        .map(([name, value]) => `${name} ${String(value)}`)
        .join(', ');
      if (changed !== ruled)
        log(changed ? `Stop rules as they were changed: ${changed}.` : 'Stop rules as the manifest says.');
      ruled = changed;
      return now;
    },
    log,
    saved: () => saved,
    save: (state) => {
      requireSamePlace(folder);
      saveCheckpointOf(file('checkpoints'), state);
    },
    stopping: () => asked() || (stopping?.() ?? false),
  };
}

/** What a killed process was writing; of what is still at work (a service that writes `control`), nothing. */
function isLeftOver(name: string): boolean {
  const [, pid] = /^(?:control|heartbeat\.json)\.writing-(\d+)$/.exec(name) ?? [];
  return pid === undefined ? /\.writing(-\d+)?$|^\..+\.tmp$/.test(name) : !isTaken(Number(pid));
}

/** Version 0.1.0 called the prompt of a row `id` in some recipes. */
const named = <R extends { promptId?: number; id?: number }>(row: R): R =>
  row.promptId === undefined && row.id !== undefined ? { ...row, promptId: row.id } : row;

/** Nine digits hold a float32 exactly, in half the characters that JSON would take. */
const brief = (values: readonly number[]): number[] => values.map((value) => Number(value.toPrecision(9)));
function briefly<T extends Said>(said: T): T {
  return {
    ...said,
    ...(said.tokenLogprobs ? { tokenLogprobs: brief(said.tokenLogprobs) } : {}),
    ...(said.tokenValues ? { tokenValues: brief(said.tokenValues) } : {}),
  };
}

/**
 * Drops rows of a killed run that lie past its checkpoint (and a half-written last line). Rows lie in the order of
 * their steps.
 */
function forgetAfter(file: string, step: number): void {
  if (!fs.existsSync(file)) return;
  let kept = 0;
  eachLine(file, ({ bytes, offset, closed }) => {
    if (!closed || !(stepOf(bytes) <= step)) return false;
    kept = offset + bytes.length + 1;
    return true;
  });
  withFile(file, (from, size) => {
    if (kept === size) return;
    replaceFile(file, (fd) => {
      const piece = Buffer.alloc(1 << 20);
      for (let at = 0; at < kept;) {
        const got = fs.readSync(from, piece, 0, Math.min(piece.length, kept - at), at);
        writeFully(fd, piece.subarray(0, got));
        at += got;
      }
    });
  });
}

/** Every row begins with its step; NaN where it does not. */
const stepOf = (bytes: Uint8Array): number =>
  Number(/^\{"step":(\d+)[,}]/.exec(Buffer.from(bytes.subarray(0, 40)).toString('latin1'))?.[1] ?? Number.NaN);

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

/** Rejects with the sentence a person needs: how many there are and how many more it takes. */
export function need(have: number, atLeast: number, what: string, how: string, atCommandLine = ''): void {
  if (have < atLeast)
    throw new TastemakerError(
      'bad-data',
      `This needs ${atLeast} ${what}; there ${have === 1 ? 'is' : 'are'} ${have}.`,
      how,
      atCommandLine,
    );
}
