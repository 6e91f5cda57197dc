// A thread that answers questions one after the other and stays warm between them: what it has loaded and worked out is
// there for the next.

import { parentPort, Worker } from 'node:worker_threads';
import type { SentError } from '#core/errors.ts';
import { TastemakerError, receivedError, sentError } from '#core/errors.ts';

/** Tasks by name, each with what it is given and what it answers: plain data, for both cross to another thread. */
export type Tasks = Readonly<Record<string, (args: never) => unknown>>;
type Given<T extends Tasks, K extends keyof T> = Parameters<T[K]>[0];
type Answer<T extends Tasks, K extends keyof T> = Awaited<ReturnType<T[K]>>;

interface Question {
  id: number;
  task: string;
  args: unknown;
}
type Reply = { id: number } & ({ result: unknown } | { fault: SentError } | { crash: string });

export interface WarmThread<T extends Tasks> {
  /**
   * Rejects with the task's TastemakerError, with the signal's reason (the thread then ends, whatever else it does), or
   * with an Error where the thread died.
   */
  ask<K extends keyof T & string>(task: K, args: Given<T, K>, signal?: AbortSignal): Promise<Answer<T, K>>;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** `file` calls `answerQuestions`. It is started by the first question, and ends when none has come for `restMs`. */
export function warmThread<T extends Tasks>(file: string, restMs: number): WarmThread<T> {
  let worker: Worker | null = null;
  let rest: NodeJS.Timeout | undefined;
  let ids = 0;
  const waiting = new Map<number, Waiting>();

  function end(error: Error): void {
    const old = worker;
    worker = null;
    clearTimeout(rest);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    void old?.terminate();
  }
  function started(): Worker {
    if (worker) return worker;
    const own = (worker = new Worker(file));
    const ifOurs = (error: Error) => worker === own && end(error);
    return own
      .on('message', (reply: Reply) => settle(reply))
      .on('error', (error) => ifOurs(error as Error))
      .on('exit', () => ifOurs(new Error('The thread ended without an answer.')));
  }
  function settle(reply: Reply): void {
    const asker = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('result' in reply) asker?.resolve(reply.result);
    else asker?.reject('fault' in reply ? receivedError(reply.fault) : new Error(reply.crash));
    if (waiting.size > 0) return;
    worker?.unref(); // it keeps no program from ending
    rest = setTimeout(() => end(new Error('The thread was at rest.')), restMs).unref();
  }

  return {
    ask: (task, args, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        clearTimeout(rest);
        const id = ++ids;
        const abort = () => waiting.has(id) && end(signal!.reason as Error);
        const settled =
          <A>(then: (value: A) => void) =>
          (value: A) => {
            signal?.removeEventListener('abort', abort);
            then(value);
          };
        waiting.set(id, { resolve: settled(resolve as (result: unknown) => void), reject: settled(reject) });
        signal?.addEventListener('abort', abort, { once: true });
        const thread = started();
        thread.ref();
        thread.postMessage({ id, task, args } satisfies Question, []);
      }),
  };
}

/** In the thread: does what is asked. Questions that wait for something let others go first. */
export function answerQuestions(tasks: Tasks): void {
  const port = parentPort!;
  port.on('message', async ({ id, task, args }: Question) => {
    const reply = await Promise.resolve()
      .then(async (): Promise<Reply> => ({ id, result: await tasks[task]!(args as never) }))
      .catch((error: unknown) => refusal(id, error));
    port.postMessage(reply);
  });
}

function refusal(id: number, error: unknown): Reply {
  if (error instanceof TastemakerError) return { id, fault: sentError(error) };
  return { id, crash: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
