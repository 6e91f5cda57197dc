// A process that stands for a service: opens a project with a queue, starts a run, says its id, and waits to be killed.
//
//   node own-queue.ts PROJECT RECIPE CONFIG

import { writeSync } from 'node:fs';
import { createRunQueue } from '#core/service/runs/queue.ts';
import type { Config } from '#core/contract/recipes.ts';
import type { RunKind } from '#core/contract/runs.ts';
import { openProject } from '#core/store/database.ts';

const [folder, recipe, config] = process.argv.slice(2) as [string, RunKind, string];
const queue = createRunQueue(
  openProject(folder, { write: true }),
  (event, data) => {
    if (event === 'run.metrics') writeSync(1, `step ${'rows' in data ? data.rows.at(-1)?.step : ''}\n`);
  },
  { tickMs: 25, follow: false },
);
const { id } = await queue.start(recipe, JSON.parse(config) as Config, null);
writeSync(1, `run ${id}\n`);
