// What a recipe is: what it reads from a project, what it does, and how it talks to the run that it is.

import type { Completion } from '#core/contract/samples.ts';
import type { RunKind, RunStatus } from '#core/contract/runs.ts';
import type { ModelShape } from '#core/plans/model-shape.ts';
import type { Plan } from '#core/plans/plan.ts';
import type { Project } from '#core/store/project.ts';
import type { Facts, Lengths } from './facts.ts';
import type { Manifest } from './manifest.ts';
import type { MetricRow } from './metrics.ts';
import type { Frozen } from './parts/dataset.ts';
import type { Config, Settings } from './settings.ts';

/** What a run is resumed from. */
export interface SavedState {
  step: number;
  tensors: Record<string, Float32Array>;
  /** anything else: cursors, β, positions of random streams */
  rest: Record<string, unknown>;
}

/** What `prepare` hands over from the project. */
export interface Inputs {
  /** role -> model folder */
  models: Record<string, string>;
  /** one a line of data.jsonl; one that is of a prompt says so as `promptId`, and none is of a test prompt */
  data: Iterable<object>;
  /** the selection that the rows came from, and what it left out */
  frozen?: Frozen;
}

/** What a model says of a completion; `role` names the model as the manifest does. */
export interface Said {
  role: string;
  score?: number;
  /** the sum over the model's own tokens of the text, where these are not the completion's */
  logprob?: number;
  /** one a token */
  tokenLogprobs?: number[];
  tokenValues?: number[];
  /** the model wrote the completion itself: its log-probabilities are the completion's own */
  own?: true;
}
/** A completion as a job hands it over; those of one `group` (of one prompt, in a row) belong together. */
export interface Drawn extends Pick<
  Completion,
  'promptId' | 'text' | 'tokenIds' | 'tokenizer' | 'logprobs' | 'samplingLogprobs' | 'finish' | 'sampling'
> {
  /** how many rows the group has */
  group: number;
  /** a model of the manifest by its role, or what the run itself makes */
  writer: string | 'run';
  said?: Said[];
}
export type Measured = Said & { completionId: number };

export interface Outcome {
  status: Extract<RunStatus, 'done' | 'stopped'>;
  /** the finished model's folder, relative to the run */
  model: string | null;
  /** one sentence for the terminal */
  summary: string;
  /** what was done, in numbers */
  counts?: Record<string, number>;
}

export interface Job<S extends Settings = Settings> {
  kind: RunKind;
  /** what it does, in one sentence */
  sentence: string;
  settings: S;
  /** Reads what it needs from the project; throws with what is missing. */
  prepare(project: Project, config: Config<S>): Inputs | Promise<Inputs>;
  run(run: RunContext, config: Config<S>): Promise<Outcome>;
  /** What `run` does with these settings here, for memory and time. Throws where it names a model that is not there. */
  plan(config: Config<S>, here: Planning): Plan;
}

/** What a plan is made of. */
export interface Planning {
  facts: Facts;
  lengths: Lengths;
  /** a model of the project by its name */
  model(name: string): ModelShape;
}

/** How a job talks to the outside. */
export interface RunContext {
  folder: string;
  manifest: Manifest;
  model(role: string): string;
  data<T>(): T[];
  /** a row of numbers for metrics.jsonl and the progress line; `total` steps give the time left */
  report(step: number, total: number, metrics: MetricRow): void;
  samples(step: number, rows: readonly unknown[]): void;
  completions(step: number, rows: readonly Drawn[]): void;
  measures(step: number, rows: readonly Measured[]): void;
  /** Says in a word what comes now; a place to wait at while the run is paused. */
  phase(word: string): void;
  /** Says how far the phase is by itself; another such place, in the middle of a long one. */
  count(done: number, total: number): void;
  /** The settings with the stop rules as they are now: a person may have changed them since the run began. */
  ruled<C extends Readonly<Record<string, unknown>>>(config: C): C;
  log(line: string): void;
  /** the newest checkpoint, when the run is being resumed */
  saved(): SavedState | null;
  save(state: SavedState): void;
  /** true once somebody asked to stop: save and return */
  stopping(): boolean;
}
