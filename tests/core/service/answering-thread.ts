// A thread for the test of warm-thread.ts: counts what it was asked, refuses, crashes, and takes its time.
import { setTimeout as wait } from 'node:timers/promises';
import { TastemakerError } from '#core/errors.ts';
import { answerQuestions } from '#core/service/warm-thread.ts';

let asked = 0;
const TASKS = {
  count: ({ by }: { by: number }) => (asked += by),
  refuse: ({ what }: { what: string }): never => {
    throw new TastemakerError('bad-data', `No ${what}.`, 'Take another.', '--other takes another.');
  },
  crash: (): never => {
    throw new RangeError('a mistake of ours');
  },
  die: () => process.exit(3),
  wait: async ({ ms }: { ms: number }) => {
    await wait(ms);
    return 'waited';
  },
};
export type AnsweringTasks = typeof TASKS;

answerQuestions(TASKS);
