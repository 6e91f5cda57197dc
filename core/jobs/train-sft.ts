// Supervised fine-tuning on reference completions (P20 §B.1; algorithms.md §1.2): one epoch, cosine, end-of-text learnt (D5).

import { createRandom } from '#core/random.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { WeightedText } from '#core/training/language-model.ts';
import { asCompletion } from './completion-text.ts';
import { choice, count, words } from './config.ts';
import type { Config } from './config.ts';
import { need } from './job.ts';
import type { Inputs, Job, Outcome, RunContext } from './job.ts';
import { LANGUAGE_MODEL_SETTINGS, trainOnTexts } from './language-model-steps.ts';

export const SFT_SETTINGS = {
  policy: words('base', 'The model to tune.'),
  loss_on: choice('response', ['response', 'everything'], 'Learn the completion only, or prompt and completion (N+).'),
  epochs: count(1, [1, 1000], 'Passes over the prompts that have a reference.'),
  ...LANGUAGE_MODEL_SETTINGS,
} as const;
type SftConfig = Config<typeof SFT_SETTINGS>;

interface Row {
  prompt: string;
  reference: string;
  split: string;
}

function prepare(project: Project, config: SftConfig): Inputs {
  const base = getPolicy(project, config.policy);
  const rows = listPrompts(project).filter(({ reference, split }) => reference !== null && split !== 'test').map(({ text, reference, split }): Row => ({ prompt: text, reference: reference!, split }));
  need(rows.filter(({ split }) => split === 'train').length, config.batch, 'training prompts with a reference completion', 'Import prompts with references, or lower the setting batch.');
  return { models: { policy: policyPath(project, base) }, data: rows };
}

async function run(context: RunContext, config: SftConfig): Promise<Outcome> {
  const folder = context.model('policy');
  const start = loadCheckpoint(folder), tokenizer = await loadTokenizer(folder);
  const rows = context.data<Row>();
  const prompts = await tokenizer.encodeBatch(rows.map(({ prompt }) => prompt));
  const answers = (await tokenizer.encodeBatch(rows.map(({ reference }) => asCompletion(reference)))).map((ids) => [...ids, tokenizer.endOfText]);
  const fits = rows.map((_, i) => prompts[i]!.length + answers[i]!.length <= start.architecture.context);
  const tooLong = fits.filter((fit) => !fit).length;
  if (tooLong) context.log(`${tooLong} of ${rows.length} prompts do not fit the context of ${start.architecture.context} tokens with their reference and are left out.`);
  const texts = rows.map((_, i): WeightedText => ({ ids: [...prompts[i]!, ...answers[i]!], weights: [...prompts[i]!.map(() => (config.loss_on === 'everything' ? 1 : 0)), ...answers[i]!.map(() => 1)] }));
  const training = texts.filter((_, i) => fits[i] && rows[i]!.split === 'train');
  need(training.length, config.batch, 'training prompts that fit the context', 'Shorten the prompts, or use a model with a longer context.');
  const perEpoch = Math.floor(training.length / config.batch);
  const orders = Array.from({ length: config.epochs }, (_, epoch) => createRandom(config.seed, `sft/order/${epoch}`).shuffled(training));
  const { status, steps, validationLoss } = await trainOnTexts(context, config, start, {
    steps: perEpoch * config.epochs,
    batch: (step) => orders[Math.floor(step / perEpoch)]!.slice((step % perEpoch) * config.batch, ((step % perEpoch) + 1) * config.batch),
    validation: rows.flatMap(({ split }, i) => (fits[i] && split === 'validation' ? [{ prompt: prompts[i]!, completions: [answers[i]!] }] : [])).slice(0, 256),
  }, folder);
  return { status, model: 'model', summary: `SFT on ${training.length} references, ${steps} steps${validationLoss === null ? '' : `, validation loss ${validationLoss.toFixed(3)}`}.` };
}

export const trainSft: Job<typeof SFT_SETTINGS> = {
  kind: 'sft',
  sentence: 'SFT: tunes a model on reference completions.',
  settings: SFT_SETTINGS,
  prepare,
  run,
};
