// Everything that crosses a process border: the records, the calls (noun.verb) with the shape of their arguments, the
// events.
//
// Both ends are derived from this file: the service's table of handlers must have one function a call (else it does not
// compile),
// the window's `call('noun.verb', arguments)` knows arguments and result. Arguments are checked against their schema at
// one place.

import * as v from 'valibot';
import { promptList, sampleFilter, sampleSort } from './contract/data.ts';
import { stopTexts, typedMessages } from './contract/try.ts';
import type { PromptManner, TriedModel } from './contract/try.ts';
import type {
  DataChange,
  PromptFound,
  PromptPage,
  PromptWeight,
  SampleMeasures,
  SampleRow,
  SearchHit,
} from './contract/data.ts';
import { runNote, runParts, runTags, stopRules } from './contract/runs.ts';
import type { HeldOutRanking, MetricMeaning, RunDeletion, RunFacts, RunSpace } from './contract/runs.ts';
import {
  id,
  text,
  short,
  ids,
  runId,
  share,
  offset,
  limit,
  split,
  places,
  queue,
  rank,
  kind,
  config,
  recipe,
  onDesk,
  span,
  selection,
  sampling,
} from './contract/schemas.ts';
import { call, programCall } from './contract/call.ts';
import { HARDWARE_CALLS } from './contract/hardware.ts';
import { CARE_CALLS } from './contract/project-care.ts';
import type { StrayedNote } from './contract/project-care.ts';

// ---- The records of a project

export type Split = 'train' | 'validation' | 'test';
/** Why a completion ended: the model wrote end-of-text, or it reached the length limit. */
export type Finish = 'stop' | 'length';
export type PolicyKind = 'base' | 'policy' | 'reward';
export type RunKind = 'pretrain' | 'sft' | 'reward' | 'ppo' | 'sample' | 'score' | 'demo';
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

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}
/** Fields of other people's files that have no place of their own here, kept for the way back. */
export type Extra = Record<string, string | number | boolean | null>;

/**
 * What is asked. `messages` is the conversation up to the answer, null for plain text; `reference` is a person's answer
 * where there is one; `facts` belong to the demo world.
 */
export interface Prompt {
  id: number;
  text: string;
  messages: Message[] | null;
  reference: string | null;
  split: Split;
  source: string;
  facts: Record<string, string> | null;
  extra: Extra | null;
}

/**
 * Which judgements are learnt from, measured or written to a file. An empty list leaves nothing out. Hidden repeats,
 * skipped
 * items and flagged answers are never learnt from, whatever stands here.
 */
export interface Selection {
  /** names of labelers */
  labelers: string[];
  /** names of the models whose answers count, or of the writers that a file gives */
  policies: string[];
  /** ids of the runs that drew the answers */
  rounds: string[];
  splits: Split[];
  /** the least confidence, 1 to 9; 0 = any. A ranking without one stays */
  confidence: number;
  /** what a flag leaves out: the answer that bears it, or also every ranking of a flagged item */
  flagged: 'answers' | 'items';
  /** answers that bear a mark with one of these labels are left out */
  marks: string[];
}

/** How a completion was drawn; temperature 0 is greedy. */
export interface SamplingParameters {
  temperature: number;
  topK: number;
  topP: number;
  maxNew: number;
  seed: number;
}

/** One sampled answer. `tokenIds` include the end-of-text where `finish` is 'stop'. */
export interface Completion {
  id: number;
  promptId: number;
  policyId: number | null;
  /** who wrote it, as the file that it came from says; null where none does */
  writer: string | null;
  text: string;
  tokenIds: number[];
  /**
   * hash of the tokenizer whose ids they are; null where no one knows, as of what came without ids or from an older
   * version
   */
  tokenizer: string | null;
  /** natural logarithms, one per token id, at temperature 1 */
  logprobs: number[];
  /** the same under the distribution that was sampled from (temperature, top-k, top-p) */
  samplingLogprobs: number[];
  finish: Finish;
  sampling: SamplingParameters;
  /** the run that drew it, and at which of its steps (null where it was not drawn during training) */
  runId: string | null;
  step: number | null;
}

export interface Labeler {
  id: number;
  name: string;
  kind: 'person' | 'program';
}

/** What the ranking desk shows at once: one prompt and the two to nine completions to be ranked together. */
export interface Item {
  id: number;
  promptId: number;
  completionIds: number[];
  source: 'sample' | 'import' | 'inspect';
  reason: string | null;
}

