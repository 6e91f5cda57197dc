// The process that answers questions about models: holds the models it was asked about, one question at a time.
//
// Whoever started it sends the next question when the one before has been answered, and ends it by letting go of the
// channel. Faults are answers; a mistake of ours ends the process, and its last words are the reason.

import os from 'node:os';
import { sentError, TastemakerError } from '#core/errors.ts';
import type { SentError } from '#core/errors.ts';
import { createHeldModels } from './held-models.ts';
import { answer } from './tasks.ts';
import type { Question } from './tasks.ts';

/** `number` is the asker's, and comes back with the answer. */
export type QuestionMessage = { number: number } & Question;
export type AnswerMessage = { number: number } & ({ result: unknown } | { fault: SentError });

const GIB = 2 ** 30;
const allowed = process.constrainedMemory();
const memory = allowed > 0 ? Math.min(os.totalmem(), allowed) : os.totalmem();
/** A quarter of the machine's memory, at most 8 GiB: the rest is a run's, which takes what it planned for. */
const limit = Math.min(8 * GIB, memory / 4);

/** After window and service, before a run: a question is short, and whoever asked it waits. */
const PRIORITY = 5;
const models = createHeldModels({ limit });

async function answerTo({ number, ...question }: QuestionMessage): Promise<AnswerMessage> {
  try {
    return { number, result: await answer(question, models) };
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    return { number, fault: sentError(error) };
  } finally {
    await models.answered();
  }
}

process.on('message', (message: QuestionMessage) => {
  answerTo(message).then(
    (said) => process.send?.(said),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});
process.once('disconnect', () => process.exit()); // the project was closed, or nobody has asked for long
try {
  os.setPriority(PRIORITY);
} catch {
  // a system that does not allow it
}
