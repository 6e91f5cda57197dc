// Every question that can be put to a model, by name: what it takes, what it gives, and what answers it.

import { logprobsAlong, scoresAlong } from './along.ts';
import { attribution } from './attribution.ts';
import { poolCurve } from './best-of-n.ts';
import { comparePolicies } from './compare.ts';
import { findings } from './findings.ts';
import type { HeldModels } from './held-models.ts';
import { lens } from './lens.ts';
import { nextTokens } from './next-token.ts';
import { probeScores } from './probe-scores.ts';
import { sample } from './sample.ts';
import { scoreAnswers } from './score-answers.ts';
import { measureSpeed } from './speed.ts';
import { strips } from './strips.ts';

/** Arguments and results are plain data, for they cross to another process. */
type Task = (models: HeldModels, args: never) => Promise<unknown>;

export const TASKS = {
  sample,
  next: nextTokens,
  logprobs: logprobsAlong,
  scores: scoreAnswers,
  scoresAlong,
  lens,
  attribution,
  strips,
  findings,
  pool: poolCurve,
  compare: comparePolicies,
  probeScores,
  /** how fast this machine trains, which takes no model */ speed: (_: HeldModels, __: null) => measureSpeed(),
} satisfies Record<string, Task>;

export type TaskName = keyof typeof TASKS;
export type TaskArguments<K extends TaskName> = Parameters<(typeof TASKS)[K]>[1];
export type TaskResult<K extends TaskName> = Awaited<ReturnType<(typeof TASKS)[K]>>;

/** One of the table with its arguments, as it is sent. */
export type Question = { [K in TaskName]: { task: K; args: TaskArguments<K> } }[TaskName];

/** Puts a question to the models. */
export function answer({ task, args }: Question, models: HeldModels): Promise<unknown> {
  const work: (held: HeldModels, given: never) => Promise<unknown> = TASKS[task];
  return work(models, args as never);
}
