// Work that would hold up the service's thread (parsing large files, reading tokenizers), done in a thread of its own.

import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { TastemakerError, receivedError } from '#core/errors.ts';
import type { SentError } from '#core/errors.ts';
import type { BackgroundTasks } from './background-thread.ts';
import { createTurns } from './turns.ts';
import type { Turns } from './turns.ts';

/**
 * Each thread may fill gigabytes: what is long leaves room for what a person waits for, and the rest waits its turn.
 */
const SHORT = createTurns(3);
const LONG = createTurns(2);
const TURNS: Readonly<Record<keyof BackgroundTasks, Turns>> = {
  preview: SHORT,
  look: SHORT,
  sizes: SHORT,
  numbers: SHORT,
  formats: SHORT,
  promptOrder: SHORT,
  rows: LONG,
  export: LONG,
  exportModel: LONG,
};

/** What the thread posts: parts of the answer, its end, or the error that ended it. */
export type Message = { part: unknown } | { done: true } | { fault: SentError | { crash: string } };

/**
 * Runs a task of background-thread.ts and hands over the parts of its answer one at a time: the next part is fetched
 * only
 * when the one before has been dealt with, so that a large answer does not arrive at once. Leaving the loop ends the
 * thread,
 * and so does `signal`, with its reason. Where too many are at work it waits its turn.
 */
export async function* inBackground<K extends keyof BackgroundTasks>(
  task: K,
  args: BackgroundTasks[K]['args'],
  signal?: AbortSignal,
): AsyncGenerator<BackgroundTasks[K]['part']> {
  const giveBack = await TURNS[task].take(signal);
  try {
    yield* inThread(task, args, signal);
  } finally {
    giveBack();
  }
}

/** A thread whose memory is full ends alone. */
const asFull = (error: Error): Error =>
  (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
    ? new TastemakerError(
        'bad-file',
        'The memory was full before all of it was read.',
        'Split the file, or read it on a machine with more memory.',
      )
    : error;

async function* inThread<K extends keyof BackgroundTasks>(
  task: K,
  args: BackgroundTasks[K]['args'],
  signal?: AbortSignal,
): AsyncGenerator<BackgroundTasks[K]['part']> {
  signal?.throwIfAborted();
  const worker = new Worker(path.join(import.meta.dirname, 'background-thread.ts'), { workerData: { task, args } });
  let answered: (message: Message) => void = () => {};
  let failed: (error: Error) => void = () => {};
  worker
    .on('message', (message: Message) => answered(message))
    .on('error', (error: Error) => failed(asFull(error)))
    .on('exit', () => failed(new Error(`The thread of "${task}" ended without an answer.`)));
  const abort = () => failed(signal!.reason as Error);
  signal?.addEventListener('abort', abort);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const message = await new Promise<Message>((resolve, reject) => {
        [answered, failed] = [resolve, reject];
        worker.postMessage('next', []);
      });
      if ('done' in message) return;
      if ('part' in message) yield message.part as BackgroundTasks[K]['part'];
      else if ('crash' in message.fault) throw new Error(message.fault.crash);
      else throw receivedError(message.fault);
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    await worker.terminate();
  }
}

/** The same for a task whose answer is one part. */
export async function onceInBackground<K extends keyof BackgroundTasks>(
  task: K,
  args: BackgroundTasks[K]['args'],
  signal?: AbortSignal,
): Promise<BackgroundTasks[K]['part']> {
  for await (const part of inBackground(task, args, signal)) return part;
  throw new Error(`The thread of "${task}" ended without an answer.`);
}
