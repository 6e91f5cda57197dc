// Scores completions that a reward model has not seen, and measures how likely a reference finds them, token by token.

import type { Message, Prompt } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { unmeasured } from '#core/store/run-completions.ts';
import type { Unmeasured } from '#core/store/run-completions.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { words } from './config.ts';
import type { Config } from './config.ts';
import type { Inputs, Job, Measured, Outcome, RunContext } from './job.ts';
import { encodeAnswers, encodePrompts } from './prompt-tokens.ts';
import type { AskedPrompt } from './prompt-tokens.ts';

export const SCORE_SETTINGS = {
  reward: words('reward', 'The reward model that scores; empty = none.'),
  reference: words('', 'The model whose log-probabilities of the completions are wanted, for their KL; empty = none.'),
} as const;
type ScoreConfig = Config<typeof SCORE_SETTINGS>;

/** A row of data.jsonl: a prompt with those of its completions that lack something. `own`: the reference wrote it. */
interface Row { promptId: number; prompt: string; messages?: Message[] | null; completions: { id: number; text: string; ids: number[]; tokenizer: string | null; ended: boolean; score: boolean; logprobs: boolean; own: boolean }[] }

const PROMPTS_A_BATCH = 64, SAVE_EVERY = 8; // batches
const PROMPTS_A_READING = 1000;

function prepare(project: Project, config: ScoreConfig): Inputs {
  if (!config.reward && !config.reference) throw new TastemakerError('bad-argument', 'Neither a reward model nor a reference was named.', 'Set reward, reference or both.');
  const reward = config.reward ? getPolicy(project, config.reward) : null, reference = config.reference ? getPolicy(project, config.reference) : null;
  if (reward && reward.kind !== 'reward') throw new TastemakerError('bad-argument', `"${reward.name}" is a ${reward.kind} model; it gives no scores.`, 'Name a reward model.');
  if (reference?.kind === 'reward') throw new TastemakerError('bad-argument', `"${reference.name}" is a reward model; it gives no log-probabilities.`, 'Name a base model or a policy.');
  return {
    models: { ...(reward ? { reward: policyPath(project, reward) } : {}), ...(reference ? { reference: policyPath(project, reference) } : {}) },
    data: rowsOf(project, unmeasured(project, { rewardId: reward?.id ?? null, referenceId: reference?.id ?? null }), reference?.id ?? null),
  };
}

/** By prompt, a part at a time: there may be hundreds of thousands. */
function* rowsOf(project: Project, all: Iterable<Unmeasured>, referenceId: number | null): Generator<Row> {
  let groups: Unmeasured[][] = [];
  function* flush(): Generator<Row> {
    const prompts = new Map(listPrompts(project, { ids: groups.map((group) => group[0]!.promptId) }).map((prompt): [number, Prompt] => [prompt.id, prompt]));
    for (const group of groups) {
      const { id, text, messages } = prompts.get(group[0]!.promptId)!;
      yield { promptId: id, prompt: text, messages, completions: group.map((one) => ({ id: one.id, text: one.text, ids: one.tokenIds, tokenizer: one.tokenizer, ended: one.finish === 'stop', score: one.lacksScore, logprobs: one.lacksLogprobs, own: one.policyId === referenceId })) };
    }
    groups = [];
  }
  for (const one of all) {
    if (groups.at(-1)?.[0]!.promptId === one.promptId) groups.at(-1)!.push(one);
    else {
      if (groups.length === PROMPTS_A_READING) yield* flush();
      groups.push([one]);
    }
  }
  yield* flush();
}

