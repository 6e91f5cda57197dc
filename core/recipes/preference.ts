// Direct preference optimisation (Rafailov et al. 2023; algorithms.md §5, §7): the policy learns from rankings, without
// a reward model.
//
//   r(y) = β (ln π(y | x) − ln π_ref(y | x))
//   loss −ln σ(r_i − r_j) over every pair of a ranking that the labeler ordered
// ln π_ref is read once, before the first step. Rankings of validation prompts validate; a ranking that does not lie in
// one row (models/rows.ts) is learnt pair by pair.

import type { Arrays } from '#core/autodiff/compile.ts';
import type { Need } from '#core/contract/recipes.ts';
import { mean } from '#core/evaluation/mean.ts';
import { numbersIn } from '#core/models/architecture.ts';
import { checkpointParameters } from '#core/models/checkpoint.ts';
import { createEvaluator, targetsOf } from '#core/models/evaluator.ts';
import type { Evaluator } from '#core/models/evaluator.ts';
import { packRows, roundedLength, rowShape, rowTokens } from '#core/models/rows.ts';
import type { Group, RowShape } from '#core/models/rows.ts';
import { asWriter, whole } from '#core/plans/model-shape.ts';
import { numbersAbove, packedRows, reading, variety } from '#core/plans/plan.ts';
import type { Plan } from '#core/plans/plan.ts';
import { describeLeftOut, rankedRows, SELECTION_SETTINGS, selectionOf } from '#core/recipes/parts/dataset.ts';
import { likelyTokenizers } from '#core/recipes/parts/likely-tokenizers.ts';
import { counted, trained, validationWords } from '#core/recipes/parts/lineage-words.ts';
import { need } from '#core/recipes/parts/need.ts';
import { powerOfTwo, rankingNeeds } from '#core/recipes/parts/needs.ts';
import { loadHeldPolicy } from '#core/recipes/parts/policy-models.ts';
import { rankingRows, rankingWeights, readRows } from '#core/recipes/parts/reward-data.ts';
import type { Element, RewardRow } from '#core/recipes/parts/reward-data.ts';
import { endRanked } from '#core/recipes/parts/ranked-ending.ts';
import { validate } from '#core/recipes/parts/reward-validation.ts';
import { sameTokenizer } from '#core/recipes/parts/same-tokenizer.ts';
import { STEPS_A_RUN } from '#core/recipes/parts/steps-a-run.ts';
import { packState, unpackState } from '#core/recipes/parts/training-state.ts';
import { addedUp, learnerShape, microBatches, tuned, TUNING_SETTINGS } from '#core/recipes/parts/tuning.ts';
import { createRandom } from '#core/random.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { pairWeights } from '#core/training/objectives/pair-losses.ts';
import { preferenceObjective } from '#core/training/objectives/row-losses.ts';
import { stepsARun } from '#core/training/pace.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { Facts } from './facts.ts';
import type { Inputs, References, Made, Outcome, Planning, Recipe, RunContext } from './recipe.ts';
import { choice, count, KL_FROM, real, STARTS_FROM, words } from './settings.ts';
import type { Config } from './settings.ts';

