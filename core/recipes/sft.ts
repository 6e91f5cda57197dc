// Supervised fine-tuning on reference completions (P20 §B.1; algorithms.md §1.2): one epoch, cosine, end-of-text learnt
// (D5).

import { createRandom } from '#core/random.ts';
import type { Message, Prompt } from '#core/contract/prompts.ts';
import { loadShared } from '#core/models/checkpoint.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { WeightedText } from '#core/training/objectives/language-model.ts';
import { STARTS_FROM, choice, count, words } from './settings.ts';
import type { Config } from './settings.ts';
import { learningPrompts } from '#core/recipes/parts/dataset.ts';
import { need } from '#core/recipes/parts/need.ts';
import type { Inputs, Recipe, Outcome, RunContext } from './recipe.ts';
import { LANGUAGE_MODEL_SETTINGS, trainOnTexts } from '#core/recipes/parts/language-model-steps.ts';
import { encodeAnswers, encodePrompts, sharedTokens } from '#core/recipes/parts/prompt-tokens.ts';
import type { SharedToken } from '#core/recipes/parts/prompt-tokens.ts';
import { createShownPrompts, SHOWN_SETTINGS } from '#core/recipes/parts/shown-prompts.ts';
import { planSft, VALIDATED } from '#core/recipes/parts/sft-plan.ts';
import { tuned, TUNING_SETTINGS } from '#core/recipes/parts/tuning.ts';
import { counted, trainedFor } from '#core/recipes/parts/lineage-words.ts';
import { enough, powerOfTwo } from '#core/recipes/parts/needs.ts';

export const SFT_SETTINGS = {
  policy: words('base', 'The model to tune.', { group: 'data', main: true, model: STARTS_FROM }),
  loss_on: choice(
    'response',
    ['response', 'everything'],
    'Learn the completion only, or prompt and completion (Huang et al. 2024).',
    { group: 'data' },
  ),
  epochs: count(1, [1, 1000], 'Passes over the prompts that have a reference.', {
    group: 'optimisation',
    main: true,
    time: 'passes',
  }),
  ...SHOWN_SETTINGS,
  ...LANGUAGE_MODEL_SETTINGS,
  ...TUNING_SETTINGS,
} as const;
type SftConfig = Config<typeof SFT_SETTINGS>;

interface Row {
  promptId: number;
  prompt: string;
  messages: Message[] | null;
  /** null: a prompt to write for, not to learn from */
  reference: string | null;
  split: string;
}

function prepare(project: Project, config: SftConfig): Inputs {
  const base = getPolicy(project, config.policy);
  const prompts = learningPrompts(project);
  const row = ({ id, text, messages, reference, split }: Prompt): Row => ({
    promptId: id,
    prompt: text,
    messages,
    reference,
    split,
  });
  const rows = prompts.filter(({ reference }) => reference !== null).map(row);
  const shown = config.show_prompts
    ? prompts.filter(({ split }) => split === 'validation').map((prompt): Row => ({ ...row(prompt), reference: null }))
    : [];
  need(
    rows.filter(({ split }) => split === 'train').length,
    config.batch,
    'training prompts with a reference completion',
    'Import prompts with references, or lower the setting batch.',
  );
  return { models: { policy: policyPath(project, base) }, data: [...rows, ...shown] };
}

