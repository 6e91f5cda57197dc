// Reward model from rankings: a copy of the base with a scalar head, one epoch over the prompts, Bradley-Terry on all pairs.
//
// P20 §3.4 and §B.1; algorithms.md §1.3. Every ranking of a prompt is one element of weight 1 (D14); the validation split is by
// prompt (D12); after training the bias is set so that reference completions score 0 on average (D10).

import path from 'node:path';
import { createRandom } from '#core/random.ts';
import { writeJsonl } from '#core/formats/jsonl.ts';
import type { Message, Ranking } from '#core/contract.ts';
import { numbersIn } from '#core/models/architecture.ts';
import { checkpointParameters, loadShared, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { families } from '#core/models/families.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { madeNote, REWARD_NOTE } from '#core/models/model-notes.ts';
import type { Evaluator } from '#core/models/evaluator.ts';
import { packRows, rowShape } from '#core/models/rows.ts';
import { listCompletions } from '#core/store/completions.ts';
import { listLabelers } from '#core/store/labelers.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { pairWeights } from '#core/training/preference-loss.ts';
import { rewardFeeds, rewardFeedsAbove, rewardLoss, rewardLossAbove } from '#core/training/row-losses.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { TrainerOptions } from '#core/training/trainer.ts';
import { choice, count, flag, real, words } from './config.ts';
import type { Config } from './config.ts';
import { computeFeatures } from './frozen-features.ts';
import { need } from './job.ts';
import type { MetricRow } from './metrics.ts';
import type { Inputs, Job, Outcome, RunContext } from './job.ts';
import { encodeAnswers, encodePrompts } from './prompt-tokens.ts';
import type { Answer } from './prompt-tokens.ts';
import { STEPS_A_RUN, stepsARun } from './pace.ts';
import { packState, unpackState } from './training-state.ts';
import { microBatches, tuned, TUNING_SETTINGS } from './tuning.ts';

export const REWARD_SETTINGS = {
  policy: words('base', 'The model whose copy becomes the reward model.'),
  labelers: words('', 'Only rankings by these labelers, separated by commas; empty = everybody.'),
  learning_rate: real(5e-4, [0, 1], 'Peak learning rate. P20 used 1.5e-5 for 1.3 billion parameters; small models take more.'),
  schedule: choice('cosine', ['cosine', 'linear', 'constant'], 'How the learning rate falls to the end (P20: cosine).'),
  batch: count(8, [1, 4096], 'Prompts a step; all completions of a prompt are scored together.'),
  epochs: count(1, [1, 100], 'Passes over the rankings. One, or it learns them by heart (D12).'),
  validation: real(0.1, [0, 0.9], 'Share of the prompts kept for validation, never single pairs.'),
  epsilon: real(1e-5, [1e-12, 1], "Adam's ε."),
  weight_decay: real(0, [0, 1], 'Decoupled weight decay on matrices.'),
  clip: real(1, [0, 1e9], 'Largest gradient norm; 0 = no clipping.'),
  head_bias: flag(true, 'Give the scalar head a bias; it carries the zero point.'),
  zero: choice('references', ['references', 'completions', 'completions-unit', 'none'], 'What scores 0 on average: reference completions (P20 §3.4) or the ranked completions; completions-unit also scales them to standard deviation 1 (2019); none shifts nothing.'),
  seed: count(1, [0, 2 ** 48], 'Seed of the head, the split and the order.'),
  steps_a_run: STEPS_A_RUN,
  checkpoint_every: count(64, [1, 1e9], 'Steps between checkpoints.'),
  ...TUNING_SETTINGS,
} as const;
type RewardConfig = Config<typeof REWARD_SETTINGS>;

/** A row of data.jsonl: one ranking, or a reference completion for the zero point. */
type RewardRow = { prompt: string; messages: Message[] | null; promptId: number } & ({ completionIds: number[]; completions: string[]; ids: (number[] | null)[]; /** absent in runs of older versions */ tokenizers?: (string | null)[]; ended: boolean[]; ranks: number[] } | { reference: string });
interface Element {
  promptId: number;
  completionIds: number[];
  prompt: number[];
  completions: number[][];
  ranks: number[];
}

function prepare(project: Project, config: RewardConfig): Inputs {
  const base = getPolicy(project, config.policy);
  const wanted = new Set(config.labelers.split(',').map((name) => name.trim()).filter(Boolean));
  const prompts = new Map(listPrompts(project).filter(({ split }) => split !== 'test').map((prompt) => [prompt.id, prompt]));
  const rankings = rankingsBy(project, wanted).filter(({ promptId, status, ranks }) => prompts.has(promptId) && status === 'ranked' && new Set(ranks.map(({ rank }) => rank)).size > 1);
  need(rankings.length, config.batch, 'rankings with at least one preference', 'Rank some prompts first, on the Label screen or by importing rankings.');
  const completions = new Map(listCompletions(project, { ids: rankings.flatMap(({ ranks }) => ranks.map(({ completionId }) => completionId)) }).map((completion) => [completion.id, completion]));
  const rows: RewardRow[] = rankings.map(({ promptId, ranks }) => {
    const found = ranks.map(({ completionId }) => completions.get(completionId)!);
    return {
      promptId, prompt: prompts.get(promptId)!.text, messages: prompts.get(promptId)!.messages, completionIds: found.map(({ id }) => id), completions: found.map(({ text }) => text), ids: found.map(({ tokenIds }) => (tokenIds.length ? tokenIds : null)), tokenizers: found.map((one) => one.tokenizer),
      ended: found.map(({ finish }) => finish === 'stop'), ranks: ranks.map(({ rank }) => rank),
    };
  });
  const references = config.zero === 'references' ? [...prompts.values()].filter(({ reference }) => reference !== null).slice(0, 256) : [];
  return { models: { base: policyPath(project, base) }, data: [...rows, ...references.map(({ id, text, messages, reference }) => ({ promptId: id, prompt: text, messages, reference }))] };
}

function rankingsBy(project: Project, names: ReadonlySet<string>): Ranking[] {
  if (names.size === 0) return listRankings(project);
  return listLabelers(project).filter(({ name }) => names.has(name)).flatMap(({ id }) => listRankings(project, { labelerId: id }));
}

async function run(context: RunContext, config: RewardConfig): Promise<Outcome> {
  const baseFolder = context.model('base');
  const base = loadShared(baseFolder);
  const part = tuned(withScoreHead(base, config.seed, config.head_bias), baseFolder, config, config.seed), { start } = part;

  // 1 data: token ids as sampled where they are known, so that training, evaluation and PPO see the same ids (D7)
  const all = await readRows(baseFolder, context.data<RewardRow>());
  const fits = ({ prompt, completions }: { prompt: number[]; completions: number[][] }) => prompt.length + Math.max(...completions.map((ids) => ids.length)) <= base.architecture.context;
  const elements = all.elements.filter(fits), references = all.references.filter(fits);
  const tooLong = all.elements.length - elements.length;
  if (tooLong) context.log(`${tooLong} of ${all.elements.length} rankings do not fit the context of ${base.architecture.context} tokens and are left out.`);
  need(elements.length, 2, 'rankings that fit the context', 'Shorten the prompts, or use a model with a longer context.');
  const promptIds = createRandom(config.seed, 'reward/split').shuffled([...new Set(elements.map(({ promptId }) => promptId))]);
  const held = new Set(promptIds.slice(0, Math.round(promptIds.length * config.validation)));
  const training = elements.filter(({ promptId }) => !held.has(promptId)), validation = elements.filter(({ promptId }) => held.has(promptId));
  need(training.length, 1, 'rankings left for training', 'Lower the setting validation, or rank more prompts.');
  const B = Math.min(config.batch, training.length);
  const order = Array.from({ length: config.epochs }, (_, epoch) => createRandom(config.seed, `reward/order/${epoch}`).shuffled(training)).flat();
  const steps = Math.floor(order.length / B), tokens = (B / training.length) * training.reduce((sum, { prompt, completions }) => sum + prompt.length + completions.flat().length, 0);
  const pace = stepsARun(config.steps_a_run, { numbers: numbersIn(checkpointParameters(start)), trained: numbersIn(part.parameters), tokens });

  // 2 trainer, from the checkpoint when there is one; what blocks that do not learn make of the rows is computed once
  const saved = context.saved(), layer = config.tune === 'blocks' ? Math.max(0, base.architecture.layers - config.tuned_blocks) : 0;
  if (layer) context.phase('reading with the frozen blocks');
  const features = layer && saved?.step !== steps ? await computeFeatures(context.folder, start, layer, training, context.stopping) : null, unread = features?.whole === false;
  const trainer = createTrainer(part.parameters, saved ? unpackState('reward', saved, saved.step) : freshState(part.weights), layer ? rewardLossAbove(base.architecture, layer) : rewardLoss(base.architecture), {
    betas: [0.9, 0.999], epsilon: config.epsilon, epsilonStyle: 'torch', weightDecay: config.weight_decay, clipNorm: config.clip || null,
  }, layer ? { ...part.options, ...(part.options.frozen ? { frozen: above(part.options.frozen, base.architecture, layer) } : {}) } : part.options);
  const evaluator = createEvaluator(start, { constants: part.options.frozen?.weights });
  let status: Outcome['status'] = unread ? 'stopped' : 'done';
  const save = (step: number) => context.save({ step, tensors: packState('reward', trainer.state()), rest: {} });

  // 3 one epoch, a few steps a call
  context.phase('training');
  try {
    for (let step = trainer.state().step; status === 'done' && step < steps; ) {
      if (context.stopping()) {
        status = 'stopped';
        break;
      }
      const n = Math.min(pace, steps - step);
      const chunk = order.slice(step * B, (step + n) * B);
      const shape = rowShape(chunk, B, 'last');
      const { arrays } = packRows(chunk, shape, n * B, 'last');
      const pairs = new Float32Array(n * B * shape.Q * shape.Q);
      chunk.forEach(({ ranks }, row) => pairs.set(pairWeights(ranks, shape.Q), row * shape.Q * shape.Q));
      const rates = Array.from({ length: n }, (_, i) => config.learning_rate * scheduleFactor(config.schedule, step + i, steps));
      const started = performance.now();
      const micro = microBatches(B, config), cut = { ...shape, B: B / micro };
      const feeds = features ? { ...(layer === base.architecture.layers ? {} : arrays), x: features.of(chunk, shape), pairs } : { ...arrays, pairs };
      const report = await trainer.steps(JSON.stringify(shape), features ? rewardFeedsAbove(base.architecture, layer, cut) : rewardFeeds(cut), feeds, rates, micro);
      const tokens = chunk.reduce((sum, { prompt, completions }) => sum + prompt.length + completions.flat().length, 0);
      step += n;
      context.report(step, steps, { loss: mean(report.loss!), accuracy: mean(report.accuracy!), grad_norm: mean(report.grad_norm!), learning_rate: rates.at(-1)!, tokens_per_second: (tokens / (performance.now() - started)) * 1000 });
      if (step % config.checkpoint_every < n && step < steps) save(step);
    }
  } finally {
    features?.remove(); // cancelled, too
  }
  if (status === 'stopped') save(trainer.state().step);
  context.phase('validating');
  await trainer.release(); // its graphs give their memory back; its state stays
  const weights = { ...start.weights, ...trainer.state().weights };

  // 4 zero point and validation, then the model folder
  const onto = config.zero !== 'references' ? training.map(({ prompt, completions }) => ({ prompt, completions })) : references;
  if (config.zero !== 'none' && config.head_bias && onto.length) {
    const scores = (await evaluator.scores(weights, onto)).flat(), center = mean(scores);
    const unit = config.zero === 'completions-unit' ? Math.sqrt(mean(scores.map((x) => (x - center) ** 2))) || 1 : 1; // D11
    weights['score.weight'] = weights['score.weight']!.map((w) => w / unit);
    weights['score.bias'] = Float32Array.of((weights['score.bias']![0]! - center) / unit);
  }
  const { checked, rows } = await validate(evaluator, weights, validation);
  if (status === 'done' && saved?.step !== steps) { // else they were reported before the run was killed
    if (Object.keys(checked).length) context.report(steps, steps, checked);
    save(steps);
  }
  writeJsonl(path.join(context.folder, 'validation.jsonl'), rows); // which prompts were held out, and how they were scored
  saveCheckpoint(path.join(context.folder, 'model'), { ...start, weights }, {
    tokenizerFrom: baseFolder,
    // it was trained on completions with their end-of-text
    beside: { [REWARD_NOTE]: { appends_end_of_text: true }, ...madeNote({ run: context.manifest.id, step: trainer.state().step, steps, metrics: checked }) },
  });
  await evaluator.release();
  const accuracy = checked.validation_accuracy === undefined ? '' : `, validation accuracy ${checked.validation_accuracy.toFixed(3)} on ${validation.length} ${validation.length === 1 ? 'ranking' : 'rankings'}`;
  return { status, model: 'model', summary: `Reward model from ${training.length} rankings in ${trainer.state().step} steps${accuracy}.` };
}

/** Of the frozen weights those that are read above `layer` blocks. */
function above(frozen: NonNullable<TrainerOptions['frozen']>, architecture: Architecture, layer: number): NonNullable<TrainerOptions['frozen']> {
  const below = new Set(parameters({ ...architecture, layers: layer }).map(({ name }) => name)), norm = families[architecture.family].names.finalNorm;
  const kept = frozen.parameters.filter(({ name }) => layer < architecture.layers && (!below.has(name) || name.startsWith(`${norm}.`)));
  return { parameters: kept, weights: frozen.weights };
}

/** Rows as token ids. Completions known only as text are tokenised as given, with one end-of-text where they had ended. */
async function readRows(tokenizerFolder: string, rows: readonly RewardRow[]): Promise<{ elements: Element[]; references: { prompt: number[]; completions: number[][] }[] }> {
  const tokenizer = await loadTokenizer(tokenizerFolder);
  const asked = rows.map(({ prompt, messages }) => ({ text: prompt, messages })), prompts = await encodePrompts(tokenizer, asked);
  const answer = async (i: number, one: Omit<Answer, 'prompt'>) => (await encodeAnswers(tokenizer, [{ prompt: asked[i]!, ...one }]))[0]!;
  const elements: Element[] = [], references: { prompt: number[]; completions: number[][] }[] = [];
  for (const [i, row] of rows.entries()) {
    if ('reference' in row) references.push({ prompt: prompts[i]!, completions: [await answer(i, { text: row.reference, ended: true, written: true })] });
    else {
      const completions = await Promise.all(row.completions.map((text, k) => answer(i, { text, ended: row.ended[k]!, sampled: { ids: row.ids[k] ?? [], tokenizer: row.tokenizers?.[k] ?? null } })));
      elements.push({ promptId: row.promptId, completionIds: row.completionIds, prompt: prompts[i]!, completions, ranks: row.ranks });
    }
  }
  return { elements, references };
}

export interface ValidationRow {
  promptId: number;
  completionIds: number[];
  ranks: number[];
  scores: number[];
}

/** Accuracy over pairs with different texts and ranks, the mean gap, and the loss. */
async function validate(evaluator: Evaluator, weights: WeightArrays, elements: readonly Element[]) {
  const scores = await evaluator.scores(weights, elements);
  let right = 0, pairs = 0, gap = 0, loss = 0;
  elements.forEach(({ completions, ranks }, e) => ranks.forEach((a, i) => ranks.forEach((b, j) => {
    if (a >= b || completions[i]!.join() === completions[j]!.join()) return;
    const difference = scores[e]![i]! - scores[e]![j]!;
    pairs++;
    gap += difference;
    loss += Math.log1p(Math.exp(-difference));
    if (difference > 0) right++;
  })));
  const checked: MetricRow = pairs ? { validation_accuracy: right / pairs, score_gap: gap / pairs, validation_loss: loss / pairs } : {};
  return { checked, rows: elements.map(({ promptId, completionIds, ranks }, e): ValidationRow => ({ promptId, completionIds, ranks, scores: scores[e]! })) };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

export const trainReward: Job<typeof REWARD_SETTINGS> = {
  kind: 'reward',
  sentence: 'Reward model: learns from rankings to score completions.',
  settings: REWARD_SETTINGS,
  prepare,
  run,
};