export const PREFERENCE_SETTINGS = {
  policy: words('base', 'The model to tune.', { group: 'data', main: true, model: STARTS_FROM }),
  reference: words(
    '',
    'The model that the policy is held to. Empty = the one that it was tuned against before; of a base or fine-tuned model, itself.',
    { group: 'kl', model: KL_FROM },
  ),
  ...SELECTION_SETTINGS,
  beta: real(
    0.1,
    [1e-6, 1000],
    'How firmly it is held to the reference: gaps of log-probability count β times (Rafailov et al. 2023: 0.1).',
    { group: 'kl', main: true },
  ),
  learning_rate: real(
    5e-4,
    [0, 1],
    'Peak learning rate (Rafailov et al. 2023: 1e-6 for billions of parameters; small models take more).',
    { group: 'optimisation', main: true },
  ),
  schedule: choice('linear', ['linear', 'cosine', 'constant'], 'How the learning rate falls to the end.', {
    group: 'optimisation',
  }),
  warmup: count(0, [0, 1e9], 'Steps of linear warm-up.', { group: 'optimisation' }),
  batch: count(8, [1, 4096], 'Rankings a step.', {
    group: 'optimisation',
    main: true,
    memory: { times: 0.5, what: 'rankings a step' },
  }),
  epochs: count(1, [1, 100], 'Passes over the rankings.', { group: 'optimisation', main: true, time: 'passes' }),
  validation: real(
    0.1,
    [0, 0.9],
    'Share of the train prompts that is held back to validate on, by a hash of their text, where no validation prompt has been ranked; 0 = none.',
    { group: 'data' },
  ),
  epsilon: real(1e-8, [1e-12, 1], "Adam's ε.", { group: 'optimisation' }),
  weight_decay: real(0, [0, 1], 'Decoupled weight decay on matrices.', { group: 'optimisation' }),
  clip: real(1, [0, 1e9], 'Largest gradient norm; 0 = no clipping.', { group: 'optimisation' }),
  seed: count(1, [0, 2 ** 48], 'Seed of the order and of fresh adapters.', { group: 'seeds' }),
  steps_a_run: STEPS_A_RUN,
  checkpoint_every: count(64, [1, 1e9], 'Steps between checkpoints.', { group: 'seeds' }),
  ...TUNING_SETTINGS,
} as const;
type PreferenceConfig = Config<typeof PREFERENCE_SETTINGS>;

async function prepare(project: Project, config: PreferenceConfig, references: References): Promise<Inputs> {
  const policy = getPolicy(project, config.policy);
  const reference = config.reference ? getPolicy(project, config.reference) : references.referenceOf(policy);
  const [policyFolder, referenceFolder] = [policyPath(project, policy), policyPath(project, reference)];
  sameTokenizer(await loadTokenizer(policyFolder), await loadTokenizer(referenceFolder), 'reference');
  config.reference = reference.name; // the manifest says which it was
  const { rankings, frozen } = rankedRows(project, selectionOf(config));
  const rows = rankingRows(rankings, config.validation, await likelyTokenizers(project));
  need(
    rows.filter(({ use }) => use === 'train').length,
    config.batch,
    'rankings of train prompts with at least one preference',
    'Rank some prompts first, on the Label screen or by importing rankings, or lower the setting batch.',
  );
  return { models: { policy: policyFolder, reference: referenceFolder }, data: rows, frozen };
}

/** What is learnt in one row: completions of a prompt with the weights of their pairs, and ln π_ref of each. */
interface Unit {
  group: Group;
  /** [K, K] */
  pairs: Float32Array;
  reference: number[];
}

/** A ranking as it is learnt: in one row where it fits into one, else a row for each of its pairs. */
function unitsOf({ prompt, completions, ranks, rows }: Element, weight: number, reference: readonly number[]): Unit[] {
  if (rows.length === 1)
    return [{ group: rows[0]!, pairs: pairWeights(ranks, ranks.length, weight), reference: [...reference] }];
  const pairs = ranks.flatMap((a, i) => ranks.flatMap((b, j) => (a < b ? [[i, j] as const] : [])));
  return pairs.map(([i, j]) => ({
    group: { prompt, completions: [completions[i]!, completions[j]!] },
    pairs: pairWeights([1, 2], 2, weight / pairs.length),
    reference: [reference[i]!, reference[j]!],
  }));
}

const NOTHING: Unit = { group: { prompt: [], completions: [] }, pairs: new Float32Array(0), reference: [] };

