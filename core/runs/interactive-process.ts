// The process of a short interactive task: gets it as a message, answers with one, and ends.

import { TastemakerError } from '#core/errors.ts';
import { sampleOnce } from './sample-once.ts';
import type { SampleOnce } from './sample-once.ts';
import { measureSpeed } from './speed.ts';

export type InteractiveTask = ({ kind: 'sample' } & SampleOnce) | { kind: 'speed' };

process.once('message', (task: InteractiveTask) => {
  const work: Promise<unknown> = task.kind === 'speed' ? measureSpeed() : sampleOnce(task);
  work
    .then(
      (result) => ({ result }),
      (error: unknown) => {
        if (error instanceof TastemakerError)
          return { fault: { code: error.code, message: error.message, hint: error.hint } };
        throw error;
      },
    )
    .then(
      (answer) => process.send!(answer, () => process.exit()),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
        process.exit(1);
      },
    );
});
process.once('disconnect', () => process.exit()); // nobody waits for the answer any more
