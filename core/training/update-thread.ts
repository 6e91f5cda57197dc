// The second thread of an update in place: changes its part of the memory it shares with the first and says when it is
// done.

import { parentPort, workerData } from 'node:worker_threads';
import { updateOn } from './update-in-place.ts';
import type { Layout, Part, Update } from './update-in-place.ts';

const first = parentPort!;
const { memory, layout } = workerData as { memory: WebAssembly.Memory; layout: Layout };
const change = updateOn(memory, layout);
first.on('message', ({ part, update }: { part: Part; update: Update }) => {
  change(part, update);
  first.postMessage('done', []);
});
