// Reward model from rankings: a copy of the base with a scalar head, one epoch over the prompts, Bradley-Terry on all
// pairs.
//
// P20 §3.4 and §B.1; algorithms.md §1.3. All rankings of a prompt count 1 together, each the same (D14); it learns from
// train
// prompts and is validated on others (D12); after training the bias is set so that references score 0 on average (D10).

import { createRandom } from '#core/random.ts';
import { numbersIn } from '#core/models/architecture.ts';
import { checkpointParameters, loadShared, withScoreHead } from '#core/models/checkpoint.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { adjustedHead, parametersAbove, SCORE_HEAD_NAMES, SCORE_HEADS } from '#core/models/heads.ts';
import type { HeadName } from '#core/models/heads.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import type { Evaluator } from '#core/models/evaluator.ts';
import { REWARD_NOTE } from '#core/models/model-notes.ts';
import { rowTokens } from '#core/models/rows.ts';
import type { Group } from '#core/models/rows.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { rankingObjective } from '#core/training/objectives/row-losses.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { TrainerState } from '#core/training/trainer.ts';
import { WRITERS, choice, count, flag, real, words } from './settings.ts';
import type { Config } from './settings.ts';
import { describeLeftOut, rankedRows, SELECTION_SETTINGS, selectionOf } from '#core/recipes/parts/dataset.ts';
import { computeFeatures } from '#core/recipes/parts/frozen-features.ts';
import type { Features } from '#core/recipes/parts/frozen-features.ts';
import { need } from '#core/recipes/parts/need.ts';
import { likelyTokenizers } from '#core/recipes/parts/likely-tokenizers.ts';
import type { Inputs, Recipe, Outcome, RunContext } from './recipe.ts';
import { STEPS_A_RUN } from '#core/recipes/parts/steps-a-run.ts';
import { stepsARun } from '#core/training/pace.ts';
import { packRankings } from '#core/recipes/parts/reward-batches.ts';
import {
  rankingRows,
  rankingWeights,
  readRows,
  referenceRows,
  sampled,
  ZERO_TEXTS,
} from '#core/recipes/parts/reward-data.ts';
import type { Element, RewardRow } from '#core/recipes/parts/reward-data.ts';
import { endRanked } from '#core/recipes/parts/ranked-ending.ts';
import { validate } from '#core/recipes/parts/reward-validation.ts';
import type { Validated } from '#core/recipes/parts/reward-validation.ts';
import { packState, unpackState } from '#core/recipes/parts/training-state.ts';
import { planReward } from '#core/recipes/parts/reward-plan.ts';
import { frozenBlocks, microBatches, tuned, TUNING_SETTINGS } from '#core/recipes/parts/tuning.ts';
import type { Tuned } from '#core/recipes/parts/tuning.ts';
import { mean } from '#core/evaluation/mean.ts';
import { REWARD } from '#core/recipes/demo/demo-settings.ts';
import { counted, validationWords } from '#core/recipes/parts/lineage-words.ts';
import { powerOfTwo, rankingNeeds } from '#core/recipes/parts/needs.ts';
import { GOOD_RANKINGS } from './facts.ts';
import type { Here, Made } from './recipe.ts';