/** Units for steps of `B` of them in `micro` parts; the last step is filled up with rows that count nothing. */
function packUnits(units: readonly Unit[], B: number, micro: number): { shape: RowShape; K: number; arrays: Arrays } {
  const count = Math.ceil(units.length / B) * B;
  const filled = [...units, ...Array.from({ length: count - units.length }, () => NOTHING)];
  const groups = filled.map(({ group }) => group);
  const shape = rowShape(groups, B / micro, 'tokens');
  const { Q } = shape;
  const K = Math.max(...groups.map(({ completions }) => completions.length));
  const { arrays, first } = packRows(groups, shape, count, 'tokens');
  const member = new Float32Array(count * K * Q);
  const pairs = new Float32Array(count * K * K);
  const reference = new Float32Array(count * K);
  filled.forEach((unit, row) => {
    const own = unit.reference.length;
    reference.set(unit.reference, row * K);
    for (let i = 0; i < own; i++) pairs.set(unit.pairs.subarray(i * own, (i + 1) * own), (row * K + i) * K);
    unit.group.completions.forEach(({ length }, k) => {
      const from = (row * K + k) * Q + first[row]![k]! - row * Q;
      member.fill(1, from, from + length);
    });
  });
  return { shape, K, arrays: { ...arrays, targets: targetsOf(groups, first, count * Q), member, pairs, reference } };
}

/** ln π of whole completions, [ranking][completion]. */
async function sums(reader: Evaluator, weights: Parameters<Evaluator['logprobs']>[0], elements: readonly Element[]) {
  const rows = (
    await reader.logprobs(
      weights,
      elements.flatMap((element) => element.rows),
    )
  ).map((row) => row.map((tokens) => tokens.reduce((sum, lp) => sum + lp, 0)));
  let at = 0;
  return elements.map((element) => rows.slice(at, (at += element.rows.length)).flat());
}

/** Rankings that fit the model, as token ids: what is learnt from and what validates. */
async function dataOf(context: RunContext, config: PreferenceConfig, room: number) {
  const { words: selection, leftOut } = context.manifest.data;
  const left = describeLeftOut(leftOut ?? {});
  if (selection) context.log(`Learns from ${selection}${left ? `; left out: ${left}` : ''}.`);
  const all = await readRows(context.model('policy'), context.data<RewardRow>(), config.validation);
  if (all.joined) context.log(all.joined);
  const elements = all.elements.filter(
    ({ prompt, completions }) => prompt.length + Math.max(...completions.map(({ length }) => length)) <= room,
  );
  const tooLong = all.elements.length - elements.length;
  if (tooLong) context.log(`${tooLong} rankings do not fit the context of ${room} tokens and are left out.`);
  const training = elements.filter(({ use }) => use === 'train');
  need(training.length, 1, 'rankings that fit the context', 'Shorten the prompts, or take a longer context.');
  return { training, validation: elements.filter(({ use }) => use !== 'train') };
}

async function run(context: RunContext, config: PreferenceConfig): Promise<Outcome> {
  context.phase('loading the models');
  const { policy: begun, reference } = loadHeldPolicy(context);
  const room = Math.min(begun.architecture.context, reference.architecture.context);
  const { training, validation } = await dataOf(context, config, room);

  // 1 what the reference says of every completion, once
  context.phase('reading under the reference');
  const reader = createEvaluator(reference, { constants: reference.weights, progress: context.count });
  const under = await sums(reader, reference.weights, training);
  const underHeld = await sums(reader, reference.weights, validation);
  await reader.release();
  const weights = rankingWeights(training);
  const units = training.flatMap((element, i) => unitsOf(element, weights[i]!, under[i]!));

  // 2 steps over the rankings in an order of each epoch
  const part = tuned(begun, context.model('policy'), config, config.seed);
  const learnt = await learn(context, config, part, units);

  // 3 validation as a reward model is validated, by β (ln π − ln π_ref); then the model folder
  context.phase('validating');
  const judge = createEvaluator(part.start, { constants: part.options.frozen?.weights, progress: context.count });
  const now = await sums(judge, learnt.weights, validation);
  await judge.release();
  const scores = now.map((row, i) => row.map((sum, k) => config.beta * (sum - underHeld[i]![k]!)));
  const found = validate(validation, scores);
  const { status, step, steps, save } = learnt;
  const ending = { step, steps, reports: status === 'done' && !learnt.wasDone, save };
  const about = { tokenizerFrom: context.model('policy'), reference: config.reference };
  endRanked(context, ending, found, { ...part.start, weights: learnt.weights }, about);
  const validated = found.words ? `, validation accuracy ${found.words}` : '';
  return {
    status,
    model: 'model',
    summary: `Preference tuning on ${counted(training.length, 'ranking')} in ${step} steps${validated}.`,
  };
}