/** One labeler's ordering of the completions of one prompt. */
export interface Ranking {
  id: number;
  promptId: number;
  labelerId: number;
  itemId: number | null;
  status: 'ranked' | 'none-acceptable' | 'skipped';
  /** 1 is best; equal numbers are ties; empty when skipped */
  ranks: Rank[];
  /** 1 to 9, where the labeler gave it */
  confidence: number | null;
  /** milliseconds the labeler was active on it */
  durationMs: number | null;
  /** completion ids in the order they were shown */
  shownOrder: number[];
  note: string | null;
  /** what the labeler thought had happened before reading the post */
  naive: string | null;
  /** the earlier ranking that this hidden repeat shows again; it makes no comparisons */
  repeatOf: number | null;
  /** which version of the guidelines was in force */
  guidelines: number | null;
  /** what the file that it came from says besides */
  extra: Extra | null;
  createdAt: number;
}
export interface Rank {
  completionId: number;
  rank: number;
}

/** A pair derived from a ranking (a view, never stored): ties make none. */
export interface Comparison {
  rankingId: number;
  promptId: number;
  labelerId: number;
  chosenId: number;
  rejectedId: number;
}
/**
 * An axis score of one completion: whole, from 1 to 7, where it was given at the desk; files have scales of their own,
 * from `low` (worst, which may be the larger number) to `high` (best).
 */
export interface Rating {
  id: number;
  completionId: number;
  labelerId: number;
  axis: string;
  value: number;
  low: number;
  high: number;
}
/** A labelled character span of a completion, in UTF-16 offsets, end excluded. */
export interface Mark {
  id: number;
  completionId: number;
  labelerId: number;
  start: number;
  end: number;
  label: string;
  note: string | null;
}
/** A model the project knows: a base model, a tuned policy or a reward model, with its lineage. */
export interface Policy {
  id: number;
  name: string;
  kind: PolicyKind;
  /** relative to the project folder when inside it */ path: string;
  parentId: number | null;
  runId: string | null;
  createdAt: number;
}
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

// ---- What the window is shown

/** How an error crosses; `code` is an ErrorCode of core/errors.ts, or 'crash' for a mistake of ours. */
export interface Fault {
  code: string;
  message: string;
  hint: string;
}
export type Theme = 'system' | 'light' | 'dark';
/**
 * One person's settings on this machine, for every project. `keys`: action name -> key, only where it differs from the
 * default.
 */
export interface Preferences {
  theme: Theme;
  keys: Record<string, string>;
  layout: 'stack' | 'columns';
  /** a digit on the desk goes on to the next answer without a rank */ advance: boolean;
  sidebar: boolean;
  recent: RecentProject[];
  lastFolder: string | null;
  device: WantedDevice;
}
export interface RecentProject {
  folder: string;
  name: string;
  openedAt: number;
}
export interface ProjectSettings {
  labelerId: number | null;
  axes: string[];
  markLabels: string[];
  askConfidence: boolean;
  /** ask what happened before the post is shown (the paper's naive reading) */
  naiveReading: boolean;
  /** share of items shown a second time without saying so, 0 to 0.1 */
  repeats: number;
  sessionGoal: number;
  /** minutes of labelling between reminders; 0 = none */
  breakMinutes: number;
  currentPolicyId: number | null;
  rewardModelId: number | null;
}
export interface ProjectSummary {
  /**
   * tells it from every other project, its own copies included; the same again after the service was started anew
   */
  id: string;
  folder: string;
  name: string;
  prompts: Record<Split, number>;
  completions: number;
  rankings: number;
  comparisons: number;
  /** rankings that make a comparison: no ties throughout, skips or hidden repeats */ teaching: number;
  /** how many rankings of `rankings` programs made, not people */ simulated: number;
  /** how many more rankings that prefer something a first reward model takes */ wanted: number;
  /** items that nobody has ranked, counted up to 100; null where rankings are not what is lacking */ left:
    | number
    | null;
  models: number;
  runs: number;
  /**
   * of those, at rest: the project is new to this machine, and nobody has said whether they may go on
   */
  resting: number;
  isDemo: boolean;
  notices: string[];
  /** prompts that stand in another split than another spelling of theirs */ straddling: number;
  current: CurrentModels;
  /** null while its folder is where it was opened */ strayed: StrayedNote | null;
}
/**
 * A model that acts where none is named: who chose it and why ("because …"). `proposal`: a newer one, which a person
 * may take.
 */