export const REWARD_SETTINGS = {
  policy: words('base', 'The model whose copy becomes the reward model.', {
    group: 'data',
    main: true,
    model: {
      kinds: WRITERS,
      stands: 'reference',
      words: 'Starts as a copy of',
      because: 'KL is measured from it',
    },
  }),
  ...SELECTION_SETTINGS,
  learning_rate: real(
    5e-4,
    [0, 1],
    'Peak learning rate. Stiennon et al. 2020 used 1.5e-5 for 1.3 billion parameters; small models take more.',
    { group: 'optimisation', main: true },
  ),
  schedule: choice(
    'cosine',
    ['cosine', 'linear', 'constant'],
    'How the learning rate falls to the end (Stiennon et al. 2020: cosine).',
    { group: 'optimisation' },
  ),
  batch: count(
    8,
    [1, 4096],
    'Rankings a step; all completions of a ranking are scored together. The last step takes those that are left.',
    { group: 'optimisation', main: true, memory: { times: 0.5, what: 'prompts a step' } },
  ),
  epochs: count(1, [1, 100], 'Passes over the rankings. One, or it learns them by heart.', {
    group: 'optimisation',
    main: true,
    time: 'passes',
  }),
  validation: real(
    0.1,
    [0, 0.9],
    "Rankings of the project's validation prompts are what is validated on. Where there are none, this share of the train prompts is held back, by a hash of each prompt's text that no seed and no new label moves; 0 = none.",
    { group: 'data' },
  ),
  epsilon: real(1e-5, [1e-12, 1], "Adam's ε.", { group: 'optimisation' }),
  weight_decay: real(0, [0, 1], 'Decoupled weight decay on matrices.', { group: 'optimisation' }),
  clip: real(1, [0, 1e9], 'Largest gradient norm; 0 = no clipping.', { group: 'optimisation' }),
  head: choice(
    'linear',
    SCORE_HEAD_NAMES,
    `What makes a score of the layers: ${SCORE_HEAD_NAMES.map((name) => SCORE_HEADS[name].sentence).join('; ')}.`,
    { group: 'shape' },
  ),
  head_bias: flag(true, 'Give the head a bias; it carries the zero point.', { group: 'shape' }),
  zero: choice(
    'references',
    ['references', 'completions', 'completions-unit', 'none'],
    'What scores 0 on average, by up to 256 texts drawn at random: reference completions of the train prompts (Stiennon et al. 2020; the ranked completions where there are none) or the ranked completions; completions-unit also scales them to standard deviation 1 (2019); none shifts nothing.',
    { group: 'shape' },
  ),
  seed: count(
    1,
    [0, 2 ** 48],
    'Seed of head, adapters, order and zero point, each with a stream of its own; the split has none.',
    { group: 'seeds' },
  ),
  head_seed: count(0, [0, 2 ** 48], 'Seed of the head alone; 0 = as seed says.', { group: 'seeds' }),
  order_seed: count(0, [0, 2 ** 48], 'Seed of the order alone; 0 = as seed says.', { group: 'seeds' }),
  steps_a_run: STEPS_A_RUN,
  checkpoint_every: count(64, [1, 1e9], 'Steps between checkpoints.', { group: 'seeds' }),
  ...TUNING_SETTINGS,
} as const;
type RewardConfig = Config<typeof REWARD_SETTINGS>;

async function prepare(project: Project, config: RewardConfig): Promise<Inputs> {
  const base = getPolicy(project, config.policy);
  const { rankings, frozen } = rankedRows(project, selectionOf(config));
  need(
    rankings.length,
    config.batch,
    'rankings with at least one preference',
    'Rank some prompts first, on the Label screen or by importing rankings.',
  );
  const rows = rankingRows(rankings, config.validation, await likelyTokenizers(project));
  need(
    rows.filter(({ use }) => use === 'train').length,
    1,
    'rankings of train prompts left for training',
    'Rank more prompts of the train split, or lower the setting validation.',
  );
  const references = config.zero === 'references' ? referenceRows(project, config.seed) : [];
  return { models: { base: policyPath(project, base) }, data: [...rows, ...references], frozen };
}

interface Data {
  /** with how much each counts */
  training: (Element & { weight: number })[];
  validation: Element[];
  /** what is to score 0 on average, a group a row; empty: nothing is */
  zero: Group[];
  /** what the summary is to say of it */
  notes: string[];
}

