// A process of its own that starts or resumes a run and says each step, so that somebody can kill it.
//
// node run-in-child.ts PROJECT start KIND CONFIG | resume ID [FILE: kills itself just before a file of this name is put
// in place]

import fs, { writeSync } from 'node:fs';
import path from 'node:path';
import type { RecipeName } from '#core/recipes/table.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import type { Listeners } from '#core/runs/open.ts';
import { openProject } from '#core/store/database.ts';

const [folder, action, ...rest] = process.argv.slice(2) as [string, 'start' | 'resume', ...string[]];
const killBefore = rest[action === 'start' ? 2 : 1];
if (killBefore) {
  const rename = fs.renameSync;
  fs.renameSync = (from, to) => {
    if (path.basename(String(to)) === killBefore) process.kill(process.pid, 'SIGKILL');
    rename(from, to);
  };
}
const say = (line: string) => writeSync(1, `${line}\n`);
const listeners: Listeners = {
  onReport: (step, total) => say(`report ${step} of ${total}`),
  onLog: (line) => say(`log ${line}`),
};
const project = openProject(folder, { write: true });
say('open');
const finished =
  action === 'start'
    ? await startRun(project, rest[0] as RecipeName, JSON.parse(rest[1]!) as Record<string, unknown>, null, listeners)
    : await resumeRun(project, rest[0]!, listeners);
project.close();
say(`peak ${process.resourceUsage().maxRSS}`); // kilobytes
say(`done: ${finished.summary}`);