export interface Current {
  modelId: number | null;
  name: string | null;
  by: 'person' | 'rule';
  reason: string;
  proposal: {
    modelId: number;
    name: string;
    sentence: string;
    /** nothing speaks against it: it may be offered beside what acts now */ sound: boolean;
  } | null;
}
export interface CurrentModels {
  policy: Current;
  reward: Current;
  /** why the scores of the reward model say nothing, in a sentence; null where nothing speaks against them */ doubt:
    | string
    | null;
}
export type ProviderName = 'cpu' | 'cuda' | 'webgpu';
/** What a person asked to compute on: the best that passes its self-test, or one of them and no other. */
export type WantedDevice = 'auto' | 'cpu' | 'cuda' | 'cuda:bf16' | 'webgpu';
export interface Device {
  provider: ProviderName;
  precision: 'fp32' | 'bf16';
  name: string;
  cores: number;
  memoryBytes: number;
  freeBytes: number;
  /** why this and not another */ reason: string;
}
/** A graphics card as its driver describes it now; null where it does not say. */
export interface CardNow {
  name: string;
  memoryBytes: number;
  usedBytes: number;
  /** per cent */ load: number | null;
  celsius: number | null;
  watts: number | null;
}
export interface SelfTest {
  at: number;
  ok: boolean;
  /** what it says, the operator that failed named */ sentence: string;
  seconds: number;
  checks: { name: string; ok: boolean; worst: number; tolerance: number }[];
}
/**
 * `ready`: it passed its self-test; `untested`: all is there; `refused`: it failed; `missing`: something is not there;
 * `broken`: there and wrong.
 */
export interface ProviderReport {
  provider: ProviderName;
  title: string;
  state: 'ready' | 'untested' | 'refused' | 'missing' | 'broken';
  /** what is there and what is missing, one sentence each */ lines: string[];
  selfTest: SelfTest | null;
}
export interface Hardware {
  device: Device;
  wanted: WantedDevice;
  providers: ProviderReport[];
  cards: CardNow[];
  /** folders of CUDA libraries that this person named */ libraryFolders: string[];
}
export interface AppState {
  version: string;
  preferences: Preferences;
  project: ProjectSummary | null;
  settings: ProjectSettings | null;
  labelers: Labeler[];
  device: Device;
  logFolder: string;
  /** what a person should know, such as damaged preferences */ notices: string[];
}

export type QueueName =
  | 'sequential'
  | 'shuffled'
  | 'newest'
  | 'uncertain'
  | 'disagrees'
  | 'flagged'
  | 'requested'
  | 'drafts'
  | 'skipped'
  | 'submitted';
/** A token's characters in a completion's text, UTF-16, end excluded; tokens that share a character share its span. */
export interface TokenSpan {
  start: number;
  end: number;
}
/** What has been entered for an item and not been submitted; it survives everything. */
export interface Draft {
  ranks: Rank[];
  confidence: number | null;
  note: string | null;
  naive: string | null;
  durationMs: number;
}
/** One item on the desk. Who wrote an answer is not in it: labelling is blind. */
export interface DeskItem {
  itemId: number;
  prompt: Prompt;
  /** each different text once; `times`: how many completions say it, of which `completionId` stands for all */
  answers: {
    completionId: number;
    text: string;
    times: number;
    /** it ran into the length limit: after how many tokens, 0 where that is not known */ cutOff: number | null;
    spans: TokenSpan[];
    marks: Mark[];
    ratings: Record<string, number>;
    flagged: boolean;
  }[];
  draft: Draft;
  /** the ranking that stands, where the item was submitted before */ ranking: Ranking | null;
  flagged: boolean;
  /** why this item comes now, in a sentence */ reason: string;
  guidelines: number;
}
export interface DeskProgress {
  done: number;
  total: number;
  skipped: number;
  session: number;
  sessionGoal: number;
  sessionStartedAt: number | null;
  ratePerHour: number | null;
  repeats: number;
  selfAgreement: number | null;
}
export interface Saved {
  at: number;
  eventId: number | null;
}
export interface Undone {
  itemId: number | null;
  promptId: number | null;
  sentence: string;
}
/** One ranking in the history of a labeler. `order` names the answers as the desk does, best first, ties together. */
export interface Judged {
  rankingId: number;
  itemId: number;
  at: number;
  prompt: string;
  status: Ranking['status'];
  order: string[][];
  confidence: number | null;
  note: string | null;
}
export interface Guidelines {
  version: number;
  text: string;
  createdAt: number;
}

