// The training loop that pretraining and SFT share: next-token cross-entropy, a few steps a call, validation, best
// kept.

import { numbersIn } from '#core/models/architecture.ts';
import { checkpointParameters } from '#core/models/checkpoint.ts';
import type { Checkpoint, WeightArrays } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { writeModel } from './model-folder.ts';
import {
  LANGUAGE_OBJECTIVE,
  languageModelRows,
  predictionsPerRow,
  rowLength,
} from '#core/training/objectives/language-model.ts';
import type { WeightedText } from '#core/training/objectives/language-model.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { Trainer } from '#core/training/trainer.ts';
import { choice, count, real } from '#core/recipes/settings.ts';
import type { Config } from '#core/recipes/settings.ts';
import type { Outcome, RunContext, SavedState } from '#core/recipes/recipe.ts';
import { releaseAfter } from '#core/plans/large-models.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';
import { STEPS_A_RUN } from './steps-a-run.ts';
import { stepsARun } from '#core/training/pace.ts';
import { packState, unpackState } from './training-state.ts';
import { microBatches, TUNING_SETTINGS } from './tuning.ts';
import type { Tuned } from './tuning.ts';
import { mean } from '#core/evaluation/mean.ts';

export const LANGUAGE_MODEL_SETTINGS = {
  learning_rate: real(1e-3, [0, 1], 'Peak learning rate.', { group: 'optimisation', main: true }),
  schedule: choice(
    'cosine',
    ['cosine', 'linear', 'constant'],
    'How the learning rate falls to the end (Stiennon et al. 2020: cosine).',
    { group: 'optimisation' },
  ),
  warmup: count(0, [0, 1e9], 'Steps of linear warm-up.', { group: 'optimisation' }),
  batch: count(16, [1, 4096], 'Texts a step.', {
    group: 'optimisation',
    main: true,
    memory: { times: 0.5, what: 'texts a step' },
    time: 'texts a step',
  }),
  micro_batch: TUNING_SETTINGS.micro_batch,
  beta2: real(0.999, [0, 0.99999], "Adam's β₂.", { group: 'optimisation' }),
  epsilon: real(1e-8, [1e-12, 1], "Adam's ε.", { group: 'optimisation' }),
  weight_decay: real(0.01, [0, 1], 'Decoupled weight decay on matrices.', { group: 'optimisation' }),
  clip: real(1, [0, 1e9], 'Largest gradient norm; 0 = no clipping.', { group: 'optimisation' }),
  seed: count(1, [0, 2 ** 48], 'Seed of the order, and of the weights where they start from nothing.', {
    group: 'seeds',
  }),
  steps_a_run: STEPS_A_RUN,
  checkpoint_every: count(64, [1, 1e9], 'Steps between checkpoints.', { group: 'seeds' }),
  validate_every: count(0, [0, 1e9], 'Steps between validations; 0 = only at the end.', { group: 'evaluation' }),
} as const;
type StepsConfig = Config<typeof LANGUAGE_MODEL_SETTINGS>;

export interface TextPlan {
  steps: number;
  /** the texts of one step; the same each time it is asked */
  batch(step: number): WeightedText[];
  validation: readonly { prompt: number[]; completions: number[][] }[];
  /**
   * writes something for fixed prompts with the weights as they are at this step: before the first, at every validation
   * and at the end
   */
  show?(step: number, weights: WeightArrays): Promise<void>;
}

/** What a run knows of its validations; kept in checkpoints. */
interface Validations {
  /** the lowest loss, the newest, and the step of that one */
  best: number | null;
  lastLoss: number | null;
  validatedAt: number | null;
}

/**
 * Trains what `part` says on the plan, resuming where the run was: model/ holds the last weights, best/ those of the
 * lowest validation loss.
 */
