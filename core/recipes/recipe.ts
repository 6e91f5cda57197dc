// What a recipe is: what it reads from a project, what it does, and how it talks to the run that it is.

import type { Completion } from '#core/contract/samples.ts';
import type { Policy, PolicyKind } from '#core/contract/models.ts';
import type { Config as ContractConfig, Need } from '#core/contract/recipes.ts';
import type { RunStatus } from '#core/contract/runs.ts';
import type { ModelShape } from '#core/plans/model-shape.ts';
import type { Plan } from '#core/plans/plan.ts';
import type { Project } from '#core/store/project.ts';
import type { Facts, Lengths } from './facts.ts';
import type { Manifest } from './manifest.ts';
import type { MetricName, MetricRow } from './metrics.ts';
import type { GuardAlarm } from './parts/guards.ts';
import type { KeptRollout } from './parts/rollout-log.ts';
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
export interface Measurement {
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
  said?: Measurement[];
}
export type Measured = Measurement & { completionId: number };

export interface Outcome {
  status: Extract<RunStatus, 'done' | 'stopped'>;
  /** the finished model's folder, relative to the run */
  model: string | null;
  /** one sentence for the terminal */
  summary: string;
  /** what was done, in numbers */
  counts?: Record<string, number>;
}

/** What a project has and what acts in it, for a recipe that says what it needs and what one click starts it with. */
export interface Here {
  project: Project;
  facts: Facts;
  /** the current models and the reference of the policy by name; null where there is none */
  policy: string | null;
  reward: string | null;
  reference: string | null;
  /** the settings in which a model of this size differs from the table's defaults */
  sized(model: string): ContractConfig;
}

/** What a lineage tells of a model that a run of the recipe made; the run's folder may be gone, then it is less. */
export interface Made {
  manifest: Manifest | null;
  /** null: nothing says at which step its weights were written */
  step: number | null;
  /** that the run was asked for */
  steps: number | null;
  /** its run kept the weights on the way, because they did best */
  best: boolean;
  /** what was measured of the weights, and whether on prompts that the run held out */
  metrics: Readonly<Partial<Record<string, number>>>;
  heldOut: boolean;
  /** the model that their KL is measured from */
  reference: string | null;
  /** the model that the run called so */
  modelIn(role: string): string | null;
  rankings(): Promise<{ rankings: number; comparisons: number }>;
}

/** What kind of model a recipe makes, and the manifest role whose model it descends from. */
export interface MakesModel {
  kind: PolicyKind;
  parent: string | null;
  /** what it learns from: who imitates texts has no reference but itself */
  from: 'texts' | 'judgements' | 'rewards';
  /** what the model is in a lineage: "fine-tuned" */
  word: string;
}

/** Learning rates and portions by the size of the model that the setting `policy` names (parts/size-defaults.ts). */
export interface Sizes {
  /** peak learning rates of whole models: for small ones, and P20's at 1.3 billion parameters */
  rate: { small: number; paper: number };
  /** how much of a large model learns, and in what portions */
  large: ContractConfig;
}

/**
 * One recipe is one record: all that the window, the command line, estimates and lineages know of it. Methods, not
 * functions in fields, so that recipes with different settings stand in one table.
 */
export interface Recipe<S extends Settings = Settings> {
  /** on its card */
  title: string;
  /** what it does and what it makes ("a policy"), on its card */
  sentence: string;
  makes: string;
  words: {
    /** what it does, for the command line */
    about: string;
    /** a run of it in a list ("SFT"), its button ("Train"), one of its steps ("update") */
    run: string;
    start: string;
    step: string;
  };
  /** a step of the loop, on the way for who has what it takes, or aside for the few who need it */
  place: 'loop' | 'on the way' | 'aside';
  /** what a run's page shows of what it made; where scores are, is Inspect */
  shows: 'samples' | 'drawn' | 'rankings' | 'scores' | null;
  model: MakesModel | null;
  settings: S;
  /** the setting that must be told before it can start, and what is said where it is not; null: one click is enough */
  asksFor: { setting: string; missing: string; how: string } | null;
  sizes: Sizes | null;
  /** the charts that a run opens with, and what it is judged by in the table of runs, the most telling first */
  charts: readonly MetricName[];
  judgedBy: readonly MetricName[];
  /** by what it chooses the weights that it keeps as best/; null where it keeps none */
  bestBy: MetricName | null;
  /** The rows of one step, which is what `micro_batch` 0 takes at once; null where nothing is trained. */
  rowsAStep(config: Config<S>): number | null;
  /** What the project has and lacks for these settings, but for models: those the settings' roles say. */
  needs(facts: Facts, config: Config<S>): Need[];
  /** What one click starts it with here. */
  oneClick(own: Config<S>, here: Here): ContractConfig;
  /** What a run is called where it makes no model and no name is given. */
  called(config: ContractConfig): string;
  /** One sentence of the very weights of a model that it made; null where it makes none. */
  lineage(made: Made): string | null | Promise<string>;
  /** Reads what it needs from the project; throws with what is missing. */
  prepare(project: Project, config: Config<S>, references: References): Inputs | Promise<Inputs>;
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

/** What `prepare` is told of the project's other runs. */
export interface References {
  /** the model that the KL of a policy is measured from */
  referenceOf(policy: Policy): Policy;
}

/** How a recipe's run talks to the outside. */
export interface RunContext {
  folder: string;
  manifest: Manifest;
  model(role: string): string;
  data<T>(): T[];
  /** a row of numbers for metrics.jsonl and the progress line; `total` steps give the time left */
  report(step: number, total: number, metrics: MetricRow): void;
  samples(step: number, rows: readonly unknown[]): void;
  /** what a policy wrote and learnt from, to be searched afterwards */
  rollouts(step: number, rows: readonly KeptRollout[]): void;
  /** what guards said, with the answers that they saw */
  alarms(step: number, rows: readonly GuardAlarm[]): void;
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