/** The rows that fit the model, and what they are for; says what is left out, held back and done instead. */
async function dataOf(context: RunContext, config: RewardConfig, folder: string, room: number): Promise<Data> {
  const { words: selection, leftOut } = context.manifest.data;
  const left = describeLeftOut(leftOut ?? {});
  if (selection) context.log(`Learns from ${selection}${left ? `; left out: ${left}` : ''}.`);
  const all = await readRows(folder, context.data<RewardRow>(), config.validation);
  if (all.joined) context.log(all.joined);
  const fits = ({ prompt, completions }: Group) =>
    prompt.length + Math.max(...completions.map((ids) => ids.length)) <= room;
  const elements = all.elements.filter(fits);
  const references = all.references.filter(fits);
  const tooLong = all.elements.length - elements.length;
  if (tooLong)
    context.log(
      `${tooLong} of ${all.elements.length} rankings do not fit the context of ${room} tokens and are left out.`,
    );
  need(
    elements.length,
    2,
    'rankings that fit the context',
    'Shorten the prompts, or use a model with a longer context.',
  );
  const chosen = elements.filter(({ use }) => use === 'train');
  const validation = elements.filter(({ use }) => use !== 'train');
  const weights = rankingWeights(chosen);
  need(chosen.length, 1, 'rankings left for training', 'Lower the setting validation, or rank more prompts.');
  const held = validation.some(({ use }) => use === 'held back');
  const notes: string[] = [];
  if (held) notes.push('validated on train prompts that were held back, for no validation prompt has been ranked');
  else if (validation.length === 0)
    notes.push(
      config.validation === 0
        ? 'nothing to validate on'
        : 'nothing to validate on, for no validation prompt has been ranked and by their hash no train prompt is held back',
    );
  if (config.zero === 'references' && references.length === 0)
    notes.push('there are no references, so the ranked completions score 0 on average');
  if (config.zero !== 'none' && !config.head_bias)
    notes.push(
      config.zero === 'completions-unit'
        ? 'without a bias the head can not be shifted, only scaled'
        : 'without a bias no zero point can be set',
    );
  for (const note of notes) context.log(`${note[0]!.toUpperCase()}${note.slice(1)}.`);
  const sets = config.zero !== 'none' && (config.head_bias || config.zero === 'completions-unit');
  const onto =
    config.zero === 'references' && references.length
      ? references.slice(0, ZERO_TEXTS)
      : sampled(chosen, config.seed).flatMap(({ rows }) => rows);
  return {
    training: chosen.map((element, i) => ({ ...element, weight: weights[i]! })),
    validation,
    zero: sets ? onto : [],
    notes,
  };
}

async function run(context: RunContext, config: RewardConfig): Promise<Outcome> {
  context.phase('loading the model');
  const baseFolder = context.model('base');
  const base = loadShared(baseFolder);
  const { architecture } = base;
  const part = tuned(
    withScoreHead(base, config.head_seed || config.seed, config.head_bias, config.head),
    baseFolder,
    config,
    config.seed,
  );
  const { start } = part;
  // 1 data: token ids as sampled where they are known, so that training, evaluation and PPO see the same ids (D7)
  const data = await dataOf(context, config, baseFolder, architecture.context);
  const { training, validation } = data;
  const B = Math.min(config.batch, training.length);
  const order = Array.from({ length: config.epochs }, (_, epoch) =>
    createRandom(config.order_seed || config.seed, `reward/order/${epoch}`).shuffled(training),
  ).flat();
  const steps = Math.ceil(order.length / B);

  // 2 what blocks that do not learn make of the rows is computed once, for training, zero point and validation
  const saved = context.saved();
  const layer = frozenBlocks(architecture, config);
  if (layer) context.phase('reading with the frozen blocks');
  const read = [...(saved?.step === steps ? [] : training), ...validation].flatMap(({ rows }) => rows);
  const features = layer
    ? await computeFeatures(context.folder, start, layer, [...read, ...data.zero], (done, of) => {
        context.count(done, of);
        return context.stopping();
      })
    : null;
  const unread = features?.whole === false;
  const state = saved ? unpackState('reward', saved, saved.step) : freshState(part.weights);
  const evaluator = createEvaluator(start, {
    constants: part.options.frozen?.weights,
    progress: context.count,
    ...(features ? { below: features } : {}),
  });
  try {
    // 3 one epoch, a few steps a call
    const {
      status,
      save,
      trained: { step, weights: learnt },
    } = unread
      ? { status: 'stopped' as const, save: () => {}, trained: state }
      : await learn(context, config, { part, order, B, steps, layer, features, state });
    const weights = { ...start.weights, ...learnt };
    // 4 zero point and validation, then the model folder
    context.phase('validating');
    const found = unread ? validate([], []) : await settled(evaluator, start.head, weights, data, config);
    // what was at its end had been reported before the run was killed
    const ending = { step, steps, reports: status === 'done' && saved?.step !== steps, save };
    endRanked(
      context,
      ending,
      found,
      { ...start, weights },
      {
        tokenizerFrom: baseFolder,
        // it was trained on completions with their end-of-text
        notes: { [REWARD_NOTE]: { appends_end_of_text: true } },
      },
    );
    for (const line of found.byLabeler) context.log(`Validation accuracy by ${line}.`);
    return { status, model: 'model', summary: summaryOf(data, new Set(order.slice(0, step * B)).size, step, found) };
  } finally {
    features?.remove(); // cancelled, too
    await evaluator.release();
  }
}

