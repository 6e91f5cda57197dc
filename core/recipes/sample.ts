// Samples completions of a project's prompts from one of its models, a batch of prompts at a time.

import type { Message } from '#core/contract/prompts.ts';
import type { SamplingParameters } from '#core/contract/samples.ts';
import { TastemakerError } from '#core/errors.ts';
import { loadArchitecture, loadCheckpoint } from '#core/models/checkpoint.ts';
import { createSampler } from '#core/models/sampler.ts';
import type { Sampled, SampleRequest } from '#core/models/sampler.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { countDrawn } from '#core/store/run-completions.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { mean } from '#core/evaluation/mean.ts';
import { answerTexts } from '#core/recipes/parts/answer-text.ts';
import { STARTS_FROM, choice, count, real, words } from './settings.ts';
import type { Config } from './settings.ts';
import { learningPrompts } from '#core/recipes/parts/dataset.ts';
import { need } from '#core/recipes/parts/need.ts';
import type { Drawn, Inputs, Recipe, Outcome, RunContext } from './recipe.ts';
import { FORBID_SETTINGS, forbiddenTexts, forbids, textsIn } from '#core/recipes/parts/forbidden-texts.ts';
import { planSample } from '#core/recipes/parts/sample-plan.ts';
import { encodePrompts, withStops } from '#core/recipes/parts/prompt-tokens.ts';
import { SAMPLE } from '#core/recipes/demo/demo-settings.ts';
import { enough, has } from '#core/recipes/parts/needs.ts';
import type { Facts } from './facts.ts';
import type { Need } from '#core/contract/recipes.ts';
import type { Here } from './recipe.ts';

export const SAMPLE_SETTINGS = {
  policy: words('base', 'The base model or policy that writes.', {
    group: 'data',
    main: true,
    model: { ...STARTS_FROM, words: 'Sampled from' },
  }),
  k: count(4, [1, 1024], 'Completions a prompt; what is there already with the same settings is not sampled again.', {
    group: 'sampling',
    main: true,
    memory: { times: 0.5, what: 'completions a prompt' },
    time: 'completions a prompt',
  }),
  split: choice(
    '',
    ['', 'train', 'validation'],
    'Only prompts of this split; empty = both. Test prompts are kept for evaluation: no run reads them.',
    { group: 'data', main: true },
  ),
  prompts: count(0, [0, 1e9], 'At most this many prompts; 0 = all.', { group: 'data', main: true, time: 'prompts' }),
  temperature: real(0.7, [0, 100], 'Divides the logits; 0 = always the likeliest token.', {
    group: 'sampling',
    main: true,
  }),
  top_k: count(0, [0, 1e6], 'Keep the k likeliest tokens; 0 = all.', { group: 'sampling' }),
  top_p: real(1, [1e-6, 1], 'Keep the smallest set of tokens with this much probability; 1 = all.', {
    group: 'sampling',
  }),
  max_new: count(48, [1, 1e6], 'Longest completion in tokens.', {
    group: 'sampling',
    main: true,
    memory: { times: 0.5, what: 'new tokens' },
    time: 'new tokens',
  }),
  ...FORBID_SETTINGS,
  seed: count(1, [0, 2 ** 48], 'Seed of the draws.', { group: 'seeds' }),
} as const;
type SampleConfig = Config<typeof SAMPLE_SETTINGS>;

/** A row of data.jsonl: a prompt, how many completions it has, and the name that its random streams begin with. */
interface Row {
  promptId: number;
  text: string;
  messages?: Message[] | null;
  first: number;
  stream: string;
}

const PROMPTS_A_BATCH = 64; // written together; a kill loses at most this many prompts' samples
const parametersOf = ({
  temperature,
  top_k: topK,
  top_p: topP,
  max_new: maxNew,
  seed,
  forbid,
}: SampleConfig): SamplingParameters => ({ temperature, topK, topP, maxNew, seed, ...forbids(forbid) });
const called = (rows: readonly Row[]) => (i: number) => `Prompt ${rows[i]!.promptId}`;
const noWriter = (name: string) =>
  new TastemakerError(
    'bad-argument',
    `"${name}" is a reward model; it cannot write.`,
    'Name a base model or a policy.',
  );

