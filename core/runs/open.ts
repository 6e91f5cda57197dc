// Opens a run folder for its recipe: checks that nothing has changed since, and writes what the run reports.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { replaceFile, withFile, writeFully } from '#core/formats/file-access.ts';
import { appendJsonl, eachLine, readJsonl } from '#core/formats/jsonl.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';
import type { RunContext, Measurement } from '#core/recipes/recipe.ts';
import { isTaken } from '#core/store/process-birth.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { refuseLinksIn } from '#core/unlinked.ts';
import { newestCheckpoint, saveCheckpointOf } from './checkpoints.ts';
import type { Pulse } from './control.ts';
import { hashModel, hashRows } from './hashes.ts';
import { writeLog } from './run-log.ts';
import { requireSamePlace } from './run-place.ts';
import { withRules } from './stop-rules.ts';

export interface Listeners {
  onReport?(step: number, total: number, metrics: MetricRow): void;
  onLog?(line: string): void;
  stopping?(): boolean;
  pulse?: Pulse;
}

/** What a run writes row by row, each beginning with its step. */
const ROWS = [
  'metrics.jsonl',
  'samples.jsonl',
  'rollouts.jsonl',
  'alarms.jsonl',
  'completions.jsonl',
  'measures.jsonl',
];

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
  refuseChanged(projectFolder, id, manifest);
  sweepLeftOvers(folder);
  const log = (line: string) => {
    writeLog(folder, line);
    onLog?.(line);
  };
  const saved = newestCheckpoint(id, file('checkpoints'), log);
  for (const name of ROWS) forgetAfter(file(name), saved?.step ?? -1);
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
    rollouts: (step, rows) => append('rollouts.jsonl', step, rows),
    alarms: (step, rows) => append('alarms.jsonl', step, rows),
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

/** Throws where a model that the run began with, or its rows, are gone or are not the same any more. */
function refuseChanged(projectFolder: string, id: string, manifest: Manifest): void {
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
  const data = path.join(runFolderOf(projectFolder, id), 'data.jsonl');
  if (hashRows(data) !== manifest.data.sha256)
    throw new TastemakerError(
      'bad-file',
      `The rows of run ${id} have changed since the run began: ${data}.`,
      'Put the first file back, or start a new run.',
    );
}

function sweepLeftOvers(folder: string): void {
  for (const place of [folder, path.join(folder, 'checkpoints')]) {
    // what a killed process was writing
    for (const name of fs.readdirSync(place))
      if (isLeftOver(name)) fs.rmSync(path.join(place, name), { recursive: true, force: true });
  }
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
function briefly<T extends Measurement>(said: T): T {
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