interface Learning {
  part: Tuned;
  /** what is learnt from, `B` a step, in order */
  order: readonly (Element & { weight: number })[];
  B: number;
  steps: number;
  /** so many blocks are frozen, and what they made of the rows */
  layer: number;
  features: Features | null;
  state: TrainerState;
}
interface Learnt {
  status: Outcome['status'];
  trained: TrainerState;
  /** keeps the state as it is now */
  save(): void;
}

/** Takes the steps that are left, until it is asked to stop. */
async function learn(
  context: RunContext,
  config: RewardConfig,
  { part, order, B, steps, layer, features, state }: Learning,
): Promise<Learnt> {
  const { start, options } = part;
  const { architecture } = start;
  const { frozen } = options;
  const above =
    frozen && layer ? { frozen: { ...frozen, parameters: parametersAbove(frozen.parameters, start, layer) } } : {};
  const objective = rankingObjective(layer);
  const trainer = createTrainer(
    part.parameters,
    state,
    objective.loss(start),
    {
      betas: [0.9, 0.999],
      epsilon: config.epsilon,
      epsilonStyle: 'torch',
      weightDecay: config.weight_decay,
      clipNorm: config.clip || null,
    },
    { ...options, ...above, progress: context.count },
  );
  const tokensOf = (rankings: readonly Element[]) =>
    rankings.reduce((sum, { rows }) => sum + rows.reduce((inner, row) => inner + rowTokens(row), 0), 0);
  const pace = stepsARun(config.steps_a_run, {
    numbers: numbersIn(checkpointParameters(start)),
    trained: numbersIn(part.parameters),
    tokens: (B / order.length) * tokensOf(order),
  });
  const save = () =>
    context.save({ step: trainer.state().step, tensors: packState('reward', trainer.state()), rest: {} });
  let status: Outcome['status'] = 'done';
  context.phase('training');
  for (let step = state.step; step < steps;) {
    if (context.stopping()) {
      status = 'stopped';
      save();
      break;
    }
    const n = Math.min(pace, steps - step);
    const chunk = order.slice(step * B, (step + n) * B);
    const micro = microBatches(B, config);
    const { shape, spread, arrays, rows } = packRankings(chunk, B, micro);
    const { pairs, places, ...packed } = arrays;
    const given = {
      pairs: pairs!,
      ...(places ? { places } : {}),
      ...(layer === architecture.layers ? {} : packed),
      ...features?.of(rows, shape, rows.length),
    };
    const rates = Array.from(
      { length: n },
      (_, i) => config.learning_rate * scheduleFactor(config.schedule, step + i, steps),
    );
    const started = performance.now();
    const report = await trainer.steps(
      JSON.stringify([shape, spread]),
      objective.feeds(start, shape, spread),
      given,
      rates,
      micro,
    );
    step += n;
    context.report(step, steps, {
      loss: mean(report.loss!),
      accuracy: mean(report.accuracy!),
      grad_norm: mean(report.grad_norm!),
      learning_rate: rates.at(-1)!,
      tokens_per_second: (tokensOf(chunk) / (performance.now() - started)) * 1000,
    });
    if (step % config.checkpoint_every < n && step < steps) save();
  }
  await trainer.release(); // its graphs give their memory back; its state stays
  return { status, trained: trainer.state(), save };
}