async function run(context: RunContext, config: SftConfig): Promise<Outcome> {
  context.phase('loading the model');
  const folder = context.model('policy');
  const part = tuned(loadShared(folder), folder, config, config.seed);
  const { start } = part;
  const tokenizer = await loadTokenizer(folder);
  const all = context.data<Row>();
  const rows = all.filter((row): row is Row & { reference: string } => row.reference !== null);
  context.phase('reading the references');
  const toShow = all.filter(({ reference }) => reference === null);
  const shown = await createShownPrompts(context, config, start, tokenizer, toShow);
  const asked = rows.map(({ prompt, messages }) => ({ text: prompt, messages }));
  const shared: SharedToken[] = [];
  const prompts = await encodePrompts(tokenizer, asked);
  const answers = await encodeAnswers(
    tokenizer,
    rows.map(({ reference }, i) => ({ prompt: asked[i]!, text: reference, ended: true, written: true })),
    undefined,
    shared,
  );
  const joined = sharedTokens(shared, rows.length, (i) => `the reference of prompt ${rows[i]!.promptId}`);
  if (joined) context.log(joined);
  const fits = rows.map((_, i) => prompts[i]!.length + answers[i]!.length <= start.architecture.context);
  const tooLong = fits.filter((fit) => !fit).length;
  if (tooLong)
    context.log(
      `${tooLong} of ${rows.length} prompts do not fit the context of ${start.architecture.context} tokens with their reference and are left out.`,
    );
  const texts = rows.map((_, i): WeightedText => ({
    ids: [...prompts[i]!, ...answers[i]!],
    weights: [...prompts[i]!.map(() => (config.loss_on === 'everything' ? 1 : 0)), ...answers[i]!.map(() => 1)],
  }));
  const training = texts.filter((_, i) => fits[i] && rows[i]!.split === 'train');
  need(
    training.length,
    config.batch,
    'training prompts that fit the context',
    'Shorten the prompts, or use a model with a longer context.',
  );
  const perEpoch = Math.ceil(training.length / config.batch);
  const steps = perEpoch * config.epochs;
  const blank: WeightedText = { ids: [start.architecture.endOfText], weights: [0] }; // fills up an epoch's last step
  const orders = Array.from({ length: config.epochs }, (_, epoch) =>
    createRandom(config.seed, `sft/order/${epoch}`).shuffled(training),
  );
  const {
    status,
    steps: taken,
    validationLoss,
  } = await trainOnTexts(
    context,
    config,
    part,
    {
      steps,
      batch: (step) => {
        const texts = orders[Math.floor(step / perEpoch)]!.slice(
          (step % perEpoch) * config.batch,
          ((step % perEpoch) + 1) * config.batch,
        );
        return [...texts, ...Array.from({ length: config.batch - texts.length }, () => blank)];
      },
      validation: rows
        .flatMap(({ split }, i) =>
          fits[i] && split === 'validation' ? [{ prompt: prompts[i]!, completions: [answers[i]!] }] : [],
        )
        .slice(0, VALIDATED),
      ...(shown && { show: (step, weights) => shown.show(step, steps, weights) }),
    },
    folder,
  );
  await shown?.release();
  return {
    status,
    model: 'model',
    summary: `SFT on ${training.length} references, ${taken} steps${validationLoss === null ? '' : `, validation loss ${validationLoss.toFixed(3)}`}.`,
  };
}

const FEWEST_REFERENCES = 4;

export const sft: Recipe<typeof SFT_SETTINGS> = {
  title: 'Supervised fine-tuning (SFT)',
  sentence: 'Tunes a model on reference completions: the start that PPO improves on.',
  makes: 'a policy',
  words: { about: 'SFT: tunes a model on reference completions.', run: 'SFT', start: 'Train', step: 'step' },
  place: 'on the way',
  shows: 'samples',
  model: { kind: 'policy', parent: 'policy', from: 'texts', word: 'fine-tuned' },
  settings: SFT_SETTINGS,
  asksFor: null,
  sizes: { rate: { small: 1e-3, paper: 6.35e-5 }, large: { tune: 'lora', micro_batch: 1, show_prompts: 4 } },
  charts: ['validation_loss', 'perplexity', 'loss'],
  judgedBy: ['validation_loss', 'perplexity', 'loss', 'held_out_kl', 'held_out_ended'],
  bestBy: 'validation_loss',
  rowsAStep: ({ batch }) => batch,
  needs: ({ references }, { batch }) => [
    enough(
      references,
      Math.max(FEWEST_REFERENCES, batch),
      'train prompt with a reference',
      'train prompts with a reference',
      ': import references with the prompts',
    ),
  ],
  oneClick: (own, { facts, policy, sized }) => ({
    ...own,
    policy: policy ?? own.policy,
    batch: Math.min(own.batch, powerOfTwo(facts.references / 4)),
    ...sized(policy ?? own.policy),
  }),
  called: () => 'sft',
  lineage: (made) => `Fine-tuned on ${counted(made.manifest?.data.rows ?? 0, 'example')}${trainedFor(made)}.`,
  prepare,
  run,
  plan: planSft,
};
