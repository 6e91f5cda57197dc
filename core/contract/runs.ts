// Runs: how far they are, results, notes, sizes, what goes when one is deleted; the calls that start and steer them.

import * as v from 'valibot';
import type { Prompt } from './prompts.ts';
import type { Finish } from './samples.ts';
import { call } from './call.ts';
import { short, runId, offset, limit, config, recipe } from './schemas.ts';

/** The name of a run's recipe. Which recipes there are is said by `recipes.list`; an old run may be of another. */
export type RunKind = string;

/** queued → running ⇄ paused → stopping → stopped, or cancelling → cancelled, or done, or failed. */
export type RunStatus =
  | 'queued'
  | 'running'
  | 'paused'
  | 'stopping'
  | 'cancelling'
  | 'done'
  | 'stopped'
  | 'failed'
  | 'cancelled';
/** not over yet: these change by themselves */
export const LIVING: readonly RunStatus[] = ['queued', 'running', 'paused', 'stopping', 'cancelling'];
/** living, and a process is at work for it, or was */
export const AT_WORK: readonly RunStatus[] = LIVING.filter((status) => status !== 'queued');

/**
 * One execution of a job; its immutable manifest lies in runs/<id>/manifest.json. `error` is the sentence that ended
 * it.
 */
export interface Run {
  id: string;
  kind: RunKind;
  name: string;
  status: RunStatus;
  createdAt: number;
  endedAt: number | null;
  error: string | null;
}

/** What a run's recipe says of its runs, for where no card is at hand. */
export interface RunWords {
  /** "reward model" */
  run: string;
  /** what one of its steps is */
  step: string;
  /** what its page shows of what it made */
  shows: 'samples' | 'drawn' | 'rankings' | 'scores' | null;
  /** the charts that it opens with */
  charts: readonly string[];
  /** it makes a model that descends from none */
  startsFromNothing: boolean;
}

/** A run and how far it is. `phase` is a word for the status line ("preparing", "sampling"). */
export interface RunRow extends Run {
  words: RunWords;
  step: number;
  total: number;
  secondsLeft: number | null;
  phase: string;
  /** how far the phase is by itself, where it counts */
  part?: { done: number; total: number };
  modelId: number | null;
  summary: string | null;
  resumable: boolean;
  /** it waits until a person has said whether the runs of a project that is new here may go on */
  atRest: boolean;
}

/** A guard that tripped after an update, and the answers that it saw, best scored first. */
export interface GuardAlarm {
  update: number;
  guard: string;
  /** a clause */
  why: string;
  limit: number;
  because: string;
  samples: { promptId: number; text: string; score: number }[];
  /** those that the samples answer */
  prompts: { id: number; text: string }[];
}

export interface RunDetail {
  run: RunRow;
  manifest: Record<string, unknown> | null;
  checkpoints: number[];
  folder: string;
  /** its best weights so far, where it kept them and they are no model yet */
  best: {
    folder: string;
    step: number | null;
    steps: number | null;
    /** what was measured of them, in words */
    sentence: string;
    /** the metric by which they are the best; null where nobody knows */
    by: string | null;
  } | null;
  /** weights that it kept at looks at held-out prompts, in order; those that are models already say so */
  looks: { update: number; folder: string; sentence: string; modelId: number | null }[];
  /** what its guards said, in order: the last of a run that is stopped is why */
  alarms: GuardAlarm[];
  /** what it counted at its end ("added", "measured") */
  counts: Record<string, number>;
  /** the rules that end it by themselves, as they are now */
  rules: Record<string, number>;
  notices: string[];
}

export type MetricPoint = { step: number; seconds: number } & Record<string, number>;

/** One text that a run wrote for a fixed prompt at one of its steps. */
export interface RunSample {
  completionId: number;
  promptId: number;
  step: number;
  text: string;
  score: number | null;
  kl: number | null;
  gold: number | null;
  finish: Finish;
  tokens: number;
}

/** A metric of a run: its last value and its best, with what it rests on where it was measured. */
export interface RunResult {
  metric: string;
  last: number;
  best: number;
  bestStep: number;
  /** standard error of the last value, and of the best; null where none is known */
  lastError: number | null;
  bestError: number | null;
  /** how many samples the last value rests on */
  count: number | null;
}

/** A run in the table: what is not in its row because it changes seldom or takes time to find out. */
export interface RunFacts {
  id: string;
  note: string;
  tags: string[];
  /** when it began to work, which is later than when it was asked for; null where it has not begun */
  startedAt: number | null;
  /** what its folder takes on the disk */
  bytes: number;
  /** the metrics that count for its recipe first */
  results: RunResult[];
  /** its settings where they are other than the recipe's defaults */
  settings: Record<string, number | string | boolean>;
}

