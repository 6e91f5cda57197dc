// What a run would hold at its peak, from headers and counts: weights, trainers, evaluators, sampler, and the process
// itself.
//
// Arrays that several of its models have in common count once, as they are held once. No weights are read. Where a
// device
// computes, its memory is counted beside the machine's.

import path from 'node:path';
import type { Config } from '#core/contract/recipes.ts';
import type { Policy } from '#core/contract/models.ts';
import { chosenDevice } from '#core/autodiff/device.ts';
import type { Device, Provider } from '#core/autodiff/device.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import { isLarge } from '#core/recipes/parts/large-models.ts';
import { stepsARun } from '#core/training/pace.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { ZERO_TEXTS } from '#core/recipes/parts/reward-data.ts';
import { learningParts, TUNING_SETTINGS } from '#core/recipes/parts/tuning.ts';
import type { TuningConfig } from '#core/recipes/parts/tuning.ts';
import { newArchitecture, numbersIn } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { checkpointParameters, openCheckpoint } from '#core/models/checkpoint.ts';
import { blankHead, isScoreHead, isScoreTensor } from '#core/models/heads.ts';
import type { ScoreHeadName } from '#core/models/heads.ts';
import { isOwnTensor } from '#core/models/peft.ts';
import { DEFAULT_ROWS, PROMPT_STEP } from '#core/models/sampler.ts';
import { roundedLength } from '#core/models/rows.ts';
import { rowLength } from '#core/training/objectives/language-model.ts';
import { getPolicy, listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import {
  criticTraining,
  evaluatorBytes,
  featuresBytes,
  languageTraining,
  packedRows,
  policyTraining,
  rewardTraining,
  samplerBytes,
  startOf,
  trainerBytes,
} from './graph-memory.ts';
import type { Known, Where } from './graph-memory.ts';
import type { Facts, Lengths } from './recipe-facts.ts';

const PROCESS = 135e6; // the program, its libraries and a run's bookkeeping
/**
 * What a device holds before any graph is opened. CUDA: its context, its kernels, and what cuBLAS and cuDNN work in; a
 * guess until a card measures it.
 */
const CONTEXT: Readonly<Record<Provider, number>> = { cpu: 0, cuda: 0.5e9, webgpu: 0.1e9 };

const up = (value: number, step: number): number => Math.max(step, Math.ceil(value / step) * step);
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** How likely the longest rows of two batches are rounded up to different lengths. */
const variety = (mean: number, longest: number, step: number): number =>
  Math.min(1, Math.max(0, (longest - mean) / step));

/** A model of the project by its name, as its files describe it. Throws where it is not there. */
export function knownModel(project: Project, name: string): Known {
  const { architecture, head, adapter, parameters } = openCheckpoint(policyPath(project, getPolicy(project, name)));
  return {
    architecture,
    head,
    ...(adapter ? { adapter } : {}),
    weights: Object.fromEntries(
      parameters.filter(({ name }) => isScoreTensor(name)).map(({ name }) => [name, new Float32Array(0)]),
    ),
  };
}
/** What the run would refuse itself is estimated all the same: a writer that only scores, a judge that only writes. */
const writer = (project: Project, name: string): Known => ({
  ...knownModel(project, name),
  head: 'language-model',
  weights: {},
});
function judge(project: Project, name: string): Known {
  const model = knownModel(project, name);
  return isScoreHead(model.head) ? model : withHead(model, true);
}
/** The head that a run of these settings gives its model. */
function headOf({ head }: Config): ScoreHeadName {
  const name = String(head);
  return isScoreHead(name) ? name : 'linear';
}
/** The reward model that a run would make of it. */
const withHead = (model: Known, bias: boolean, head: ScoreHeadName = 'linear'): Known => ({
  ...model,
  head,
  weights: blankHead({ architecture: model.architecture, head }, bias),
});

/** Every array of a model by where it comes from, with its bytes: what two models have under one name is held once. */
function arraysOf(project: Project, { path: stored, runId }: Policy): Map<string, number> {
  const folder = path.resolve(project.folder, stored);
  const { adapter, parameters } = openCheckpoint(folder);
  const sizes = new Map(parameters.map(({ name, shape }) => [name, 4 * shape.reduce((a, b) => a * b, 1)]));
  const arrays = new Map<string, number>();
  const from = (place: string, name: string) => arrays.set(`${place} ${name}`, sizes.get(name)!);
  const own = adapter ? null : tunedPart(project, runId);
  for (const name of sizes.keys()) {
    if (adapter) from(isOwnTensor(name) ? folder : adapter.base, name);
    else from(own && !own.learnt.has(name) ? own.base : folder, name);
  }
  return arrays;
}

/** Of a model that a run made by tuning its last blocks: what was learnt, and the model that all else is from. */
function tunedPart(project: Project, runId: string | null): { base: string; learnt: ReadonlySet<string> } | null {
  if (runId === null) return null;
  try {
    const { config, models } = readManifest(runFolderOf(project.folder, runId)) as Manifest;
    const from = models.policy ?? models.base;
    if (config.tune !== 'blocks' || !from) return null;
    const base = path.resolve(project.folder, from.path);
    const origin = listPolicies(project).find((policy) => policyPath(project, policy) === base);
    const { parameters } = learningParts(withHead(openedModel(base), true, headOf(config)), tuningOf(config));
    const before = origin ? tunedPart(project, origin.runId) : null;
    return {
      base: before?.base ?? base,
      learnt: new Set([...parameters.map(({ name }) => name), ...(before?.learnt ?? [])]),
    };
  } catch {
    return null; // its run or its base is gone: then it counts whole
  }
}
function openedModel(folder: string): Known {
  const { architecture, head } = openCheckpoint(folder);
  return { architecture, head, weights: {} };
}
const tuningOf = (config: Config): TuningConfig =>
  readConfig(TUNING_SETTINGS, Object.fromEntries(Object.entries(config).filter(([name]) => name in TUNING_SETTINGS)));

/** Bytes of the weights of these models together, what several have in common once. */
export function weightBytes(project: Project, names: readonly string[]): number {
  const arrays = new Map(names.flatMap((name) => [...arraysOf(project, getPolicy(project, name))]));
  return sum([...arrays.values()]);
}

/** A model with an adapter, of which all or some blocks are to learn, is added up beside what was read. */
const mergedBytes = (model: Known, { tune }: TuningConfig): number =>
  model.adapter && tune !== 'lora' ? 4 * numbersIn(checkpointParameters(startOf(model, { tune } as TuningConfig))) : 0;

/** The machine's memory, and the device's own: 0 where the processor computes. */
export interface RunBytes {
  host: number;
  device: number;
}

/** `config` is complete. Throws where it names a model that is not there. */
export async function bytesOfRun(
  project: Project,
  recipe: RecipeName,
  config: Config,
  facts: Facts,
  lengths: Lengths,
  device: Device = chosenDevice(),
): Promise<RunBytes> {
  const onCard = device.provider !== 'cpu';
  const text = (name: string) => String(config[name] ?? '');
  const models = ['policy', 'reward', 'reference'].map(text).filter(Boolean);
  const held = (of: Where['of']) =>
    HOLDS[recipe]({
      project,
      config,
      facts,
      lengths,
      where: { device, of },
      number: (name) => Number(config[name]),
      text,
    });
  const ours = PROCESS + (await held('host'));
  const theirs = onCard ? CONTEXT[device.provider] + (await held('device')) : 0;
  // a graph takes its constants over by way of a copy
  const opening = onCard ? Math.max(0, ...models.map((name) => weightBytes(project, [name]))) : 0;
  return { host: ours + opening, device: theirs };
}

interface Asked {
  project: Project;
  config: Config;
  facts: Facts;
  lengths: Lengths;
  where: Where;
  number(name: string): number;
  text(name: string): string;
}

/**
 * Whether only the largest phase of a run counts: the graphs of the others are gone, or their buffers are used again,
 * for which all of WebGPU's have one store.
 */
const inTurn = (architecture: Architecture, { device, of }: Where): boolean =>
  isLarge(architecture, device) || (of === 'device' && device.provider === 'webgpu');
/** Weights as arrays of ours. */
const arrayBytes = ({ of }: Where, bytes: () => number): number => (of === 'host' ? bytes() : 0);

const HOLDS: Record<RecipeName, (asked: Asked) => Promise<number>> = {
  pretrain: async ({ config, where, number }) => {
    const channels = number('channels');
    const context = number('context');
    const architecture = newArchitecture({
      family: config.family as 'gpt2',
      vocabulary: number('vocabulary'),
      channels,
      layers: number('layers'),
      heads: number('heads'),
      feedForward: config.family === 'gpt2' ? 4 * channels : up((8 * channels) / 3, 32),
      context,
      endOfText: 0,
    });
    const start: Known = { architecture, head: 'language-model', weights: {} };
    return (
      arrayBytes(where, () => 4 * numbersIn(checkpointParameters(start))) +
      (await texts(where, start, tuningOf({ micro_batch: config.micro_batch! }), {
        rows: number('batch'),
        steps: number('steps'),
        perRun: number('steps_a_run'),
        T: rowLength(context + 1, 16),
        Q: rowLength(context + 1, 16),
        varied: 0,
        validated: number('validation') > 0 ? 32 : 0,
        tokens: context,
        predicted: context - 1,
      }))
    );
  },
  sft: async ({ project, config, facts, lengths, where, number, text }) => {
    const model = writer(project, text('policy'));
    const tuning = tuningOf(config);
    const start = startOf(model, tuning);
    const { context } = model.architecture;
    const tokens = Math.min(context, lengths.longestPrompt + lengths.longestReference);
    const T = rowLength(tokens, 16);
    const asked = up(lengths.longestReference, 16);
    const shown = Math.min(number('show_prompts'), facts.prompts.validation);
    const show = {
      prompts: Math.min(DEFAULT_ROWS, shown),
      each: 1,
      prompt: lengths.longestPrompt,
      written: number('show_max_new'),
      choice: { temperature: number('show_temperature'), topK: 0, topP: 1 },
      kept: 1,
      adapter: start.adapter?.settings,
    };
    const showing =
      shown && show.prompt + show.written <= context
        ? (await samplerBytes(where, start, show)) +
          (await evaluatorBytes(where, start, {
            groups: shown,
            tokens: show.prompt + show.written,
            slots: up(show.written, 16),
            shared: false,
            temperature: 1,
          }))
        : 0;
    const training = await texts(where, start, tuning, {
      rows: number('batch'),
      steps: Math.ceil(facts.references / number('batch')) * number('epochs'),
      perRun: number('steps_a_run'),
      T,
      Q: config.loss_on === 'everything' || asked > 0.75 * T ? T : asked,
      varied: variety(lengths.prompt + lengths.reference, tokens, 16),
      validated: Math.min(256, facts.prompts.validation),
      tokens,
      predicted: asked,
    });
    return (
      arrayBytes(where, () => weightBytes(project, [text('policy')]) + mergedBytes(model, tuning)) +
      (inTurn(model.architecture, where) ? Math.max(training, showing) : training + showing)
    );
  },
  reward: async ({ project, config, facts, lengths, where, number, text }) => {
    const base = knownModel(project, text('policy'));
    const tuning = tuningOf(config);
    const start = startOf(withHead(base, config.head_bias === true, headOf(config)), tuning);
    const { layers, channels } = base.architecture;
    // what a ranking's rows take, and how many it has
    const packed = packedRows(lengths.longestPrompt, Math.round(lengths.ranked), lengths.longestRanked);
    const { tokens: longest, completions: K } = packed;
    const shape = { T: roundedLength(longest), Q: K, shared: K > 1 };
    const layer = tuning.tune === 'blocks' ? Math.max(0, layers - tuning.tuned_blocks) : 0;
    const held = facts.validationRankings || Math.round(facts.rankings * number('validation'));
    const learnt = Math.max(1, facts.rankings - held);
    const rankings = Math.min(number('batch'), learnt);
    const rows = rankings * packed.rows;
    const steps = Math.ceil((learnt * number('epochs')) / rankings);
    const K0 = Math.min(stepsTogether(where, number('steps_a_run'), start, tuning, rows * longest), steps);
    const { pool, state } = await trainerBytes(where, {
      start,
      config: tuning,
      rows,
      steps: K0,
      kept: steps > K0 ? 2 : 1,
      ...rewardTraining(shape, start.head, layer),
    });
    const fed = layer && where.of === 'host' ? 2 * 4 * K0 * rows * (layer === layers ? K : shape.T) * channels : 0;
    const zero =
      config.zero === 'none'
        ? null
        : config.zero === 'references' && facts.references
          ? {
              groups: Math.min(ZERO_TEXTS, facts.references),
              tokens: lengths.longestPrompt + lengths.longestReference,
              slots: 1,
            }
          : { groups: Math.min(ZERO_TEXTS, learnt) * packed.rows, tokens: longest, slots: K };
    const scored = await Promise.all(
      [{ groups: held * packed.rows, tokens: longest, slots: K }, ...(zero ? [zero] : [])].map((read) =>
        evaluatorBytes(where, start, { ...read, shared: read.slots > 1, temperature: null, layer }),
      ),
    );
    const features = layer ? await featuresBytes(where, start, layer, facts.rankings * packed.rows, longest, K) : 0;
    return (
      arrayBytes(where, () => weightBytes(project, [text('policy')]) + mergedBytes(base, tuning)) +
      state +
      Math.max(features, pool + fed, ...scored)
    );
  },
  sample: async ({ project, config, facts, lengths, where, number, text }) => {
    const model = { ...writer(project, text('policy')), adapter: undefined };
    const k = number('k');
    const there = config.split
      ? facts.prompts[config.split as 'train']
      : facts.prompts.train + facts.prompts.validation;
    const asked = Math.min(there, number('prompts') || there);
    const prompts = Math.min(asked, Math.max(1, Math.floor(DEFAULT_ROWS / k)));
    return (
      arrayBytes(where, () => 4 * numbersIn(checkpointParameters(model))) +
      (await samplerBytes(where, model, {
        prompts,
        each: k,
        prompt: lengths.longestPrompt,
        written: number('max_new'),
        choice: { temperature: number('temperature'), topK: number('top_k'), topP: number('top_p') },
        kept: 1 + (asked > prompts ? variety(lengths.prompt, lengths.longestPrompt, PROMPT_STEP) : 0),
      }))
    );
  },
  score: async ({ project, facts, lengths, where, text }) =>
    sum(
      await Promise.all(
        [['reward', null] as const, ['reference', 1] as const].map(async ([field, temperature]) => {
          if (!text(field)) return 0;
          const model = { ...(temperature === null ? judge : writer)(project, text(field)), adapter: undefined };
          const all = Math.max(1, Math.round(lengths.ranked));
          const {
            tokens,
            completions: K,
            rows,
          } = packedRows(
            lengths.longestPrompt,
            all,
            Math.max(lengths.longestRanked, lengths.longestPrompt + all * lengths.completion),
          );
          return (
            arrayBytes(where, () => 4 * numbersIn(checkpointParameters(model))) +
            (await evaluatorBytes(where, model, {
              groups: Math.max(1, rows * Math.min(64, facts.completions / all)),
              tokens,
              slots: temperature === null ? K : roundedLength(K * lengths.completion),
              shared: K > 1,
              temperature,
            }))
          );
        }),
      ),
    ),
  ppo: async ({ project, config, facts, lengths, where, number, text }) => {
    const policy = writer(project, text('policy'));
    const reward = judge(project, text('reward'));
    const tuning = tuningOf(config);
    const large = inTurn(policy.architecture, where);
    const learner = startOf(policy, tuning);
    const critic = startOf(reward, tuning);
    const k = number('samples_per_prompt');
    const N = number('max_new');
    const temperature = number('temperature');
    const prompts = Math.max(1, Math.floor(number('episodes') / k));
    const steps = number('epochs') * number('minibatches');
    const prompt = Math.min(lengths.longestPrompt, policy.architecture.context - N);
    const packed = packedRows(prompt, k, prompt + k * N);
    const { tokens, completions: each } = packed;
    const T = roundedLength(tokens);
    const shared = k > 1;
    const rows = packed.rows * Math.max(1, Math.floor(prompts / number('minibatches')));
    // two shapes are kept, where so many came up
    const varied = large ? 1 : 1 + variety(lengths.prompt, prompt, T < 256 ? 8 : T / 8) * (1 - 1 / number('updates'));
    const held = number('evaluate_every') ? Math.min(number('evaluate_prompts'), facts.prompts.validation) : 0;
    const twice = held && !large ? 2 : varied; // the held-out prompts have graphs of their own
    const first = await trainerBytes(where, {
      start: learner,
      config: tuning,
      rows,
      steps,
      kept: varied,
      ...policyTraining({ T, Q: roundedLength(each * N), shared }, temperature),
    });
    const second = await trainerBytes(where, {
      start: critic,
      config: tuning,
      rows,
      steps,
      kept: varied,
      ...criticTraining({ T, Q: roundedLength(each * (N + 1)), shared }, critic.head),
    });
    const read = async (model: Known, temp: number | null, wanted: number) =>
      twice *
      (await evaluatorBytes(where, model, {
        groups: prompts * packed.rows,
        tokens,
        slots: wanted,
        shared,
        temperature: temp,
      }));
    const phases = [
      twice *
        (await samplerBytes(where, learner, {
          prompts: Math.max(1, Math.min(prompts, Math.floor(Math.min(64, number('episodes')) / k))),
          each: k,
          prompt,
          written: N,
          choice: { temperature, topK: 0, topP: 1 },
          kept: 1,
          adapter: learner.adapter?.settings,
        })),
      (await read(policy, temperature, roundedLength(each * N))) +
        (await read(critic, null, roundedLength(each * (N + 1)))) +
        (await read(reward, null, each)),
      first.pool,
      second.pool,
    ];
    return (
      arrayBytes(
        where,
        () =>
          weightBytes(project, [text('policy'), text('reward'), ...(text('reference') ? [text('reference')] : [])]) +
          mergedBytes(policy, tuning) +
          mergedBytes(reward, tuning),
      ) +
      first.state +
      second.state +
      (large ? Math.max(...phases) : sum(phases))
    );
  },
};

interface Texts {
  rows: number;
  steps: number;
  /** steps in one call of the runtime, as they were asked for */ perRun: number;
  T: number;
  Q: number;
  /** how likely another call has rows of another shape */ varied: number;
  /** texts to validate with */ validated: number;
  tokens: number;
  predicted: number;
}
/** Next-token training and its validation. */
async function texts(
  where: Where,
  start: Known,
  config: TuningConfig,
  { rows, steps, perRun, T, Q, varied, validated, tokens, predicted }: Texts,
): Promise<number> {
  const large = inTurn(start.architecture, where);
  const K = Math.max(1, Math.min(stepsTogether(where, perRun, start, config, rows * tokens), steps));
  const { pool, state } = await trainerBytes(where, {
    start,
    config,
    rows,
    steps: K,
    kept: Math.min(2, 1 + (steps % K ? 1 : 0) + (steps > K ? varied : 0)),
    ...languageTraining(T, Q),
  });
  const validating = await evaluatorBytes(where, start, {
    groups: validated,
    tokens,
    slots: roundedLength(predicted),
    shared: false,
    temperature: 1,
  });
  return state + (large ? Math.max(pool, validating) : pool + validating);
}

/** Steps that one call of the runtime takes, `tokens` a step. */
const stepsTogether = ({ device }: Where, asked: number, start: Known, config: TuningConfig, tokens: number): number =>
  stepsARun(
    asked,
    {
      numbers: numbersIn(checkpointParameters(start)),
      trained: numbersIn(learningParts(start, config).parameters),
      tokens,
    },
    device,
  );
