// The folder of a run: made whole at the start, with the manifest last.
//
// runs/<id>/manifest.json   what was asked for; never changes, and is written last: with it the folder is complete
//           data.jsonl      the rows it learns from, fixed at the start, so that a resumed run sees the same
//           metrics.jsonl   one row a report       samples.jsonl   fixed prompts, every n updates
//           rollouts.jsonl  what a policy wrote and learnt from, up to a number (recipes/parts/rollout-log.ts)
//           alarms.jsonl    what guards said, with the answers that they saw (recipes/parts/guards.ts)
//           completions.jsonl, measures.jsonl      what it drew and measured, for whoever owns the database to take in
//           checkpoints/    <step>.safetensors: every tensor, and in its metadata the rest of the state
//           best/ model/    finished model folders           status.json  how it ended
//           looks/<update>/ those of looks at held-out prompts where one may want to stop (recipes/parts/kept-looks.ts)
//           control heartbeat.json                           what it shall do, how far it is (control.ts)

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { RunKind } from '#core/contract/runs.ts';
import { runtimeVersion } from '#core/autodiff/session.ts';
import { replaceFile, writeFully } from '#core/formats/file-access.ts';
import { writeJsonl } from '#core/formats/jsonl.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import type { Conventions } from '#core/recipes/parts/conventions.ts';
import type { Inputs } from '#core/recipes/recipe.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { makeFolders, refuseLinksIn, unlinkedPath } from '#core/unlinked.ts';
import { hashModel } from './hashes.ts';
import { requireSamePlace } from './run-place.ts';
import { VERSION } from '#core/version.ts';

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
      tastemaker: VERSION,
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
