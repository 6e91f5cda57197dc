// The training loop that pretraining and SFT share: next-token cross-entropy, a few steps a call, validation, best
// kept.

import path from 'node:path';
import { numbersIn } from '#core/models/architecture.ts';
import { checkpointParameters, saveCheckpoint } from '#core/models/checkpoint.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { madeNote } from '#core/models/model-notes.ts';
import {
  LANGUAGE_OBJECTIVE,
  languageModelRows,
  predictionsPerRow,
  rowLength,
} from '#core/training/objectives/language-model.ts';
import type { WeightedText } from '#core/training/objectives/language-model.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { choice, count, real } from '#core/recipes/settings.ts';
import type { Config } from '#core/recipes/settings.ts';
import type { Outcome, RunContext } from '#core/recipes/recipe.ts';
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
  const trainer = createTrainer(
    part.parameters,
    saved ? unpackState('model', saved, saved.step) : freshState(part.weights),
    LANGUAGE_OBJECTIVE.loss(start),
    {
      betas: [0.9, config.beta2],
      epsilon: config.epsilon,
      epsilonStyle: 'torch',
      weightDecay: config.weight_decay,
      clipNorm: config.clip || null,
    },
    { ...part.options, progress: context.count },
  );
  const evaluator = createEvaluator(start, { constants: part.options.frozen?.weights, progress: context.count });
  const finished = releaseAfter(start.architecture);
  let best = (saved?.rest.best ?? null) as number | null;
  let lastLoss = (saved?.rest.lastLoss ?? null) as number | null;
  let validatedAt = (saved?.rest.validatedAt ?? null) as number | null;
  let status: Outcome['status'] = 'done';

  const made = (step: number, metrics: MetricRow) =>
    madeNote({ run: context.manifest.id, step, steps: plan.steps, metrics });
  async function validate(step: number, weights: WeightArrays): Promise<number | null> {
    if (plan.validation.length === 0) return null;
    context.phase('validating');
    const logprobs = (await evaluator.logprobs(weights, plan.validation)).flat(2);
    await finished(evaluator);
    const loss = -logprobs.reduce((a, b) => a + b, 0) / logprobs.length;
    const metrics = { validation_loss: loss, perplexity: Math.exp(loss) };
    context.report(step, plan.steps, metrics);
    if (best === null || loss < best) {
      best = loss;
      saveCheckpoint(
        path.join(context.folder, 'best'),
        { ...start, weights },
        { tokenizerFrom, beside: made(step, metrics) },
      );
    }
    return loss;
  }

  const save = () =>
    context.save({ step, tensors: packState('model', trainer.state()), rest: { best, lastLoss, validatedAt } });
  const tokens = (plan.steps ? plan.batch(0) : []).reduce((sum, { ids }) => sum + ids.length, 0);
  const pace = stepsARun(config.steps_a_run, {
    numbers: numbersIn(checkpointParameters(start)),
    trained: numbersIn(part.parameters),
    tokens,
  });
  let step = trainer.state().step;
  if (!saved) await plan.show?.(0, trainer.weights());
  context.phase('training');
  while (step < plan.steps) {
    if (context.stopping()) {
      status = 'stopped';
      break;
    }
    const n = Math.min(pace, plan.steps - step);
    const batches = Array.from({ length: n }, (_, i) => plan.batch(step + i));
    const T = rowLength(Math.max(...batches.flat().map(({ ids }) => ids.length)), 16);
    const rates = batches.map(
      (_, i) => config.learning_rate * scheduleFactor(config.schedule, step + i, plan.steps, config.warmup),
    );
    const started = performance.now();
    const rows = batches[0]!.length;
    const Q = predictionsPerRow(batches.flat(), T);
    const micro = microBatches(rows, config);
    const report = await trainer.steps(
      `T${T}Q${Q}`,
      LANGUAGE_OBJECTIVE.feeds(start, { B: rows / micro, T, Q, shared: false }),
      languageModelRows(batches, T, Q),
      rates,
      micro,
    );
    const tokens = batches.flat().reduce((sum, { ids }) => sum + ids.length, 0);
    step += n;
    context.report(step, plan.steps, {
      loss: mean(report.loss!),
      grad_norm: mean(report.grad_norm!),
      learning_rate: rates.at(-1)!,
      tokens_per_second: (tokens / (performance.now() - started)) * 1000,
    });
    const crossed = (every: number) => every > 0 && Math.floor(step / every) > Math.floor((step - n) / every);
    // before the checkpoint, so that a run killed after it does not report this validation twice
    if (crossed(config.validate_every) || step === plan.steps) {
      await finished(trainer);
      await plan.show?.(step, trainer.weights());
      lastLoss = await validate(step, trainer.weights());
      validatedAt = step;
      context.phase('training');
    }
    if (crossed(config.checkpoint_every) || step === plan.steps) save();
  }
  if (status === 'stopped') save();
  saveCheckpoint(
    path.join(context.folder, 'model'),
    { ...start, weights: trainer.weights() },
    {
      tokenizerFrom,
      beside: made(
        step,
        lastLoss === null || validatedAt !== step ? {} : { validation_loss: lastLoss, perplexity: Math.exp(lastLoss) },
      ),
    },
  );
  await trainer.release();
  await evaluator.release();
  return { status, steps: step, validationLoss: lastLoss };
}