export interface FileEntry {
  name: string;
  path: string;
  folder: boolean;
  bytes: number;
  /** a project, a model folder or a file we read; else null */ kind: 'project' | 'model' | 'gguf' | 'data' | null;
}
export type ImportKind = 'prompts' | 'completions' | 'rankings';
export interface ImportPreview {
  format: string;
  columns: string[];
  fields: string[];
  map: Record<string, string>;
  rows: Record<string, string>[];
  total: number;
  duplicates: number;
  errors: { line: number; message: string }[];
  /** what is doubtful in rows that are taken all the same */ warnings: { line: number; message: string }[];
  /** what is to be said of the file as a whole */ notes: string[];
  /** formats of rankings that may be chosen in place of the one that was recognised */ formats: {
    name: string;
    title: string;
  }[];
  /** of each of `rows`, the conversation up to the answer; null for plain text */ conversations: (Message[] | null)[];
  /** templates of earlier imports that this file can fill */ templates: string[];
}
/** `added` and `duplicates` are rows of the file, `made` is what they became. */
export interface ImportResult {
  added: number;
  duplicates: number;
  errors: { line: number; message: string }[];
  eventId: number | null;
  made: { prompts: number; completions: number; rankings: number; ratings: number; marks: number };
  /** what is to be said of the file as a whole */ notes: string[];
}
/** A format that data can be written in: what a file of it keeps and what it loses, in sentences. */
export interface DataFormat {
  name: string;
  title: string;
  container: 'jsonl' | 'json' | 'csv' | 'parquet';
  holds: string;
  /**
   * what becomes of the project: pairs made of rankings, whole rankings, or rows of what there is whether ranked or not
   */
  of: 'pairs' | 'rankings' | 'rows';
  /** it holds token ids: name the model whose they are */ needsTokenizer: boolean;
}
/** `beside` is a file that describes this one; `leftOut` counts by reason, `notes` says the same in sentences. */
export interface ExportResult {
  file: string;
  beside: string | null;
  rows: number;
  leftOut: Record<string, number>;
  notes: string[];
  bytes: number;
}

export interface ModelRow extends Policy {
  folder: string;
  parentName: string | null;
  family: string | null;
  parameters: number | null;
  bytes: number;
  completions: number;
  /** 'policy' to sample and tune from, 'reward' to score with */ current: 'policy' | 'reward' | null;
  problem: string | null;
  /** at which step of how many its run wrote these very weights; null where that is not known */ step: number | null;
  steps: number | null;
  /** kept on the way, because they did best */ best: boolean;
  /** it has a chat template */ chat: boolean;
}
export interface ModelVerdict {
  path: string;
  ok: boolean;
  sentence: string;
  hint: string | null;
  kind: PolicyKind | null;
  family: string | null;
  parameters: number | null;
  bytes: number;
  /** what it takes once loaded: 4 bytes a parameter and what the program needs beside */ memoryBytes: number | null;
  /** how most of its numbers are packed: F32, BF16, Q4_K … */ packing: string | null;
  /** of an adapter: the model that it sits on, by its place, or by the name it gives where it is not there */ base:
    | string
    | null;
  licence: string | null;
  /** the first lines of its licence file */ licenceText: string | null;
  /** how it wants its texts, and how a reward model is read, a sentence each */ conventions: string[];
  /** what was found and is not as one would expect, a sentence each */ notes: string[];
  files: { name: string; bytes: number; ok: boolean; sentence: string }[];
}
export interface LineageStep {
  name: string;
  kind: string;
  sentence: string;
  modelId: number | null;
  runId: string | null;
}

export interface Field {
  name: string;
  kind: 'number' | 'whole' | 'flag' | 'choice' | 'text' | 'model';
  default: number | string | boolean;
  range: [number, number] | null;
  choices: string[] | null;
  sentence: string;
}
/**
 * A recipe on its card: what it does, what it takes, what is missing. `defaults` are what one click starts it with
 * here.
 */