async function prepare(project: Project, config: SampleConfig): Promise<Inputs> {
  const policy = getPolicy(project, config.policy);
  if (policy.kind === 'reward') throw noWriter(config.policy);
  const all = learningPrompts(project)
    .filter(({ split }) => !config.split || split === config.split)
    .slice(0, config.prompts || Infinity);
  need(
    all.length,
    1,
    'prompts outside the test split',
    'Import prompts first.',
    '`tastemaker import prompts FILE` does.',
  );
  const had = countDrawn(project, policy.id, parametersOf(config));
  const rows = all
    .map(({ id, text, messages }): Row => ({
      promptId: id,
      text,
      messages,
      first: had.get(id) ?? 0,
      stream: `sample/${policy.id}/${id}`,
    }))
    .filter(({ first }) => first < config.k);
  await checkRoom(policyPath(project, policy), rows, config.max_new);
  // refused before the run begins
  await forbiddenTexts(await loadTokenizer(policyPath(project, policy)), 0, textsIn(config.forbid));
  return { models: { policy: policyPath(project, policy) }, data: rows };
}

/** 'too-long' unless one of the prompts fits with its completion; as a rule the first ones do. */
async function checkRoom(folder: string, rows: readonly Row[], maxNew: number): Promise<void> {
  const { context } = loadArchitecture(folder);
  const tokenizer = await loadTokenizer(folder);
  for (let at = 0; at < rows.length; at += PROMPTS_A_BATCH) {
    const part = rows.slice(at, at + PROMPTS_A_BATCH);
    const ids = await encodePrompts(tokenizer, part, called(part));
    if (ids.some(({ length }) => length + maxNew <= context)) return;
  }
  if (rows.length)
    throw new TastemakerError(
      'too-long',
      `None of the ${rows.length} prompts fits: with ${maxNew} new tokens the shortest exceeds the model's context of ${context}.`,
      'Shorten the prompts, lower the setting max_new, or use a model with a longer context.',
      'The setting is --max-new.',
    );
}

async function run(context: RunContext, config: SampleConfig): Promise<Outcome> {
  const folder = context.model('policy');
  context.phase('loading the model');
  const { architecture, weights, head } = loadCheckpoint(folder);
  if (head !== 'language-model') throw noWriter(config.policy);
  const tokenizer = await loadTokenizer(folder);
  const { prompts, wanted, tooLong } = await promptsInOrder(context, config, tokenizer, architecture.context);
  const sampler = createSampler(withStops(architecture, tokenizer), { constants: weights });
  const forbidden = await forbiddenTexts(tokenizer, architecture.vocabulary, textsIn(config.forbid));
  const saved = context.saved();
  let { added, tokens } = (saved?.rest ?? { added: 0, tokens: 0 }) as { added: number; tokens: number };
  let at = saved?.step ?? 0;
  let status: Outcome['status'] = 'done';
  const started = performance.now();
  const before = tokens;
  const rate = () => ((tokens - before) / (performance.now() - started)) * 1000;
  context.phase('sampling');
  while (at < prompts.length) {
    if (context.stopping()) {
      status = 'stopped';
      break;
    }
    const batch = prompts.slice(at, at + PROMPTS_A_BATCH);
    const sampled = await sampler.sample(weights, batch.map(requestOf(config)), {
      ...parametersOf(config),
      forbidden,
      progress: (done) => context.count(at + done, prompts.length),
    });
    const rows = await drawnRows(config, tokenizer, batch, sampled);
    const lengths = rows.map(({ tokenIds }) => tokenIds.length);
    at += batch.length;
    added += rows.length;
    tokens += lengths.reduce((sum, length) => sum + length, 0);
    context.completions(at, rows);
    context.report(at, prompts.length, {
      length: mean(lengths),
      ended: rows.filter(({ finish }) => finish === 'stop').length / rows.length,
      tokens_per_second: rate(),
    });
    context.save({ step: at, tensors: {}, rest: { added, tokens } });
  }
  await sampler.release();
  const rest = tooLong ? `; ${tooLong} did not fit` : wanted === 0 ? '; every prompt has them already' : '';
  return {
    status,
    model: null,
    summary: `${added} completions of ${at} prompts by "${config.policy}"${rest}.`,
    counts: { added, tooLong, tokensPerSecond: tokens === before ? 0 : rate() },
  };
}

interface EncodedRow extends Row {
  ids: number[];
}

