// A project as a stranger would send it: a copy in a folder of its own, with rows and files that Tastemaker would not
// write.

import fs from 'node:fs';
import path from 'node:path';
import { createHash } from 'node:crypto';
import type { Heartbeat } from '#core/runs/control.ts';
import type { Project } from '#core/store/project.ts';
import { openProject } from '#core/store/database.ts';

/** Opens a copy of a closed project: this machine does not know it. */
export function openCopy(from: string, to: string): Project {
  fs.cpSync(from, to, { recursive: true });
  return openProject(to, { write: true });
}

/** A row as any program can write it; `config` makes it one that waits to be prepared. */
export function plantRun(
  project: Project,
  id: string,
  status: string,
  config: object = { batch: 4, steps_a_run: 4, show_prompts: 2, show_max_new: 8 },
): string {
  const request = JSON.stringify({ recipe: 'sft', config, name: null, queuedAt: 1 });
  project.db
    .prepare('INSERT INTO runs (id, kind, name, status, created_at, request) VALUES (?, ?, ?, ?, ?, ?)')
    .run(id, 'sft', 'planted', status, Date.now(), request);
  return path.join(project.folder, 'runs', id);
}

export function plantFile(folder: string, name: string, content: unknown): void {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
}

export const beatOf = (changes: Partial<Heartbeat>): Heartbeat => ({
  pid: 1,
  birth: null,
  proof: '',
  startedAt: Date.now(),
  at: Date.now(),
  phase: 'training',
  step: 3,
  total: 9,
  memoryBytes: 1,
  ...changes,
});
export const ended = {
  status: 'done',
  error: null,
  endedAt: new Date().toISOString(),
  outcome: { status: 'done', model: null, summary: 'Done.' },
};

/** Everything below a folder: names, what they are, and what is in them. */
export function fingerprint(folder: string): Record<string, string> {
  return Object.fromEntries(
    fs
      .readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .sort()
      .map((name) => {
        const place = path.join(folder, name);
        const stat = fs.lstatSync(place);
        return [
          name,
          stat.isFile()
            ? `${stat.mtimeMs} ${createHash('sha256').update(fs.readFileSync(place)).digest('hex')}`
            : 'no file',
        ];
      }),
  );
}