export async function trainOnTexts(
  context: RunContext,
  config: StepsConfig,
  part: Tuned,
  plan: TextPlan,
  tokenizerFrom: string,
): Promise<{ status: Outcome['status']; steps: number; validationLoss: number | null }> {
  const saved = context.saved();
  const { start } = part;
  const trainer = textTrainer(context, config, part, saved);
  const validator = createValidator(context, part, plan);
  const finished = releaseAfter(start.architecture);
  const { best = null, lastLoss = null, validatedAt = null } = (saved?.rest ?? {}) as Partial<Validations>;
  const known: Validations = { best, lastLoss, validatedAt };
  const pace = paceOf(config, part, plan);
  let status: Outcome['status'] = 'done';
  let step = trainer.state().step;

  const keep = (place: 'model' | 'best', metrics: MetricRow) =>
    writeModel(
      context,
      place,
      { ...start, weights: trainer.weights() },
      { tokenizerFrom, step, steps: plan.steps, metrics },
    );
  const save = () => context.save({ step, tensors: packState('model', trainer.state()), rest: { ...known } });
  const validate = async () => {
    const loss = await validator.loss(trainer.weights());
    known.lastLoss = loss;
    known.validatedAt = step;
    if (loss === null) return;
    context.report(step, plan.steps, lossMetrics(loss));
    if (known.best === null || loss < known.best) {
      known.best = loss;
      keep('best', lossMetrics(loss));
    }
  };

  if (!saved) await plan.show?.(0, trainer.weights());
  context.phase('training');
  while (step < plan.steps) {
    if (context.stopping()) {
      status = 'stopped';
      save();
      break;
    }
    const n = Math.min(pace, plan.steps - step);
    const row = await takeSteps(trainer, config, start, plan, { step, n });
    step += n;
    context.report(step, plan.steps, row);
    const crossed = (every: number) => every > 0 && Math.floor(step / every) > Math.floor((step - n) / every);
    // before the checkpoint, so that a run killed after it does not report this validation twice
    if (crossed(config.validate_every) || step === plan.steps) {
      await finished(trainer);
      await plan.show?.(step, trainer.weights());
      await validate();
      context.phase('training');
    }
    if (crossed(config.checkpoint_every) || step === plan.steps) save();
  }
  keep('model', known.lastLoss === null || known.validatedAt !== step ? {} : lossMetrics(known.lastLoss));
  await trainer.release();
  await validator.release();
  return { status, steps: step, validationLoss: known.lastLoss };
}

const lossMetrics = (loss: number): MetricRow => ({ validation_loss: loss, perplexity: Math.exp(loss) });

const textTrainer = (context: RunContext, config: StepsConfig, part: Tuned, saved: SavedState | null): Trainer =>
  createTrainer(
    part.parameters,
    saved ? unpackState('model', saved, saved.step) : freshState(part.weights),
    LANGUAGE_OBJECTIVE.loss(part.start),
    {
      betas: [0.9, config.beta2],
      epsilon: config.epsilon,
      epsilonStyle: 'torch',
      weightDecay: config.weight_decay,
      clipNorm: config.clip || null,
    },
    { ...part.options, progress: context.count },
  );

/** Measures the loss on the plan's validation texts, per token; null where there are none. */
function createValidator(context: RunContext, { start, options }: Tuned, { validation }: TextPlan) {
  const evaluator = createEvaluator(start, { constants: options.frozen?.weights, progress: context.count });
  const finished = releaseAfter(start.architecture);
  return {
    loss: async (weights: WeightArrays): Promise<number | null> => {
      if (validation.length === 0) return null;
      context.phase('validating');
      const logprobs = (await evaluator.logprobs(weights, validation)).flat(2);
      await finished(evaluator);
      return -logprobs.reduce((a, b) => a + b, 0) / logprobs.length;
    },
    release: evaluator.release,
  };
}

const tokensIn = (texts: readonly WeightedText[]): number => texts.reduce((sum, { ids }) => sum + ids.length, 0);

/** How many steps are taken in a call. */
const paceOf = (config: StepsConfig, { start, parameters }: Tuned, plan: TextPlan): number =>
  stepsARun(config.steps_a_run, {
    numbers: numbersIn(checkpointParameters(start)),
    trained: numbersIn(parameters),
    tokens: plan.steps ? tokensIn(plan.batch(0)) : 0,
  });

/** Takes the `n` steps after `step` in one call, and gives their numbers. */
async function takeSteps(
  trainer: Trainer,
  config: StepsConfig,
  start: Checkpoint,
  plan: TextPlan,
  { step, n }: { step: number; n: number },
): Promise<MetricRow> {
  const batches = Array.from({ length: n }, (_, i) => plan.batch(step + i));
  const texts = batches.flat();
  const T = rowLength(Math.max(...texts.map(({ ids }) => ids.length)), 16);
  const Q = predictionsPerRow(texts, T);
  const rates = batches.map(
    (_, i) => config.learning_rate * scheduleFactor(config.schedule, step + i, plan.steps, config.warmup),
  );
  const started = performance.now();
  const B = batches[0]!.length;
  const micro = microBatches(B, config);
  const report = await trainer.steps(
    `T${T}Q${Q}`,
    LANGUAGE_OBJECTIVE.feeds(start, { B: B / micro, T, Q, shared: false }),
    languageModelRows(batches, T, Q),
    rates,
    micro,
  );
  return {
    loss: mean(report.loss!),
    grad_norm: mean(report.grad_norm!),
    learning_rate: rates.at(-1)!,
    tokens_per_second: (tokensIn(texts) / (performance.now() - started)) * 1000,
  };
}