export interface RecipeCard {
  name: RunKind;
  title: string;
  sentence: string;
  makes: string;
  fields: Field[];
  defaults: Config;
  needs: Need[];
  /**
   * the models that `defaults` name: what for, why, and as which of the current ones; null for a reference
   */
  models: {
    field: string;
    words: string;
    name: string;
    why: string;
    of: 'policy' | 'reward' | null;
  }[];
}
export interface Need {
  /** `warn`: one can start, and should know */ state: 'ok' | 'warn' | 'missing';
  sentence: string;
}
export type Config = Record<string, number | string | boolean>;
export interface Estimate {
  verdict: 'fits' | 'tight' | 'wont-fit';
  bytes: number;
  availableBytes: number;
  /**
   * of the graphics card's own memory; null where the processor computes, or the card's part is counted with the
   * machine's
   */
  card: {
    bytes: number;
    availableBytes: number;
  } | null;
  seconds: number | null;
  sentence: string;
  fixes: string[];
  /** of a long run: what would make it shorter, with the time it would take then */ shorter: string[];
}
/** A run and how far it is. `phase` is a word for the status line ("preparing", "sampling"). */
export interface RunRow extends Run {
  step: number;
  total: number;
  secondsLeft: number | null;
  phase: string;
  /** how far the phase is by itself, where it counts */ part?: { done: number; total: number };
  modelId: number | null;
  summary: string | null;
  resumable: boolean;
  /** it waits until a person has said whether the runs of a project that is new here may go on */ atRest: boolean;
}
export interface RunDetail {
  run: RunRow;
  manifest: Record<string, unknown> | null;
  checkpoints: number[];
  folder: string;
  /** its best weights so far, where it kept them and they are no model yet */ best: {
    folder: string;
    step: number | null;
    steps: number | null;
    /** what was measured of them, in words */ sentence: string;
  } | null;
  /** what it counted at its end ("added", "measured") */ counts: Record<string, number>;
  /** the rules that end it by themselves, as they are now */ rules: Record<string, number>;
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

/**
 * One token: its characters, ln π at temperature 1, and where they were measured ln π_ref and the critic's or reward
 * model's value.
 */
export interface TokenRow {
  id: number;
  token: string;
  start: number;
  end: number;
  logprob: number;
  reference: number | null;
  value: number | null;
}

// ---- Calls

export const CALLS = {
  'app.state': programCall<AppState>()({}),
  'app.setPreferences': programCall<Preferences>()({
    changes: v.partial(
      v.strictObject({
        theme: v.picklist(['system', 'light', 'dark']),
        keys: v.record(short, short),
        layout: v.picklist(['stack', 'columns']),
        advance: v.boolean(),
        sidebar: v.boolean(),
        lastFolder: v.nullable(short),
        recent: v.pipe(v.array(v.strictObject({ folder: short, name: short, openedAt: v.number() })), v.maxLength(100)),
      }),
    ),
  }),
  'app.diagnostics': programCall<{ text: string }>()({}),
  'files.list': programCall<{ folder: string; parent: string | null; entries: FileEntry[] }>()({
    folder: v.nullable(short),
  }),
  /**
   * Opens a folder (that of a file) in the system's file manager; only what lies in the project or was exported by this
   * service.
   */
  'files.reveal': programCall<Record<string, never>>()({ path: short }),

  'project.open': programCall<AppState>()({ folder: short }),
  'project.create': programCall<AppState>()({ folder: short, demo: v.boolean() }),
  'project.close': call<AppState>()({}),
  /** A window has written what it still had of the closing project ('project.leaving'). */ 'project.left': call<
    Record<string, never>
  >()({}),
  ...CARE_CALLS,
  'project.setSettings': call<ProjectSettings>()({
    changes: v.partial(
      v.strictObject({
        labelerId: v.nullable(id),
        axes: v.array(short),
        markLabels: v.array(short),
        askConfidence: v.boolean(),
        naiveReading: v.boolean(),
        repeats: v.pipe(v.number(), v.minValue(0), v.maxValue(0.1)),
        sessionGoal: offset,
        breakMinutes: offset,
        currentPolicyId: v.nullable(id),
        rewardModelId: v.nullable(id),
      }),
    ),
  }),
  'labelers.add': call<Labeler>()({ name: short }),

  /**
   * The item to label now: `itemId` itself where given, else the next of the queue (after or before `from`). Null when
   * the queue is empty.
   */
  'desk.item': call<DeskItem | null>()({
    labelerId: id,
    queue,
    itemId: v.optional(id),
    from: v.optional(id),
    step: v.optional(v.picklist([1, -1])),
  }),
  'desk.draft': call<Saved>()({
    ...onDesk,
    changes: v.partial(
      v.strictObject({
        ranks: v.pipe(v.array(rank), v.maxLength(9)),
        confidence: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9))),
        note: v.nullable(text),
        naive: v.nullable(text),
      }),
    ),
    durationMs: v.pipe(v.number(), v.minValue(0)),
  }),
  'desk.submit': call<Saved & { rankingId: number }>()({
    ...onDesk,
    status: v.picklist(['ranked', 'none-acceptable', 'skipped']),
    durationMs: v.pipe(v.number(), v.minValue(0)),
  }),
  'desk.flag': call<Saved>()({ ...onDesk, flagged: v.boolean() }),
  'desk.progress': call<DeskProgress>()({ labelerId: id, queue }),
  /** What this labeler submitted, newest first; `before` a ranking of an earlier page. */
  'desk.history': call<{ rows: Judged[] }>()({ labelerId: id, before: v.optional(id), limit }),
  'desk.undo': call<Undone | null>()({ labelerId: id }),
  'desk.redo': call<Undone | null>()({ labelerId: id }),
  'marks.add': call<Saved & { markId: number }>()(span),
  'marks.change': call<Saved>()({ markId: id, ...span }),
  'marks.remove': call<Saved>()({ markId: id }),
  'ratings.set': call<Saved>()({
    completionId: id,
    labelerId: id,
    axis: short,
    value: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(7))),
  }),
  'guidelines.get': call<{ current: Guidelines; versions: Guidelines[] }>()({}),
  'guidelines.save': call<Guidelines>()({ text }),

  'prompts.page': call<PromptPage>()({ ...promptList, offset, limit }),
  /** `scoredBy`: the reward model whose scores are meant; left out, the current one. */
  'prompts.get': call<PromptFound>()({ promptId: id, scoredBy: v.optional(id) }),
  'prompts.setSplit': call<Saved>()({ promptIds: ids, split }),
  /** Deals all prompts out anew by share, seeded; what is over goes to train. */
  'prompts.divide': call<Record<Split, number>>()({ validation: share, test: share, seed: offset }),
  /** What hangs on these prompts, and would go with them. */
  'prompts.weigh': call<PromptWeight>()({ promptIds: ids }),
  /** With everything that hangs on them; `events.undo` brings it all back. */
  'prompts.remove': call<Saved & { removed: number }>()({ promptIds: ids }),
  'events.undo': call<Undone | null>()({ eventId: id }),
  /** The newest changes of the data, which `events.undo` takes back. */
  'data.changes': call<{ changes: DataChange[] }>()({}),
  'search.find': call<{ hits: SearchHit[] }>()({ text: short, limit }),
  /** Brings all spellings of a prompt into one split; `eventIds` undo it, in this order. */
  'prompts.unite': call<{ moved: number; eventIds: number[] }>()({}),
  /**
   * `format` of rankings: a name of `formats`, or left out to recognise it. `modelId`: whose tokenizer makes texts of a
   * file of token ids. `template` of prompts: makes a text of several columns, as "{title}: {body}"; it is remembered.
   */
  'imports.preview': call<ImportPreview>()({
    path: short,
    kind,
    map: v.record(short, short),
    format: v.optional(short),
    modelId: v.optional(id),
    template: v.optional(short),
  }),
  'imports.run': call<ImportResult>()({
    path: short,
    kind,
    map: v.record(short, short),
    split,
    format: v.optional(short),
    modelId: v.optional(id),
    template: v.optional(short),
  }),
  /** Calls off what is being read or imported of this file; what came in is taken away again. */
  'imports.cancel': call<Record<string, never>>()({ path: short }),
  'data.formats': programCall<DataFormat[]>()({}),
  /**
   * Writes the project's data to a file, whole or not at all; without `labelerIds` and `split` everybody's and
   * everything.
   */
  'data.export': call<ExportResult>()({
    path: short,
    format: short,
    options: v.partial(
      v.strictObject({
        pairs: v.picklist(['all', 'best-worst', 'neighbours']),
        labelerIds: ids,
        split,
        repeats: v.boolean(),
        flagged: v.boolean(),
        modelId: id,
        queryLength: places,
        responseLength: places,
        responses: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(9)),
        selection,
      }),
    ),
  }),

  'models.list': call<ModelRow[]>()({}),
  'models.look': call<{ verdicts: ModelVerdict[] }>()({ path: short }),
  'models.add': call<ModelRow>()({ path: short, name: short, copy: v.boolean() }),
  'models.rename': call<ModelRow>()({ modelId: id, name: short }),
  'models.remove': call<Saved>()({ modelId: id }),
  'models.lineage': call<{ steps: LineageStep[] }>()({ modelId: id }),
  /**
   * What this model can be written as; `problem` says why a format does not fit it, `bytes` about how large the weights
   * will be.
   */
  'models.formats': call<{
    formats: { name: string; title: string; sentence: string; problem: string | null; bytes: number }[];
  }>()({ modelId: id }),
  /**
   * Writes the model into a folder of its own, whole or not at all: `folder` itself, or one named after the model where
   * `folder` is there.
   */
  'models.export': call<{ path: string; bytes: number }>()({ modelId: id, folder: short, format: short }),
  /** How this model is given its prompts, as far as its runs and files tell. */
  'models.manner': call<PromptManner>()({ modelId: id }),
  /**
   * Interactive sampling: of the text to go on from, or of `messages` that a user says last. It may make a running job
   * pause at its next chunk border.
   */
  'models.try': call<TriedModel>()({
    modelId: id,
    prompt: text,
    messages: v.optional(typedMessages),
    stops: v.optional(stopTexts),
    k: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9)),
    sampling,
  }),

  'recipes.list': call<{ recipes: RecipeCard[]; metrics: Record<string, MetricMeaning> }>()({}),
  'recipes.estimate': call<Estimate>()({ recipe, config }),
  'runs.start': call<RunRow>()({ recipe, config, name: v.nullable(short) }),
  'runs.list': call<RunRow[]>()({}),
  'runs.get': call<RunDetail>()({ runId }),
  /** `from`: rows the window has already. */
  'runs.metrics': call<{
    rows: MetricPoint[];
    total: number;
    /** lines that are left out, torn by a crash */ damaged?: number;
  }>()({ runId, from: offset }),
  'runs.samples': call<{
    samples: RunSample[];
    prompts: Pick<Prompt, 'id' | 'text' | 'messages'>[];
    damaged?: number;
  }>()({ runId }),
  'runs.log': call<{ lines: string[] }>()({ runId }),
  'runs.pause': call<RunRow>()({ runId }),
  /** Goes on with a paused run, or with one that stopped, failed or was killed, from its newest checkpoint. */
  'runs.resume': call<RunRow>()({ runId }),
  /** Saves a checkpoint and the model so far, then ends. */
  'runs.stop': call<RunRow>()({ runId }),
  'runs.cancel': call<RunRow>()({ runId }),
  /** Notes, tags, results and sizes: of all runs, or of one. */
  'runs.facts': call<RunFacts[]>()({ runId: v.optional(runId) }),
  'runs.describe': call<RunFacts>()({ runId, note: v.optional(runNote), tags: v.optional(runTags) }),
  /** What `runs.remove` would take and what it would leave. */
  'runs.deletion': call<RunDeletion>()({ runIds: v.pipe(v.array(runId), v.minLength(1), v.maxLength(1000)) }),
  /**
   * Deletes runs with their files and the samples that nobody judged, each whole; with `models` what they made, too.
   */
  'runs.remove': call<RunDeletion>()({
    runIds: v.pipe(v.array(runId), v.minLength(1), v.maxLength(1000)),
    models: v.boolean(),
  }),
  'runs.space': call<RunSpace[]>()({}),
  /** Frees what nothing needs any more, of one run or (null) of all. */
  'runs.free': call<{ bytes: number }>()({ runId: v.nullable(runId), parts: runParts }),
  /** Changes the rules that end a run by themselves, while it is at work. */
  'runs.rules': call<Record<string, number>>()({ runId, rules: stopRules }),
  /** The rankings that a reward model was validated on, those it got most wrong first. */
  'runs.held': call<{ total: number; rows: HeldOutRanking[] }>()({ runId, offset, limit }),
  'runs.letGo': call<{ runs: number }>()({
    /** whether the runs at rest of a project that is new here go on, or are stopped as they are */ goOn: v.boolean(),
  }),

  'samples.page': call<{ total: number; rows: SampleRow[] }>()({
    filter: sampleFilter,
    sort: sampleSort,
    descending: v.boolean(),
    offset,
    limit,
  }),
  'samples.measures': call<SampleMeasures>()({ filter: sampleFilter }),
  'samples.tokens': call<{ text: string; tokens: TokenRow[] }>()({ completionId: id }),
  'samples.flag': call<Saved>()({ completionId: id, labelerId: id, flagged: v.boolean() }),
  /** Puts these completions, by prompt, before the labeler: one item a prompt. */
  'samples.request': call<{ items: number }>()({ completionIds: ids, reason: short }),

  ...HARDWARE_CALLS,
} as const;