/** Takes the steps that are left, until it is asked to stop. */
async function learn(
  context: RunContext,
  config: PreferenceConfig,
  part: ReturnType<typeof tuned>,
  units: readonly Unit[],
) {
  const B = Math.min(config.batch, units.length);
  const order = Array.from({ length: config.epochs }, (_, epoch) =>
    createRandom(config.seed, `preference/order/${epoch}`).shuffled(units),
  ).flat();
  const steps = Math.ceil(order.length / B);
  const saved = context.saved();
  const objective = preferenceObjective(config.beta);
  const trainer = createTrainer(
    part.parameters,
    saved ? unpackState('policy', saved, saved.step) : freshState(part.weights),
    objective.loss(part.start),
    {
      betas: [0.9, 0.999],
      epsilon: config.epsilon,
      epsilonStyle: 'torch',
      weightDecay: config.weight_decay,
      clipNorm: config.clip || null,
    },
    { ...part.options, progress: context.count },
  );
  const pace = stepsARun(config.steps_a_run, {
    numbers: numbersIn(checkpointParameters(part.start)),
    trained: numbersIn(part.parameters),
    tokens: (B / order.length) * order.reduce((sum, { group }) => sum + rowTokens(group), 0),
  });
  let step = trainer.state().step;
  const save = () => context.save({ step, tensors: packState('policy', trainer.state()), rest: {} });
  const micro = microBatches(B, config);
  let status: Outcome['status'] = 'done';
  context.phase('training');
  while (step < steps) {
    if (context.stopping()) {
      status = 'stopped';
      save();
      break;
    }
    const n = Math.min(pace, steps - step);
    const chunk = order.slice(step * B, (step + n) * B);
    const { shape, K, arrays } = packUnits(chunk, B, micro);
    const rates = Array.from(
      { length: n },
      (_, i) => config.learning_rate * scheduleFactor(config.schedule, step + i, steps, config.warmup),
    );
    const started = performance.now();
    const feeds = objective.feeds(part.start, shape, K);
    const report = await trainer.steps(JSON.stringify([shape, K]), feeds, arrays, rates, micro);
    step += n;
    const tokens = chunk.reduce((sum, { group }) => sum + rowTokens(group), 0);
    context.report(step, steps, {
      loss: mean(report.loss!),
      accuracy: mean(report.accuracy!),
      grad_norm: mean(report.grad_norm!),
      learning_rate: rates.at(-1)!,
      tokens_per_second: (tokens / (performance.now() - started)) * 1000,
    });
    const crossed = Math.floor(step / config.checkpoint_every) > Math.floor((step - n) / config.checkpoint_every);
    if (crossed && step < steps) save();
  }
  const weights = trainer.weights();
  const state = trainer.state();
  await trainer.release();
  return {
    status,
    step,
    steps,
    weights,
    wasDone: saved?.step === steps,
    save: () => context.save({ step, tensors: packState('policy', state), rest: {} }),
  };
}

