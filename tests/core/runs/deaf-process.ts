// A job process that says it is at work and obeys nobody.

import path from 'node:path';
import { firstBeat, writeHeartbeat } from '#core/runs/control.ts';

const [project, id] = process.argv.slice(2) as [string, string];
process.on('SIGTERM', () => {});
setInterval(
  () =>
    writeHeartbeat(path.join(project, 'runs', id), {
      ...firstBeat(path.join(project, 'runs', id), process.pid),
      phase: 'training',
      step: 3,
      total: 9,
      memoryBytes: 1,
    }),
  20,
);