export const runNote = v.pipe(v.string(), v.maxLength(20_000));
export const runTags = v.pipe(v.array(v.pipe(v.string(), v.maxLength(60))), v.maxLength(30));

/** What deleting runs would take, and what it would leave. */
export interface RunDeletion {
  runs: number;
  /** samples that nobody has judged, which go with it */
  samples: number;
  /** those that are ranked, rated, marked, flagged or begun: they stay, as samples of no run */
  judged: number;
  /** `keeps`: why the model stays even where it is asked for; null where it can go */
  models: { id: number; name: string; bytes: number; keeps: string | null }[];
  bytes: number;
  /** what stays of that on the disk because a model needs it */
  modelBytes: number;
}

export type RunPart = 'checkpoints' | 'looks' | 'features' | 'rollouts' | 'leftovers';

/** What a run takes on the disk. `free`: parts that nothing needs any more; `held`: why the rest of a part is kept. */
export interface RunSpace {
  id: string;
  name: string;
  bytes: number;
  free: { part: RunPart; bytes: number; files: number }[];
  held: { bytes: number; why: string } | null;
}

export const runParts = v.pipe(
  v.array(v.picklist(['checkpoints', 'looks', 'features', 'rollouts', 'leftovers'])),
  v.minLength(1),
  v.maxLength(5),
);

/** One ranking that a reward model did not learn from, and how it scored its answers. */
export interface HeldOutRanking {
  promptId: number;
  prompt: string;
  labeler: string | null;
  answers: { completionId: number; text: string; rank: number; score: number }[];
  /** share of its pairs that the scores order as the labeler did; null where all are tied */
  agreed: number | null;
}

/** New limits of the rules that end a run by themselves; 0 = off. */
export const stopRules = v.record(v.pipe(short, v.regex(/^stop_[a-z]+$/)), v.pipe(v.number(), v.minValue(0)));

export const RUN_CALLS = {
  'runs.start': call<RunRow>('once')({ recipe, config, name: v.nullable(short) }),
  'runs.list': call<RunRow[]>('again')({}),
  'runs.get': call<RunDetail>('again')({ runId }),
  /** `from`: rows the window has already. */
  'runs.metrics': call<{
    rows: MetricPoint[];
    total: number;
    /** lines that are left out, torn by a crash */
    damaged?: number;
  }>('again')({ runId, from: offset }),
  'runs.samples': call<{
    samples: RunSample[];
    prompts: Pick<Prompt, 'id' | 'text' | 'messages'>[];
    damaged?: number;
  }>('again')({ runId }),
  'runs.log': call<{ lines: string[] }>('again')({ runId }),
  'runs.pause': call<RunRow>('once')({ runId }),
  /** Goes on with a paused run, or with one that stopped, failed or was killed, from its newest checkpoint. */
  'runs.resume': call<RunRow>('once')({ runId }),
  /** Saves a checkpoint and the model so far, then ends. */
  'runs.stop': call<RunRow>('once')({ runId }),
  'runs.cancel': call<RunRow>('once')({ runId }),
  /** Notes, tags, results and sizes: of all runs, or of one. */
  'runs.facts': call<RunFacts[]>('again')({ runId: v.optional(runId) }),
  'runs.describe': call<RunFacts>('again')({ runId, note: v.optional(runNote), tags: v.optional(runTags) }),
  /** What `runs.remove` would take and what it would leave. */
  'runs.deletion': call<RunDeletion>('again')({ runIds: v.pipe(v.array(runId), v.minLength(1), v.maxLength(1000)) }),
  /**
   * Deletes runs with their files and the samples that nobody judged, each whole; with `models` what they made, too.
   */
  'runs.remove': call<RunDeletion>('once')({
    runIds: v.pipe(v.array(runId), v.minLength(1), v.maxLength(1000)),
    models: v.boolean(),
  }),
  'runs.space': call<RunSpace[]>('again')({}),
  /** Frees what nothing needs any more, of one run or (null) of all. */
  'runs.free': call<{ bytes: number }>('again')({ runId: v.nullable(runId), parts: runParts }),
  /** Changes the rules that end a run by themselves, while it is at work. */
  'runs.rules': call<Record<string, number>>('again')({ runId, rules: stopRules }),
  /** The rankings that a reward model was validated on, those it got most wrong first. */
  'runs.held': call<{ total: number; rows: HeldOutRanking[] }>('again')({ runId, offset, limit }),
  'runs.letGo': call<{ runs: number }>('once')({
    /** whether the runs at rest of a project that is new here go on, or are stopped as they are */
    goOn: v.boolean(),
  }),
} as const;