async function run(context: RunContext, config: ScoreConfig): Promise<Outcome> {
  const load = (role: string) => (context.manifest.models[role] ? loadCheckpoint(context.model(role)) : null);
  const reward = load('reward'), reference = load('reference');
  if (reward && reward.head !== 'score') throw new TastemakerError('bad-model', `${context.model('reward')} has no score head.`, 'Name a reward model: train one with `tastemaker train reward`.');
  const tokenizer = await loadTokenizer(context.model(reward ? 'reward' : 'reference'));
  const scorer = reward && createEvaluator(reward, { constants: reward.weights }), reader = reference && createEvaluator(reference, { constants: reference.weights });
  const rows = context.data<Row>(), total = rows.length;
  const room = Math.min(...[reward, reference].flatMap((model) => (model ? [model.architecture.context] : [])));
  const saved = context.saved();
  let { measured, tooLong } = (saved?.rest ?? { measured: 0, tooLong: 0 }) as { measured: number; tooLong: number };
  let at = saved?.step ?? 0, status: Outcome['status'] = 'done';
  const save = () => context.save({ step: at, tensors: {}, rest: { measured, tooLong } });
  context.phase('scoring');
  for (let batch = 1; at < total; batch++) {
    if (context.stopping()) {
      status = 'stopped';
      break;
    }
    const started = performance.now(), part = rows.slice(at, at + PROMPTS_A_BATCH);
    const prompts = await encodePrompts(tokenizer, part.map(asked), (i) => `Prompt ${part[i]!.promptId}`);
    const found: Measured[] = [];
    let tokens = 0;
    const all = await Promise.all(part.flatMap((row, i) => row.completions.map(async (one) => ({ ...one, prompt: prompts[i]!, ...(await idsOf(asked(row), one)) }))));
    const fits = all.filter(({ prompt, ids }) => ids.length > 0 && prompt.length + ids.length <= room);
    tooLong += all.length - fits.length;
    const groupsOf = (list: typeof fits) => [...Map.groupBy(list, ({ prompt }) => prompt)].map(([prompt, members]) => ({ prompt, members, completions: members.map(({ ids }) => ids) }));
    if (scorer) {
      const groups = groupsOf(fits.filter((one) => one.score)), scores = groups.length ? await scorer.scores(reward.weights, groups) : [];
      groups.forEach(({ members }, g) => members.forEach(({ id }, k) => found.push({ completionId: id, role: 'reward', score: scores[g]![k]! })));
      tokens += tokensOf(groups);
    }
    if (reader) {
      for (const { id } of fits.filter((one) => one.logprobs && one.own)) found.push({ completionId: id, role: 'reference', own: true });
      const groups = groupsOf(fits.filter((one) => one.logprobs && !one.own && one.sampled)), under = groups.length ? await reader.logprobs(reference.weights, groups) : [];
      groups.forEach(({ members }, g) => members.forEach(({ id }, k) => found.push({ completionId: id, role: 'reference', tokenLogprobs: under[g]![k]! })));
      tokens += tokensOf(groups);
    }
    at += part.length;
    measured += fits.length;
    context.measures(at, found);
    const scores = found.flatMap(({ score }) => score ?? []);
    context.report(at, total, { ...(scores.length ? { score: scores.reduce((a, b) => a + b, 0) / scores.length } : {}), tokens_per_second: (tokens / (performance.now() - started)) * 1000 });
    if (batch % SAVE_EVERY === 0 || at === total) save();
  }
  if (status === 'stopped') save();
  await scorer?.release();
  await reader?.release();
  if (tooLong) context.log(`${tooLong} completions are empty or do not fit the context of ${room} tokens with their prompt and were left out.`);
  return { status, model: null, summary: `Measured ${measured} completions of ${at} prompts with ${[config.reward, config.reference].filter(Boolean).map((name) => `"${name}"`).join(' and ')}.`, counts: { measured, tooLong } };

  /** As sampled where the ids are this tokenizer's; else the text as an answer, with the token that ends one where it had ended. */
  async function idsOf(prompt: AskedPrompt, { id, text, ids, ended, tokenizer: of }: Row['completions'][number]): Promise<{ ids: number[]; sampled: boolean }> {
    const [own] = (await encodeAnswers(tokenizer, [{ prompt, text, ended, sampled: { ids, tokenizer: of ?? null } }], () => `Completion ${id}`)) as [number[]];
    return { ids: own, sampled: own.length === ids.length && own.every((one, i) => one === ids[i]) };
  }
}

const asked = ({ prompt, messages = null }: Row): AskedPrompt => ({ text: prompt, messages });
const tokensOf = (groups: readonly { prompt: readonly number[]; completions: readonly (readonly number[])[] }[]): number =>
  groups.reduce((sum, { prompt, completions }) => sum + prompt.length + completions.reduce((inner, ids) => inner + ids.length, 0), 0);

export const score: Job<typeof SCORE_SETTINGS> = {
  kind: 'score',
  sentence: 'Scoring: what a reward model and a reference say of the completions there are.',
  settings: SCORE_SETTINGS,
  prepare,
  run,
};