/** Moves the head so that the zero texts score 0 on average, and validates. `weights` are changed. */
async function settled(
  evaluator: Evaluator,
  head: HeadName,
  weights: WeightArrays,
  { zero, validation }: Data,
  config: RewardConfig,
): Promise<Validated> {
  if (zero.length) {
    const scores = (await evaluator.scores(weights, zero)).flat();
    const center = mean(scores);
    // D11
    const unit = config.zero === 'completions-unit' ? Math.sqrt(mean(scores.map((x) => (x - center) ** 2))) || 1 : 1;
    Object.assign(weights, adjustedHead(head, weights, { center, unit }, 'held'));
  }
  const scores = (
    await evaluator.scores(
      weights,
      validation.flatMap(({ rows }) => rows),
    )
  )[Symbol.iterator]();
  return validate(
    validation,
    validation.map(({ rows }) => rows.flatMap(() => scores.next().value!)),
  );
}

function summaryOf(
  { training, notes }: Data,
  seen: number,
  step: number,
  { words: accuracy, byLabeler }: Validated,
): string {
  const rankings = `${seen === training.length ? '' : `${seen} of `}${training.length} ranking${training.length === 1 ? '' : 's'}`;
  const validated =
    accuracy === '' ? '' : `, validation accuracy ${accuracy}${byLabeler.length ? ` (${byLabeler.join('; ')})` : ''}`;
  return `${[`Reward model from ${rankings} in ${step} steps${validated}`, ...notes].join('; ')}.`;
}

/** The demo's settings in the demo; smaller steps and more passes where there are few rankings. */
function oneClick(own: RewardConfig, { facts, policy, reference, sized }: Here) {
  const known = facts.isDemo ? REWARD : { batch: own.batch };
  const base = reference ?? policy ?? own.policy;
  return {
    ...own,
    ...known,
    ...sized(base),
    policy: base,
    batch: Math.min(known.batch, powerOfTwo(facts.rankings / 8)),
    ...(facts.rankings < GOOD_RANKINGS ? { validation: 0.15, epochs: facts.rankings < 100 ? 2 : 1 } : {}),
  };
}

async function lineage(made: Made): Promise<string> {
  const { rankings, comparisons } = await made.rankings();
  return `Reward model from ${counted(rankings, 'ranking')} (${counted(comparisons, 'comparison')})${validationWords(made)}.`;
}

export const reward: Recipe<typeof REWARD_SETTINGS> = {
  title: 'Reward model',
  sentence: 'Learns from the rankings to score completions as whoever ranked them would.',
  makes: 'a reward model',
  words: {
    about: 'Reward model: learns from rankings to score completions.',
    run: 'reward model',
    start: 'Train',
    step: 'step',
  },
  place: 'loop',
  shows: 'rankings',
  model: { kind: 'reward', parent: 'base', from: 'judgements', word: 'reward model' },
  settings: REWARD_SETTINGS,
  asksFor: null,
  sizes: { rate: { small: 5e-4, paper: 1.5e-5 }, large: { tune: 'blocks', tuned_blocks: 2 } },
  charts: ['validation_accuracy', 'validation_loss', 'loss', 'accuracy'],
  judgedBy: ['validation_accuracy', 'validation_loss', 'score_gap', 'loss', 'accuracy'],
  bestBy: null,
  rowsAStep: ({ batch }) => batch,
  needs: (facts, { batch }) => rankingNeeds(facts, batch),
  oneClick,
  called: () => 'reward',
  lineage,
  prepare,
  run,
  plan: planReward,
};
