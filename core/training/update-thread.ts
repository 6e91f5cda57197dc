// The second thread of an update in place: changes the arrays it shares with the first and says when it is done.

import { parentPort } from 'node:worker_threads';
import { updateShares } from './update-in-place.ts';
import type { Share, Update } from './update-in-place.ts';

const first = parentPort!;
first.on('message', ({ shares, update }: { shares: Share[]; update: Update }) => {
  updateShares(shares, update);
  first.postMessage('done', []);
});