/** The phases of `run`: reading under the reference, the steps, and the validation. */
function plan(config: PreferenceConfig, { facts, lengths, model }: Planning): Plan {
  const base = asWriter(model(config.policy));
  const learner = learnerShape(base, config);
  const reference = whole(asWriter(model(config.reference || config.policy)));
  const row = packedRows(lengths.longestPrompt, Math.round(lengths.ranked), lengths.longestRanked);
  const slots = roundedLength(Math.max(1, row.tokens - Math.min(row.tokens, lengths.longestPrompt)));
  const K = row.completions;
  const usual = lengths.prompt + lengths.ranked * lengths.completion;
  const held = facts.validationRankings || Math.round(facts.rankings * config.validation);
  const learnt = Math.max(1, facts.rankings - held);
  const batch = Math.min(config.batch, learnt);
  const read = { longest: row.tokens, slots, shared: K > 1, temperature: 1 };
  const tokens = learnt * config.epochs * usual;
  return {
    models: [config.policy, ...(config.reference && config.reference !== config.policy ? [config.reference] : [])],
    wholes: [],
    made: addedUp(base, config),
    phases: [
      ...reading(reference, { ...read, rows: facts.rankings * row.rows, tokens: facts.rankings * usual }),
      {
        does: 'train',
        ...learner,
        objective: preferenceObjective(config.beta),
        shape: { B: batch, T: roundedLength(row.tokens), Q: slots, shared: K > 1 },
        growing: true,
        micro: microBatches(batch, config),
        steps: Math.ceil((learnt * config.epochs) / batch),
        asked: config.steps_a_run,
        tokensAStep: batch * row.tokens,
        varied: variety(usual, row.tokens, 8),
        fed: K * (slots + K + 1),
        tokens,
        numbers: numbersAbove(learner.model, 0),
      },
      ...reading(learner.model, { ...read, rows: held * row.rows, tokens: held * usual }),
    ],
    turns: 'always',
    rounds: false,
  };
}

const needs = (facts: Facts, { batch }: PreferenceConfig): Need[] => rankingNeeds(facts, batch);

async function lineage(made: Made): Promise<string> {
  const { rankings, comparisons } = await made.rankings();
  const beta = made.manifest?.config['beta'];
  const price = typeof beta === 'number' ? `, β ${Number(beta.toPrecision(3))}` : '';
  const held = made.reference ? `, held to "${made.reference}"` : '';
  const far = trained(made, 'step');
  return `Tuned on ${counted(rankings, 'ranking')} (${counted(comparisons, 'comparison')})${price}${held}${far ? `, ${far}` : ''}${validationWords(made)}.`;
}

export const preference: Recipe<typeof PREFERENCE_SETTINGS> = {
  title: 'Preference tuning (DPO)',
  sentence: 'Tunes the policy on the rankings themselves, without a reward model, held to where it began.',
  makes: 'a policy',
  words: {
    about: 'Preference tuning (DPO): tunes the policy on rankings, held to a reference.',
    run: 'DPO',
    start: 'Train',
    step: 'step',
  },
  place: 'aside',
  shows: 'rankings',
  model: { kind: 'policy', parent: 'policy', from: 'judgements', word: 'DPO' },
  settings: PREFERENCE_SETTINGS,
  asksFor: null,
  sizes: { rate: { small: 5e-4, paper: 1e-6 }, large: { tune: 'lora', micro_batch: 1 } },
  charts: ['validation_accuracy', 'validation_loss', 'loss', 'accuracy'],
  judgedBy: ['validation_accuracy', 'validation_loss', 'score_gap', 'loss', 'accuracy'],
  bestBy: null,
  rowsAStep: ({ batch }) => batch,
  needs,
  oneClick: (own, { facts, policy, reference, sized }) => ({
    ...own,
    ...sized(policy ?? own.policy),
    policy: policy ?? own.policy,
    reference: reference ?? own.reference,
    batch: Math.min(own.batch, powerOfTwo(facts.rankings / 8)),
  }),
  called: () => 'preference',
  lineage,
  prepare,
  run,
  plan,
};