export type CallName = keyof typeof CALLS;
export type ProgramCall = { [K in CallName]: (typeof CALLS)[K]['of'] extends 'program' ? K : never }[CallName];
export type ProjectCall = Exclude<CallName, ProgramCall>;
export type Arguments<K extends CallName> = v.InferOutput<(typeof CALLS)[K]['schema']>;
export type Result<K extends CallName> = (typeof CALLS)[K]['result'];

/** The arguments of a call as they should be, or what is wrong with them in a sentence. */
export function checkArguments(
  name: string,
  given: unknown,
): { ok: true; name: CallName; args: Arguments<CallName> } | { ok: false; problem: string } {
  if (!Object.hasOwn(CALLS, name)) return { ok: false, problem: `There is no call "${name.slice(0, 60)}".` };
  const checked = v.safeParse(CALLS[name as CallName].schema as v.GenericSchema, given);
  if (checked.success) return { ok: true, name: name as CallName, args: checked.output as Arguments<CallName> };
  const issue = checked.issues[0]!;
  return {
    ok: false,
    problem: `The call ${name} was given a wrong ${v.getDotPath(issue) ?? 'value'}: ${issue.message}.`,
  };
}

// ---- Events and messages

export interface Events {
  /** another project is open, none is, or what is said here of the open one has changed */
  'project.changed': { project: ProjectSummary | null; settings: ProjectSettings | null; labelers: Labeler[] };
  'preferences.changed': { preferences: Preferences };
  /** it is about to be closed: windows write now what they still have of it, and say 'project.left' */
  'project.leaving': Record<string, never>;
  'labels.changed': { labelerId: number; itemId: number | null };
  'data.changed': Record<string, never>;
  /** how far an import is, in rows; `total` 0 while the file is being read */
  'data.importing': { path: string; done: number; total: number };
  /** how far an export is, in rankings or rows read of all there are */
  'data.exporting': { path: string; done: number; total: number };
  'models.changed': Record<string, never>;
  /** how far the export of a model is, in bytes of weights; `path` is the folder that it will be */
  'models.exporting': { modelId: number; path: string; done: number; total: number };
  'run.changed': { run: RunRow };
  /** its note or tags, what it takes on the disk, or that it is there at all */
  'run.facts': { runId: string; gone: boolean };
  'run.metrics': { runId: string; from: number; rows: MetricPoint[] };
  'run.samples': { runId: string; step: number };
  'run.log': { runId: string; lines: string[] };
  'hardware.changed': { device: Device };
  /** what the cards are doing, every two seconds while a window looks on */
  'hardware.meter': { cards: CardNow[] };
  /** a step of an installation */
  'hardware.setup': { line: string };
  /** from the host: the service died and another one has taken over */
  'service.restarted': { sentence: string };
}
export type EventName = keyof Events;
/** Whose an event is: what is told of a project is for the windows that show it and for no other. */
export const EVENT_OF: Readonly<Record<EventName, 'project' | 'program'>> = {
  'project.changed': 'program',
  'preferences.changed': 'program',
  'hardware.changed': 'program',
  'hardware.meter': 'program',
  'hardware.setup': 'program',
  'service.restarted': 'program',
  'project.leaving': 'project',
  'labels.changed': 'project',
  'data.changed': 'project',
  'data.importing': 'project',
  'data.exporting': 'project',
  'models.changed': 'project',
  'models.exporting': 'project',
  'run.changed': 'project',
  'run.facts': 'project',
  'run.metrics': 'project',
  'run.samples': 'project',
  'run.log': 'project',
};

/**
 * Window → service, and its answers; `id` pairs them. `project`: which one whoever asks believes to be open. The same
 * over WebSocket, process messages and Electron's.
 */
export interface Request {
  id: number;
  call: string;
  args: unknown;
  project: string | null;
}
/** Host → service: how many windows look on. */
export interface Watched {
  windows: number;
}
export type Reply = { id: number; result: unknown } | { id: number; fault: Fault };
/** `project`: whose it is, null where it is of the program. */
export type Notice = { [K in EventName]: { event: K; data: Events[K]; project: string | null } }[EventName];
