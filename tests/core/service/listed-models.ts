// Tiny models on the disk, projects to list them in, and folders of runs that made some.

import fs from 'node:fs';
import path from 'node:path';
import { createProject } from '#core/store/database.ts';
import type { Project } from '#core/store/project.ts';
import { workFolder, writeSmallModel } from './projects-at-hand.ts';

export const work = workFolder();
let folders = 0;
export const nextNumber = (): number => ++folders;
export async function tiny(): Promise<string> {
  const folder = path.join(work, `model-${nextNumber()}`);
  await writeSmallModel(folder);
  return folder;
}
export const project = () => createProject(path.join(work, `p${nextNumber()}.tastemaker`));

/** A run's folder as a job leaves it. */
export function writeRun(
  open: Project,
  id: string,
  kind: string,
  {
    models = {},
    config = {},
    data = [],
    metrics = [],
  }: { models?: Record<string, string>; config?: object; data?: object[]; metrics?: object[] },
): void {
  const folder = path.join(open.folder, 'runs', id);
  fs.mkdirSync(folder, { recursive: true });
  const used = Object.fromEntries(Object.entries(models).map(([role, place]) => [role, { path: place, sha256: 'x' }]));
  fs.writeFileSync(
    path.join(folder, 'manifest.json'),
    JSON.stringify({
      id,
      kind,
      name: id,
      createdAt: new Date().toISOString(),
      config,
      models: used,
      data: { rows: data.length, sha256: 'x' },
      versions: {},
    }),
  );
  for (const [name, rows] of [
    ['data.jsonl', data],
    ['metrics.jsonl', metrics],
  ] as const)
    fs.writeFileSync(path.join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