/**
 * The prompts that fit with their completion, of all that are wanted. Like lengths together, so that a batch wastes
 * little on padding; the same batches each time, so that a resumed run draws the same.
 */
async function promptsInOrder(
  context: RunContext,
  { max_new: N }: SampleConfig,
  tokenizer: Tokenizer,
  room: number,
): Promise<{ prompts: EncodedRow[]; wanted: number; tooLong: number }> {
  const wanted = context.data<Row>();
  const ids = await encodePrompts(tokenizer, wanted, called(wanted));
  const fitting = wanted.map((row, i) => ({ ...row, ids: ids[i]! })).filter((row) => row.ids.length + N <= room);
  const tooLong = wanted.length - fitting.length;
  if (tooLong)
    context.log(
      `${tooLong} of ${wanted.length} prompts do not fit the model's context with ${N} new tokens and are left out.`,
    );
  return { prompts: fitting.toSorted((a, b) => a.ids.length - b.ids.length), wanted: wanted.length, tooLong };
}

const requestOf =
  ({ k }: SampleConfig) =>
  ({ ids: prompt, first, stream }: EncodedRow): SampleRequest => ({
    prompt,
    streams: Array.from({ length: k - first }, (_, j) => `${stream}/${first + j}`),
  });

/** What was sampled for the prompts of a batch, [prompt][completion], as the run hands it over. */
async function drawnRows(
  config: SampleConfig,
  tokenizer: Tokenizer,
  batch: readonly EncodedRow[],
  sampled: readonly (readonly Sampled[])[],
): Promise<Drawn[]> {
  const answers = sampled.flatMap((completions, i) =>
    completions.map((one) => ({ row: batch[i]!, group: completions.length, one })),
  );
  const texts = await answerTexts(
    tokenizer,
    answers.map(({ row, one }) => ({ prompt: row.ids, ids: one.tokenIds })),
  );
  const sampling = parametersOf(config);
  return answers.map(({ row, group, one }, i) => ({
    group,
    writer: 'policy',
    promptId: row.promptId,
    text: texts[i]!,
    ...one,
    tokenizer: tokenizer.hash,
    sampling,
  }));
}

const PROMPTS_A_CLICK = 100;

function needs({ prompts }: Facts, config: SampleConfig): Need[] {
  // no run reads test prompts
  const have = config.split ? prompts[config.split] : prompts.train + prompts.validation;
  const asked = Math.min(have, config.prompts || have);
  const each = asked < have ? `${asked.toLocaleString('en')} of them` : have === 1 ? 'it' : 'each';
  const times = ({ 1: 'once', 2: 'twice' } as Record<number, string>)[config.k] ?? `${config.k} times`;
  return [
    enough(have, 1, 'prompt', 'prompts', ': import some on the Data screen'),
    ...(have === 0 ? [] : [has(`answers ${each} ${times}`)]),
  ];
}

/** The demo's settings in the demo; a hundred prompts more than have been answered with these settings. */
function oneClick(own: SampleConfig, { project, facts, policy }: Here) {
  const config: SampleConfig = {
    ...own,
    ...(facts.isDemo ? SAMPLE : {}),
    policy: policy ?? own.policy,
  } as SampleConfig;
  const there = facts.prompts.train + facts.prompts.validation;
  const had = policy === null ? 0 : countDrawn(project, getPolicy(project, policy).id, parametersOf(config)).size;
  return { ...config, prompts: had + PROMPTS_A_CLICK >= there ? 0 : had + PROMPTS_A_CLICK };
}

export const sample: Recipe<typeof SAMPLE_SETTINGS> = {
  title: 'Sample completions',
  sentence: 'A model answers each prompt several times, so that there is something to rank.',
  makes: 'completions on the ranking desk',
  words: {
    about: 'Sampling: completions of the prompts, to be ranked.',
    run: 'sampling',
    start: 'Sample',
    step: 'prompt',
  },
  place: 'loop',
  shows: 'drawn',
  model: null,
  settings: SAMPLE_SETTINGS,
  asksFor: null,
  sizes: null,
  charts: ['ended', 'length', 'tokens_per_second'],
  judgedBy: ['ended', 'length', 'tokens_per_second'],
  bestBy: null,
  rowsAStep: () => null,
  needs,
  oneClick,
  called: ({ policy }) => `samples of ${String(policy)}`,
  lineage: () => null,
  prepare,
  run,
  plan: planSample,
};
